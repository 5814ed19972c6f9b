"""What a different threshold would have cost: the same events under every cut, in alerts, hours and money.

One threshold moves, the other stays. So each event has two fates, one below the moving cut and one above it, and every
figure is a sum over events that changes one event at a time as the cut falls. Alerts that rules raise beside the model
stay whatever the cut: they are part of the queue and of its cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from adjudge.define.policy import Costs
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.ranking import Ranking
from adjudge.learn.threshold import UNREACHED, cost_of, cut_above
from adjudge.typing import FloatArray, IntArray

PASS, REVIEW, BLOCK = range(3)
"""What becomes of an event, mildest first."""

Moved = Literal["review", "block"]
"""Which threshold moves: the one above which an event is looked at, or the one above which it is stopped."""

CEILINGS = (0.001, 0.005, 0.01, 0.02)
"""Shares of honest events whose cuts are always part of the table."""


class TradeOff(msgspec.Struct, frozen=True, kw_only=True):
    """What one threshold means on these events.

    Parameters
    ----------
    threshold
        The cut: strictly above it the action is taken; None where it never is.
    alerts_per_day, blocked_per_day, frauds_per_day
        Events that are not passed at once, those of them that are stopped, and the frauds among the alerts.
    precision, recall
        Share of the alerts that are frauds; share of the frauds with an alert. None where undefined.
    value_recall
        Share of the frauds' amount with an alert.
    false_positive_rate
        Share of the honest events with an alert.
    false_declines_per_day
        Honest events that are stopped.
    review_hours_per_day
        Time that people spend on those that are looked at.
    saved_per_day
        How much less all of it costs than passing everything.
    cost_per_day
        Fraud that passes, handling, and what stopping honest customers costs.
    marks
        Why the row is there: ``set``, ``least cost``, ``capacity``, or a share of the honest.
    """

    threshold: float | None
    alerts_per_day: float
    blocked_per_day: float
    frauds_per_day: float
    precision: float | None
    recall: float | None
    value_recall: float | None
    false_positive_rate: float | None
    false_declines_per_day: float
    review_hours_per_day: float
    saved_per_day: float
    cost_per_day: float
    marks: tuple[str, ...] = ()


class TradeOffs(msgspec.Struct, frozen=True, kw_only=True):
    """The table of one threshold, the fewest alerts first.

    Parameters
    ----------
    moved
        Which threshold moves.
    compare
        What it is compared with: ``probability``, or ``loss``, the probability times the amount.
    days
        Length of the span of the events.
    review_minutes
        Time that one case takes.
    rows
        What each choice would have meant.
    """

    moved: Moved
    compare: str
    days: float
    review_minutes: float
    rows: tuple[TradeOff, ...]

    def marked(self, mark: str) -> TradeOff | None:
        """Return the row that carries a mark, None where there is none."""
        return next((row for row in self.rows if mark in row.marks), None)


@dataclass(frozen=True)
class Fates:
    """What becomes of each event below and above the moving cut, and what that comes to.

    Parameters
    ----------
    y, amount
        Outcome (1 fraud) and worth of each event, shape (n,).
    value
        What the cut is compared with.
    low, high
        `PASS`, `REVIEW` or `BLOCK`, below and above the cut.
    days
        Length of the span of the events.
    costs
        What errors cost.
    review_minutes
        Time that one case takes.
    weight
        How many events each one stands for; None where each stands for itself.
    """

    y: FloatArray
    amount: FloatArray
    value: FloatArray
    low: IntArray
    high: IntArray
    days: float
    costs: Costs
    review_minutes: float = 5.0
    weight: FloatArray | None = None

    def __post_init__(self) -> None:
        columns = (self.y, self.amount, self.value, self.low, self.high, self.stands_for)
        lengths = {column.shape for column in columns}
        if len(lengths) != 1:
            message = f"trade-off: columns of shapes {sorted(lengths)} must be of one length"
            raise ShapeError(message)
        if self.days <= 0 or self.review_minutes < 0:
            message = f"trade-off: needs days above 0 and minutes of at least 0, got {self.days} "
            message += f"and {self.review_minutes}"
            raise DefinitionError(message)

    @property
    def stands_for(self) -> FloatArray:
        """How many events each one stands for, shape (n,)."""
        return np.ones(self.y.shape) if self.weight is None else self.weight

    @classmethod
    def of(
        cls,
        moved: Moved,
        y: ArrayLike,
        amount: ArrayLike,
        value: ArrayLike,
        *,
        other: float = float("inf"),
        floor: ArrayLike | None = None,
        days: float,
        costs: Costs,
        review_minutes: float = 5.0,
        weight: ArrayLike | None = None,
    ) -> Fates:
        """Return the fates when one threshold moves and the other stays.

        Parameters
        ----------
        moved
            Which one moves. Where the review threshold passes the other one, what lies between is passed.
        y, amount, value
            Outcome, worth, and what thresholds are compared with, shape (n,).
        other
            The threshold that stays: infinite where its action is never taken by score.
        floor
            What rules do beside the model, `PASS` to `BLOCK`, shape (n,); `PASS` everywhere if absent.
        days, costs, review_minutes, weight
            See `Fates`.
        """
        score = np.asarray(value, dtype=np.float64)
        if moved == "review":
            low, high = np.full(score.shape, PASS), np.where(score > other, BLOCK, REVIEW)
        else:
            low, high = np.where(score > other, REVIEW, PASS), np.full(score.shape, BLOCK)
        least = np.zeros(score.shape, dtype=np.int64) if floor is None else np.asarray(floor, dtype=np.int64)
        truth, worth = np.asarray(y, dtype=np.float64), np.asarray(amount, dtype=np.float64)
        stands_for = None if weight is None else np.asarray(weight, dtype=np.float64)
        fates = np.maximum(low, least), np.maximum(high, least)
        return cls(truth, worth, score, *fates, days, costs, review_minutes, stands_for)

    def at(self, thresholds: Mapping[str, float] | Iterable[float]) -> tuple[TradeOff, ...]:
        """Return what thresholds mean, the fewest alerts first; those that mean the same share one row.

        Parameters
        ----------
        thresholds
            The cuts, by mark where they have one.

        Examples
        --------
        A fraud of 100 and an honest payment of 10 on one day, looked at for 4 each, nine in ten frauds found:

        >>> fates = Fates.of("review", [1, 0], [100, 10], [0.9, 0.5], days=1, costs=Costs())
        >>> [(row.alerts_per_day, round(row.saved_per_day, 2)) for row in fates.at([0.7, 0.2, 1.0])]
        [(0.0, 0.0), (1.0, 86.0), (2.0, 82.0)]
        """
        marks = thresholds.items() if isinstance(thresholds, Mapping) else [("", cut) for cut in thresholds]
        ranking = Ranking.of(self.y, self.value)
        sums = self._sums(ranking)
        found: dict[int, tuple[float, list[str]]] = {}
        for mark, cut in sorted(marks, key=lambda item: -item[1]):
            above = int(np.searchsorted(-ranking.scores, -cut, side="left"))
            kept = found.setdefault(above, (cut, []))
            kept[1].extend([mark] if mark and mark not in kept[1] else [])
            if mark == "set":  # the cut itself and not one that happens to mean the same
                found[above] = (cut, kept[1])
        return tuple(self._row(cut, sums[:, above], tuple(said)) for above, (cut, said) in sorted(found.items()))

    def table(
        self,
        *,
        moved: Moved,
        compare: str,
        now: float | None = None,
        capacity: float | None = None,
        ceilings: Iterable[float] = CEILINGS,
        points: int = 16,
    ) -> TradeOffs:
        """Return the table: cuts spread evenly over the logarithm of the queue, and those that somebody asks for.

        Parameters
        ----------
        moved, compare
            What is being moved; see `TradeOffs`.
        now
            The threshold that is set, marked ``set``.
        capacity
            Alerts a day that people can look at; the lowest cut that keeps to it is marked ``capacity``.
        ceilings
            Shares of the honest events; the lowest cut that keeps to each is marked with it.
        points
            How many further cuts.

        Notes
        -----
        ``least cost`` is the cheapest cut on these very events: what hindsight would have chosen, so a bound and no
        promise.
        """
        ranking = Ranking.of(self.y, self.value)
        sums = self._sums(ranking)
        cuts = {} if now is None else {"set": now}
        cuts["least cost"] = cut_above(ranking.scores, int(np.argmin(sums[_COST])))
        if capacity is not None:
            cuts["capacity"] = cut_above(ranking.scores, _most(sums[_ALERTS], capacity * self.days))
        honest = float((self.stands_for * (1.0 - self.y)).sum())
        for share in ceilings:
            cuts[f"{100 * share:g} % FP"] = cut_above(ranking.scores, _most(sums[_FALSE], share * honest))
        taken = sums[_ALERTS if moved == "review" else _BLOCKED]
        usual = taken[0] + 0.2 * (taken[-1] - taken[0])
        most = usual if moved == "review" else min(max(sums[_ALERTS][0], 1.0), taken[-1])  # no more than are looked at
        least = min(max(self.days, taken[0] + 1.0), most)
        for i, queue in enumerate(np.geomspace(least, most, points)):
            cuts[f"#{i}"] = cut_above(ranking.scores, _most(taken, queue))
        rows = [
            msgspec.structs.replace(row, marks=tuple(mark for mark in row.marks if not mark.startswith("#")))
            for row in self.at(cuts)
        ]
        return TradeOffs(
            moved=moved, compare=compare, days=self.days, review_minutes=self.review_minutes, rows=tuple(rows)
        )

    def _sums(self, ranking: Ranking) -> FloatArray:
        """Return each figure with nothing, then one group of equal scores more, above the cut, shape (8, g + 1)."""
        low, high = self._figures(self.low), self._figures(self.high)
        change = np.cumsum((high - low)[:, ranking.order], axis=1)[:, ranking.ends]
        start = low.sum(axis=1)[:, None]
        return np.concatenate([start, start + change], axis=1)

    def _figures(self, fate: IntArray) -> FloatArray:
        """Return what each event adds to each figure under a fate, shape (8, n)."""
        alert = (fate > PASS).astype(np.float64)
        fraud, honest = self.y, 1.0 - self.y
        costs = [cost_of(self.y, self.amount, self.costs, action) for action in ("pass", "review", "block")]
        figures: FloatArray = self.stands_for * np.stack(
            [
                alert,
                alert * fraud,
                alert * fraud * self.amount,
                alert * honest,
                (fate == BLOCK) * honest,
                (fate == REVIEW).astype(np.float64),
                np.choose(fate, costs),
                (fate == BLOCK).astype(np.float64),
            ]
        )
        return figures

    def _row(self, cut: float, sums: FloatArray, marks: tuple[str, ...]) -> TradeOff:
        alerts, caught, worth, false, declined, reviews, cost, blocked = (float(total) for total in sums)
        weight = self.stands_for
        frauds, events = float((weight * self.y).sum()), float(weight.sum())
        passed = float((weight * cost_of(self.y, self.amount, self.costs, "pass")).sum())
        return TradeOff(
            threshold=cut if cut < UNREACHED else None,
            alerts_per_day=alerts / self.days,
            blocked_per_day=blocked / self.days,
            frauds_per_day=caught / self.days,
            precision=_share(caught, alerts),
            recall=_share(caught, frauds),
            value_recall=_share(worth, float((weight * self.y * self.amount).sum())),
            false_positive_rate=_share(false, events - frauds),
            false_declines_per_day=declined / self.days,
            review_hours_per_day=reviews * self.review_minutes / 60.0 / self.days,
            saved_per_day=(passed - cost) / self.days,
            cost_per_day=cost / self.days,
            marks=marks,
        )


_ALERTS, _FALSE, _COST, _BLOCKED = 0, 3, 6, 7  # rows of `Fates._figures`


def _most(sums: FloatArray, limit: float) -> int:
    """Return how many groups may be above the cut so that a rising sum stays within a limit."""
    return max(int(np.searchsorted(sums, limit * (1 + 1e-12), side="right")) - 1, 0)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
