"""What deciding is worth: loss, prevented loss, false declines, hours of review and cost per case, by period.

Where a label is not known yet, the probability stands in for it, and the figure says which share of it is known.
"""

from __future__ import annotations

import msgspec
import numpy as np

from adjudge.define import Costs
from adjudge.monitor.days import date_of
from adjudge.monitor.performance import Decided


class Business(msgspec.Struct, frozen=True, kw_only=True):
    """One period in money and work.

    Parameters
    ----------
    date, start_us
        Its beginning.
    events
        How many.
    loss
        Amount of bad events that were passed, or that a review missed.
    prevented
        Amount of bad events that were stopped or found by review.
    false_declines, false_decline_cost
        Good events that were stopped, and what that costs.
    reviews, review_hours, review_cost
        Events that people looked at, how long, and for how much money.
    cost_per_case
        Money spent on reviews and false declines for each bad event that was caught; None without one.
    known
        Share of the events whose label is known.
    """

    date: str
    start_us: int
    events: int
    loss: float
    prevented: float
    false_declines: float
    false_decline_cost: float
    reviews: int
    review_hours: float
    review_cost: float
    cost_per_case: float | None
    known: float


def business(
    decided: Decided, costs: Costs, *, every_days: int = 1, review_minutes: float = 5.0
) -> tuple[Business, ...]:
    """Return every period in money and work.

    Parameters
    ----------
    decided
        The decisions.
    costs
        What each error costs.
    every_days
        Days of a period.
    review_minutes
        How long a look takes.

    Examples
    --------
    A bad event of 100 was stopped, one of 40 passed, and a good one of 10 was stopped, which costs 5 and a twentieth:

    >>> stopped, bad, amount = np.array([True, False, True]), np.array([1.0, 1.0, 0.0]), np.array([100.0, 40.0, 10.0])
    >>> decided = Decided(np.zeros(3, np.int64), np.full(3, 0.5), stopped, bad, amount, stopped)
    >>> day = business(decided, Costs())[0]
    >>> day.loss, day.prevented, day.false_declines, day.false_decline_cost, day.cost_per_case
    (40.0, 100.0, 1.0, 5.5, 5.5)
    """
    return tuple(_business(start, part, costs, review_minutes) for start, part in decided.periods(every_days))


def _business(start: int, part: Decided, costs: Costs, minutes: float) -> Business:
    known = ~np.isnan(part.label)
    bad = np.where(known, part.label, np.nan_to_num(part.p))
    review = part.alert & ~part.stopped
    found = np.where(part.stopped, 1.0, np.where(review, costs.review_catches, 0.0))
    lost = costs.fraud_share * part.amount * bad
    good_stopped = np.where(part.stopped, 1 - bad, 0.0)
    insults = float((good_stopped * (costs.insult + costs.insult_share * part.amount)).sum())
    spent = float(review.sum()) * costs.review
    caught = float((bad * found).sum())
    return Business(
        date=date_of(start),
        start_us=start,
        events=len(part.ts),
        loss=float((lost * (1 - found)).sum()),
        prevented=float((lost * found).sum()),
        false_declines=float(good_stopped.sum()),
        false_decline_cost=insults,
        reviews=int(review.sum()),
        review_hours=float(review.sum()) * minutes / 60,
        review_cost=spent,
        cost_per_case=(spent + insults) / caught if caught > 0 else None,
        known=float(known.mean()),
    )
