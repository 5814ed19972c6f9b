"""A small shop whose purchases are decided: what the service's tests run on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from adjudge.define import (
    Boolean,
    Category,
    Event,
    FeatureGroup,
    Id,
    Key,
    Label,
    Money,
    Outcome,
    Place,
    Policy,
    Profile,
    Rules,
    System,
    Time,
    days,
    feature,
    hours,
    minutes,
)
from adjudge.define import field as declared
from adjudge.engine import SECRET
from adjudge.engine import compile as compile_system
from adjudge.engine.plan import Plan
from adjudge.engine.scorer import Scores
from adjudge.service.decider import Decider
from adjudge.typing import FloatArray, IntArray


class Purchase(Event):
    """A purchase in the shop."""

    purchase_id: Id
    at: Time
    user: Key
    card: Key | None
    amount: Money = declared(minimum=0)
    method: Category
    place: Place | None


class Login(Event):
    """A sign-in."""

    login_id: Id
    at: Time
    user: Key


class Account(Profile):
    """What is known of a user."""

    change_id: Id
    at: Time
    user: Key
    verified: Boolean


user, card = Purchase.by("user"), Purchase.by("card")

SPENDING = FeatureGroup(
    "spending",
    "risk team",
    [user.count(hours(1), days(30)), user.sum("amount", days(1)), user.mean("amount", days(30))],
)

RULES = """
version: 1
lists: {blocked: [stolen]}
rules:
- {id: listed, when: card in blocked, action: block, reason: The card is listed., priority: 1}
- id: busy
  when: user_count_1h >= 3
  action: review
  reason: "{user_count_1h} purchases of {user} within an hour, {user_amount_sum_1d:.2f} in a day."
  confidence: 0.9
"""


@dataclass(frozen=True)
class Slope:
    """A scorer that rises with the sum of its inputs."""

    names: tuple[str, ...] = ("amount", "user_count_1h")
    version: str = "slope-1"
    weights: tuple[float, ...] = field(default=(0.01, 0.5))
    top: int = 2
    family_names: tuple[str, ...] = ()

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Return the logistic of a weighted sum, one row at a time."""
        margin = np.full(X.shape[1], -3.0)
        pushes = np.zeros((X.shape[1], len(rows)))
        for k, (row, weight) in enumerate(zip(rows.tolist(), self.weights, strict=True)):
            pushes[:, k] = np.nan_to_num(X[row]) * weight
            margin += pushes[:, k]
        order = np.argsort(-pushes, axis=1, kind="stable").astype(np.int32)
        top_value = np.take_along_axis(pushes, order, axis=1)
        return Scores(margin, 1.0 / (1.0 + np.exp(-margin)), np.where(top_value > 0, order, -1), top_value)


def shop(name: str = "shop", *, model: bool = True, rules: bool = True, secret: bytes = SECRET) -> Plan:
    """Return the compiled system."""
    return compile_system(shop_system(name, rules=rules), scorer=Slope() if model else None, secret=secret)


def shop_system(name: str = "shop", *, rules: bool = True) -> System:
    """Return the definitions."""
    return System(
        name,
        decides=Purchase,
        label=Label("fraud", delay=days(1)),
        outcomes=[Outcome("declined", decided=("block",))],
        features=[
            SPENDING,
            card.rate("fraud", days(30)),
            user.count(days(1), of="declined"),
            user.speed("place"),
            Login.by("user").count(minutes(10)),
            Account.by("user").latest("verified"),
            feature("above_usual", "amount / user_amount_mean_30d"),
        ],
        rules=Rules.load(RULES) if rules else Rules(),
        policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
        amount="amount",
        streams=[Login],
    )


START = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the shop opens."""


class ManualClock:
    """A clock that goes when it is told to."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> int:
        """Return the time in microseconds since 1970."""
        return round(self.at.timestamp() * 1e6)

    def advance(self, step: timedelta) -> None:
        """Let time pass."""
        self.at += step


def purchase(number: int | str, at: datetime = START, **changes: Any) -> dict[str, Any]:
    """Return a purchase as a client would send it."""
    made = {
        "purchase_id": f"p{number}",
        "at": at.isoformat(),
        "user": "u1",
        "amount": "10.00",
        "method": "card",
    }
    return {k: v for k, v in (made | changes).items() if v is not None}


def many_purchases(n: int, *, seed: int = 1, at: datetime = START, step_s: float = 20.0) -> list[dict[str, Any]]:
    """Return purchases of a handful of users, a few late, some of them without a card or a place."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        when = at + timedelta(seconds=i * step_s - float(rng.integers(0, 300)) * float(rng.random() < 0.1))
        made.append(
            purchase(
                f"{seed}-{i}",
                when,
                user=f"u{rng.integers(0, 6)}",
                card=None if rng.random() < 0.2 else f"c{rng.integers(0, 9)}",
                amount=f"{rng.integers(1, 50_000) / 100:.2f}",
                place=None if rng.random() < 0.3 else {"lat": float(rng.normal(50)), "lon": float(rng.normal(8))},
            )
        )
    return made


def as_json(content: Any) -> bytes:
    """Return content as a body."""
    return json.dumps(content).encode()


class Shop:
    """A decider with its clock, spoken to in plain rows."""

    def __init__(self, *plans: Plan, at: datetime = START) -> None:
        self.clock = ManualClock(at)
        self.decider = Decider(list(plans) or [shop()], clock=self.clock)

    def decide(self, *rows: dict[str, Any], stream: str = "purchase") -> list[Any]:
        """Decide rows that must be well-formed; return decoded answers, or the code of a refusal."""
        decoded = self.decider.workspace.door(stream).many(as_json(rows))
        assert not decoded.errors, decoded.errors
        verdicts = self.decider.decide(stream, decoded.events)
        return [v.error.code if v.error else json.loads(v.record or b"{}") for v in verdicts]
