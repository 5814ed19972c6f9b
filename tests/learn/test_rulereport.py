"""How rules live, told from what they did."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from adjudge.define import Rule, Rules
from adjudge.learn.past import Past
from adjudge.learn.rulereport import Limits, RuleReport, rule_report
from tests.learn.test_backtest import DAY, SYSTEM, past_of

RULES = Rules(
    (
        Rule("wide", "amount > 1", "review", owner="ada", priority=1),
        Rule("narrow", "amount > 2", "review", owner="ada", priority=2),
        Rule("hard", "amount > 3", "block", owner="ada", priority=3),
        Rule("twin", "amount > 4", "block", owner="ada", priority=4, expires="1970-01-12"),
        Rule("old", "amount > 5", "review", priority=5, created="1970-01-01", expires="1970-01-09", tags=("spring",)),
        Rule("quiet", "amount > 6", "review", owner="bo", priority=6),
        Rule("silent", "amount > 7", "flag", owner="bo", priority=7),
    )
)
FIRED = {
    "wide": range(20),
    "narrow": range(0, 20, 2),
    "hard": range(3, 15),
    "twin": range(3, 15),
    "old": [1],
    "quiet": [0, 2],
    "silent": [],
}


def past() -> Past:
    """Return 20 events over ten days of which rules fired as said; the frauds are those of even number."""
    made = past_of([(20.0, 0.0, "a", float(i % 2 == 0), np.nan, 0, i // 2, i % 4) for i in range(20)])
    bits = np.zeros((1, 20), np.uint64)
    names = ("gone", *FIRED)
    for rule, hits in FIRED.items():
        bits[0, list(hits)] |= np.uint64(1 << names.index(rule))
    return replace(made, rules=names, fired=bits, system=replace(SYSTEM, rules=RULES), since={"quiet": 0})


def report(**limits: object) -> RuleReport:
    return rule_report(past(), Limits(**{"dead": timedelta(days=5), "soon": timedelta(days=3), "rounds": 0, **limits}))  # type: ignore[arg-type]


def test_hits_and_precision_are_those_of_what_fired() -> None:
    by = {rule.rule: rule for rule in report().rules}
    assert list(by) == [rule.id for rule in RULES.rules]
    assert {name: rule.hits for name, rule in by.items()} == {name: len(hits) for name, hits in FIRED.items()}
    narrow = by["narrow"]
    assert narrow.caught.precision.value == 1.0
    assert narrow.last_hit == "1970-01-10T00:00:00+00:00"
    assert [(week.begins, week.alerts) for week in narrow.weeks] == [("1969-12-29", 4), ("1970-01-05", 6)]
    assert by["silent"].last_hit is None


def test_what_somebody_should_look_at_is_noted() -> None:
    notes = {rule.rule: rule.notes for rule in report().rules}
    assert notes == {
        "wide": (),
        "narrow": (),
        "hard": (),
        "twin": ("expires soon, in 1 days",),
        "old": ("expired", "no owner"),
        "quiet": ("dead",),
        "silent": ("never fired",),
    }
    assert "dead" not in {note for rule in report(dead=timedelta(days=9)).rules for note in rule.notes}


def test_a_rule_that_another_makes_superfluous_is_told_with_counts() -> None:
    """Never by one that asks for less, and of two that say the same only the later one."""
    found = {(one.rule, one.by): (one.events, one.share, one.same) for one in report(hits=2).redundant}
    assert found == {
        ("twin", "hard"): (12, 1.0, True),
        ("quiet", "wide"): (2, 1.0, False),
        ("narrow", "wide"): (10, 1.0, False),
    }
    assert [one.rule for one in report().redundant] == ["twin", "narrow"]
    nearly = {(one.rule, one.by) for one in report(share=0.5, hits=2).redundant}
    assert ("narrow", "wide") in nearly
    assert DAY == 86_400_000_000
