"""Back-tests against one event after the other, decided and added up by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.define import Category, Costs, Event, Id, Label, Money, Policy, Rule, Rules, System, Term, Time
from adjudge.define.functions import Type
from adjudge.engine.vm import Slot
from adjudge.errors import DefinitionError
from adjudge.learn.backfilled import backfilled_past
from adjudge.learn.backtest import Asked, BackTest, RuleTest, backtest
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, YOUNG, Columns, Past, known_of
from adjudge.learn.source import Source
from adjudge.typing import FloatArray
from tests.engine.reference import evaluate
from tests.learn import worlds

DAY = 86_400_000_000


class Payment(Event):
    """What is decided."""

    payment_id: Id
    at: Time
    amount: Money
    method: Category


POLICY = Policy(
    actions=("approve", "review", "block"),
    thresholds={"review": 0.5, "block": 0.9},
    costs=Costs(review=2.0, insult=4.0, insult_share=0.1, fraud_share=0.9, review_catches=0.8),
)
SYSTEM = System("payments", Payment, Label("fraud"), policy=POLICY, amount="amount", lists={"banned": ("b",)})
NAMES = ("at", "amount", "count", "method")
TYPES: dict[str, Type] = {"at": "time", "amount": "money", "count": "number", "method": "text", "ratio": "number"}
DRAFT = Rules(
    (
        Rule("large", "amount > 50", "review"),
        Rule("often", "count >= 3 and amount > 10", "block", priority=5),
        Rule("ratio", "ratio > 20", "review", priority=200),
        Rule("banned", "method in banned", "block"),
        Rule("odd", "not (count > 1)", "flag"),
        Rule("trusted", "method == 'c'", "approve", priority=1, final=True),
        Rule("spring", "amount > 5", "review", expires="1970-01-05"),
    )
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from([math.nan, 0.0, 20.0, 60.0, 200.0]),  # amount
        st.sampled_from([math.nan, 0.0, 1.0, 3.0]),  # count
        st.sampled_from(["", "a", "b", "c"]),  # method
        st.sampled_from([math.nan, 0.0, 1.0]),  # label
        st.sampled_from([math.nan, 0.2, 0.7, 0.95]),  # probability
        st.sampled_from([0, 1, 2]),  # what was done
        st.integers(0, 9),  # day
        st.integers(0, 3),  # customer
    ),
    min_size=1,
    max_size=40,
)
Row = tuple[float, float, str, float, float, int, int, int]


def past_of(rows: list[Row]) -> Past:
    """Return the past of some rows, seen after ten days, with labels that are known after three."""
    rows = sorted(rows, key=lambda row: row[6])
    amount, count, method, label, p, done, day, who = (list(column) for column in zip(*rows, strict=True))
    n, ts = len(rows), np.array(day) * DAY
    X = np.full((5, n), np.nan)
    X[0], X[1], X[2], X[3] = ts, 0.0, amount, count
    X.view(np.int64)[4] = [hash_text(text) for text in method]
    slots = {"at": Slot("time", 0), "amount": Slot("money", 2), "count": Slot("number", 3), "method": Slot("text", 4)}
    model = [0 if math.isnan(each) else int(each > 0.5) + int(each > 0.9) for each in p]
    return Past(
        Columns(slots, X, TYPES, {"ratio": "amount / count"}, "at"),
        ts,
        known_of(np.array(label), ts, as_of=10 * DAY, matures_us=3 * DAY, stopped=np.array(done) == 2),
        np.array(amount),
        np.array(who),
        np.arange(n),
        np.array(done),
        np.array(p),
        np.array(model),
        ("old",),
        (np.array(count) == 3.0).astype(np.uint64)[None],
        SYSTEM,
        10 * DAY,
        3 * DAY,
        modelled=True,
    )


def hash_text(text: str) -> int:
    return "_abc".index(text or "_")


def run(past: Past, draft: Rules = DRAFT, **asked: int) -> BackTest:
    return backtest(past, draft, hash_text=hash_text, asked=Asked(**{"rounds": 0, **asked}))


def fires(rule: Rule, past: Past, i: int) -> bool:
    """Whether a rule fires for one event, said slowly."""
    X = past.columns.X[:, i]
    amount, count = (None if math.isnan(v) else float(v) for v in X[2:4])
    method = ["", "a", "b", "c"][int(X.view(np.int64)[4])] or None
    ratio = None if amount is None or not count else amount / count
    event = {"amount": amount, "count": count, "method": method, "ratio": ratio}
    early = rule.expires is None or past.ts[i] < rule.expires.timestamp() * 1e6
    return early and evaluate(rule.when.root, event, {"banned": ["b"]}) is True


def money(how: int, fraud: bool, worth: float) -> float:
    """Return what treating an event so saves against nothing."""
    if how == 1:
        return (0.9 * 0.8 * worth if fraud else 0.0) - 2.0
    return (0.9 * worth if fraud else -(4.0 + 0.1 * worth)) if how == 2 else 0.0


def by_hand(past: Past, hits: list[int], how: list[int], *, beyond: bool) -> dict[str, float]:
    """Add the hits of a line up, one after the other."""
    total = dict.fromkeys(("alerts", "frauds", "honest", "amount", "saved"), 0.0)
    for i, treated in zip(hits, how, strict=True):
        if beyond and past.action[i] > 0:
            continue
        total["alerts"] += 1
        worth = 0.0 if math.isnan(past.amount[i]) else float(past.amount[i])
        if past.known[i] in (FRAUD, HONEST):
            fraud = past.known[i] == FRAUD
            total["frauds"] += fraud
            total["honest"] += not fraud
            total["amount"] += worth * fraud
            total["saved"] += money(treated, bool(fraud), worth)
    return total


def check(line: RuleTest, past: Past, hits: list[int], how: list[int]) -> None:
    days = max((past.ts[-1] - past.ts[0] + 1) / DAY, 1.0)
    old = past.ts[past.ts <= 7 * DAY]
    old_days = max((old[-1] - old[0] + 1) / DAY, 1.0) if len(old) else 1.0
    for caught, beyond in ((line.caught, False), (line.added, True)):
        total = by_hand(past, hits, how, beyond=beyond)
        assert caught.alerts * days == pytest.approx(total["alerts"])
        assert caught.frauds.value == pytest.approx(total["frauds"] / old_days)
        assert caught.fraud_amount * old_days == pytest.approx(total["amount"])
        assert caught.false_alerts * old_days == pytest.approx(total["honest"])
        assert caught.saved.value == pytest.approx(total["saved"] / old_days)
        labelled = total["frauds"] + total["honest"]
        assert caught.precision.value == (pytest.approx(total["frauds"] / labelled) if labelled else None)
        frauds = int((past.known == FRAUD).sum())
        assert caught.recall.value == (pytest.approx(total["frauds"] / frauds) if frauds else None)
    assert (line.hits, line.young) == (len(hits), int((past.known[hits] >= YOUNG).sum()))
    assert line.unlabelled == int((past.known[hits] == UNLABELLED).sum())
    assert sum(week.alerts for week in line.weeks) == len(hits)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_every_figure_is_that_of_deciding_one_by_one(rows: list[Row]) -> None:
    past = past_of(rows)
    found = run(past)
    n, policy = len(past), POLICY
    alone, beside = [0] * n, past.model.tolist()
    for i in range(n):
        asked, closed = 0, False
        for rule in DRAFT.rules:
            if not closed and rule.action != "flag" and fires(rule, past, i):
                asked, closed = max(asked, policy.severity(rule.action)), rule.final
        alone[i] = asked
        beside[i] = asked if closed else max(asked, past.model[i])
    for line, rule in zip(found.rules, DRAFT.rules, strict=True):
        hits = [i for i in range(n) if fires(rule, past, i)]
        how = 0 if rule.action == "flag" else policy.severity(rule.action)
        check(line, past, hits, [how] * len(hits))
        with_old = sum(past.fired[0, i] == 1 for i in hits)
        assert [(o.rule, o.events) for o in line.overlaps] == [("old", with_old)] * bool(with_old)
        assert line.model_acted == (pytest.approx(np.mean(past.model[hits] > 0)) if hits else None)
    together = [i for i in range(n) if alone[i] > 0]
    check(found.together, past, together, [alone[i] for i in together])
    assert found.instead.changed == sum(int(past.action[i]) != beside[i] for i in range(n))


def test_only_labels_that_are_old_enough_count() -> None:
    """A silent event is honest after three days, unless it was stopped: then nobody could complain."""
    silent, fraud = (60.0, 0.0, "a", math.nan, math.nan, 0), (60.0, 0.0, "a", 1.0, math.nan, 0)
    stopped = (60.0, 0.0, "a", math.nan, math.nan, 2)
    found = run(past_of([(*row, day, 0) for row in (silent, fraud, stopped) for day in (0, 9)]))
    large = next(rule for rule in found.rules if rule.rule == "large")
    assert (large.hits, large.labelled, large.unlabelled, large.young, large.young_frauds) == (6, 2, 1, 3, 1)
    assert (found.mature, found.unlabelled, found.frauds, found.matures_days) == (0.5, 1, 1, 3.0)
    assert large.caught.precision.value == 0.5


def test_lists_that_a_rule_asks_are_named() -> None:
    """By itself or through a derived feature: they are asked as they are now."""
    past = past_of([(60.0, 0.0, "a", 1.0, math.nan, 0, 0, 0)])
    derived = {"ratio": "amount / count", "odd_method": "method in banned"}
    types: dict[str, Type] = {**TYPES, "odd_method": "boolean"}
    past = replace(past, columns=replace(past.columns, derived=derived, types=types))
    found = run(past, Rules((*DRAFT.rules, Rule("through", "odd_method", "block"))))
    assert {rule.rule: rule.asks for rule in found.rules if rule.asks} == {
        "banned": ("banned",),
        "through": ("banned",),
    }


def test_examples_are_those_of_most_worth() -> None:
    worths, labels = (20.0, 60.0, 200.0), (1.0, 0.0)
    past = past_of([(worth, 3.0, "a", label, math.nan, 0, 0, 0) for label in labels for worth in worths])
    often = next(rule for rule in run(past, examples=2).rules if rule.rule == "often")
    assert (often.best, often.worst) == (("2", "1"), ("5", "4"))


def test_what_the_past_does_not_hold_is_named_with_what_was_meant() -> None:
    past = past_of([(60.0, 0.0, "a", 1.0, math.nan, 0, 0, 0)])
    slots = {name: slot for name, slot in past.columns.slots.items() if name != "count"}
    past = replace(past, columns=replace(past.columns, slots=slots))
    draft = Rules((*DRAFT.rules, Rule("typo", "amuont > 3", "review")))
    found = run(past, draft)
    assert {each.rule: each.why for each in found.untested} == {
        "often": "'count' is not kept; did you mean 'amount'?",
        "odd": "'count' is not kept; did you mean 'amount'?",
        "ratio": "'count', of which 'ratio' is made, is not kept; did you mean 'amount'?",
        "typo": "there is no 'amuont'; did you mean 'amount'?",
    }
    assert [rule.rule for rule in found.rules] == ["trusted", "banned", "large", "spring"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule("a", "amount", "review"), "rule 'a' must be a boolean, 'amount' is a money"),
        (Rule("a", "method > 3", "review"), "rule 'a': a text cannot be compared with a number"),
        (Rule("a", "amount > 3", "blok"), "rule 'a': unknown action 'blok'; did you mean 'block'"),
    ],
)
def test_what_makes_no_sense_is_refused(rule: Rule, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        run(past_of([(60.0, 0.0, "a", 1.0, math.nan, 0, 0, 0)]), Rules((rule,)))


def test_an_element_of_a_list_ends_by_the_time_of_the_event() -> None:
    past = past_of([(20.0, 0.0, "b", 1.0, math.nan, 0, day, 0) for day in range(6)])
    past = replace(past, system=replace(SYSTEM, terms={"banned": {"b": Term("1970-01-04")}}))
    assert next(rule.hits for rule in run(past).rules if rule.rule == "banned") == 3


def test_intervals_draw_customers_not_events() -> None:
    """All frauds are one customer's: whether that one is drawn decides everything, so the interval reaches from 0."""
    rows = [(60.0, 0.0, "a", float(who == 0), math.nan, 0, day, who) for day in range(8) for who in range(8)]
    past = past_of(rows)
    found, again = (next(r for r in run(past, rounds=200).rules if r.rule == "large") for _ in range(2))
    precision = found.caught.precision
    assert found == again
    assert precision.value == 0.125
    assert precision.low == 0.0
    assert precision.high is not None
    assert precision.high > 0.3
    assert next(r for r in run(past).rules if r.rule == "large").caught.precision.low is None


