"""Differences between rule sets, in words."""

from __future__ import annotations

from adjudge.define.differences import differences
from adjudge.define.rule import Rules
from tests.define.test_rule import LIFE, TEXT


def words(before: str, after: str) -> list[str]:
    return [each.words for each in differences(Rules.load(before), Rules.load(after))]


def test_what_is_only_written_otherwise_is_no_difference() -> None:
    spelled = TEXT.replace("user_count_1h > 10", "(user_count_1h)>10.0").replace("[c9, c1, c1]", "[c1, c9]")
    assert words(TEXT, spelled) == []


def test_every_key_of_a_rule_is_told() -> None:
    after = (
        TEXT.replace("> 10", "> 8")
        .replace("0.9\n", "0.75\n  owner: ada\n  tags: [a, b]\n  expires: 2026-12-31\n")
        .replace("  final: true\n", "")
        .replace("  description: Kept by the fraud desk.\n", "")
    )
    assert words(TEXT, after) == [
        "rule listed: final is false, was true",
        "rule listed: description is gone, was Kept by the fraud desk.",
        "rule too_fast: when is user_count_1h > 8, was user_count_1h > 10",
        "rule too_fast: confidence is 0.75, was 0.9",
        "rule too_fast: owner is ada",
        "rule too_fast: expires is 2026-12-31",
        "rule too_fast: tags is a, b",
    ]


def test_rules_and_lists_that_come_and_go_are_told() -> None:
    assert words(TEXT, LIFE) == [
        "rule listed is gone: block when card in blocked_cards",
        "rule too_fast is gone: decline when user_count_1h > 10",
        "rule folded is gone: review when amount in odd_amounts and hour(at) < 5",
        "rule spring is new: review when amount > 5",
        "list blocked_cards is gone: c1, c9",
        "list odd_amounts is gone: 1, 9.99",
    ]
    more = TEXT.replace("[c9, c1, c1]", "[c9, " + ", ".join(f"d{i}" for i in range(7)) + "]")
    assert words(TEXT, more) == [
        "list blocked_cards: removed c1",
        "list blocked_cards: added d0, d1, d2, d3, d4 and 2 more",
    ]
