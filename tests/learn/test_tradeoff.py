"""The trade-off table against deciding every event one by one."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.define.policy import Costs
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.threshold import threshold_from_capacity, threshold_from_costs, threshold_from_false_positives
from adjudge.learn.tradeoff import BLOCK, PASS, REVIEW, Fates, Moved, TradeOffs

COSTS = Costs(review=2.0, insult=4.0, insult_share=0.1, fraud_share=0.9, review_catches=0.8)
ROWS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9]),
        st.sampled_from([0.0, 1.0, 30.0, 200.0]),
        st.sampled_from([PASS, REVIEW, BLOCK]),
    ),
    min_size=1,
    max_size=40,
)
CUTS = st.sampled_from([-1.0, 0.1, 0.2, 0.5, 0.9, math.inf])


def one_by_one(rows: list[tuple[bool, float, float, int]], review: float, block: float) -> dict[str, float]:
    """Decide every event by itself and add up."""
    total = dict.fromkeys(("alerts", "frauds", "declined", "hours", "cost"), 0.0)
    for fraud, score, amount, rule in rows:
        fate = max(rule, BLOCK if score > block else REVIEW if score > review else PASS)
        lost = amount * 0.9 if fraud else 0.0
        insult = 0.0 if fraud else 4.0 + 0.1 * amount
        total["cost"] += (lost, 2.0 + lost * 0.2, insult)[fate]
        total["alerts"] += fate > PASS
        total["frauds"] += fraud and fate > PASS
        total["declined"] += not fraud and fate == BLOCK
        total["hours"] += (fate == REVIEW) * 6 / 60
    return total


@given(ROWS, CUTS, CUTS, st.sampled_from(["review", "block"]))
def test_every_figure_is_that_of_deciding_one_by_one(
    rows: list[tuple[bool, float, float, int]], cut: float, other: float, moved: Moved
) -> None:
    y, score, amount, floor = (np.array(column) for column in zip(*rows, strict=True))
    fates = Fates.of(
        moved, y, amount, score, other=other, floor=floor, days=2, costs=COSTS, review_minutes=6
    )  # fmt: skip
    (row,) = fates.at([cut])
    # what lies between two cuts that have crossed is passed: the review threshold drags the other along
    review, block = (cut, max(cut, other)) if moved == "review" else (min(cut, other), cut)
    if moved == "block":
        review = other
    expected = one_by_one(rows, review, block)
    assert row.alerts_per_day == expected["alerts"] / 2
    assert row.frauds_per_day == expected["frauds"] / 2
    assert row.false_declines_per_day == expected["declined"] / 2
    assert row.review_hours_per_day == pytest.approx(expected["hours"] / 2)
    assert row.cost_per_day == pytest.approx(expected["cost"] / 2)
    nothing = sum(amount * 0.9 for fraud, _, amount, _ in rows if fraud)
    assert row.saved_per_day == pytest.approx((nothing - expected["cost"]) / 2)
    assert row.recall == (pytest.approx(expected["frauds"] / y.sum()) if y.any() else None)


def world(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    y = (random.random(n) < 0.05).astype(np.float64)
    score = np.clip(0.25 * y + random.random(n) * 0.7, 0, 1)
    return y, random.gamma(2.0, 40.0, n), score


def table(**settings: float) -> TradeOffs:
    y, amount, score = world()
    fates = Fates.of("review", y, amount, score, days=10, costs=COSTS)
    return fates.table(moved="review", compare="probability", **settings)  # type: ignore[arg-type]


def test_the_marked_rows_are_what_the_thresholds_by_name_mean() -> None:
    y, amount, score = world()
    found = table(now=0.8, capacity=20)
    fates = Fates.of("review", y, amount, score, days=10, costs=COSTS)
    cuts = {
        "set": 0.8,
        "capacity": threshold_from_capacity(score, 10, 20),
        "1 % FP": threshold_from_false_positives(y, score, 0.01),
        "least cost": threshold_from_costs(y, score, amount, COSTS),
    }
    for mark, cut in cuts.items():
        row = found.marked(mark)
        assert row is not None
        (alone,) = fates.at([cut])
        assert row.alerts_per_day == alone.alerts_per_day, mark
    least = found.marked("least cost")
    assert least is not None
    assert least.cost_per_day == min(row.cost_per_day for row in found.rows)
    capacity, ceiling = found.marked("capacity"), found.marked("1 % FP")
    assert capacity is not None
    assert ceiling is not None
    assert capacity.alerts_per_day <= 20
    assert ceiling.false_positive_rate is not None
    assert ceiling.false_positive_rate <= 0.01


def test_rows_rise_from_few_alerts_to_many_and_no_two_mean_the_same() -> None:
    found = table(now=0.8, capacity=20)
    queue = [row.alerts_per_day for row in found.rows]
    assert queue == sorted(set(queue))
    assert len(queue) > 10
    assert msgspec.json.decode(msgspec.json.encode(found), type=TradeOffs).rows[3] == found.rows[3]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        Fates.of("review", [1, 0], [1.0], [0.1, 0.2], days=1, costs=COSTS)
    with pytest.raises(DefinitionError, match="days above 0"):
        Fates.of("review", [1], [1.0], [0.1], days=0, costs=COSTS)
