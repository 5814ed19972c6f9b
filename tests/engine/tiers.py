"""A stack of three layers over the bets of `moody`, each of which may be told to fail, to raise or to take its time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from adjudge.engine.scorer import Scores
from adjudge.models.calibrate import Platt
from adjudge.models.raw import Arrays, Meta, Raw
from adjudge.models.stacked import Member, Mix, StackScorer
from adjudge.typing import FloatArray, IntArray
from tests.engine.moody import OutOfOrderError, Timer


@dataclass
class Line:
    """A model whose margin is a line in the amount and in how often the user came.

    Parameters
    ----------
    slope, often, bias
        Of the amount over 1000, of the count, and of nothing.
    raises, rubbish
        Amounts that it cannot take, and of which it says what is no number.
    timer, takes_s
        What it moves with every call, and by how much.
    asked
        How many rows each call had.
    """

    slope: float = 1.0
    often: float = 0.0
    bias: float = 0.0
    raises: frozenset[float] = frozenset()
    rubbish: frozenset[float] = frozenset()
    timer: Timer = field(default_factory=Timer)
    takes_s: float = 0.0
    asked: list[int] = field(default_factory=list)
    names: tuple[str, ...] = ("amount", "user_count_1h")

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins; nobody asks a member of a stack for its largest pushes."""
        amounts = X[rows[0]].tolist()
        self.asked.append(len(amounts))
        self.timer.now += self.takes_s
        if self.raises & set(amounts):
            message = f"cannot take one of {len(amounts)}"
            raise OutOfOrderError(message)
        pushes = self.contributions(X, rows)
        raw = Raw.empty(len(amounts), k)
        raw.margin[:] = [
            math.nan if a in self.rubbish else self.bias + p[0] + p[1] for a, p in zip(amounts, pushes, strict=True)
        ]
        return raw

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return what amount and count add."""
        pushes = np.nan_to_num(X[rows].T)
        return np.stack([self.slope * pushes[:, 0] / 1000.0, self.often * pushes[:, 1]], axis=1)

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins with what amount and count add."""
        return self.raw(X, rows, 0).margin, self.contributions(X, rows)

    def meta(self) -> Meta:
        """Return nothing that could be read again."""
        return {"kind": "line", "line": [self.slope, self.often, self.bias]}

    def arrays(self) -> Arrays:
        """Return no arrays."""
        return {}


NAMES = ("fast", "deep", "graph")
PLATT = {1: Platt(8.0, -4.0), 2: Platt(6.0, -3.0), 3: Platt(7.0, -3.0), 4: Platt(5.0, -2.0)}


def tiers(*lines: Line, needed: tuple[float, float] = (0.0, 1.0)) -> StackScorer:
    """Return a stack with a line in each layer, each set of layers mixed and calibrated in a way of its own."""
    members = [Member(f"{name}_line", name, line, Platt(4.0, -2.0)) for name, line in zip(NAMES, lines, strict=False)]
    mixes = {}
    for there in range(1, 2 ** len(lines)):
        weights = np.array([(i + 1.0) / bin(there).count("1") if there >> i & 1 else 0.0 for i in range(len(lines))])
        mixes[there] = Mix(weights, 0.01 * there, PLATT.get(there, Platt(9.0, -5.0)))
    return StackScorer(members, mixes, needed=needed, top=2)


def alone(scorer: StackScorer, X: FloatArray, there: int) -> Scores:
    """Return, a row at a time and with plain arithmetic, what one set of layers comes to."""
    mix = scorer.mixes[there]
    rows = np.arange(len(scorer.names))
    margin = np.full(X.shape[1], mix.intercept)
    for weight, member in zip(mix.weights, scorer.members, strict=True):
        if weight:
            margin += weight * member.model.raw(X, rows, 0).margin
    none = Scores.missing(X.shape[1], 0)
    return Scores(margin, mix.calibrator.apply(margin), none.top, none.top_value)
