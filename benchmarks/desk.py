"""`desk`: the desk of cases over a million decisions, of which five thousand wait for a person.

Orders are decided and logged in a file, one in two hundred by a rule that wants a review. What is timed: making the
book when somebody first asks, which folds the whole log; then, with a thousand decisions more between any two, what a
reviewer does: next case, list, show, verdict, and how review goes.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.define import Policy, Rule, Rules
from adjudge.engine import compile
from adjudge.engine.encode import micros_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.ledger import By
from adjudge.service.cases.asked import Decide, Next
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.decider import Decider
from benchmarks import _orders

DECISIONS, QUICK_DECISIONS = 1_000_000, 50_000
WAITING = 0.005
"""Share of the decisions that wait."""

TURNS, QUICK_TURNS = 40, 10
BETWEEN = 1_000
"""Decisions that come between two turns of a reviewer."""

TARGET_MS = 300.0


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Decide, open the desk, and work at it.

    Parameters
    ----------
    quick
        Fewer decisions and turns.
    progress
        Is told what happens.
    """
    decisions, turns = (QUICK_DECISIONS, QUICK_TURNS) if quick else (DECISIONS, TURNS)
    drawn = _orders.fresh(decisions, decisions)
    least = float(np.quantile([float(event.amount) for event in drawn], 1 - WAITING))
    rules = Rules((Rule("large", f"amount > {least:.2f}", "review"),))
    plan = compile(replace(_orders.system(28), rules=rules, policy=Policy()))
    with tempfile.TemporaryDirectory() as folder, closing(SqliteLog(Path(folder) / "log")) as log:
        decider = Decider([plan], log, clock=lambda: micros_of(_orders.START) + 10**14)
        progress(f"deciding {decisions:,} orders")
        _decide(decider, drawn)
        while log.maintain():
            pass
        progress("making the book")
        desk, by = CaseDesk(decider), By("ada", "looked at it")
        began = time.perf_counter()
        page = desk.cases()
        opened = time.perf_counter() - began
        progress(f"{page.total:,} cases wait; made in {opened:.1f} s")
        took = _worked(desk, decider, by, turns, decisions)
    return {
        "decisions": decisions,
        "waiting": page.total,
        "seconds_to_make_the_book": round(opened, 2),
        "decisions_per_s": round(decisions / opened),
        **{f"{what}_ms": round(1e3 * float(np.median(each)), 1) for what, each in took.items()},
        "next_worst_ms": round(1e3 * max(took["next"]), 1),
        "target_ms": TARGET_MS,
        "reached": 1e3 * max(took["next"]) <= TARGET_MS,
    }


def _decide(decider: Decider, drawn: list[Any]) -> None:
    door = decider.workspace.door("order")
    for start in range(0, len(drawn), 2_048):
        decider.decide("order", [door.type(**vars(e)) for e in drawn[start : start + 2_048]])


def _worked(desk: CaseDesk, decider: Decider, by: By, turns: int, first: int) -> dict[str, list[float]]:
    """Return how long each thing takes that a reviewer does, with decisions between."""
    door = decider.workspace.door("order")
    took: dict[str, list[float]] = {name: [] for name in ("next", "show", "decide", "list", "summary")}

    def timed(what: str, ask: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = ask()
        took[what].append(time.perf_counter() - began)
        return found

    for turn, events in enumerate(np.array_split(np.array(_later(turns * BETWEEN, first), object), turns)):
        decider.decide("order", [door.type(**vars(e)) for e in events])
        case = timed("next", lambda: desk.next(Next(), by))
        assert case is not None  # thousands wait
        id_ = case.id
        timed("show", functools.partial(desk.case, id_))
        verdict = Decide([id_], turn % 2 == 0, "looked at it")
        timed("decide", functools.partial(desk.decide, verdict, by))
        timed("list", desk.cases)
        timed("summary", desk.summary)
    return took


def _later(count: int, decided: int) -> list[Any]:
    """Return orders of other ids, after those that were decided."""
    drawn = _orders.fresh(count, decided, seed=2)
    for event in drawn:
        event.order_id, event.at = f"n{event.order_id}", event.at + timedelta(seconds=decided)
    return drawn
