"""Champion and challenger on the same unseen events, with as many alerts: what differs, and is it more than luck.

Both are judged by the labels that are known by the same moment. A fraud that nobody has reported yet counts as honest
for both of them. On a window of young events that favours whoever is good at frauds that are reported fast, such as who
learnt from young labels; so a win there is no more than an early one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from adjudge.define import Policy
from adjudge.errors import ShapeError
from adjudge.learn.bootstrap import Interval, draws
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.ranking import Ranking
from adjudge.learn.table import Table
from adjudge.learn.train import BESIDE, margins, probabilities, ranked
from adjudge.models.scorers import Served
from adjudge.typing import BoolArray, FloatArray, IntArray

FIGURES = ("average_precision", "recall_at_queue", "value_at_queue", "cost_per_day")
"""What both are held against each other by; the last one is better where it is lower."""

LOWER = frozenset({"cost_per_day"})
"""Figures of which less is better."""

Verdict = Literal["better", "early", "worse", "undecided", "first"]


class Compared(msgspec.Struct, frozen=True):
    """One figure of both, and how they differ.

    Parameters
    ----------
    champion, challenger
        The figure of each; the champion's is that of rules alone where there is no model yet.
    difference
        Challenger less champion, from the same resamples.
    chance
        Share of resamples in which the challenger is better; ties count half. None without any.
    """

    champion: Interval
    challenger: Interval
    difference: Interval
    chance: float | None


class Duel(msgspec.Struct, frozen=True, kw_only=True):
    """What came of holding a challenger against the champion.

    Parameters
    ----------
    champion, challenger
        Id of the bundle that decides, empty where rules alone do; and the model version of the other.
    start_us, end_us
        The window of event time, microseconds UTC: after everything that either was fitted on.
    known_us
        The moment up to which labels are known.
    events, frauds, fraud_value
        What was judged.
    queue_per_day
        Alerts a day that both are given.
    figures
        By name in `FIGURES`.
    rounds
        Resamples of whole entities behind the intervals.
    verdict
        ``better`` if the challenger's average precision is higher with at least the confidence asked for and the cost
        at the same alerts is not higher with that confidence; ``early`` instead where labels of the window may still
        come; ``worse`` the other way round; ``first`` where no model decides yet; else ``undecided``.
    confidence
        Chance that the verdict asks for.
    """

    champion: str
    challenger: str
    start_us: int
    end_us: int
    known_us: int
    events: int
    frauds: int
    fraud_value: float
    queue_per_day: float
    figures: dict[str, Compared]
    rounds: int
    verdict: Verdict
    confidence: float


@dataclass(frozen=True)
class Side:
    """How one of the two ranks the events of a test.

    Parameters
    ----------
    value
        What its policy compares thresholds with, shape (n,).
    tie
        Breaks ties of `value`, such as a margin before calibration, shape (n,).
    """

    value: FloatArray
    tie: FloatArray

    @classmethod
    def of(cls, scorer: Served, policy: Policy, test: Table) -> Side:
        """Return it of a model."""
        return cls(ranked(policy, test.amount, probabilities(scorer, test)), margins(scorer, test))

    @classmethod
    def of_rules(cls, action: IntArray) -> Side:
        """Return it of rules alone: the more severe, the more suspicious."""
        severity = action.astype(np.float64)
        return cls(severity, np.zeros(len(severity)))

    @property
    def place(self) -> FloatArray:
        """Higher is more suspicious, equal only where nothing tells two events apart, shape (n,)."""
        both = np.stack([self.value, self.tie])
        _, rank = np.unique(both, axis=1, return_inverse=True)
        return rank.astype(np.float64)

    def alerts(self, always: BoolArray, most: int) -> BoolArray:
        """Return which events get one of so many alerts; what the rules alert on in any case comes first.

        Examples
        --------
        >>> side = Side(np.array([0.1, 0.9, 0.9, 0.2]), np.array([0.0, 1.0, 2.0, 0.0]))
        >>> side.alerts(np.array([True, False, False, False]), 2).tolist()
        [True, False, True, False]
        """
        order = np.lexsort((-self.tie, -self.value, ~always))
        chosen = np.zeros(len(order), np.bool_)
        chosen[order[:most]] = True
        return chosen


@dataclass(frozen=True)
class Terms:
    """What a duel is about, and how it is judged.

    Parameters
    ----------
    policy
        Costs and capacity.
    queue_per_day
        Alerts a day for both; None for the policy's capacity, and for as many as there are frauds where it has none.
    confidence
        Chance that a verdict needs, from 0.5 up to below 1.
    matures_us
        Age of an event at which its label counts as known.
    rounds, seed
        Resamples of whole entities; same seed, same figures.
    share
        Share of the decided events that is judged, above 0 up to 1: as much of the alerts a day falls to them.
    """

    policy: Policy
    queue_per_day: float | None = None
    confidence: float = 0.95
    matures_us: int = 0
    rounds: int = 200
    seed: int = 0
    share: float = 1.0


def duel(test: Table, champion: Side, challenger: Side, terms: Terms, *, names: tuple[str, str], known_us: int) -> Duel:
    """Hold a challenger against the champion.

    Parameters
    ----------
    test
        Unseen events in order of time, with their labels as they are known; none may be missing.
    champion, challenger
        How each ranks them.
    terms
        See `Terms`.
    names
        Id of the champion's bundle, empty for rules alone, and the challenger's model version.
    known_us
        The moment up to which labels are known.

    Raises
    ------
    ShapeError
        If there is no fraud among the events, or nothing else.
    """
    y, amount = test.label, np.nan_to_num(test.amount)
    if not 0 < y.sum() < len(y):
        message = f"the window holds {int(y.sum())} frauds known by then among {len(y)} events: nothing to judge"
        raise ShapeError(message)
    days = max(float(test.ts[-1] - test.ts[0] + 1) / DAY_US, 1e-9)
    queue = _queue_of(terms, float(y.sum()), days)
    most = max(round(queue * days), 1)
    beside = test.extra[BESIDE] > 0
    sides = [
        _Figures(test, y, amount, side, side.alerts(beside, most), terms.policy, days)
        for side in (champion, challenger)
    ]
    plain = [side(np.ones(len(test))) for side in sides]
    drawn = [
        [side(weight) for side in sides]
        for weight in draws(len(test), entity=test.entity, rounds=terms.rounds, seed=terms.seed)
    ]
    figures = {name: _compared(name, plain, drawn) for name in FIGURES}
    mature = int(test.ts[-1]) + terms.matures_us <= known_us
    return Duel(
        champion=names[0],
        challenger=names[1],
        start_us=int(test.ts[0]),
        end_us=int(test.ts[-1]) + 1,
        known_us=known_us,
        events=len(test),
        frauds=int(y.sum()),
        fraud_value=float((y * amount).sum()),
        queue_per_day=queue,
        figures=figures,
        rounds=terms.rounds,
        verdict=_verdict(figures, terms.confidence, mature) if names[0] else "first",
        confidence=terms.confidence,
    )


class _Figures:
    """The figures of one side as a function of weights."""

    def __init__(
        self, test: Table, y: FloatArray, amount: FloatArray, side: Side, alert: BoolArray, policy: Policy, days: float
    ) -> None:
        self.y, self.amount, self.alert, self.costs, self.days = y, amount, alert, policy.costs, days
        self.ranking = Ranking.of(y, side.place)

    def __call__(self, weight: FloatArray) -> dict[str, float]:
        fraud = weight * self.y
        value, costs = fraud * self.amount, self.costs
        missed, caught = float(value[~self.alert].sum()), float(value[self.alert].sum())
        lost = costs.fraud_share * (missed + (1.0 - costs.review_catches) * caught)
        return {
            "average_precision": self.ranking.curve(weight).average_precision(),
            "recall_at_queue": _share(float(fraud[self.alert].sum()), float(fraud.sum())),
            "value_at_queue": _share(caught, missed + caught),
            "cost_per_day": (lost + costs.review * float(weight[self.alert].sum())) / self.days,
        }


def _compared(name: str, plain: list[dict[str, float]], drawn: list[list[dict[str, float]]]) -> Compared:
    samples = np.array([[side[name] for side in one] for one in drawn]).reshape(-1, 2)
    samples = samples[np.isfinite(samples).all(axis=1)]
    change = samples[:, 1] - samples[:, 0]
    signed = -change if name in LOWER else change
    chance = None if not len(change) else float(((signed > 0) + 0.5 * (signed == 0)).mean())
    values = [side[name] for side in plain]
    return Compared(
        _interval(values[0], samples[:, 0]),
        _interval(values[1], samples[:, 1]),
        _interval(values[1] - values[0], change),
        chance,
    )


def _verdict(figures: dict[str, Compared], confidence: float, mature: bool) -> Verdict:
    """Return what is shown; see `Duel`."""
    ap, cost = figures["average_precision"].chance, figures["cost_per_day"].chance
    if ap is None or cost is None:
        return "undecided"
    if ap >= confidence and cost > 1.0 - confidence:
        return "better" if mature else "early"
    if ap <= 1.0 - confidence and cost < confidence:
        return "worse"
    return "undecided"


def _queue_of(terms: Terms, frauds: float, days: float) -> float:
    if terms.queue_per_day is not None:
        return terms.share * terms.queue_per_day
    capacity = terms.policy.capacity
    return frauds / days if capacity is None else terms.share * capacity.alerts_per_day


def _interval(value: float, samples: FloatArray) -> Interval:
    if not np.isfinite(value):
        return Interval(None)
    if not len(samples):
        return Interval(float(value))
    low, high = np.quantile(samples, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
