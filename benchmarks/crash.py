"""`crash`: the service is killed at random moments under load, over and over, and nothing that it acknowledged is lost.

Clients offer 3,000 events a second over many connections, alone and in batches, labels among them, and send again
whatever was not answered. The process is killed with kill -9 while requests are on their way, and started again on the
same workspace, or a standby takes over. In the end everything that was acknowledged is read back, and the log that is
left is held against one uninterrupted run over the same events.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from adjudge.errors import UnavailableError
from benchmarks._crash import model
from benchmarks._crash.proof import examine
from benchmarks._crash.rounds import Kind, Story
from benchmarks._crash.site import Site
from tests.log.cluster import Cluster, programs

QUICK: dict[str, list[Kind]] = {
    "sqlite": ["restart", "standby"],
    "sqlite, fsync": ["standby"],
    "sqlite, fsync, power": ["restart"],
    "postgres": ["standby"],
}
"""What happens on each log, in order; ``power`` means that with the process the power is lost."""

MIXED: list[Kind] = ["restart", "restart", "standby", "restart", "snapshot"]

FULL: dict[str, list[Kind]] = {
    "sqlite": [*MIXED * 11, "hang"],
    "sqlite, fsync": [*MIXED * 5, "hang"],
    "sqlite, fsync, power": ["restart"] * 50,
    "postgres": [*MIXED * 10, "hang"],
}


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Kill, restart, and count what is lost.

    Parameters
    ----------
    quick
        A few rounds on each log, within a minute.
    progress
        Is told what happens.
    """
    bin_ = programs()
    if bin_ is None:
        message = "this benchmark needs Postgres; on Debian and Ubuntu: apt install postgresql"
        raise UnavailableError(message)
    by_log: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = model.write(folder)
        for i, (log, kinds) in enumerate((QUICK if quick else FULL).items()):
            durability = "fsync" if "fsync" in log else "process"
            site = Site(folder / str(i), bundle, durability=durability, power="power" in log)
            cluster = Cluster(bin_) if log == "postgres" else None
            try:
                if cluster is not None:
                    cluster.start()
                    site.log = cluster.url
                by_log[log] = play(site, kinds, seed=i, progress=partial(_told, progress, log))
            finally:
                site.end()
                if cluster is not None:
                    cluster.remove()
    total = {key: sum(found[key] for found in by_log.values()) for key in SUMMED}
    return {**total, "by_log": by_log}


def _told(progress: Callable[[str], None], log: str, text: str) -> None:
    progress(f"{log}: {text}")


SUMMED = ("rounds", "in_flight_rounds", "acknowledged", "lost", "decided_twice", "differences", "wrong_answers")


def play(site: Site, kinds: Sequence[Kind], *, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Play rounds on one workspace, and return what they came to."""
    progress("starting")
    story = Story(site, seed)
    for i, kind in enumerate(kinds):
        progress(f"round {i + 1} of {len(kinds)}, {kind}; {story.accounts.acknowledged:,} acknowledged")
        story.round(kind)
    progress("asking everything again")
    story.settle()
    story.stop()
    progress("comparing the log with an uninterrupted run")
    found = examine(site, story.accounts)
    for line in (found.words + story.accounts.wrong)[:20]:
        print(line, file=sys.stderr)
    told = story.told
    return {
        "rounds": told.rounds,
        "in_flight_rounds": told.in_flight,
        "acknowledged": story.accounts.acknowledged,
        "lost": found.lost,
        "decided_twice": found.decided_twice,
        "differences": found.differences,
        "wrong_answers": len(story.accounts.wrong),
        "acknowledged_per_s": round(told.acknowledged / told.seconds),
        **_seconds("restart_s", told.restart_s),
        **_seconds("takeover_s", told.takeover_s),
        **({"unsynced_bytes_lost": told.bytes_lost} if site.power else {}),
    }


def _seconds(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {f"{name}_median": round(median(values), 2), f"{name}_max": round(max(values), 2)}
