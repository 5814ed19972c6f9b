"""From a score to a cut, in the user's terms: what errors cost, how many cases people can look at.

Everywhere an event is flagged when its score is *above* the threshold; at the threshold it passes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from adjudge.define.policy import Costs
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.ranking import Ranking
from adjudge.typing import FloatArray

UNREACHED = float(np.finfo(np.float64).max)
"""A threshold that nothing is above, as a number that JSON has."""

Treatment = Literal["pass", "review", "block"]
"""What can be done with an event: let it through, have a person look at it, stop it."""


def cost_of(y: ArrayLike, amount: ArrayLike, costs: Costs, action: Treatment) -> FloatArray:
    """Return what treating each event in one way costs.

    Parameters
    ----------
    y, amount
        Outcome (1 fraud) and worth of each event, shape (n,); what has no amount is worth nothing, as when deciding.
    costs
        What the errors cost.
    action
        ``"pass"``: frauds lose their share of the amount. ``"review"``: every event costs the handling and
        frauds that the reviewer misses are lost. ``"block"``: honest customers are insulted.

    Examples
    --------
    A fraud of 100 and an honest payment of 40:

    >>> costs = Costs(review=4.0, insult=5.0, insult_share=0.05, review_catches=0.9)
    >>> [cost_of([1, 0], [100.0, 40.0], costs, action).tolist() for action in ("pass", "review", "block")]
    [[100.0, 0.0], [14.0, 4.0], [0.0, 7.0]]
    """
    truth, worth = np.asarray(y, dtype=np.float64), np.nan_to_num(np.asarray(amount, dtype=np.float64))
    if truth.shape != worth.shape:
        message = f"amounts {worth.shape} and outcomes {truth.shape} differ in length"
        raise ShapeError(message)
    lost = truth * worth * costs.fraud_share
    if action == "pass":
        return lost
    if action == "review":
        missed: FloatArray = costs.review + np.round(lost * (1.0 - costs.review_catches), 12)
        return missed
    insulted: FloatArray = (1.0 - truth) * (costs.insult + costs.insult_share * worth)
    return insulted


def threshold_from_costs(
    y: ArrayLike,
    score: ArrayLike,
    amount: ArrayLike,
    costs: Costs,
    *,
    above: Treatment = "review",
    below: Treatment = "pass",
    weight: ArrayLike | None = None,
) -> float:
    """Return the threshold with the least total cost on these events.

    Parameters
    ----------
    y, score, amount
        Outcome (1 fraud), score and worth of each event, shape (n,).
    costs
        What the errors cost.
    above, below
        What happens to events above the threshold, and to the others.
    weight
        How many events each one stands for, shape (n,); 1 unless given.

    Returns
    -------
    float
        Half-way between the lowest score above and the highest below; infinite when nothing should be above.
        Among equally cheap ones the highest.

    Notes
    -----
    O(n log n). With calibrated probabilities a policy by cost decides amount by amount without a search;
    this is for one cut over all amounts, and for scores that are not probabilities.

    Examples
    --------
    Reviewing for 4 pays for the fraud of 100, not for the one of 1:

    >>> costs = Costs(review=4.0, review_catches=1.0)
    >>> threshold_from_costs([1, 0, 0, 1], [0.9, 0.5, 0.3, 0.1], [100, 10, 10, 1], costs)
    0.7
    """
    ranking, _ = _ranked(y, score, amount)
    change = _weighted(cost_of(y, amount, costs, above) - cost_of(y, amount, costs, below), weight)
    total = np.concatenate([[0.0], np.cumsum(change[ranking.order])[ranking.ends]])
    return cut_above(ranking.scores, int(np.argmin(total)))


def threshold_from_capacity(
    score: ArrayLike, days: float, alerts_per_day: float, *, weight: ArrayLike | None = None
) -> float:
    """Return the lowest threshold that gives people no more than they can look at.

    Parameters
    ----------
    score
        Scores of all events of a span of time, shape (n,); no outcomes needed.
    days
        Length of that span.
    alerts_per_day
        How many a day can be looked at.
    weight
        How many events each one stands for, shape (n,); 1 unless given.

    Returns
    -------
    float
        Equal scores are flagged together or not at all; infinite when even the highest group is too large.

    Examples
    --------
    Two days and one case a day: the two highest.

    >>> threshold_from_capacity([0.9, 0.8, 0.4, 0.1], 2, 1)
    0.6000000000000001
    """
    if not (days > 0 and alerts_per_day >= 0):
        message = f"capacity: needs days above 0 and alerts of at least 0, got {days} and {alerts_per_day}"
        raise DefinitionError(message)
    ranks = np.asarray(score, dtype=np.float64)
    ranking = Ranking.of(np.zeros(ranks.shape[0]), ranks)
    seen = np.cumsum(_weighted(np.ones(ranks.shape[0]), weight)[ranking.order])[ranking.ends]
    groups = int(np.searchsorted(seen, alerts_per_day * days, side="right"))
    return cut_above(ranking.scores, groups)


def threshold_from_false_positives(
    y: ArrayLike, score: ArrayLike, ceiling: float, *, weight: ArrayLike | None = None
) -> float:
    """Return the lowest threshold that bothers at most a share of the honest events.

    Parameters
    ----------
    y, score
        Outcome (1 fraud) and score of each event, shape (n,).
    ceiling
        Largest false positive rate, at least 0; from 1 on it is none.
    weight
        How many events each one stands for, shape (n,); 1 unless given.

    Raises
    ------
    DefinitionError
        If the ceiling is negative or no number.

    Examples
    --------
    One of four honest events may be bothered:

    >>> threshold_from_false_positives([1, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.5, 0.2, 0.1], 0.25)
    0.6
    """
    if not ceiling >= 0:
        message = f"false positives: the ceiling is a share of at least 0, not {ceiling}"
        raise DefinitionError(message)
    ranking = Ranking.of(y, score)
    curve = ranking.curve(None if weight is None else np.asarray(weight, dtype=np.float64))
    groups = int(np.searchsorted(curve.bothered, ceiling * curve.bothered[-1], side="right"))
    return cut_above(ranking.scores, groups)


def threshold_from_value(y: ArrayLike, score: ArrayLike, amount: ArrayLike, value: float) -> float:
    """Return the highest threshold that still catches an amount of fraud: the shortest such queue.

    Parameters
    ----------
    y, score, amount
        Outcome (1 fraud), score and worth of each event, shape (n,).
    value
        Amount of fraud to catch, at least.

    Returns
    -------
    float
        When there is not that much fraud, what catches all there is.

    Examples
    --------
    >>> threshold_from_value([1, 0, 1], [0.9, 0.8, 0.6], [50.0, 10.0, 50.0], 50.0)
    0.8500000000000001
    """
    ranking, worth = _ranked(y, score, amount)
    caught = np.concatenate([[0.0], ranking.curve(worth).caught])
    wanted = min(value, float(caught[-1])) * (1 - 1e-12)  # sums in another order may differ in the last bits
    return cut_above(ranking.scores, int(np.searchsorted(caught, wanted, side="left")))


def _weighted(values: FloatArray, weight: ArrayLike | None) -> FloatArray:
    """Return figures of events times how many each one stands for."""
    if weight is None:
        return values
    stands_for = np.asarray(weight, dtype=np.float64)
    if stands_for.shape != values.shape:
        message = f"weights {stands_for.shape} and events {values.shape} differ in length"
        raise ShapeError(message)
    return values * stands_for


def _ranked(y: ArrayLike, score: ArrayLike, amount: ArrayLike) -> tuple[Ranking, FloatArray]:
    worth = np.nan_to_num(np.asarray(amount, dtype=np.float64))
    ranking = Ranking.of(y, score)
    if worth.shape != ranking.order.shape:
        message = f"amounts {worth.shape} and outcomes {ranking.order.shape} differ in length"
        raise ShapeError(message)
    return ranking, worth


def cut_above(scores: FloatArray, groups: int) -> float:
    """Return the threshold that flags exactly the first groups of falling distinct scores."""
    if groups == 0:
        return float("inf")
    if groups == scores.shape[0]:
        return float(np.nextafter(scores[-1], -np.inf))
    middle = float(scores[groups - 1] + scores[groups]) / 2
    return middle if middle < scores[groups - 1] else float(scores[groups])
