"""`soak`: the service for a long time at half of what it can do, to see whether its memory stays what it is.

The same users and cards come again and again, orders alone and in batches, some of them late, with labels,
retractions and repeats, and everything goes to a log in a file. Event time runs so much faster than the clock that
every key fills up, and ids and rows are forgotten many times over within the run: what grows then would grow for ever.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.errors import UnavailableError
from benchmarks._crash import model
from benchmarks._crash.site import Process, Site
from benchmarks._soak import traffic
from benchmarks._soak.carriers import Carried, Carriers, get

SYSTEM = str(Path(__file__).parent / "_soak")
"""The folder that is served."""

SCALES = {
    "amount": 40.0,
    "user_count_10m": 4.0,
    "user_count_1h": 8.0,
    "user_count_1d": 40.0,
    "user_amount_mean_1d": 40.0,
    "user_amount_std_1d": 40.0,
    "user_card_distinct_1d": 20.0,
    "user_place_speed_kmh": 1e4,
    "card_fraud_rate_1d": 0.4,
    "user_login_count_10m": 1.0,
    "zscore": 1.0,
}
"""What the forest reads, and about how large each is."""

SHARE = 0.5
"""Of the highest rate."""


@dataclass(frozen=True)
class Length:
    """How long a run takes.

    Parameters
    ----------
    filling_s, measuring_s
        Seconds at the highest rate: until the keys are full, and while it is measured.
    seconds
        At half of that.
    days
        Of event time that pass meanwhile.
    """

    filling_s: float
    measuring_s: float
    seconds: float
    days: float

    @property
    def pace(self) -> timedelta:
        """Event time that passes in a second."""
        return timedelta(days=self.days) / self.seconds

    @property
    def start(self) -> datetime:
        """The event time at which to start, so that it does not come to the future."""
        return datetime.now(UTC) - 1.2 * (self.filling_s + self.measuring_s + self.seconds + 60) * self.pace


QUICK = Length(filling_s=15, measuring_s=5, seconds=60, days=80)
FULL = Length(filling_s=90, measuring_s=20, seconds=1_200, days=240)


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Find the highest rate, then keep to half of it, and look at the memory of the service.

    Parameters
    ----------
    quick
        Do it for one minute instead of twenty.
    progress
        Is told what happens.
    """
    length = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="adjudge-soak-") as name:
        site = Site(Path(name) / "site", model.write(Path(name), SYSTEM, SCALES), system=SYSTEM)
        try:
            process = site.start(snapshot_every=200_000 if quick else 2_000_000)
            progress("starting the service")
            process.ready()
            figures = asyncio.run(_soak(process, length, progress))
        finally:
            site.end()
    return {**figures, "days_of_event_time": length.days, "users": traffic.USERS, "cards": traffic.CARDS}


async def _soak(process: Process, length: Length, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of one run."""
    loop, start = asyncio.get_running_loop(), length.start
    began = loop.time()
    drawn = traffic.Traffic(lambda: start + (loop.time() - began) * length.pace)
    carriers = Carriers(process.port, drawn)
    progress(f"as fast as it goes for {length.filling_s:.0f} s, until the keys are full")
    filled = await carriers.flood(length.filling_s)
    most = await carriers.flood(length.measuring_s)
    if not most.events:
        message = f"the service answers nothing: {dict(filled.failed + most.failed)}"
        raise UnavailableError(message)
    highest = most.events / length.measuring_s
    rate = SHARE * highest
    progress(f"{highest:,.0f}/s at most; {rate:,.0f}/s for {length.seconds:.0f} s")
    carried = Carried()
    watch = Watch(process, carried, progress)
    watching = asyncio.create_task(watch.go_on())
    await carriers.keep_to(rate, length.seconds, carried)
    watching.cancel()
    waits = np.array(carried.latencies_s) * 1e3
    p50, p99, p999 = np.percentile(waits, (50, 99, 99.9)).tolist()
    return {
        "highest_per_s": round(highest),
        "rate_per_s": round(rate),
        "seconds": length.seconds,
        "events": carried.events,
        "requests": len(waits),
        "failed": dict(filled.failed + most.failed + carried.failed),
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "p999_ms": round(p999, 2),
        "max_ms": round(float(waits.max()), 2),
        **watch.figures(),
    }


class Watch:
    """Looks at the memory of the service, and at what it knows, while a load is carried.

    Parameters
    ----------
    process
        Who decides.
    carried
        What has been carried so far.
    progress
        Is told every minute.
    """

    def __init__(self, process: Process, carried: Carried, progress: Callable[[str], None]) -> None:
        self._process = process
        self._carried = carried
        self._progress = progress
        self._resident: list[int] = []
        self._known: list[int] = []
        self._waiting = 0

    async def go_on(self) -> None:
        """Look every second, until cancelled."""
        while True:
            self._resident.append(resident(self._process.child.pid))
            if len(self._resident) % 10 == 0:
                metrics = (await get(self._process.port, "/metrics")).decode()
                self._known.append(round(sum(_read(metrics, "adjudge_known_ids"))))
                self._waiting = round(sum(_read(metrics, "adjudge_waiting_changes")))
            if len(self._resident) % 60 == 0:
                mb, known = self._resident[-1] / 1e6, self._known[-1]
                self._progress(f"{self._carried.events:,} entries, {known:,} ids known, {mb:,.0f} MB")
            await asyncio.sleep(1.0)

    def figures(self) -> dict[str, Any]:
        """Return what was seen; growth is that of a line through the last half."""
        half = np.array(self._resident[len(self._resident) // 2 :], float)
        rise, level = np.polyfit(np.arange(len(half)), half, 1).tolist()
        return {
            "resident_mb_start": round(self._resident[0] / 1e6, 1),
            "resident_mb_half": round(level / 1e6, 1),
            "resident_mb_end": round((level + rise * len(half)) / 1e6, 1),
            "resident_mb_max": round(max(self._resident) / 1e6, 1),
            "growth_last_half": round(rise * len(half) / level, 5),
            "resident_mb_by_minute": [round(np.mean(part) / 1e6, 1) for part in _minutes(self._resident)],
            "ids_known_most": max(self._known),
            "ids_known_end": self._known[-1],
            "changes_waiting_end": self._waiting,
        }


def resident(pid: int) -> int:
    """Return how much memory of a process is resident, in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    return int(found[1]) * 1024 if found else 0


def _read(metrics: str, name: str) -> list[float]:
    """Return the values of a metric, whatever its labels."""
    return [float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", metrics, re.MULTILINE)]


def _minutes(samples: Sequence[int]) -> list[Sequence[int]]:
    return [samples[i : i + 60] for i in range(0, len(samples), 60)]
