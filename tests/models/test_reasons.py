"""Reasons in words: the value, the customer's normal where it is known, no number that is not there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adjudge.engine.scorer import Scores
from adjudge.models.reasons import About, Sentences, normals

SAY = Sentences(
    {
        "amount": About("amount", "EUR", ("user_amount_mean_30d", "user_amount_std_30d"), decimals=2),
        "speed": About("speed since the last payment", "km/h"),
        "alone": About(normal=("mean", None)),
    }
)


@pytest.mark.parametrize(
    ("code", "values", "sentence"),
    [
        (
            "amount",
            {"amount": 812.0, "user_amount_mean_30d": 40.1, "user_amount_std_30d": 22.0},
            "amount 812.00 EUR against a usual 40.10 +- 22.00 EUR",
        ),
        (
            "amount",
            {"amount": 812.0, "user_amount_mean_30d": 40.1, "user_amount_std_30d": math.nan},
            "amount 812.00 EUR against a usual 40.10 EUR",
        ),
        ("amount", {"amount": 812.0, "user_amount_mean_30d": None}, "amount: 812.00 EUR (pushes risk up)"),
        ("amount", {"user_amount_mean_30d": 40.1}, "amount: missing (pushes risk up)"),
        ("speed", {"speed": 912.345}, "speed since the last payment: 912.3 km/h (pushes risk up)"),
        ("alone", {"alone": 2.0, "mean": 1.5}, "alone 2 against a usual 1.5"),
        ("method", {"method": "wire"}, "method is wire (pushes risk up)"),
        ("user_count_1h", {"user_count_1h": 14.0}, "user_count_1h is 14 (pushes risk up)"),
        ("speed", {"speed": math.inf}, "speed since the last payment: inf km/h (pushes risk up)"),
    ],
)
def test_sentences(code: str, values: dict[str, float | str | None], sentence: str) -> None:
    assert SAY.sentence(code, values) == sentence


def test_a_push_down_says_so() -> None:
    assert SAY.sentence("x", {"x": 1.0}, -0.5) == "x is 1 (pushes risk down)"


def test_only_reasons_that_are_there_become_sentences() -> None:
    top = np.array([[1, 0, -1]], dtype=np.int32)
    scores = Scores(np.zeros(1), np.zeros(1), top, np.array([[2.0, 1.0, 0.0]]))
    assert SAY.of(scores, 0, ("a", "b"), {"a": 1.0, "b": 2.0}) == [
        "b is 2 (pushes risk up)",
        "a is 1 (pushes risk up)",
    ]


def test_normals_are_found_by_name() -> None:
    names = [
        "amount",
        "user_amount_mean_24h",
        "user_amount_mean_30d",
        "card_amount_mean_7d",
        "card_amount_std_7d",
        "items",
        "shop_items_mean_90m",
        "shop_items_std_90m",
        "count",
    ]
    assert normals(names) == {
        "amount": ("user_amount_mean_30d", None),
        "items": ("shop_items_mean_90m", "shop_items_std_90m"),
    }
