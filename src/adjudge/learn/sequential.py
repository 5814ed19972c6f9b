"""A sequential test of champion and challenger: a bound that may be looked at every day, and still means what it says.

The bound is a mixture over sizes of an improvement, made for all looks together. It takes sums to be nearly normal, and
sums with rare large losses are not before some have come. So what differs is summed by entity, because the decisions of
one entity are one chance; an entity counts for no more than a cap; and the error has room for losses of that size that
nobody has seen yet. How often it errs with that is measured by the benchmark `sequential`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.errors import InputError, ShapeError
from adjudge.typing import BoolArray, FloatArray, HashArray, IntArray

LEVEL = 0.05
"""Share of the tests without any improvement that may find one, over all looks together."""

LEAST = 30
"""Least entities that differ before anything is said: the bound rests on a sum being nearly normal."""

RESERVE = 3.0
"""Unseen losses of a whole cap that the error has room for. The least whole number with which a challenger that wins a
little from nearly everybody, and loses a cap from so few that nothing is won, is found better in less than `LEVEL` of
all tests, at every scale tried."""


class Bound(msgspec.Struct, frozen=True):
    """What is known of an improvement at one look.

    Parameters
    ----------
    gain
        Money that the challenger saves a decision; negative where it costs more.
    error
        Standard error of that.
    low
        What it saves at least, no entity counting for more than the cap, at all looks together but for about a share
        `LEVEL` of all tests; None while too little is known to say.
    decisions, entities
        What it rests on: decisions, and entities in which anything differs.
    """

    gain: float
    error: float
    low: float | None
    decisions: int
    entities: int

    def better_by(self, margin: float) -> bool:
        """Return whether the challenger is better by more than a margin, in money a decision."""
        return self.low is not None and self.low > margin


@dataclass(frozen=True)
class Terms:
    """How a test is made; to be settled before it begins.

    Parameters
    ----------
    cap
        Money of one entity over the whole test beyond which more counts as no more, such as a high percentile of what
        entities have lost in as much time before. A larger one takes longer to find anything.
    scale
        Improvement in money a decision for which the bound is tightest.
    level
        See `LEVEL`.
    least
        See `LEAST`.

    Raises
    ------
    InputError
        If one of them is no positive number, or the level is none between 0 and 0.5.
    """

    cap: float
    scale: float
    level: float = LEVEL
    least: int = LEAST

    def __post_init__(self) -> None:
        for name in ("cap", "scale", "least"):
            if not 0 < getattr(self, name) < math.inf:
                message = f"{name} must be a positive number, not {getattr(self, name)}"
                raise InputError(message, field=name)
        if not 0 < self.level < 0.5:
            message = f"level must be between 0 and 0.5, not {self.level}"
            raise InputError(message, field="level")


def paired(gain: FloatArray, entity: IntArray | HashArray, test: Terms) -> Bound:
    """Return what a shadow saves, from decisions of both about the same events.

    Parameters
    ----------
    gain
        Cost of the champion's decision less that of the challenger's, shape (n,); 0 where they agree. Only decisions
        whose label is old enough belong here.
    entity
        Whose decision it was, shape (n,).
    test
        How it is tested.

    Raises
    ------
    ShapeError
        If the two differ in length.
    InputError
        If a gain is no finite number.

    Notes
    -----
    To the variance of the entities' sums that of `RESERVE` losses of `Terms.cap` is added.

    Examples
    --------
    Nobody can tell anything from two entities:

    >>> paired(np.array([5.0, 3.0, 0.0]), np.array([1, 2, 2]), Terms(cap=100.0, scale=1.0)).low is None
    True
    """
    _check(gain, entity)
    n = len(gain)
    if not n:
        return Bound(0.0, math.inf, None, 0, 0)
    sums, counts = _by_entity(gain, entity, test.cap)
    mean = math.fsum(sums) / n  # whatever the order
    variance = _square(sums, counts, mean) + RESERVE * test.cap**2
    differing = int(np.count_nonzero(_by_entity(gain[gain != 0], entity[gain != 0], test.cap)[1]))
    return _bound(mean, math.sqrt(variance) / n, n, differing, test)


def split(cost: FloatArray, challenged: BoolArray, entity: IntArray | HashArray, test: Terms) -> Bound:
    """Return what a challenger saves on its share of the traffic.

    Parameters
    ----------
    cost
        Cost of each decision that was made, shape (n,); only decisions whose label is old enough.
    challenged
        Which the challenger has made, shape (n,).
    entity
        By what the traffic is split, shape (n,): each is on one side, and all its decisions are one chance.
    test
        How it is tested.

    Raises
    ------
    ShapeError
        If the three differ in length.
    InputError
        If a cost is no finite number, or an entity is on both sides.

    Notes
    -----
    Each side's error is the larger of its own and of what both sides together say one of its size has, and each has
    room for `RESERVE` losses of `Terms.cap`: a share that has not seen a large loss yet is not taken for one that never
    will.

    Examples
    --------
    >>> split(np.array([5.0, 3.0]), np.array([True, False]), np.array([1, 2]), Terms(cap=100.0, scale=1.0)).gain
    -2.0
    """
    _check(cost, entity)
    if len(challenged) != len(cost):
        message = f"challenged has {len(challenged)} rows, cost has {len(cost)}"
        raise ShapeError(message)
    sides = [_by_entity(cost[side], entity[side], test.cap) for side in (~challenged, challenged)]
    if np.intersect1d(_present(entity[challenged]), _present(entity[~challenged])).size:
        message = "an entity is on both sides: name the one that the traffic is split by"
        raise InputError(message, field="entity")
    n = [float(counts.sum()) for _, counts in sides]
    if not all(n):
        return Bound(0.0, math.inf, None, len(cost), 0)
    means = [math.fsum(sums) / size for (sums, _), size in zip(sides, n, strict=True)]
    mean = sum(own * size for own, size in zip(means, n, strict=True)) / sum(n)
    both = sum(_square(*side, mean) for side in sides) / sum(n)
    squares = [
        max(_square(*side, own), both * size) + RESERVE * test.cap**2
        for side, own, size in zip(sides, means, n, strict=True)
    ]
    error = math.sqrt(sum(square / size**2 for square, size in zip(squares, n, strict=True)))
    entities = min(int(np.count_nonzero(counts)) for _, counts in sides)
    return _bound(means[0] - means[1], error, len(cost), entities, test)


def _bound(gain: float, error: float, decisions: int, entities: int, test: Terms) -> Bound:
    """Return the lower bound of a mixture of normal improvements.

    References
    ----------
    Robbins (1970), Statistical Methods Related to the Law of the Iterated Logarithm; in the form of Johari, Pekelis and
    Walsh (2017), Always Valid Inference; one-sided as the normal mixture of Howard, Ramdas, McAuliffe and Sekhon
    (2021), Time-uniform, Nonparametric, Nonasymptotic Confidence Sequences. It rests on sums that are nearly normal.
    """
    if entities < test.least or not error > 0:
        return Bound(gain, error, None, decisions, entities)
    spread = 1.0 + (test.scale / error) ** 2
    reach = error * math.sqrt(2 * spread / (spread - 1) * math.log(1 + math.sqrt(spread) / (2 * test.level)))
    return Bound(gain, error, gain - reach, decisions, entities)


def _check(money: FloatArray, entity: IntArray | HashArray) -> None:
    if len(money) != len(entity):
        message = f"there are {len(money)} amounts and {len(entity)} entities"
        raise ShapeError(message)
    if not np.isfinite(money).all():
        message = "money must be finite: leave out decisions whose amount is not known, or take it for nothing"
        raise InputError(message, field="money")


def _square(sums: FloatArray, counts: FloatArray, mean: float) -> float:
    """Return the sum over entities of how far each is from what its decisions would come to on average, squared."""
    return float(((sums - mean * counts) ** 2).sum())


def _by_entity(money: FloatArray, entity: IntArray | HashArray, cap: float) -> tuple[FloatArray, FloatArray]:
    """Return the sum, at most the cap either way, and the number of decisions of each entity; some may have none."""
    place = entity.astype(np.int64) if _is_dense(entity) else np.unique(entity, return_inverse=True)[1]
    sums: FloatArray = np.clip(np.bincount(place, weights=money).astype(np.float64), -cap, cap)
    return sums, np.bincount(place).astype(np.float64)


def _present(entity: IntArray | HashArray) -> IntArray | HashArray:
    """Return each entity once, in order."""
    if not _is_dense(entity):
        hashes: HashArray = np.unique(entity.astype(np.uint64))
        return hashes
    there: IntArray = np.flatnonzero(np.bincount(entity.astype(np.int64))).astype(np.int64)
    return there


def _is_dense(entity: IntArray | HashArray) -> bool:
    """Whether entities are numbers that can stand for places themselves: to sort them takes ten times as long."""
    return len(entity) > 0 and int(entity.min()) >= 0 and int(entity.max()) < 4 * len(entity)
