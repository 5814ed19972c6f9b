"""The benchmark of rules: what is timed gives the same hits everywhere, and its rules are worth timing."""

from __future__ import annotations

import pytest

from benchmarks import rules


def test_everybody_finds_the_same_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few events: conditions over missing values mean the same to all three."""
    monkeypatch.setenv("POLARS_MAX_THREADS", "1")  # so that what the benchmark sets is taken back
    monkeypatch.setattr(rules, "EVENTS", 4_000)
    found = rules.run(quick=False, progress=lambda text: None)
    assert found["hits_agree"] is True
    assert (found["events"], found["rules"]) == (4_000, 50)
    assert 0.05 < found["share_of_events_with_a_hit"] < 0.3
    assert found["seconds_evaluating"] <= found["seconds"]


def test_rules_are_different_from_each_other() -> None:
    made = rules._draft()
    assert len({str(rule.when) for rule in made.rules}) == rules.RULES
    assert {rule.action for rule in made.rules} == {"review", "block"}
