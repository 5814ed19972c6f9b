"""Deciding: batches and threads change nothing, own decisions are seen at once, labels count from then on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adjudge.define import (
    Category,
    Event,
    Id,
    Key,
    Label,
    Money,
    Number,
    Outcome,
    Place,
    Policy,
    Rule,
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
)
from adjudge.engine import Batch, Decisions, Plan, State, compile
from adjudge.errors import InputError

START = datetime(2025, 6, 1, 12, tzinfo=UTC)


class Sale(Event):
    """A sale."""

    sale_id: Id
    at: Time
    buyer: Key
    shop: Key | None
    amount: Money = field(minimum=0, currency_from="currency", rate_from="rate")
    currency: Category | None
    rate: Number | None
    place: Place | None


buyer, shop = Sale.by("buyer"), Sale.by("shop")

SALES = System(
    "sales",
    Sale,
    label=Label("fraud", delay=days(1)),
    outcomes=[Outcome("declined", decided=("block",))],
    features=[
        buyer.count(hours(1)),
        buyer.including().sum("amount", hours(1)),
        buyer.std("amount", days(1)),
        buyer.count(hours(1), of="declined"),
        buyer.where("amount > 50", called="large").count(hours(1)),
        buyer.distinct("amount", hours(1)),
        shop.rate("fraud", days(30)),
        shop.where("amount > 50", called="large").rate("fraud", days(30)),
        shop.count(days(30), of="fraud"),
        buyer.speed("place"),
        feature("share", "amount / buyer_amount_sum_including_1h"),
    ],
    rules=Rules(
        (
            Rule("too_much", "amount > 100", "block", "{amount:.2f} is over the limit", confidence=0.9),
            Rule("again", "buyer_declined_count_1h >= 1", "review", priority=1),
            Rule("noted", "amount > 10", "flag"),
        )
    ),
    policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
    amount="amount",
)


def sale(i: int, minutes: float, amount: str = "20.00", **more: Any) -> Any:
    fields = {"buyer": "b1", "shop": "s1", "currency": None, "rate": None, "place": None} | more
    return SimpleNamespace(sale_id=f"s{i}", at=START + timedelta(minutes=minutes), amount=Decimal(amount), **fields)


def step(plan: Plan, state: State, events: list[Any], first: int, *, append: bool = True) -> Decisions:
    batch = plan.encode("sale", events, np.arange(first, first + len(events)))
    decisions = plan.step(state, batch, append=append)
    assert decisions is not None
    return decisions


def many(count: int, seed: int = 0) -> list[Any]:
    draw = np.random.default_rng(seed)
    return [
        sale(
            i,
            float(draw.integers(0, 600)) / 4,
            f"{draw.integers(1, 20_000) / 100:.2f}",
            buyer=f"b{draw.integers(6)}",
            shop=None if draw.random() < 0.1 else f"s{draw.integers(3)}",
            place=SimpleNamespace(lat=48.0 + i % 5, lon=11.0) if draw.random() < 0.5 else None,
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile(SALES)


@pytest.mark.parametrize("size", [2, 7, 50, 200])
def test_batch_size_changes_no_bit(plan: Plan, size: int) -> None:
    events = many(200)
    one, other = plan.start(), plan.start()
    alone = [step(plan, one, [e], i) for i, e in enumerate(events)]
    joined = [step(plan, other, events[i : i + size], i) for i in range(0, 200, size)]
    rows = [plan.slots[n].row for n in plan.names]
    left = np.concatenate([d.X[rows] for d in alone], axis=1)
    right = np.concatenate([d.X[rows] for d in joined], axis=1)
    assert np.array_equal(left.view(np.uint64), right.view(np.uint64))
    assert [a for d in alone for a in d.action] == [a for d in joined for a in d.action]
    assert one.digest() == other.digest()


@pytest.mark.parametrize("buyers", [6, 60])
@pytest.mark.parametrize("limit", ["30.00", "100", "1e9"])
def test_deciding_ahead_of_own_decisions_changes_no_bit(buyers: int, limit: str) -> None:
    """What is held already cannot be taken back by itself, so there no piece is longer than it has to be."""
    rules = Rules(
        (Rule("too_much", f"amount > {limit}", "block"), *(r for r in SALES.rules.rules if r.id != "too_much"))
    )
    plan, draw = compile(replace(SALES, rules=rules)), np.random.default_rng(buyers)
    events = [
        sale(i, i / 4, f"{draw.integers(1, 12_000) / 100:.2f}", buyer=f"b{draw.integers(buyers)}") for i in range(700)
    ]
    ahead, held = plan.start(), plan.start()
    held.hold()
    one, two = step(plan, ahead, events, 0), step(plan, held, events, 0)
    held.release()
    assert np.array_equal(one.X[plan.rows].view(np.uint64), two.X[plan.rows].view(np.uint64))
    assert one.action == two.action
    assert ahead.digest() == held.digest()
    assert not ahead.held


def test_threads_change_no_bit(plan: Plan) -> None:
    events = many(300, seed=1)
    threaded = compile(SALES, threads=2)
    left, right = plan.start(), threaded.start()
    one, two = step(plan, left, events, 0), step(threaded, right, events, 0)
    assert np.array_equal(one.X[plan.rows].view(np.uint64), two.X[plan.rows].view(np.uint64))
    assert left.digest() == right.digest()


def test_a_decision_is_a_feature_of_the_next_event_of_the_same_batch(plan: Plan) -> None:
    decisions = step(plan, plan.start(), [sale(1, 0, "150.00"), sale(2, 1, "5.00"), sale(3, 2, "5.00", buyer="b2")], 0)
    assert decisions.action == ["block", "review", "approve"]
    assert decisions[1].reason == "again"


def test_deciding_without_appending_sees_and_leaves_nothing(plan: Plan) -> None:
    state = plan.start()
    step(plan, state, [sale(1, 0)], 0)
    before = state.digest()
    twice = step(plan, state, [sale(2, 1), sale(3, 2)], 1, append=False)
    assert [twice.features(i)["buyer_count_1h"] for i in (0, 1)] == [1.0, 1.0]
    assert state.digest() == before


def test_the_event_counts_itself_only_where_asked(plan: Plan) -> None:
    found = step(plan, plan.start(), [sale(1, 0, "20.00")], 0).features(0)
    assert found["buyer_amount_sum_including_1h"] == 20.0
    assert found["share"] == 1.0
    assert found["buyer_count_1h"] == 0.0


def test_a_missing_key_has_missing_features_and_no_history(plan: Plan) -> None:
    state = plan.start()
    found = step(plan, state, [sale(i, i, shop=None) for i in range(3)], 0)
    assert found.features(2)["shop_fraud_count_30d"] is None


def encoded(plan: Plan, events: list[Any], first: int) -> Batch:
    return plan.encode("sale", events, np.arange(first, first + len(events)))


def test_labels_count_once_they_are_known_and_the_delay_is_over(plan: Plan) -> None:
    state = plan.start()
    events = [sale(1, 0, "60.00"), sale(2, 1, "20.00")]
    step(plan, state, events, 0)
    later = sale(3, 60 * 48)
    assert step(plan, state, [later], 2, append=False).features(0)["shop_fraud_rate_30d"] == 0.0
    plan.label(state, encoded(plan, events[:1], 0), "fraud", np.full(1, np.nan), np.ones(1))
    found = step(plan, state, [later], 3, append=False).features(0)
    assert (found["shop_fraud_rate_30d"], found["shop_fraud_large_rate_30d"]) == (0.5, 1.0)
    soon = step(plan, state, [sale(4, 60)], 3, append=False).features(0)
    assert soon["shop_fraud_rate_30d"] is None  # no event is older than the delay
    assert soon["shop_fraud_count_30d"] == 1.0  # a count has no delay


def test_a_label_outside_the_condition_is_not_counted(plan: Plan) -> None:
    state = plan.start()
    events = [sale(1, 0, "60.00"), sale(2, 1, "20.00")]
    step(plan, state, events, 0)
    plan.label(state, encoded(plan, events[1:], 1), "fraud", np.full(1, np.nan), np.ones(1))
    found = step(plan, state, [sale(3, 60 * 48)], 3, append=False).features(0)
    assert (found["shop_fraud_rate_30d"], found["shop_fraud_large_rate_30d"]) == (0.5, 0.0)


@pytest.mark.parametrize("amount", ["60.00", "20.00"])
def test_new_under_a_condition_asks_the_rows_and_not_the_event(amount: str) -> None:
    """1 until a row meets the condition, whether or not the event itself does."""
    large = buyer.where("amount > 50", called="large")
    plan = compile(System("sales", Sale, features=[large.is_new()]))
    state, seen = plan.start(), []
    for i, paid in enumerate(["20.00", "30.00", "60.00", "10.00"]):
        asked = step(plan, state, [sale(90, i, amount)], i, append=False)
        seen.append(asked.features(0)["buyer_large_is_new"])
        step(plan, state, [sale(i, i, paid)], i)
    assert seen == [1, 1, 1, 0]
    forgotten = step(plan, state, [sale(91, 401 * 24 * 60, amount)], 5, append=False)
    assert forgotten.features(0)["buyer_large_is_new"] == 1


def test_a_retracted_event_is_seen_by_nobody(plan: Plan) -> None:
    state, without = plan.start(), plan.start()
    events = [sale(1, 0), sale(2, 1, "33.00")]
    step(plan, state, events, 0)
    plan.retract(state, encoded(plan, events[1:], 1))
    step(plan, without, events[:1], 0)
    later = [sale(3, 2)]
    assert step(plan, state, later, 3).features(0) == step(plan, without, later, 3).features(0)


def test_foreign_money_is_kept_in_base_currency_to_the_cent(plan: Plan) -> None:
    found = step(plan, plan.start(), [sale(1, 0, "10.00", currency="USD", rate=0.925)], 0)
    assert found.features(0)["amount"] == 9.25


def test_sums_of_money_are_exact(plan: Plan) -> None:
    state = plan.start()
    step(plan, state, [sale(i, i / 10, "0.10") for i in range(30)], 0)
    found = step(plan, state, [sale(31, 4, "0.10")], 30).features(0)
    assert found["buyer_amount_sum_including_1h"] == 3.1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"amount": "1.005"}, "field 'amount' has more than 2 digits"),
        ({"amount": "10", "currency": "USD"}, "field 'amount' is in USD and no rate to EUR is given"),
        ({"amount": "10.5", "currency": "JPY", "rate": 0.006}, "more than 0 digits after the point"),
    ],
)
def test_inexact_money_is_refused(plan: Plan, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        encoded(plan, [sale(1, 0, **more)], 0)


def test_every_reason_and_version_is_on_the_decision(plan: Plan) -> None:
    decision = step(plan, plan.start(), [sale(1, 0, "150.00")], 0)[0]
    assert (decision.decision, decision.reason, decision.score) == ("block", "too_much", 90)
    assert [r.code for r in decision.reasons] == ["noted", "too_much"]
    assert decision.method == "rules"
    assert set(decision.versions) == {"system", "layout", "rules", "policy", "lists"}
