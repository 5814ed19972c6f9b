"""From sums to figures: what a set of hits is worth a day, with intervals from customers drawn again and again.

A figure is computed from sums over hits, and a resample is the same sums with every customer counted as often as it was
drawn. So the figures of all lines move together, and two of them may be held against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.define import Costs, Policy
from adjudge.learn.bootstrap import Interval, draws
from adjudge.learn.past import FRAUD, Past
from adjudge.learn.tally import (
    ALERTS,
    FIGURES,
    FRAUD_AMOUNT,
    FRAUDS,
    HONEST_AMOUNT,
    HONESTS,
    resample,
    tally,
)
from adjudge.learn.tradeoff import BLOCK, PASS, REVIEW
from adjudge.typing import AnyArray, CodeArray, FloatArray, HashArray, IntArray

LEVEL = 0.95
"""Share of the resampled figures inside an interval."""


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """What a set of hits means, a day.

    Parameters
    ----------
    alerts
        Hits a day, young ones among them; everything else is of events whose label is old enough.
    frauds, fraud_amount
        Frauds among them, and what they were worth.
    precision
        Share of the labelled hits that are frauds; None where there are none.
    recall, value_recall
        Share of all frauds, and of their amount.
    false_alerts
        Honest events among them.
    false_declines
        Those of them that would be stopped.
    review_hours
        Time that people would spend.
    prevented, handling, insult
        Money: fraud that would be stopped, what looking costs, and what stopping honest customers costs.
    saved
        What is left of it.
    """

    alerts: float
    frauds: Interval
    fraud_amount: float
    precision: Interval
    recall: Interval
    value_recall: Interval
    false_alerts: float
    false_declines: float
    review_hours: float
    prevented: float
    handling: float
    insult: float
    saved: Interval


Lines = Mapping[int, int]
"""Which line holds the hits that are treated in which way: `PASS`, `REVIEW` or `BLOCK`."""


@dataclass(frozen=True)
class Ledger:
    """The sums of all lines on the events as they are, and on resamples of their customers.

    Parameters
    ----------
    sums
        Shape (1 + rounds, lines, 2, FIGURES): first those of the events as they are; all hits, then those beyond.
    frauds, fraud_amount
        All frauds and what they were worth, shape (1 + rounds,).
    days, old_days
        Length of the span of all events, and of those whose label is old enough.
    costs
        What errors cost.
    review_minutes
        Time that one case takes.
    """

    sums: FloatArray
    frauds: FloatArray
    fraud_amount: FloatArray
    days: float
    old_days: float
    costs: Costs
    review_minutes: float

    @classmethod
    def of(
        cls,
        past: Past,
        bits: HashArray,
        rows: IntArray,
        *,
        days: tuple[float, float],
        review_minutes: float,
        rounds: int,
        seed: int,
    ) -> Ledger:
        """Add the lines of some bits up.

        Parameters
        ----------
        past
            The events.
        bits
            The lines, shape (words, n).
        rows
            Events for which any of them fires.
        days
            Length of the span of all events, and of the old ones.
        review_minutes, rounds, seed
            Time of a case; resamples, and their seed.
        """
        worth, acted, fraud = past.worth, past.acted, past.known == FRAUD
        sums = np.empty((1 + rounds, 64 * len(bits), 2, FIGURES))
        frauds, amounts = np.empty(1 + rounds), np.empty(1 + rounds)
        sums[0] = tally(bits, rows, known=past.known, amount=worth, acted=acted)[:, 0]
        frauds[0], amounts[0] = np.count_nonzero(fraud), worth[fraud].sum()
        if rounds and len(past):
            caught = np.flatnonzero(fraud)
            customers, weight = drawn(past.entity, np.concatenate([rows, caught]), rounds=rounds, seed=seed)
            sums[1:] = resample(bits, rows, customers[: len(rows)], weight, known=past.known, amount=worth, acted=acted)
            of_frauds = weight[customers[len(rows) :]].astype(np.float64)
            frauds[1:], amounts[1:] = of_frauds.sum(axis=0), worth[caught] @ of_frauds
        return cls(sums, frauds, amounts, *days, past.system.policy.costs, review_minutes)

    def caught(self, lines: Lines, *, beyond: bool) -> Caught:
        """Return what some lines mean.

        Parameters
        ----------
        lines
            Which, by how their hits are treated.
        beyond
            Only what was not acted on already.
        """
        by = {how: self.sums[:, line, int(beyond)] for how, line in lines.items()}
        total = sum(by.values(), np.zeros((len(self.sums), FIGURES)))
        frauds, honest = total[:, FRAUDS], total[:, HONESTS]
        looked, stopped = (by.get(how, np.zeros_like(total)) for how in (REVIEW, BLOCK))
        reviews = looked[0, FRAUDS] + looked[0, HONESTS]
        prevented, handling, insult = self._money(by)
        return Caught(
            alerts=float(total[0, ALERTS]) / self.days,
            frauds=interval(frauds / self.old_days),
            fraud_amount=float(total[0, FRAUD_AMOUNT]) / self.old_days,
            precision=interval(_share(frauds, frauds + honest)),
            recall=interval(_share(frauds, self.frauds)),
            value_recall=interval(_share(total[:, FRAUD_AMOUNT], self.fraud_amount)),
            false_alerts=float(honest[0]) / self.old_days,
            false_declines=float(stopped[0, HONESTS]) / self.old_days,
            review_hours=float(reviews) * self.review_minutes / 60.0 / self.old_days,
            prevented=float(prevented[0]) / self.old_days,
            handling=float(handling[0]) / self.old_days,
            insult=float(insult[0]) / self.old_days,
            saved=interval((prevented - handling - insult) / self.old_days),
        )

    def change(self, lines: Mapping[tuple[int, int], int]) -> Interval:
        """Return the money a day that treating the hits of each line otherwise saves.

        Parameters
        ----------
        lines
            By how they were treated and how they would be, the line of those hits.
        """
        total = np.zeros(len(self.sums))
        for (old, new), line in lines.items():
            for how, sign in ((new, 1.0), (old, -1.0)):
                prevented, handling, insult = self._money({how: self.sums[:, line, 0]})
                total += sign * (prevented - handling - insult)
        return interval(total / self.old_days)

    def _money(self, by: Mapping[int, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return fraud prevented, what looking costs, and what stopping the honest costs, shape (1 + rounds,)."""
        costs = self.costs
        nothing = np.zeros((len(self.sums), FIGURES))
        looked, stopped = by.get(REVIEW, nothing), by.get(BLOCK, nothing)
        prevented = costs.fraud_share * (stopped[:, FRAUD_AMOUNT] + costs.review_catches * looked[:, FRAUD_AMOUNT])
        handling = costs.review * (looked[:, FRAUDS] + looked[:, HONESTS])
        insult = costs.insult * stopped[:, HONESTS] + costs.insult_share * stopped[:, HONEST_AMOUNT]
        return prevented, handling, insult


