"""Declined traffic: what was stopped has no outcome, and an evaluation on what is left is an evaluation of easy cases.

Where a small share of what would be declined is let through by the toss of a coin whose odds are known, each of those
payments stands for all that were not: it is weighted by one over its chance of having been let through. Sums weighted
so are right on average whatever the declines were made by (Horvitz and Thompson); shares divide two such sums (Hajek).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.bootstrap import Interval, intervals
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.ranking import Ranking
from adjudge.learn.table import Table
from adjudge.typing import BoolArray, FloatArray

SEEN, PROPENSITY = "seen", "propensity"
"""Columns of `Table.extra`: 1 where the event was let through, and its chance of that."""

TOTALS = {"frauds_per_day", "fraud_value_per_day"}
"""Figures that are sums, not shares."""


class Estimate(msgspec.Struct, frozen=True):
    """One figure in both ways.

    Parameters
    ----------
    naive
        With what was declined taken for honest, as an evaluation has it that does not know of declines.
    weighted
        With what was let through standing for what was not.
    truth
        What it really is; None outside of simulations.
    """

    naive: Interval
    weighted: Interval
    truth: float | None = None


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about events of which some were declined.

    Parameters
    ----------
    events, declined, tried
        How many events there were, how many were declined, and how many were let through by chance only.
    least_propensity
        Lowest chance of having been let through.
    effective
        Number of events, equally weighted, that would say as much as the weighted ones (Kish).
    figures
        By name: ``fraud_share``, ``frauds_per_day``, ``fraud_value_per_day``, and of the model ``recall``,
        ``value_recall``, ``precision``, ``false_positive_rate``, ``average_precision``.
    """

    events: int
    declined: int
    tried: int
    least_propensity: float
    effective: float
    figures: dict[str, Estimate]


@dataclass(frozen=True)
class _Figures:
    """The figures of one set of outcomes as functions of weights."""

    y: FloatArray
    amount: FloatArray
    alert: BoolArray
    ranking: Ranking
    days: float

    def __call__(self, weight: FloatArray) -> dict[str, float]:
        fraud, honest = weight * self.y, weight * (1.0 - self.y)
        frauds, value = float(fraud.sum()), float((fraud * self.amount).sum())
        return {
            "fraud_share": _share(frauds, float(weight.sum())),
            "frauds_per_day": frauds / self.days,
            "fraud_value_per_day": value / self.days,
            "recall": _share(float(fraud[self.alert].sum()), frauds),
            "value_recall": _share(float((fraud * self.amount)[self.alert].sum()), value),
            "precision": _share(float(fraud[self.alert].sum()), float(weight[self.alert].sum())),
            "false_positive_rate": _share(float(honest[self.alert].sum()), float(honest.sum())),
            "average_precision": self.ranking.curve(weight).average_precision(),
        }


def unseen(
    test: Table,
    alert: BoolArray,
    rank: FloatArray,
    *,
    truth: FloatArray | None = None,
    rounds: int = 200,
    seed: int = 0,
) -> Unseen:
    """Return the figures of a test of which some events were declined, naively and weighted.

    Parameters
    ----------
    test
        Events with the columns `SEEN` and `PROPENSITY`; labels count only where the event was seen.
    alert, rank
        What the model says of each event, shape (n,).
    truth
        What each event really was, where somebody knows.
    rounds, seed
        Resamples of whole entities; same seed, same intervals.

    Raises
    ------
    DefinitionError
        If an event had no chance of being let through, so that nothing stands for it, or a chance above 1.
    ShapeError
        If the columns are missing or of another length.

    Notes
    -----
    Weights are not clipped: that would trade a wider interval for a wrong figure. Where few events carry the figure,
    the interval says so, and `Unseen.effective` how few.

    References
    ----------
    Horvitz, Thompson (1952), A Generalization of Sampling Without Replacement from a Finite Universe.
    """
    seen, chance = checked(test)
    days = max(float(test.ts.max() - test.ts.min() + 1) / DAY_US, 1.0)
    weight = inverse(seen, chance)
    y = np.where(seen, np.nan_to_num(test.label), 0.0)
    amount = np.nan_to_num(test.amount)

    def figures(outcome: FloatArray) -> _Figures:
        return _Figures(outcome, amount, alert, Ranking.of(outcome, rank), days)

    of_labels = figures(y)

    def found(scale: FloatArray) -> dict[str, Interval]:
        by: Callable[[FloatArray], dict[str, float]] = lambda drawn: of_labels(drawn * scale)  # noqa: E731
        return intervals(by, len(test), entity=test.entity, rounds=rounds, seed=seed)

    naive, weighted = found(np.ones(len(test))), found(weight)
    really = figures(truth)(np.ones(len(test))) if truth is not None else {}
    return Unseen(
        events=len(test),
        declined=int((~seen).sum()),
        tried=int((seen & (chance < 1)).sum()),
        least_propensity=float(chance.min()),
        effective=float(weight.sum() ** 2 / (weight**2).sum()),
        figures={name: Estimate(naive[name], weighted[name], really.get(name)) for name in naive},
    )


def checked(table: Table) -> tuple[BoolArray, FloatArray]:
    """Return which events of a table were seen, and their chance of that, after checking both."""
    for name in (SEEN, PROPENSITY):
        if name not in table.extra:
            message = f"the table has no column {name!r}, so nothing is known about declined events"
            raise ShapeError(message)
    seen, chance = table.extra[SEEN].astype(np.bool_), table.extra[PROPENSITY].astype(np.float64)
    if not ((chance > 0) & (chance <= 1)).all():
        message = "every event needs a chance above 0 and at most 1 of being let through: where it is 0, nothing that "
        message += "was seen stands for what was declined"
        raise DefinitionError(message)
    return seen, chance


def inverse(seen: BoolArray, chance: FloatArray) -> FloatArray:
    """Return the weight of each event: one over its chance where it was seen, 0 where it was not.

    Examples
    --------
    >>> inverse(np.array([True, True, False]), np.array([1.0, 0.05, 0.05])).tolist()
    [1.0, 20.0, 0.0]
    """
    weight: FloatArray = np.where(seen, 1.0 / chance, 0.0)
    return weight


def stands_for(table: Table) -> FloatArray | None:
    """Return how many events each event of a table of seen ones stands for, None where nothing was declined.

    It is more than itself where others like it were declined: one over its chance of having been let through.
    """
    chance = table.extra.get(PROPENSITY)
    return None if chance is None else 1.0 / chance


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
