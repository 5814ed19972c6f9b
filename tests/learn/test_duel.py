"""Champion and challenger on one window: the verdict, and what labels that are still to come do to it."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.define import Policy
from adjudge.errors import ShapeError
from adjudge.learn.duel import Duel, Side, Terms, duel
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.table import Table
from adjudge.learn.train import BESIDE
from adjudge.typing import BoolArray, FloatArray

N = 6_000
POLICY = Policy(actions=("approve", "review"), thresholds={"review": 0.5}, review=("review",))


class Window:
    """Four days of events, with frauds that are reported at once and others that take long."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.ts = np.arange(N) * 4 * DAY_US // N
        self.slow: BoolArray = rng.random(N) < 0.02
        self.fast: BoolArray = ~self.slow & (rng.random(N) < 0.02)
        self.noise = rng.random((2, N)) * 0.5

    def side(self, good_at: BoolArray, n: int = 0) -> Side:
        """Return a model that is good at some frauds and weak at the others."""
        others = (self.slow | self.fast) & ~good_at
        return Side(0.7 * good_at + 0.3 * others + self.noise[n], np.zeros(N))

    def held(self, known: BoolArray, champion: Side, challenger: Side, *, known_us: int, name: str = "c") -> Duel:
        """Hold one against the other by the frauds that are known."""
        label = known.astype(np.float64)
        numbers = np.arange(N, dtype=np.uint64)
        table = Table(("a",), np.zeros((1, N)), self.ts, label, self.ts, np.full(N, 50.0), numbers)
        extra: dict[str, FloatArray] = {BESIDE: np.zeros(N)}
        table = Table(**{**vars(table), "extra": extra})
        terms = Terms(POLICY, matures_us=7 * DAY_US, rounds=50)
        return duel(table, champion, challenger, terms, names=(name, "new"), known_us=known_us)


@pytest.fixture(scope="module")
def window() -> Window:
    return Window()


def test_a_win_on_labels_that_may_still_come_is_an_early_one(window: Window) -> None:
    """Half of the frauds are reported late: by those of the first days the wrong one looks better."""
    slow, fast = window.side(window.slow), window.side(window.fast, 1)
    young = window.held(window.fast, slow, fast, known_us=4 * DAY_US)
    assert young.verdict == "early"
    mature = window.held(window.fast | window.slow, slow, fast, known_us=11 * DAY_US)
    assert mature.verdict not in ("better", "early")


def test_a_win_on_mature_labels_is_one(window: Window) -> None:
    """The challenger finds what the champion finds, and the rest."""
    frauds = window.slow | window.fast
    known = 11 * DAY_US - 4 * DAY_US // N  # the newest event is just old enough
    good, poor = window.side(frauds), window.side(window.slow, 1)
    won = window.held(frauds, poor, good, known_us=known)
    assert won.verdict == "better"
    assert window.held(frauds, poor, good, known_us=known - 1).verdict == "early"
    lost = window.held(frauds, good, poor, known_us=known)
    assert lost.verdict == "worse"
    ap, back = won.figures["average_precision"], lost.figures["average_precision"]
    assert (ap.champion.value, ap.challenger.value) == (back.challenger.value, back.champion.value)
    assert ap.chance is not None
    assert back.chance is not None
    assert ap.chance == pytest.approx(1.0 - back.chance)


def test_two_that_are_the_same_differ_in_nothing(window: Window) -> None:
    frauds, one = window.slow | window.fast, window.side(window.slow)
    same = window.held(frauds, one, one, known_us=11 * DAY_US)
    assert same.verdict == "undecided"
    assert {one.chance for one in same.figures.values()} == {0.5}
    assert {one.difference.value for one in same.figures.values()} == {0.0}


def test_the_first_model_is_held_against_rules(window: Window) -> None:
    one = window.side(window.slow)
    assert window.held(window.fast, one, one, known_us=0, name="").verdict == "first"


def test_a_window_without_a_known_fraud_judges_nothing(window: Window) -> None:
    one = window.side(window.slow)
    with pytest.raises(ShapeError, match="nothing to judge"):
        window.held(np.zeros(N, np.bool_), one, one, known_us=0)
