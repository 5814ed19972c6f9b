"""Policies: what is wrong with a fallback is said when it is written."""

from __future__ import annotations

import math

import pytest

from adjudge.define import Capacity, Costs, Fallback, Policy
from adjudge.errors import DefinitionError


@pytest.mark.parametrize(
    ("fallback", "message"),
    [
        (Fallback("decline"), "policy fallback: unknown action 'decline'"),
        (Fallback(above={"reveiw": 5}), "unknown action 'reveiw'; did you mean 'review'"),
        (Fallback("review", {"verify": 5}), "rise with the actions' severity"),
        (Fallback("review", {"review": 5}), "rise with the actions' severity"),
        (Fallback(above={"review": 50, "block": 5}), "rise with the actions' severity"),
        (Fallback(above={"review": 5, "block": 5}), "rise with the actions' severity"),
        (Fallback(above={"review": -1}), "rise with the actions' severity"),
        (Fallback(above={"review": math.inf}), "rise with the actions' severity"),
        (Fallback(above={"review": math.nan}), "rise with the actions' severity"),
    ],
)
def test_a_fallback_that_makes_no_sense_is_refused(fallback: Fallback, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Policy(fallback=fallback)


def test_the_usual_fallback_lets_everything_through() -> None:
    assert Policy().fallback_cuts == (("approve", -math.inf),)
    assert Policy(("run", "stop")).fallback_cuts == (("run", -math.inf),)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_what_is_no_amount_of_money_or_work_is_refused(wrong: float) -> None:
    """Nothing compares with a number that is none, so it would let everything through."""
    for name in ("review", "insult", "fraud_share", "insult_share", "review_catches"):
        with pytest.raises(DefinitionError, match=f"costs: {name}"):
            Costs(**{name: wrong})
    with pytest.raises(DefinitionError, match="alerts_per_day"):
        Capacity(wrong)
    with pytest.raises(DefinitionError, match="policy thresholds"):
        Policy(thresholds={"block": wrong})


def test_a_band_ends_at_a_whole_score() -> None:
    with pytest.raises(DefinitionError, match="whole numbers"):
        Policy(bands={"approve": 30.5, "block": 100})  # type: ignore[dict-item]
