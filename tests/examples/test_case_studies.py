"""The case studies' figures, each at its boundary: at a limit and just above it."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjudge.define import System
from adjudge.engine import Decision, Plan, Scores, compile
from adjudge.service.decode import EventDecoder
from adjudge.typing import FloatArray, IntArray

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

A: dict[str, Any] = runpy.run_path(str(EXAMPLES / "02_rules_and_trees.py"))
B: dict[str, Any] = runpy.run_path(str(EXAMPLES / "03_score_families.py"))
C: dict[str, Any] = runpy.run_path(str(EXAMPLES / "04_risk_bands.py"))

Row = dict[str, object]


@dataclass(frozen=True)
class Fixed:
    """A scorer that always says the same."""

    p: float
    names: tuple[str, ...] = ()
    version: str = "fixed"
    top: int = 1
    family_names: tuple[str, ...] = ()

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        n = X.shape[1]
        return Scores(np.zeros(n), np.full(n, self.p), np.full((n, 1), -1, np.int32), np.zeros((n, 1)))


def row(number: int, before: timedelta, **fields: object) -> Row:
    """Return a payment of ann's some time before now, unless fields say otherwise."""
    common: Row = {
        "payment_id": f"p{number}",
        "at": NOW - before,
        "user": "ann",
        "merchant": "m",
        "amount": "10",
    }
    return common | fields


def decide(system: System, past: Sequence[Row], now: Row, *, fraud: int = 0, p: float | None = None) -> Decision:
    """Return the decision on a payment after some others, of which the first few were fraud."""
    plan = compile(system, scorer=None if p is None else Fixed(p))
    state = plan.start()
    if past:
        batch = plan.encode("payment", events(plan, past), np.arange(len(past)))
        plan.step(state, batch)
        value = np.array([float(i < fraud) for i in range(len(past))])
        plan.label(state, batch, "fraud", np.full(len(past), np.nan), value)
    decisions = plan.step(state, plan.encode("payment", events(plan, [now]), np.array([len(past)])))
    assert decisions is not None
    return decisions[0]


def events(plan: Plan, rows: Sequence[Row]) -> list[Any]:
    decoded = EventDecoder(plan.schema("payment")).rows(rows)
    assert not decoded.errors
    return decoded.events


def amounts(*, now: str) -> tuple[list[Row], Row]:
    """Return payments with mean 10 and deviation exactly 1, and the one after them."""
    past = [row(i, timedelta(days=3 - i), amount=amount) for i, amount in enumerate(["9", "10", "11"])]
    return past, row(9, timedelta(), amount=now)


def travel(*, degrees: float) -> tuple[list[Row], Row]:
    """Return a payment on the equator and one an hour later, so many degrees north of it."""
    past = [row(0, timedelta(hours=1), place={"lat": 0.0, "lon": 0.0})]
    return past, row(9, timedelta(), place={"lat": degrees, "lon": 0.0})


def payments_in_an_hour(*, count: int) -> tuple[list[Row], Row]:
    return [row(i, timedelta(minutes=i + 1)) for i in reversed(range(count))], row(99, timedelta())


def rated(field: str, *, count: int) -> tuple[list[Row], Row]:
    """Return payments of others with one device or merchant, old enough for their labels to count."""
    names = {"user": "u{}", "merchant": "m{}", "device": "d{}"}
    past = []
    for i in range(count):
        own = {name: pattern.format(i) for name, pattern in names.items()} | {field: "shared"}
        past.append(row(i, timedelta(days=20) - timedelta(hours=i), **own))
    return past, row(99, timedelta(), **{field: "shared"})


@pytest.mark.parametrize(
    ("rule", "confidence", "at", "above"),
    [
        ("amount_anomalous", 0.99, amounts(now="20"), amounts(now="20.01")),
        ("travel_impossible", 0.95, travel(degrees=7.19), travel(degrees=7.20)),
        ("too_fast", 0.90, payments_in_an_hour(count=10), payments_in_an_hour(count=11)),
    ],
)
def test_a_rule_declines_above_its_limit(
    rule: str, confidence: float, at: tuple[list[Row], Row], above: tuple[list[Row], Row]
) -> None:
    assert decide(A["SYSTEM"], *at).decision == "approve"
    decision = decide(A["SYSTEM"], *above)
    assert (decision.decision, decision.rules, decision.reason, decision.method) == (
        "decline",
        [rule],
        rule,
        "rules",
    )
    assert decision.score == round(100 * confidence)
    assert [(reason.code, reason.weight) for reason in decision.reasons] == [(rule, confidence)]


