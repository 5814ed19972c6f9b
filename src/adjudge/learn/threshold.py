"""From a score to a cut, in the user's terms: what errors cost, how many cases people can look at.

Everywhere an event is flagged when its score is *above* the threshold; at the threshold it passes.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.ranking import Ranking
from adjudge.typing import FloatArray


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What the outcomes cost, in the currency of the amounts.

    Parameters
    ----------
    loss_share
        Share of the amount that is lost when a fraud passes.
    review
        Handling one flagged event, right or wrong.
    insult
        Bothering an honest customer, whatever the amount.
    insult_share
        And the share of the amount that goes with it (margin, the sale that does not happen).

    Examples
    --------
    >>> Costs(review=4.0, insult=5.0, insult_share=0.02).bother(100.0)
    7.0
    """

    loss_share: float = 1.0
    review: float = 3.0
    insult: float = 5.0
    insult_share: float = 0.02

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) < float("inf"):
                message = f"costs: {name} is {getattr(self, name)}, must be a number of at least 0"
                raise DefinitionError(message)

    def bother(self, amount: float) -> float:
        """Return the cost of stopping one honest event of an amount, without the handling."""
        return self.insult + self.insult_share * amount

    def cut(self, amount: float) -> float:
        """Return the probability above which stopping an event of this amount is cheaper than passing it.

        Stopping costs ``review + (1 - p) * bother``, passing costs ``p * loss``; they are equal at the cut.

        Examples
        --------
        Half a loss of 100 against a bother of 50 in the other half:

        >>> Costs(review=0.0, insult=100.0, insult_share=0.0).cut(100.0)
        0.5
        """
        loss, bother = self.loss_share * amount, self.bother(amount)
        return min(1.0, (self.review + bother) / (loss + bother)) if loss + bother > 0 else 1.0


class TradeOff(msgspec.Struct, frozen=True):
    """What one threshold means.

    Parameters
    ----------
    threshold
        Flag when the score is above it.
    alerts_per_day
        Flagged events per day.
    precision, recall
        Share of the flagged that are frauds; share of the frauds that are flagged. None where undefined.
    value_recall
        Share of the frauds' amount that is flagged.
    false_positive_rate
        Share of the honest events that are flagged.
    cost_per_day
        Passed fraud, handling and bother per day.
    """

    threshold: float
    alerts_per_day: float
    precision: float | None
    recall: float | None
    value_recall: float | None
    false_positive_rate: float | None
    cost_per_day: float


def threshold_from_costs(y: ArrayLike, score: ArrayLike, amount: ArrayLike, costs: Costs) -> float:
    """Return the threshold with the least total cost on these events.

    Parameters
    ----------
    y, score, amount
        Outcome (1 fraud), score and worth of each event, shape (n,).
    costs
        What the errors cost.

    Returns
    -------
    float
        Half-way between the lowest flagged and the highest passed score; infinite when flagging nothing is
        cheapest. Among equally cheap ones the highest.

    Notes
    -----
    O(n log n). A calibrated probability and `Costs.cut` give the same decision amount by amount without a
    search; this is for one cut over all amounts, and for scores that are not probabilities.

    Examples
    --------
    Catching the fraud of 100 is worth a bother of 5, the one of 1 is not:

    >>> costs = Costs(review=0.0, insult=5.0, insult_share=0.0)
    >>> threshold_from_costs([1, 0, 0, 1], [0.9, 0.5, 0.3, 0.1], [100, 10, 10, 1], costs)
    0.7
    """
    ranking, worth = _ranked(y, score, amount)
    stopped = ranking.curve(worth)
    counted = ranking.curve()
    bother = counted.bothered * costs.insult + stopped.bothered * costs.insult_share
    handling = (counted.caught + counted.bothered) * costs.review
    passed = (stopped.caught[-1] - stopped.caught) * costs.loss_share
    total = np.concatenate([[stopped.caught[-1] * costs.loss_share], passed + handling + bother])
    return _below(ranking.scores, int(np.argmin(total)))


