"""Evaluation: the headline on a test small enough to count by hand, and its way to JSON and back."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from adjudge.errors import ShapeError
from adjudge.learn.charts import value_captured
from adjudge.learn.evaluate import DAY_US, Evaluation, Settings, Verdict, evaluate, wilson
from adjudge.learn.table import NEVER, Table


def small() -> tuple[Table, Verdict, Verdict]:
    """Ten payments on two days: frauds of 100, 50 and 10; rules alert on five of them, the model on two."""
    y = np.array([1, 0, 0, 0, 0, 1, 0, 0, 0, 1], dtype=np.float64)
    amount = np.array([100, 1, 1, 1, 1, 50, 1, 1, 1, 10], dtype=np.float64)
    table = Table(
        names=(),
        X=np.zeros((0, 10)),
        ts=np.linspace(0, 2 * DAY_US - 1, 10).astype(np.int64),
        label=y,
        known_at=np.full(10, NEVER),
        amount=amount,
        entity=np.arange(10),
        extra={"pattern": np.where(y == 1, np.where(amount > 20, "spree", "testing"), "")},
    )
    rules = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], dtype=np.bool_)
    p = np.array([0.9, 0.1, 0.1, 0.2, 0.1, 0.8, 0.1, 0.1, 0.1, 0.3])
    return table, Verdict(rules, np.where(rules, 0.7, 0.0)), Verdict(p > 0.5, p)


def judged(rounds: int = 0) -> Evaluation:
    """Evaluate the small test."""
    table, rules, model = small()
    return evaluate(table, rules=rules, model=model, baselines={"coin": np.zeros(10)}, settings=Settings(rounds=rounds))


def test_the_headline_counted_by_hand() -> None:
    found = judged()
    assert (found.events, found.frauds, found.fraud_value, found.days, found.k) == (10, 3, 160.0, 2.0, 1)
    loss, queue = found.line("loss"), found.line("queue")
    assert (loss.rules, loss.model) == (25.0, 5.0)
    assert loss.compared.value == pytest.approx(-0.8)
    assert loss.met is True
    assert (queue.rules, queue.model) == (2.5, 1.0)
    assert queue.compared.value == pytest.approx(-0.6)
    assert queue.met is False
    assert found.line("false_positives").rules == pytest.approx(3 / 7)
    assert found.line("false_positives").model == 0.0
    assert found.line("precision_at_k").model == 1.0
    assert found.line("precision_at_k").rules == pytest.approx(2 / 5)
    assert found.line("recall").rules == pytest.approx(2 / 3)
    assert found.line("value").model == pytest.approx(150 / 160)
    assert found.line("recall").met is None


def test_every_ranking_has_the_same_figures() -> None:
    found = judged()
    assert [ranker.name for ranker in found.rankers] == ["rules", "coin", "model"]
    assert found.ranker("model").figures["auc"].value == 1.0
    assert found.ranker("coin").figures["auc"].value == 0.5
    assert found.ranker("model").figures["value_at_queue"].value == pytest.approx(150 / 160)
    with pytest.raises(KeyError):
        found.ranker("oracle")
    with pytest.raises(KeyError):
        found.line("hope")


def test_recall_by_pattern() -> None:
    spree, testing = judged().patterns
    assert (spree.name, spree.frauds, spree.value) == ("spree", 2, 150.0)
    assert (spree.rules.value, spree.model.value) == (0.5, 1.0)
    assert (testing.rules.value, testing.model.value) == (1.0, 0.0)


def test_intervals_hold_the_figure() -> None:
    found = judged(rounds=200)
    line = found.line("loss")
    assert line.compared.low is not None
    assert line.compared.high is not None
    assert line.compared.value is not None
    assert line.compared.low <= line.compared.value <= line.compared.high
    assert found == judged(rounds=200)


def test_goes_to_json_and_back() -> None:
    found = judged(rounds=20)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


def test_without_patterns_and_without_rule_alerts() -> None:
    table, _, model = small()
    silent = Verdict(np.zeros(10, dtype=np.bool_), np.zeros(10))
    found = evaluate(replace(table, extra={}), rules=silent, model=model, settings=Settings(rounds=5))
    assert found.patterns == ()
    assert found.line("queue").compared.value is None
    assert found.line("queue").met is None


def test_what_cannot_be_judged_is_refused() -> None:
    table, rules, model = small()
    with pytest.raises(ShapeError, match="nothing to judge"):
        evaluate(replace(table, label=np.zeros(10)), rules=rules, model=model)
    with pytest.raises(ShapeError, match="coin has"):
        evaluate(table, rules=rules, model=model, baselines={"coin": np.zeros(3)})


def test_wilson_by_the_book() -> None:
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    found = wilson(81, 263)
    assert found.low == pytest.approx(0.2553, abs=1e-4)
    assert found.high == pytest.approx(0.3662, abs=1e-4)
    assert wilson(0, 0).value is None


def test_what_has_no_amount_is_worth_nothing() -> None:
    table, rules, model = small()
    gone = np.where(np.arange(10) < 3, np.nan, table.amount)
    found = [
        evaluate(replace(table, amount=amount), rules=rules, model=model, settings=Settings(rounds=3))
        for amount in (gone, np.nan_to_num(gone))
    ]
    assert found[0] == found[1]
    assert found[0].line("loss").model == 5.0


def test_frauds_that_are_worth_nothing_leave_a_curve_out_and_go_to_json_and_back() -> None:
    table, rules, model = small()
    free = replace(table, amount=np.where(table.label == 1, 0.0, table.amount))
    found = evaluate(free, rules=rules, model=model, settings=Settings(rounds=0))
    assert found.curves.value_captured["model"].x == ()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found
    assert "<svg" in value_captured(found.curves, [("model", 1.0)])
