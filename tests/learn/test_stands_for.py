"""Events that stand for declined ones: whole weights come to what the same rows come to, so many times each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adjudge.define import Capacity, Costs, Policy
from adjudge.learn import train as learn
from adjudge.learn.choices import trade_offs
from adjudge.learn.table import Table
from adjudge.learn.threshold import (
    threshold_from_capacity,
    threshold_from_costs,
    threshold_from_false_positives,
)
from adjudge.learn.train import BESIDE, RULES
from adjudge.learn.unseen import PROPENSITY, SEEN
from adjudge.models.stack import clear
from adjudge.typing import AnyArray, FloatArray, IntArray

COSTS = Costs(review=4.0, insult=5.0, review_catches=0.9)
DAY_US = 86_400_000_000


def events(seed: int) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Return outcomes, scores, amounts, and how many each stands for."""
    random = np.random.default_rng(seed)
    y = (random.random(400) < 0.2).astype(np.float64)
    score = np.round(0.4 * y + 0.6 * random.random(400), 2)
    return y, score, random.exponential(50, 400).round(2), random.choice([1, 1, 1, 5], 400)


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_those_of_the_rows_so_many_times(seed: int) -> None:
    y, score, amount, times = events(seed)
    many = np.repeat(y, times), np.repeat(score, times), np.repeat(amount, times)
    costs = threshold_from_costs(y, score, amount, COSTS, weight=times)
    assert costs == threshold_from_costs(*many, COSTS)
    assert threshold_from_capacity(score, 7, 30, weight=times) == threshold_from_capacity(many[1], 7, 30)
    assert threshold_from_capacity(score, 7, 30) < threshold_from_capacity(many[1], 7, 30)
    ceiling = threshold_from_false_positives(y, score, 0.1, weight=times)
    assert ceiling == threshold_from_false_positives(many[0], many[1], 0.1)
    assert clear(score, y, 0.1, times.astype(np.float64)) == clear(many[1], many[0], 0.1)


def table(seed: int, repeated: bool) -> tuple[Table, FloatArray]:
    """Return a table of seen events with their chance of that, or with each as often as it stands for."""
    y, score, amount, times = events(seed)
    rows = np.repeat(np.arange(len(y)), times) if repeated else np.arange(len(y))
    n = len(rows)
    ts = np.linspace(0, 7 * DAY_US - 1, len(y)).astype(np.int64)[rows]
    beside = (score > 0.95).astype(np.int64)
    extra: dict[str, AnyArray] = {BESIDE: beside[rows], RULES: beside[rows]}
    if not repeated:
        extra |= {SEEN: np.ones(n), PROPENSITY: 1.0 / times}
    made = Table(("x",), score[None, rows], ts, y[rows], ts, amount[rows], rows.astype(np.int64), extra=extra)
    return made, score[rows]


@pytest.mark.parametrize(
    "policy",
    [
        Policy(costs=COSTS),
        Policy(costs=COSTS, capacity=Capacity(alerts_per_day=25)),
        Policy(costs=COSTS, capacity=Capacity(alerts_per_day=60), false_positives=0.05),
    ],
)
def test_what_training_sets_and_what_the_table_of_other_thresholds_says(policy: Policy) -> None:
    (few, p), (many, q) = table(3, False), table(3, True)
    found = learn.thresholds_for(policy, few, p)
    assert found == pytest.approx(learn.thresholds_for(policy, many, q))
    assert found != pytest.approx(learn.thresholds_for(policy, replace(few, extra={BESIDE: few.extra[BESIDE]}), p))
    for one, other in zip(trade_offs(policy, few, p, found), trade_offs(policy, many, q, found), strict=True):
        mine = {mark: row for row in one.rows for mark in row.marks}
        theirs = {mark: row for row in other.rows for mark in row.marks}
        assert mine.keys() == theirs.keys()
        for mark, row in mine.items():
            for name in row.__struct_fields__:
                if name not in ("marks", "threshold"):
                    assert getattr(row, name) == pytest.approx(getattr(theirs[mark], name)), (mark, name)
