"""A state is held, taken back and kept as a whole, whatever folded it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from adjudge.engine import State, compile
from tests.engine.test_step import SALES, many, step


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_that_is_taken_back_has_never_been(threads: int) -> None:
    """Events that were decided, what the decisions set on them, and events that were imported."""
    plan = compile(SALES, threads=threads)
    live, calm = plan.start(), plan.start()
    for state in (live, calm):
        step(plan, state, many(100), 0)
    live.hold()
    step(plan, live, many(100, seed=1), 100)
    plan.insert(live, plan.encode("sale", many(40, seed=2), np.arange(200, 240)))
    live.restore()
    assert live.digest() == calm.digest()
    live.hold()
    one, two = step(plan, live, many(200, seed=3), 100), step(plan, calm, many(200, seed=3), 100)
    live.release()
    assert np.array_equal(one.X[plan.rows].view(np.uint64), two.X[plan.rows].view(np.uint64))
    assert live.digest() == calm.digest()


class Kept:
    """Stands for a history in a fold of which the first one fails."""

    failed = threading.Event()
    folded = 0

    def __init__(self, fails: bool) -> None:
        self.fails = fails

    def fold(self, *entries: Any) -> None:
        if self.fails:
            self.failed.set()
            raise MemoryError
        assert self.failed.wait(60)
        sum(range(1_000_000))  # work enough to be overtaken by who does not wait
        type(self).folded += 1


def test_a_fold_that_fails_leaves_no_other_running() -> None:
    """Who takes the state back must be alone with it."""
    plan = compile(SALES, threads=2)
    histories: list[Any] = [Kept(fails=i == 0) for i in range(len(plan.histories))]
    with pytest.raises(MemoryError):
        plan.insert(State(histories, []), plan.encode("sale", many(50), np.arange(50)))
    assert Kept.folded == len(histories) - 1
