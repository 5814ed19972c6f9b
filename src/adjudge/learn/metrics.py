"""How good is a ranking, in the terms of the people who work through it.

Whatever ranks is read off one `Curve`; cards and probabilities have their own few lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adjudge.errors import ShapeError
from adjudge.learn.ranking import Ranking
from adjudge.typing import FloatArray, IntArray


def auc(y: ArrayLike, score: ArrayLike, weight: FloatArray | None = None) -> float:
    """Return the area under the ROC curve; see `Curve.auc`.

    Parameters
    ----------
    y, score
        Outcomes (1 positive) and scores, shape (n,).
    weight
        Weight per event; ones when None.

    Examples
    --------
    >>> auc([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    0.75
    """
    return Ranking.of(y, score).curve(weight).auc()


def average_precision(y: ArrayLike, score: ArrayLike, weight: FloatArray | None = None) -> float:
    """Return the area under the precision-recall steps; see `Curve.average_precision`.

    Parameters
    ----------
    y, score
        Outcomes (1 positive) and scores, shape (n,).
    weight
        Weight per event; ones when None.

    Examples
    --------
    >>> average_precision([0, 1], [0.9, 0.1])
    0.5
    """
    return Ranking.of(y, score).curve(weight).average_precision()


def recall_at_fpr(y: ArrayLike, score: ArrayLike, ceiling: float, weight: FloatArray | None = None) -> float:
    """Return the recall at a false positive rate of at most `ceiling`; see `Curve.recall_at_fpr`.

    Parameters
    ----------
    y, score
        Outcomes (1 positive) and scores, shape (n,).
    ceiling
        Largest share of negatives that may be bothered.
    weight
        Weight per event; ones when None.

    Examples
    --------
    >>> recall_at_fpr([1, 0, 0], [0.9, 0.8, 0.1], 0.0)
    1.0
    """
    return Ranking.of(y, score).curve(weight).recall_at_fpr(ceiling)


def precision_at_k(y: ArrayLike, score: ArrayLike, k: int) -> float:
    """Return the share of positives among the `k` highest scores, ties by their expected share.

    Parameters
    ----------
    y, score
        Outcomes (1 positive) and scores, shape (n,).
    k
        How many are looked at.

    Examples
    --------
    >>> precision_at_k([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.1], 2)
    0.5
    """
    return Ranking.of(y, score).curve().precision_at(k)


def precision_at_k_per_day(y: ArrayLike, score: ArrayLike, day: ArrayLike, k: int) -> float:
    """Return the mean over days of the precision among each day's `k` highest scores.

    What a team that can look at `k` events a day finds: every day has its own list.

    Parameters
    ----------
    y, score
        Outcomes (1 positive) and scores, shape (n,).
    day
        Day of each event, any whole numbers.
    k
        Events looked at per day; a day with fewer is judged by all of its own.

    Examples
    --------
    Day 1 has its positive on top, day 2 has none:

    >>> precision_at_k_per_day([1, 0, 0, 0], [0.9, 0.8, 0.7, 0.1], [1, 1, 2, 2], 1)
    0.5
    """
    truth, ranks, days = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64), np.asarray(day)
    found = [precision_at_k(truth[days == d], ranks[days == d], k) for d in np.unique(days)]
    return float(np.mean(found))


@dataclass(frozen=True)
class CardDays:
    """Each day's cards with their highest score and outcome: what card precision is computed from.

    Parameters
    ----------
    cards
        Position of the card in the list of all cards, per day, by falling score.
    hit
        Whether that card had a positive that day.
    total
        Number of different cards.
    """

    cards: tuple[IntArray, ...]
    hit: tuple[FloatArray, ...]
    total: int

    @classmethod
    def of(cls, y: ArrayLike, score: ArrayLike, day: ArrayLike, card: ArrayLike) -> CardDays:
        """Reduce events to one score and one outcome per card and day; ties keep the order of the events."""
        truth, ranks = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
        days = np.asarray(day)
        names, index = np.unique(np.asarray(card), return_inverse=True)
        cards, hits = [], []
        for d in np.unique(days):
            rows = np.flatnonzero(days == d)
            top = np.full(names.shape[0], -np.inf)
            hit = np.zeros(names.shape[0])
            np.maximum.at(top, index[rows], ranks[rows])
            np.maximum.at(hit, index[rows], truth[rows])
            present = index[rows][np.sort(np.unique(index[rows], return_index=True)[1])]
            ordered = present[np.argsort(-top[present], kind="stable")]
            cards.append(ordered.astype(np.int64))
            hits.append(hit[ordered])
        return cls(tuple(cards), tuple(hits), int(names.shape[0]))

    def precision(self, k: int, weight: FloatArray | None = None) -> float:
        """Return the mean over days of the share of positive cards among the top `k`; found cards leave.

        Parameters
        ----------
        k
            Cards looked at per day; the divisor even when a day has fewer.
        weight
            Weight per card (for resampling): a card of weight 2 takes two of the `k` places.
        """
        gone = np.zeros(self.total, dtype=np.bool_)
        found = []
        for cards, hit in zip(self.cards, self.hit, strict=True):
            stay = ~gone[cards]
            left, good = cards[stay], hit[stay]
            w = np.ones(left.shape[0]) if weight is None else weight[left]
            room = np.clip(k - (np.cumsum(w) - w), 0.0, w)
            found.append(float(np.sum(room * good)) / k)
            gone[left[(room > 0) & (good > 0)]] = True
        return float(np.mean(found))


def card_precision_at_k(y: ArrayLike, score: ArrayLike, day: ArrayLike, card: ArrayLike, k: int) -> float:
    """Return the share of compromised cards among the `k` looked at each day, averaged over days.

    A card has the highest score and the highest outcome of its events of the day. A compromised card that
    was among the `k` is blocked and does not appear on later days.

    Parameters
    ----------
    y, score
        Outcomes (1 positive) and scores, shape (n,).
    day
        Day of each event, whole numbers.
    card
        Card (or customer) of each event.
    k
        Cards looked at per day.

    References
    ----------
    Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud Detection,
    chapter 4, "Card Precision top-k".

    Examples
    --------
    Card 7 is found on day 1 and leaves; on day 2 card 8 takes its place, which is honest:

    >>> card_precision_at_k([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2], [1, 1, 2, 2], [7, 8, 7, 8], 1)
    0.5
    """
    return CardDays.of(y, score, day, card).precision(k)


def value_recall(y: ArrayLike, flagged: ArrayLike, amount: ArrayLike) -> float:
    """Return the share of the positives' amount that was flagged.

    Parameters
    ----------
    y
        Outcomes, 1 positive, shape (n,).
    flagged
        Whether each event was stopped or looked at.
    amount
        What each event is worth.

    Returns
    -------
    float
        NaN when the positives are worth nothing.

    Examples
    --------
    90 of 100 lost is caught:

    >>> value_recall([1, 1, 0], [True, False, False], [90.0, 10.0, 500.0])
    0.9
    """
    at_stake = np.asarray(y, dtype=np.float64) * np.asarray(amount, dtype=np.float64)
    total = float(at_stake.sum())
    return float(at_stake[np.asarray(flagged, dtype=np.bool_)].sum()) / total if total > 0 else float("nan")


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Return the mean squared distance between probability and outcome; 0 is perfect.

    Parameters
    ----------
    y
        Outcomes, 1 positive, shape (n,).
    p
        Probabilities in [0, 1].

    Examples
    --------
    >>> brier([1, 0], [0.5, 0.5])
    0.25
    """
    return float(np.mean((np.asarray(p, dtype=np.float64) - np.asarray(y, dtype=np.float64)) ** 2))


@dataclass(frozen=True)
class Reliability:
    """Mean probability beside the share that came true, per bin.

    Parameters
    ----------
    predicted
        Mean probability of each bin, rising.
    observed
        Share of positives of each bin.
    count
        Events of each bin.
    """

    predicted: FloatArray
    observed: FloatArray
    count: FloatArray

    def error(self) -> float:
        """Return the expected calibration error: the mean gap, weighted by events."""
        return float(np.sum(self.count * np.abs(self.predicted - self.observed)) / self.count.sum())


def reliability(y: ArrayLike, p: ArrayLike, *, bins: int = 10, equal: str = "count") -> Reliability:
    """Group events by probability and compare what was said with what came true.

    Parameters
    ----------
    y
        Outcomes, 1 positive, shape (n,).
    p
        Probabilities in [0, 1].
    bins
        How many groups at most; empty ones are left out.
    equal
        ``"count"``: groups of about equal size, which rare positives need; equal probabilities share a group.
        ``"mass"``: groups with about equal sums of probability, so that each expects as many positives.
        ``"width"``: the usual fixed edges 0, 1/bins, ..., 1.

    Examples
    --------
    >>> reliability([0, 0, 1, 0], [0.1, 0.1, 0.6, 0.8], bins=2).observed.tolist()
    [0.0, 0.5]
    """
    truth, said = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    if truth.shape != said.shape or truth.shape[0] == 0:
        message = f"outcomes {truth.shape} and probabilities {said.shape} must be of one length above 0"
        raise ShapeError(message)
    if equal == "width":
        group = np.clip((said * bins).astype(np.int64), 0, bins - 1)
    else:
        ranked = np.sort(said)
        first = np.searchsorted(ranked, said, side="left")  # equal ones stand where their first one is
        share = first / said.shape[0]
        if equal == "mass" and ranked[-1] > 0:
            below = np.concatenate([[0.0], np.cumsum(ranked)])
            share = below[first] / below[-1]
        group = np.minimum((share * bins).astype(np.int64), bins - 1)
    count = np.bincount(group, minlength=bins).astype(np.float64)
    full = count > 0
    predicted = np.bincount(group, weights=said, minlength=bins)[full] / count[full]
    observed = np.bincount(group, weights=truth, minlength=bins)[full] / count[full]
    return Reliability(predicted, observed, count[full])


def expected_calibration_error(y: ArrayLike, p: ArrayLike, *, bins: int = 10, equal: str = "width") -> float:
    """Return how far probabilities are from shares that came true, averaged over the events.

    Parameters
    ----------
    y
        Outcomes, 1 positive, shape (n,).
    p
        Probabilities in [0, 1].
    bins
        Number of groups.
    equal
        ``"width"`` as in the literature, or ``"count"``; see `reliability`.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), On Calibration of Modern Neural Networks, eq. 3.

    Examples
    --------
    Two events said 0.5, of which both came true:

    >>> expected_calibration_error([1, 1], [0.5, 0.5])
    0.5
    """
    return reliability(y, p, bins=bins, equal=equal).error()