def threshold_from_capacity(score: ArrayLike, days: float, alerts_per_day: float) -> float:
    """Return the lowest threshold that gives people no more than they can look at.

    Parameters
    ----------
    score
        Scores of all events of a span of time, shape (n,); no outcomes needed.
    days
        Length of that span.
    alerts_per_day
        How many a day can be looked at.

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
    if days <= 0 or alerts_per_day < 0:
        message = f"capacity: needs days above 0 and alerts of at least 0, got {days} and {alerts_per_day}"
        raise DefinitionError(message)
    ranks = np.asarray(score, dtype=np.float64)
    ranking = Ranking.of(np.zeros(ranks.shape[0]), ranks)
    groups = int(np.searchsorted(ranking.ends + 1, alerts_per_day * days, side="right"))
    return _below(ranking.scores, groups)


def threshold_from_false_positives(y: ArrayLike, score: ArrayLike, ceiling: float) -> float:
    """Return the lowest threshold that bothers at most a share of the honest events.

    Parameters
    ----------
    y, score
        Outcome (1 fraud) and score of each event, shape (n,).
    ceiling
        Largest false positive rate, in [0, 1].

    Examples
    --------
    One of four honest events may be bothered:

    >>> threshold_from_false_positives([1, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.5, 0.2, 0.1], 0.25)
    0.6
    """
    ranking = Ranking.of(y, score)
    curve = ranking.curve()
    groups = int(np.searchsorted(curve.bothered, ceiling * curve.bothered[-1], side="right"))
    return _below(ranking.scores, groups)


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
    return _below(ranking.scores, int(np.searchsorted(caught, wanted, side="left")))


def trade_off(
    y: ArrayLike, score: ArrayLike, amount: ArrayLike, thresholds: ArrayLike, *, days: float, costs: Costs
) -> tuple[TradeOff, ...]:
    """Return what each of some thresholds would have meant on these events.

    Parameters
    ----------
    y, score, amount
        Outcome (1 fraud), score and worth of each event, shape (n,).
    thresholds
        Thresholds to compare.
    days
        Length of the span of the events.
    costs
        What the errors cost.

    Examples
    --------
    >>> row, = trade_off([1, 0, 1, 0], [0.9, 0.8, 0.3, 0.1], [10, 10, 30, 10], [0.5], days=2, costs=Costs())
    >>> row.alerts_per_day, row.precision, row.recall, row.value_recall
    (1.0, 0.5, 0.5, 0.25)
    """
    ranking, worth = _ranked(y, score, amount)
    counts, money = ranking.curve(), ranking.curve(worth)
    frauds, honest, at_stake = counts.caught[-1], counts.bothered[-1], money.caught[-1]
    result = []
    for threshold in np.asarray(thresholds, dtype=np.float64):
        groups = int(np.searchsorted(-ranking.scores, -threshold, side="left"))
        caught, bothered, saved, insulted = (
            float(column[groups - 1]) if groups else 0.0
            for column in (counts.caught, counts.bothered, money.caught, money.bothered)
        )
        cost = (
            (at_stake - saved) * costs.loss_share
            + (caught + bothered) * costs.review
            + bothered * costs.insult
            + insulted * costs.insult_share
        )
        result.append(
            TradeOff(
                threshold=float(threshold),
                alerts_per_day=(caught + bothered) / days,
                precision=_share(caught, caught + bothered),
                recall=_share(caught, frauds),
                value_recall=_share(saved, at_stake),
                false_positive_rate=_share(bothered, honest),
                cost_per_day=float(cost) / days,
            )
        )
    return tuple(result)


def _ranked(y: ArrayLike, score: ArrayLike, amount: ArrayLike) -> tuple[Ranking, FloatArray]:
    worth = np.asarray(amount, dtype=np.float64)
    ranking = Ranking.of(y, score)
    if worth.shape != ranking.order.shape:
        message = f"amounts {worth.shape} and outcomes {ranking.order.shape} differ in length"
        raise ShapeError(message)
    return ranking, worth


def _below(scores: FloatArray, groups: int) -> float:
    """Return the threshold that flags exactly the first groups of falling distinct scores."""
    if groups == 0:
        return float("inf")
    if groups == scores.shape[0]:
        return float(np.nextafter(scores[-1], -np.inf))
    middle = float(scores[groups - 1] + scores[groups]) / 2
    return middle if middle < scores[groups - 1] else float(scores[groups])


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
