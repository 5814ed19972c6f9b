"""The trade-off tables of a policy: the row that is set says what deciding with the policy does."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.define import Capacity, Costs, Policy
from adjudge.learn.choices import trade_offs
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.table import NEVER, Table
from adjudge.learn.train import BESIDE, alerts, thresholds_for
from adjudge.typing import FloatArray

THREE = ("approve", "review", "block")


def world(n: int = 4000) -> tuple[Table, FloatArray]:
    """Return ten days of events, some of which rules review or block, and probabilities that often lie on an edge."""
    random = np.random.default_rng(5)
    y = (random.random(n) < 0.1).astype(np.float64)
    p = np.clip(np.round(0.4 * y + 0.6 * random.random(n), 3), 0.0, 1.0)
    beside = random.choice(3, n, p=[0.95, 0.03, 0.02])
    ts = np.linspace(0, 10 * DAY_US - 1, n).astype(np.int64)
    amount = np.where(random.random(n) < 0.1, np.nan, random.gamma(2.0, 40.0, n))
    return Table((), np.zeros((0, n)), ts, y, np.full(n, NEVER), amount, np.arange(n), extra={BESIDE: beside}), p


POLICIES = {
    "bands": Policy(THREE, bands={"approve": 30, "review": 70, "block": 100}),
    "thresholds": Policy(THREE, thresholds={"review": 0.305, "block": 0.7}),
    "loss": Policy(THREE, thresholds={"review": 20.0, "block": 60.0}, compare="loss"),
    "capacity": Policy(THREE, capacity=Capacity(40)),
    "ceiling": Policy(THREE, false_positives=0.2, compare="loss"),
    "costs": Policy(THREE, costs=Costs(review=2, insult=20)),
    "no review": Policy(("approve", "block"), bands={"approve": 64, "block": 100}),
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_row_that_is_set_counts_what_the_policy_alerts_on(name: str) -> None:
    policy, (table, p) = POLICIES[name], world()
    found = thresholds_for(policy, table, p)
    expected = alerts(policy, table, p, found)
    first = trade_offs(policy, table, p, found)[0]
    row = first.marked("set")
    assert row is not None
    assert 0 < row.alerts_per_day < 400
    assert row.alerts_per_day == pytest.approx(expected.sum() / 10)
    assert row.frauds_per_day == pytest.approx((expected & (table.label == 1)).sum() / 10)
    if name == "bands":  # by hand: a score is a rounded probability
        scores = np.floor(p * 100 + 0.5)
        blocked = (scores > 70) | (table.extra[BESIDE] == 2)
        assert row.blocked_per_day == pytest.approx(blocked.sum() / 10)


def test_a_policy_by_cost_has_no_threshold_that_is_set() -> None:
    table, p = world()
    found = trade_offs(Policy(THREE, by_cost=True), table, p, {})
    assert [one.moved for one in found] == ["review", "block"]
    assert all(one.marked("set") is None for one in found)
    assert all(one.marked("least cost") is not None for one in found)