@pytest.mark.parametrize(
    ("rule", "confidence", "field", "at", "above"),
    [
        ("device_risky", 0.85, "device", (2, 4), (3, 5)),
        ("merchant_risky", 0.75, "merchant", (3, 10), (4, 13)),
    ],
)
def test_a_fraud_rate_declines_above_its_limit(
    rule: str, confidence: float, field: str, at: tuple[int, int], above: tuple[int, int]
) -> None:
    assert decide(A["SYSTEM"], *rated(field, count=at[1]), fraud=at[0]).decision == "approve"
    decision = decide(A["SYSTEM"], *rated(field, count=above[1]), fraud=above[0])
    assert (decision.decision, decision.rules, decision.score) == ("decline", [rule], round(100 * confidence))


def test_a_label_younger_than_the_delay_does_not_count() -> None:
    past = [row(i, timedelta(days=6), user=f"u{i}", merchant="shared") for i in range(10)]
    assert decide(A["SYSTEM"], past, row(99, timedelta(), merchant="shared"), fraud=10).decision == "approve"


def above(limit: float) -> float:
    return math.nextafter(limit, 1.0)


@pytest.mark.parametrize(
    ("system", "p", "action"),
    [
        (A["SYSTEM"], 0.5, "approve"),
        (A["SYSTEM"], above(0.5), "review"),
        (A["SYSTEM"], 0.9, "review"),
        (A["SYSTEM"], above(0.9), "decline"),
        (B["SYSTEM"], 0.70, "approve"),
        (B["SYSTEM"], above(0.70), "review"),
        (B["SYSTEM"], 0.95, "review"),
        (B["SYSTEM"], above(0.95), "block"),
    ],
)
def test_the_score_acts_above_its_thresholds(system: System, p: float, action: str) -> None:
    decision = decide(system, [], row(1, timedelta()), p=p)
    assert (decision.decision, decision.method) == (action, "model")


@pytest.mark.parametrize(
    ("score", "action"),
    [
        (0, "approve"),
        (30, "approve"),
        (31, "verify"),
        (70, "verify"),
        (71, "step_up"),
        (85, "step_up"),
        (86, "block"),
        (100, "block"),
    ],
)
def test_the_bands_begin_and_end_where_they_should(score: int, action: str) -> None:
    decision = decide(C["SYSTEM"], [], row(1, timedelta()), p=score / 100)
    assert (decision.score, decision.decision) == (score, action)


def test_every_score_is_in_one_band_and_a_block_is_reviewed() -> None:
    policy = C["SYSTEM"].policy
    assert dict(policy.bands) == {"approve": 30, "verify": 70, "step_up": 85, "block": 100}
    assert policy.review == ("block",)
    between = (0.304, 0.305, 0.704, 0.705, 0.854, 0.855, 0.856)
    found = [decide(C["SYSTEM"], [], row(1, timedelta()), p=p).score for p in between]
    assert found == [30, 31, 70, 71, 85, 86, 86]


def test_a_rule_is_heard_beside_the_score() -> None:
    past, now = amounts(now="20.01")
    assert decide(A["SYSTEM"], past, now, p=0.1).decision == "decline"
    assert decide(A["SYSTEM"], past, now, p=0.95).decision == "decline"
    past, now = amounts(now="20")
    assert decide(A["SYSTEM"], past, now, p=0.6).decision == "review"


def test_the_trees_are_as_the_case_study_has_them() -> None:
    wanted = {
        "library": "xgboost",
        "n_trees": 500,
        "depth": 6,
        "rate": 0.05,
        "subsample": 0.8,
        "columns": 0.8,
    }
    parameters = A["TREES"].get_params()
    assert {name: parameters[name] for name in wanted} == wanted
    assert parameters["patience"] == 0, "no tree is left out"


def test_the_families_weigh_as_the_case_study_has_them() -> None:
    weights: Mapping[str, float] = B["WEIGHTS"]
    assert weights == {"velocity": 0.25, "behaviour": 0.35, "merchant": 0.20, "geography": 0.20}
    assert sum(weights.values()) == pytest.approx(1.0)
    plan = compile(B["SYSTEM"])
    make: Callable[[list[str]], Any] = B["families"]
    families = make([name for name in plan.names if name not in plan.categorical])
    assert families.weights == weights
    assert all(len(members) > 5 for members in families.families.values())
    assert len({name for members in families.families.values() for name in members}) == sum(
        len(members) for members in families.families.values()
    )