def test_a_backfilled_past_is_what_the_backfill_decided() -> None:
    source, plan, table = worlds.source(), worlds.plan(), worlds.table()
    past = backfilled_past(plan, source, ["amount", "user_count_1h", "card", "no_such"])
    assert past.action.tolist() == table.extra["rules"].tolist()
    fast: FloatArray = table.column("user_count_1h")
    assert (past.fired[0] == 1).tolist() == (fast > 5).tolist()
    assert sorted(past.columns.slots) == ["amount", "at", "card", "user_count_1h"]
    draft = Rules((Rule("same", "user_count_1h > 5", "review"), Rule("none", "card == 'nobody'", "block")))
    found = backtest(past, draft, hash_text=lambda text: 1, asked=Asked(rounds=0))
    same = next(rule for rule in found.rules if rule.rule == "same")
    assert same.hits == int((fast > 5).sum())
    assert same.acted == 1.0
    assert same.added.alerts == 0.0
    assert [(o.rule, o.share) for o in same.overlaps] == [("too_fast", 1.0)]
    assert found.instead.changed == 0
    early = backtest(past.between(0, int(past.ts[100])), draft, hash_text=lambda text: 1, asked=Asked(rounds=0))
    assert early.events == 100


def test_declined_events_of_a_source_have_no_label() -> None:
    import polars as pl

    made = worlds.source()
    ids = made.frames["payment"]["payment_id"]
    approvals = pl.DataFrame({"payment_id": ids, "approved": False, "propensity": 1.0})
    past = backfilled_past(worlds.plan(), Source(made.frames, {}, {}, None, approvals), ["amount"])
    assert set(past.known[: past.old].tolist()) == {UNLABELLED}
