"""A duel, by figures that one can make by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adjudge.define import Capacity, Costs, Policy
from adjudge.errors import ShapeError
from adjudge.learn.duel import Duel, Side, Terms, duel
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.table import Table
from adjudge.learn.train import BESIDE
from adjudge.typing import FloatArray

POLICY = Policy(costs=Costs(fraud_share=1.0, review=4.0, review_catches=0.9))

PERFECT, WRONG = np.array([0.9, 0.1, 0.8, 0.2]), np.array([0.9, 0.8, 0.1, 0.2])
"""What two models say of a fraud of 100, an honest 10, a fraud of 50 and an honest 20."""


def day(times: int = 1) -> Table:
    """Return the four events of a day so many times over, each of another card."""
    n = 4 * times
    ts = np.append(np.arange(n - 1), DAY_US - 1)
    label, amount = np.tile([1.0, 0.0, 1.0, 0.0], times), np.tile([100.0, 10.0, 50.0, 20.0], times)
    always = {BESIDE: np.zeros(n, np.int64)}
    return Table((), np.zeros((0, n)), ts, label, ts, amount, np.arange(n), extra=always)


def fought(test: Table, *values: FloatArray, names: tuple[str, str] = ("old", "new"), queue: float = 2.0) -> Duel:
    old, new = (Side(np.tile(value, len(test) // 4), np.zeros(len(test))) for value in values)
    terms = Terms(POLICY, queue_per_day=queue, rounds=50)
    return duel(test, old, new, terms, names=names, known_us=30 * DAY_US)


def test_figures_are_those_one_makes_by_hand() -> None:
    """Of two alerts the champion has one on a fraud and one on honest 10, the challenger both on frauds."""
    made = fought(day(), WRONG, PERFECT)
    found = {
        name: (one.champion.value, one.challenger.value, one.difference.value) for name, one in made.figures.items()
    }
    assert found == {
        "average_precision": pytest.approx((0.75, 1.0, 0.25)),  # a half of 1/1 and a half of 2/4
        "recall_at_queue": pytest.approx((0.5, 1.0, 0.5)),
        "value_at_queue": pytest.approx((100 / 150, 1.0, 50 / 150)),
        "cost_per_day": pytest.approx((50 + 0.1 * 100 + 2 * 4, 0.1 * 150 + 2 * 4, 23 - 68)),
    }
    assert (made.events, made.frauds, made.fraud_value, made.queue_per_day) == (4, 2, 150.0, 2.0)
    assert (made.start_us, made.end_us) == (0, DAY_US)


def test_as_much_of_the_alerts_as_of_the_events_is_judged() -> None:
    """Also those of the policy's capacity; as many alerts as frauds are those of the events that are judged."""
    capacity = replace(POLICY, capacity=Capacity(alerts_per_day=10.0))
    for policy, queue, asked in ((POLICY, 5.0, 1.0), (capacity, None, 2.0), (POLICY, None, 2.0)):
        sides = Side(WRONG, np.zeros(4)), Side(PERFECT, np.zeros(4))
        terms = Terms(policy, queue, rounds=10, share=0.2)
        assert duel(day(), *sides, terms, names=("old", "new"), known_us=30 * DAY_US).queue_per_day == asked


def test_the_verdict_turns_round_with_the_sides() -> None:
    assert fought(day(30), WRONG, PERFECT, queue=60).verdict == "better"
    assert fought(day(30), PERFECT, WRONG, queue=60).verdict == "worse"
    assert fought(day(30), PERFECT, PERFECT, queue=60).verdict == "undecided"
    assert fought(day(30), PERFECT, WRONG, names=("", "new"), queue=60).verdict == "first"


def test_less_cost_is_better_and_ties_count_half() -> None:
    better, same = (fought(day(30), side, PERFECT, queue=60).figures for side in (WRONG, PERFECT))
    assert {name: one.chance for name, one in better.items()} == dict.fromkeys(better, 1.0)
    assert {name: one.chance for name, one in same.items()} == dict.fromkeys(same, 0.5)


def test_what_the_rules_alert_on_takes_its_place_first() -> None:
    """One alert, and the rules want it for the honest 10: neither model has one left."""
    test = day()
    ruled = replace(test, extra={BESIDE: np.array([0, 1, 0, 0])})
    made = fought(ruled, WRONG, PERFECT, queue=1.0).figures
    assert made["recall_at_queue"].challenger.value == made["recall_at_queue"].champion.value == 0.0
    assert made["average_precision"].challenger.value == 1.0


def test_without_frauds_there_is_nothing_to_judge() -> None:
    with pytest.raises(ShapeError, match="nothing to judge"):
        fought(replace(day(), label=np.zeros(4)), WRONG, PERFECT)
