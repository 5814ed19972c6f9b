"""Thresholds: each rule against trying every cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.define.policy import Costs
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn import threshold as th
from adjudge.typing import BoolArray, FloatArray

COSTS = Costs(review=2.0, insult=4.0, insult_share=0.1, fraud_share=0.9, review_catches=0.8)
ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9]), st.sampled_from([0.0, 1.0, 30.0, 200.0])),
    min_size=1,
    max_size=40,
)


def columns(rows: list[tuple[bool, float, float]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Outcome, score and amount as arrays."""
    table = np.array([[float(a), b, c] for a, b, c in rows]).T
    return table[0], table[1], table[2]


def cost(
    y: FloatArray,
    flagged: BoolArray,
    amount: FloatArray,
    above: th.Treatment = "review",
    below: th.Treatment = "pass",
) -> float:
    """Return the cost of treating flagged events one way and the others another."""
    return float(np.where(flagged, th.cost_of(y, amount, COSTS, above), th.cost_of(y, amount, COSTS, below)).sum())


@pytest.mark.parametrize(("above", "below"), [("review", "pass"), ("block", "pass"), ("block", "review")])
@given(ROWS)
def test_no_cut_is_cheaper_than_the_chosen_one(
    above: th.Treatment, below: th.Treatment, rows: list[tuple[bool, float, float]]
) -> None:
    y, score, amount = columns(rows)
    cut = th.threshold_from_costs(y, score, amount, COSTS, above=above, below=below)
    chosen = cost(y, score > cut, amount, above, below)
    assert all(chosen <= cost(y, score > other, amount, above, below) + 1e-9 for other in [-1.0, *score, np.inf])


@given(ROWS, st.sampled_from([0.0, 0.2, 1.0, 3.0, 100.0]))
def test_capacity_is_never_exceeded_and_never_wasted(rows: list[tuple[bool, float, float]], capacity: float) -> None:
    _, score, _ = columns(rows)
    cut = th.threshold_from_capacity(score, 7, capacity)
    assert (score > cut).sum() <= capacity * 7
    lower = score[score <= cut]
    if lower.size:
        assert (score >= lower.max()).sum() > capacity * 7


@given(ROWS, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_false_positives_stay_below_the_ceiling(rows: list[tuple[bool, float, float]], ceiling: float) -> None:
    y, score, _ = columns(rows)
    cut = th.threshold_from_false_positives(y, score, ceiling)
    honest = score[y == 0]
    if honest.size:
        assert (honest > cut).mean() <= ceiling
        passed = score[score <= cut]
        if passed.size:
            assert (honest >= passed.max()).mean() > ceiling


@given(ROWS, st.sampled_from([0.0, 1.0, 30.0, 170.0, 1e6]))
def test_the_shortest_queue_for_a_catch(rows: list[tuple[bool, float, float]], value: float) -> None:
    y, score, amount = columns(rows)
    cut = th.threshold_from_value(y, score, amount, value)
    at_stake = y * amount
    assert at_stake[score > cut].sum() >= min(value, at_stake.sum()) - 1e-6
    flagged = score[score > cut]
    if flagged.size:
        assert at_stake[score > flagged.min()].sum() < value


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(DefinitionError, match="capacity"):
        th.threshold_from_capacity([0.1], 0, 5)
    with pytest.raises(ShapeError):
        th.threshold_from_costs([1, 0], [0.1, 0.2], [1.0], COSTS)


def test_neighbouring_scores_are_told_apart() -> None:
    """The middle of two neighbouring doubles is one of them; the cut must still separate them."""
    low = 0.5
    high = float(np.nextafter(low, 1))
    assert th.threshold_from_capacity([high, low], 1, 1) == low


def test_what_has_no_amount_is_worth_nothing() -> None:
    """As when deciding; a missing amount must not decide for all others."""
    y, score = [1, 0, 0, 1], [0.9, 0.5, 0.3, 0.1]
    missing, nothing = [100, np.nan, 10, 1], [100, 0, 10, 1]
    treatments: tuple[th.Treatment, ...] = ("review", "block")
    for above in treatments:
        found, expected = (th.threshold_from_costs(y, score, a, COSTS, above=above) for a in (missing, nothing))
        assert found == expected
    assert th.threshold_from_value(y, score, missing, 101.0) == th.threshold_from_value(y, score, nothing, 101.0)


@pytest.mark.parametrize("ceiling", [-0.1, np.nan])
def test_a_ceiling_is_a_share(ceiling: float) -> None:
    with pytest.raises(DefinitionError, match="ceiling is a share"):
        th.threshold_from_false_positives([1, 0], [0.2, 0.1], ceiling)
    with pytest.raises(DefinitionError, match="capacity"):
        th.threshold_from_capacity([0.1], 1, ceiling)
