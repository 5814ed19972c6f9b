"""`promotion`: a challenger is seated, shares, is promoted and gone back on, again and again, while payments come in.

Payments of the benchmark `http` (50 window features, 500 trees, 50 rules) are sent in an open loop. Each round seats a
challenger with another 500 trees in the shadow, gives it half of the traffic, promotes it, and goes back. Every answer
is kept and held against the log: it must come from the version that the activations before its position name, whole.
The whole log is replayed at the end, which makes every choice and every decision again. The time of a request counts
from when it was due. What was due from a change's beginning until half a second after its end counts as during it, and
is held against what was due while nothing was changed and no challenger ran.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

from adjudge.log import Kind, Log
from adjudge.log.codec import Note
from adjudge.log.scan import scan
from adjudge.log.sqlite import SqliteLog
from adjudge.service.activation import Activation
from adjudge.service.challengers.shadow import Shadowed
from adjudge.service.home import LOG_FILE
from adjudge.service.replay import replay
from adjudge.service.server import free_port, python, running
from benchmarks._http import workload
from benchmarks._promotion import service
from benchmarks._promotion.sender import Kept
from benchmarks._promotion.service import CHALLENGER, bundles, champion, prepare

RATE = 200
"""Payments a second; the machine that decides also sends, and has two cores."""

ROUNDS = {True: 2, False: 6}
PAUSE_S = {True: 1.0, False: 3.0}
"""Between two changes."""

AFTER_S = 0.5
"""How long after its end a change still counts."""

CHANGES, ALONE = ("shadow", "share", "promote", "back"), "alone"
"""What is done in a round, in order, and what comes between two rounds."""

TARGET = 2.0

Span = tuple[str, float, float]
"""What was changed, and from when until when."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    quick
        Fewer rounds, and fewer keys.
    progress
        Is told what happens.
    """
    rate, rounds, pause_s = RATE, ROUNDS[quick], PAUSE_S[quick]
    keys = 500 if quick else 2_000
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        progress("training two models of 500 trees, and drawing a history")
        prepare(folder, rows=keys * 50, keys=keys)
        (folder / "workspace").mkdir()
        seconds = 2 * pause_s + rounds * (5 * pause_s + 2.0) + 5.0
        (folder / "bodies").write_bytes(b"\n".join(workload.bodies(int(rate * seconds), keys, seed=11)))
        with running(python(service.__name__, str(folder), str(port)), port=port):
            progress(f"{rate} payments a second, {rounds} rounds of changes")
            arguments = [str(port), str(folder / "bodies"), str(rate), str(folder / "kept")]
            sender = subprocess.Popen(python("benchmarks._promotion.sender", *arguments))
            try:
                spans = _changes(port, bundles(folder).keep(folder / CHALLENGER).id, rounds, pause_s, progress)
                if sender.wait(120):
                    message = "the sender has failed"
                    raise RuntimeError(message)
            finally:
                sender.kill()
        kept = msgspec.json.decode((folder / "kept").read_bytes(), type=list[Kept])
        with closing(SqliteLog(folder / "workspace" / LOG_FILE)) as log:
            progress("replaying the log")
            found = replay([champion(folder)], log, bundles=bundles(folder))
            mixed, shadow = _mixed(log, kept), _shadow(log)
    figures = _figures(kept, spans)
    failed = sum(one.status != 200 for one in kept)
    met = not failed and not mixed and found.equal and not found.other_versions and figures["ratio_p99"] <= TARGET
    return {
        "rate_per_s": rate,
        "rounds": rounds,
        "promotions": 2 * rounds,
        "requests": len(kept),
        "failed": failed,
        "mixed_versions": mixed,
        "by_challengers": sum(bool(one.challenger) for one in kept),
        "replayed": found.events,
        "replay_differing": found.features_differing + found.scores_differing + found.other_versions,
        **shadow,
        **figures,
        "target_ratio": TARGET,
        "met": met,
    }


def _changes(port: int, bundle: str, rounds: int, pause_s: float, progress: Callable[[str], None]) -> list[Span]:
    """Seat, share, promote and go back, so many times, and return when each was."""
    spans: list[Span] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def change(what: str, path: str, **body: Any) -> None:
            began = time.monotonic()
            client.post(f"/v1/challengers{path}", json={"why": what, **body}).raise_for_status()
            ended = time.monotonic()
            spans.extend([(what, began, ended), (f"{what} itself", max(began, ended - AFTER_S), ended)])
            time.sleep(pause_s)

        time.sleep(2 * pause_s)
        for i in range(rounds):
            progress(f"round {i + 1} of {rounds}")
            name = f"round-{i}"
            change("shadow", "", name=name, revision={"bundle": bundle}, terms={"cap": 1.0, "scale": 1.0})
            change("share", f"/{name}/share", share=0.5, by="user")
            change("promote", f"/{name}/promote", anyway=True)
            change("back", f"/before-{name}/promote")
            spans.append((ALONE, spans[-1][2] + AFTER_S, time.monotonic() + pause_s))
            time.sleep(pause_s)
    return spans


def _mixed(log: Log, kept: list[Kept]) -> int:
    """Return how many answers do not come, whole, from a version that the log has named before their position."""
    positions: list[int] = []
    known: list[dict[str, dict[str, str]]] = []
    for stretch in scan(log, parts=()):
        block = stretch.block
        if isinstance(block, Note) and block.kind == Kind.ACTIVATION:
            active = Activation.read(block)
            positions.append(stretch.first)
            cards = [
                *(one.card for one in active.systems.values()),
                *(s.active.card for s in active.challengers if s.share),
            ]
            known.append({card.variant: card.versions for card in cards})
    at = np.searchsorted(positions, [one.seq for one in kept], side="right") - 1
    return sum(
        one.status == 200 and known[i].get(one.challenger) != one.versions
        for one, i in zip(kept, at.tolist(), strict=True)
    )


def _shadow(log: Log) -> dict[str, int]:
    """Return how many decisions shadows have made, and how many they have missed."""
    notes = [s.block for s in scan(log, parts=()) if isinstance(s.block, Note) and s.block.kind == Kind.SHADOW]
    heads = [Shadowed.read(note).head for note in notes]
    return {"shadow_decisions": sum(h.count for h in heads), "shadow_missed": sum(h.missed for h in heads)}


def _figures(kept: list[Kept], spans: list[Span]) -> dict[str, Any]:
    """Return the times of requests during changes, beside those of requests while nothing else happened.

    Before it switches, a promotion reads what is known of the challenger. So that a long reading cannot hide a stall,
    the last half second of a change, in which it switches, is looked at by itself, and the worse of the two counts.
    """
    due = np.array([one.due for one in kept])
    took = 1e3 * (np.array([one.ended for one in kept]) - due)
    during = {what: np.zeros(len(kept), np.bool_) for what, _, _ in spans}
    for what, began, ended in spans:
        during[what] |= (due >= began) & (due < ended + (0.0 if what == ALONE else AFTER_S))
    first = min(began for _, began, _ in spans)
    during[ALONE] |= (due >= due.min() + 1.0) & (due < first)
    asked = during["promote"] | during["back"]
    switch = during["promote itself"] | during["back itself"]
    p99 = {what: float(np.quantile(took[there], 0.99)) for what, there in during.items()}
    whole, itself = float(np.quantile(took[asked], 0.99)), float(np.quantile(took[switch], 0.99))
    return {
        "p50_ms": float(np.median(took[during[ALONE]])),
        "p99_ms": p99[ALONE],
        "p99_ms_during_promotion": whole,
        "p99_ms_during_switch": itself,
        "ratio_p99": max(whole, itself) / p99[ALONE],
        "requests_alone": int(during[ALONE].sum()),
        "requests_during_promotion": int(asked.sum()),
        "requests_during_switch": int(switch.sum()),
        "p99_ms_during": {what: p99[what] for what in CHANGES},
        "seconds": {what: max(b - a for w, a, b in spans if w == what) for what in CHANGES},
        "max_ms_during_switch": float(took[switch].max()),
        "max_ms_alone": float(took[during[ALONE]].max()),
        "max_ms": float(took.max()),
    }