def drawn(entity: AnyArray, rows: IntArray, *, rounds: int, seed: int) -> tuple[IntArray, CodeArray]:
    """Return how often the customers of some events are drawn in each round of resampling all customers.

    Parameters
    ----------
    entity
        To whom each event belongs, shape (n,).
    rows
        The events that are asked about, shape (m,).
    rounds, seed
        How many rounds, and their seed.

    Returns
    -------
    tuple
        For each event the place of its customer, shape (m,), and the draws of each, shape (customers, rounds).

    Examples
    --------
    >>> places, weight = drawn(np.array([7, 7, 9]), np.array([0, 1]), rounds=3, seed=0)
    >>> places.tolist(), weight.shape
    ([0, 0], (1, 3))
    """
    named, customer = np.unique(entity, return_inverse=True)
    needed, places = np.unique(customer[rows], return_inverse=True)
    weight = np.empty((len(needed), rounds), np.uint8)
    for i, times in enumerate(draws(len(named), rounds=rounds, seed=seed)):
        weight[:, i] = np.minimum(times[needed], 255)
    return places.astype(np.int64), weight


def interval(values: FloatArray) -> Interval:
    """Return a figure and where resampling puts it: the first value, and percentiles of the others.

    Examples
    --------
    >>> interval(np.array([2.0, 1.0, 3.0])).value, interval(np.array([np.nan]))
    (2.0, Interval(value=None, low=None, high=None))
    """
    if not np.isfinite(values[0]):
        return Interval(None)
    if len(values) == 1:
        return Interval(float(values[0]))
    others = values[1:][np.isfinite(values[1:])]
    if not len(others):
        return Interval(float(values[0]))
    low, high = np.quantile(others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))


def treatment(policy: Policy, action: IntArray) -> IntArray:
    """Return what actions mean for costs: nothing, a look, or a stop.

    Parameters
    ----------
    policy
        Its mildest action lets an event pass and its hardest stops it; whatever lies between is looked at.
    action
        Positions in its actions.

    Examples
    --------
    >>> treatment(Policy(actions=("approve", "review", "block")), np.array([0, 1, 2])).tolist()
    [0, 1, 2]
    """
    treated = np.full(len(policy.actions), REVIEW)
    treated[0], treated[-1] = PASS, BLOCK
    how: IntArray = treated[action]
    return how


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    share: FloatArray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return share
