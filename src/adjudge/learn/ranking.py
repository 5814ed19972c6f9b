"""Events in order of score, and what a falling threshold catches.

Tied scores are one step. Ties are never broken by luck: a cut through a tie takes its expected share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adjudge.errors import ShapeError
from adjudge.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Ranking:
    """Events sorted by score, highest first, once for any number of weightings.

    Parameters
    ----------
    order
        Positions by falling score, shape (n,).
    ends
        Position (in sorted order) of the last event of each group of equal scores, shape (g,).
    scores
        The score of each group, falling, shape (g,).
    y
        1.0 or 0.0 in sorted order, shape (n,).
    """

    order: IntArray
    ends: IntArray
    scores: FloatArray
    y: FloatArray

    @classmethod
    def of(cls, y: ArrayLike, score: ArrayLike) -> Ranking:
        """Sort events by score.

        Parameters
        ----------
        y
            True outcome, shape (n,), 1 positive.
        score
            Higher is more suspicious, shape (n,), finite.

        Raises
        ------
        ShapeError
            If the lengths differ, there is no event, or an outcome or score is missing.

        Examples
        --------
        >>> Ranking.of([1, 0, 1], [0.2, 0.9, 0.2]).ends.tolist()
        [0, 2]
        """
        truth, ranks = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
        if truth.shape != ranks.shape or truth.ndim != 1 or truth.shape[0] == 0:
            message = f"outcomes {truth.shape} and scores {ranks.shape} must be columns of one length above 0"
            raise ShapeError(message)
        if np.isnan(truth).any() or np.isnan(ranks).any():
            message = "a missing outcome or score cannot be judged; leave those events out or score them"
            raise ShapeError(message)
        order = np.argsort(-ranks, kind="stable")
        ranks = ranks[order]
        ends = np.append(np.flatnonzero(np.diff(ranks)), ranks.shape[0] - 1)
        return cls(order, ends, ranks[ends], truth[order])

    def curve(self, weight: FloatArray | None = None) -> Curve:
        """Return what is caught and what is bothered at every cut.

        Parameters
        ----------
        weight
            Weight of each event in the original order; ones when None. Amounts give a curve in money.
        """
        w = np.ones_like(self.y) if weight is None else np.asarray(weight, dtype=np.float64)[self.order]
        caught = np.cumsum(w * self.y)[self.ends]
        seen = np.cumsum(w)[self.ends]
        return Curve(self.scores, caught, seen - caught)


@dataclass(frozen=True)
class Curve:
    """What a falling threshold catches: one point per distinct score.

    Parameters
    ----------
    scores
        The score at which each group enters, falling, shape (g,).
    caught
        Weight of the positives at or above it, shape (g,).
    bothered
        Weight of the negatives at or above it, shape (g,).
    """

    scores: FloatArray
    caught: FloatArray
    bothered: FloatArray

    def auc(self) -> float:
        """Return the probability that a positive is ranked above a negative, ties counting half.

        Returns
        -------
        float
            NaN when there are only positives or only negatives.

        Examples
        --------
        One of the four pairs is the wrong way round:

        >>> Ranking.of([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]).curve().auc()
        0.75
        """
        positives, negatives = self.caught[-1], self.bothered[-1]
        if positives == 0 or negatives == 0:
            return float("nan")
        before = np.concatenate([[0.0], self.caught[:-1]])
        steps = np.diff(self.bothered, prepend=0.0)
        return float(np.sum(steps * (before + self.caught)) / (2 * positives * negatives))

    def average_precision(self) -> float:
        """Return the precision averaged over the positives, each at its own rank (no interpolation).

        Returns
        -------
        float
            NaN when there are no positives.

        Examples
        --------
        The positives stand at ranks 1 and 3, so (1/1 + 2/3) / 2:

        >>> round(Ranking.of([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]).curve().average_precision(), 4)
        0.8333
        """
        positives = self.caught[-1]
        if positives == 0:
            return float("nan")
        seen = self.caught + self.bothered
        precision = np.divide(self.caught, seen, out=np.zeros_like(seen), where=seen > 0)
        return float(np.sum(np.diff(self.caught, prepend=0.0) * precision) / positives)

    def recall_at_fpr(self, ceiling: float) -> float:
        """Return the largest share of positives caught while at most a share of negatives is bothered.

        Parameters
        ----------
        ceiling
            Largest false positive rate, in [0, 1].

        Returns
        -------
        float
            Reached by a real threshold (whole groups of equal scores), not by interpolation; 0 when none
            stays below the ceiling, NaN when there are only positives or only negatives.

        Examples
        --------
        Only the first event stays below 40 % of two negatives:

        >>> Ranking.of([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]).curve().recall_at_fpr(0.4)
        0.5
        """
        positives, negatives = self.caught[-1], self.bothered[-1]
        if positives == 0 or negatives == 0:
            return float("nan")
        allowed = np.searchsorted(self.bothered, ceiling * negatives, side="right")
        return float(self.caught[allowed - 1] / positives) if allowed else 0.0

    def caught_within(self, k: float) -> float:
        """Return the weight of positives among the first `k` of weight; a cut through a tie takes its share.

        Parameters
        ----------
        k
            Number of events (weight) that are looked at.

        Examples
        --------
        The second place is shared by a positive and a negative:

        >>> Ranking.of([1, 1, 0], [0.9, 0.5, 0.5]).curve().caught_within(2)
        1.5
        """
        seen = np.concatenate([[0.0], self.caught + self.bothered])
        return float(np.interp(k, seen, np.concatenate([[0.0], self.caught])))

    def precision_at(self, k: float) -> float:
        """Return the share of positives among the first `k`.

        Parameters
        ----------
        k
            How many are looked at; no more than there are.

        Examples
        --------
        >>> Ranking.of([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]).curve().precision_at(2)
        0.5
        """
        k = min(k, float(self.caught[-1] + self.bothered[-1]))
        return self.caught_within(k) / k if k > 0 else float("nan")

    def share_within(self, counts: Curve, k: float) -> float:
        """Return the share of the positives' weight (say, of their amount) among the first `k` events.

        Parameters
        ----------
        counts
            The curve of the same ranking in events.
        k
            Number of events that are looked at.

        Examples
        --------
        The first of two frauds holds 90 of the 100 at stake:

        >>> ranking = Ranking.of([1, 0, 1], [0.9, 0.8, 0.7])
        >>> ranking.curve(np.array([90.0, 5.0, 10.0])).share_within(ranking.curve(), 2)
        0.9
        """
        total = self.caught[-1]
        if total <= 0:
            return float("nan")
        seen = np.concatenate([[0.0], counts.caught + counts.bothered])
        return float(np.interp(k, seen, np.concatenate([[0.0], self.caught])) / total)
