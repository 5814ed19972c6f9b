"""Checking rule files: every mistake is told, each where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.define.rule import Rules
from adjudge.define.rulefile import Known, mistakes
from adjudge.errors import DefinitionError
from tests.define.test_rule import TEXT

KNOWN = Known(
    {"amount": "money", "user_count_1h": "number", "card": "text", "at": "time"},
    {"holidays": "number"},
    ("approve", "review", "decline", "block"),
)


def where(text: str) -> list[tuple[int, int, str, str]]:
    return [(m.line, m.column, m.rule, m.message) for m in mistakes(text, KNOWN)]


def test_a_good_file_has_none() -> None:
    assert mistakes(TEXT, KNOWN) == mistakes(TEXT) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "rule", "message"),
    [
        ("user_count_1h > 10", "user_cuont_1h > 10", 7, 9, "too_fast", "unknown name 'user_cuont_1h'; did you mean 'u"),
        ("user_count_1h > 10", "3 < user_cuont_1h", 7, 13, "too_fast", "unknown name 'user_cuont_1h'"),
        ("user_count_1h > 10", "'amount > card'", 7, 19, "too_fast", "a number cannot be compared with a text"),
        ("user_count_1h > 10", "amount", 7, 9, "too_fast", "a rule is a truth value, 'amount' is a money"),
        ("hour(at) < 5", "huor(at) < 5", 23, 9, "folded", "unknown function 'huor'; did you mean 'hour'?"),
        ("card in blocked_cards", "card in bloked_cards", 13, 17, "listed", "unknown list 'bloked_cards'"),
        ("action: decline", "action: declin", 8, 11, "too_fast", "unknown action 'declin'; did you mean 'decline'?"),
        ("{user_count_1h} p", "{user_cont_1h} p", 9, 11, "too_fast", "its reason names 'user_cont_1h', which is no f"),
        ("confidence: 0.9", "confidence: 90", 10, 15, "too_fast", "confidence must be a number above 0"),
        ("  confidence:", "  confidnce:", 6, 3, "too_fast", "unknown key 'confidnce'; did you mean 'confidence'?"),
        ("id: listed", "id: too_fast", 12, 3, "too_fast", "there are two rules with this id"),
        ("version: 1", "version: 2", 1, 1, "", "version must be 1, not 2"),
        ("lists:\n", "lists: [\n", 4, 3, "", "not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, line: int, column: int, rule: str, message: str) -> None:
    (found,) = where(TEXT.replace(old, new, 1))
    assert found[2:3] == (rule,)
    assert found[3].startswith(message)
    assert found[:2] == (line, column)


def test_all_mistakes_are_told_in_the_order_of_lines() -> None:
    text = (
        TEXT.replace("user_count_1h >", "user_cnt >").replace("hour(at)", "hour(amount)").replace("block\n", "blok\n")
    )
    assert [(m[0], m[2]) for m in where(text)] == [(7, "too_fast"), (14, "listed"), (23, "folded")]


@given(st.text(alphabet=st.sampled_from("{}[]:-\n '\"|>ab1&*!"), max_size=60))
def test_whatever_loading_refuses_is_told_and_nothing_else(text: str) -> None:
    """Checking never fails, and agrees with loading about what is good."""
    try:
        Rules.load(text + "\n")
    except DefinitionError:
        assert mistakes(text + "\n")
    else:
        assert not mistakes(text + "\n")
