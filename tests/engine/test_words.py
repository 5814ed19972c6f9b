"""Reasons in words: the value, what is usual and for whom, and no number that is not there."""

from __future__ import annotations

import math

import pytest

from adjudge.engine.decision import Reason
from adjudge.engine.words import in_words, normal_of

MEAN, STD = "user_amount_mean_30d", "user_amount_std_30d"
USUAL = ("shop_amount_mean_30d", "user_amount_mean_30d", "user_amount_std_30d", "user_amount_mean_7d")


@pytest.mark.parametrize(
    ("value", "values", "sentence"),
    [
        (812.0, {MEAN: 40.1, STD: 22.0}, "is 812 against a usual 40.1 +- 22 of this user"),
        (134.95, {MEAN: 40.0, STD: math.nan}, "is 134.95 against a usual 40 of this user"),
        (134.95, {MEAN: 40.0, STD: None}, "is 134.95 against a usual 40 of this user"),
        (812.0, {MEAN: math.nan, STD: 1.0}, "is 812"),
        (812.0, {}, "is 812"),
        (0.012345, {}, "is 0.0123"),
        (-0.0, {}, "is 0"),
        (123456.789, {}, "is 123456.79"),
        (math.inf, {}, "is inf"),
        (None, {"amount": None, MEAN: 40.0}, "is missing"),
        (None, {"amount": "wire"}, "is wire"),
    ],
)  # fmt: skip
def test_a_push_says_its_value_and_what_is_usual(value: float | None, values: dict[str, object], sentence: str) -> None:
    assert in_words([Reason("amount", "model", 1.5, value)], [], values, USUAL) == [
        f"amount {sentence} (+1.50 log-odds)"
    ]


def test_of_a_category_whose_text_is_not_known_only_the_push_is_said() -> None:
    """It is there, so it must not be called missing."""
    assert in_words([Reason("home_country", "model", 0.25)], [], {}, USUAL) == ["home country (+0.25 log-odds)"]


def test_rules_and_pushes_keep_their_order() -> None:
    reasons = [Reason("a", "rule", 1.0), Reason("b", "rule", 1.0), Reason("user_count_1h", "model", 0.5, 3.0)]
    assert in_words(reasons, ["{user} again.", "{n} of them."], {"user": "u1", "n": 3.0}, ()) == [
        "u1 again.",
        "3 of them.",
        "user count 1h is 3 (+0.50 log-odds)",
    ]


@pytest.mark.parametrize(
    ("names", "normal"),
    [
        (["user_x_mean_24h", "user_x_mean_30d"], ("user_x_mean_30d", None)),
        (["user_x_mean_36h", "user_x_mean_1d", "user_x_std_1d"], ("user_x_mean_36h", None)),
        (["shop_x_mean_90m", "user_x_mean_90m", "user_x_std_90m"], ("user_x_mean_90m", "user_x_std_90m")),
        (["shop_x_mean_7d", "user_x_mean_7d"], ("shop_x_mean_7d", None)),
        (["user_x_std_7d", "user_x_sum_7d", "x_mean_7d", "user_xx_mean_7d"], None),
    ],
    ids=["longest window", "in seconds, not in digits", "with a deviation first", "declared first", "no mean of it"],
)
def test_the_normal_of_a_field(names: list[str], normal: tuple[str, str | None] | None) -> None:
    assert normal_of("x", names) == normal
