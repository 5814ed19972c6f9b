"""A scorer that fails where it is told to, a clock that goes when it is told to, and a system that they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np

from adjudge.define import Event, Fallback, Id, Key, Money, Outcome, Policy, Rule, Rules, System, Time, days, hours
from adjudge.engine import Decisions, Guard, Plan, Scores, State, compile
from adjudge.engine.layers import UNGUARDED
from adjudge.typing import FloatArray, IntArray

START = datetime(2025, 6, 1, 12, tzinfo=UTC)


class Bet(Event):
    """A bet."""

    bet_id: Id
    at: Time
    user: Key
    amount: Money | None


user = Bet.by("user")

RULES = Rules(
    (
        Rule("trusted", "amount == 7", "approve", priority=0, final=True),
        Rule("huge", "amount > 1000", "block", confidence=0.8),
        Rule("often", "user_count_1h >= 2", "review"),
    )
)

POLICY = Policy(
    thresholds={"review": 0.5, "block": 0.9}, fallback=Fallback(above={"verify": 50, "review": 200, "block": 500})
)

BETS = System(
    "bets",
    Bet,
    outcomes=[Outcome("declined", decided=("block",))],
    features=[user.count(hours(1)), user.sum("amount", days(1)), user.count(days(1), of="declined")],
    rules=RULES,
    policy=POLICY,
    amount="amount",
)


class Timer:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class OutOfOrderError(Exception):
    """What a broken model raises."""


@dataclass
class Moody:
    """A scorer that rises with the amount, raises at some amounts, and gives something else at others.

    Parameters
    ----------
    raises
        Amounts that it cannot take.
    gives
        What it says of other amounts: any number.
    down
        Whether it raises whatever it is asked.
    timer, takes_s
        What it moves with every call, and by how much.
    asked
        How many rows each call had.
    """

    raises: frozenset[float] = frozenset()
    gives: dict[float, float] = field(default_factory=dict)
    down: bool = False
    timer: Timer = field(default_factory=Timer)
    takes_s: float = 0.0
    asked: list[int] = field(default_factory=list)
    names: tuple[str, ...] = ("amount", "user_count_1h")
    version: str = "moody"
    top: int = 1
    family_names: tuple[str, ...] = ("half",)

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Return amount / 1000 as the probability."""
        amounts = X[rows[0]].tolist()
        self.asked.append(len(amounts))
        self.timer.now += self.takes_s
        if self.down or self.raises & set(amounts):
            message = f"cannot take one of {len(amounts)}"
            raise OutOfOrderError(message)
        p = np.array([self.gives.get(a, 0.0 if a != a else min(a / 1000.0, 1.0)) for a in amounts])
        top = np.zeros((len(p), 1), np.int32)
        return Scores(p - 0.5, p, top, p.reshape(-1, 1) + 1.0, {"half": p / 2})


def plan_with(scorer: Any, **policy: Any) -> Plan:
    """Return the plan of the bets with a scorer, and with another policy where one is given."""
    return compile(replace(BETS, policy=replace(POLICY, **policy)), scorer=scorer)


def bet(i: int, amount: float | None, user: str = "") -> Any:
    """Return a bet, a second after the one before; by a user of its own unless one is named."""
    exact = None if amount is None else Decimal(f"{amount:.2f}")
    return SimpleNamespace(bet_id=f"b{i}", at=START + timedelta(seconds=i), user=user or f"u{i}", amount=exact)


def bets(*amounts: float | None, user: str = "") -> list[Any]:
    """Return bets of these amounts."""
    return [bet(i, amount, user) for i, amount in enumerate(amounts)]


def decide(
    plan: Plan, events: Sequence[Any], guard: Guard = UNGUARDED, *, state: State | None = None, first: int = 0
) -> Decisions:
    """Decide some bets, appending them to a state or to a new one."""
    batch = plan.encode("bet", events, np.arange(first, first + len(events)))
    decisions = plan.step(plan.start() if state is None else state, batch, guard=guard)
    assert decisions is not None
    return decisions


def columns(*parts: Decisions) -> dict[str, Any]:
    """Return everything that a decision is and that must not depend on how events were batched, in bits."""
    whole: dict[str, list[Any]] = {}
    for d in parts:
        assert d.scores is not None
        c, s = d.combined, d.scores
        found = {"layers": d.layers.T, "action": c.action, "rule": c.rule, "score": c.score, "method": c.method}
        found |= {"margin": s.margin, "p": s.p, "top": s.top, "push": s.top_value, **s.families}
        found |= {"features": d.X[d.plan.rows].T}
        for name, column in found.items():
            whole.setdefault(name, []).append(column)
    return {name: np.concatenate(found).tobytes() for name, found in whole.items()}
