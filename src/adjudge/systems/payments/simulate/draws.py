"""Drawing from many small distributions at once: one sorted search serves every group."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

HOUR_US = 3_600_000_000
"""Microseconds in an hour."""

DAY_US = 24 * HOUR_US
"""Microseconds in a day."""


class Choice:
    """One discrete distribution per group, drawn for arrays of groups by a single sorted search.

    Parameters
    ----------
    weights
        Non-negative weights, shape (groups, items); every row has a positive sum.

    Examples
    --------
    The first group always gives item 1, the second is a fair coin, and u says which side:

    >>> choice = Choice([[0.0, 1.0], [1.0, 1.0]])
    >>> choice.draw(np.array([0, 1, 1]), np.array([0.3, 0.3, 0.7])).tolist()
    [1, 0, 1]
    """

    def __init__(self, weights: ArrayLike) -> None:
        table = np.atleast_2d(np.asarray(weights, dtype=np.float64))
        self.items = table.shape[1]
        ends = np.cumsum(table, axis=1)
        ends /= ends[:, -1:]
        self._edges = (ends + np.arange(len(table))[:, None]).ravel()

    def draw(self, group: ArrayLike, u: FloatArray) -> IntArray:
        """Return the item that each uniform number `u` in [0, 1) selects in its group.

        Parameters
        ----------
        group
            Group of each draw, or one group for all.
        u
            Uniform numbers, one per draw.
        """
        first = np.asarray(group, dtype=np.int64)
        # The next float below group + 1 keeps a large group number from rounding u up into its neighbour.
        at = np.minimum(first + u, np.nextafter(first + 1.0, 0.0))
        found: IntArray = np.searchsorted(self._edges, at, side="right") - first * self.items
        return found


def steps(sizes: IntArray) -> tuple[IntArray, IntArray]:
    """Return (case, position in the case) of each row, for cases of the given sizes.

    Parameters
    ----------
    sizes
        Rows per case.

    Examples
    --------
    >>> case, step = steps(np.array([2, 3]))
    >>> case.tolist(), step.tolist()
    ([0, 0, 1, 1, 1], [0, 1, 0, 1, 2])
    """
    case = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.cumsum(sizes) - sizes
    return case, np.arange(len(case)) - starts[case]


def running(gaps: FloatArray, sizes: IntArray) -> FloatArray:
    """Return the sum of gaps since the start of each row's case; the first row of a case is at 0.

    Parameters
    ----------
    gaps
        Gap before each row; that of a case's first row is not used.
    sizes
        Rows per case.

    Examples
    --------
    >>> running(np.array([9.0, 1.0, 9.0, 2.0, 2.0]), np.array([2, 3])).tolist()
    [0.0, 1.0, 0.0, 2.0, 4.0]
    """
    case, step = steps(sizes)
    total = np.cumsum(np.where(step == 0, 0.0, gaps))
    starts = np.cumsum(sizes) - sizes
    result: FloatArray = total - total[starts][case]
    return result


def fitting(rng: np.random.Generator, budget: int, low: int, mean: float) -> IntArray:
    """Return case sizes, `low` plus a Poisson number, that together make exactly `budget` rows.

    Parameters
    ----------
    rng
        Source of randomness.
    budget
        Rows wanted in all; the last case is cut to fit.
    low
        Smallest size.
    mean
        Mean size.
    """
    sizes = low + rng.poisson(max(mean - low, 0.0), size=budget // max(low, 1) + 1)
    cases = int(np.searchsorted(np.cumsum(sizes), budget)) + 1
    sizes = sizes[:cases]
    sizes[-1] -= int(sizes.sum()) - budget
    return sizes[sizes > 0].astype(np.int64)


def pick(rng: np.random.Generator, options: AnyArray, size: int) -> AnyArray:
    """Return `size` options drawn with replacement.

    Parameters
    ----------
    rng
        Source of randomness.
    options
        What may be drawn.
    size
        How many.
    """
    return options[rng.integers(0, len(options), size)]


def some(rng: np.random.Generator, count: int, wanted: int) -> BoolArray:
    """Return a mask of `count` rows in which a random `wanted` are true, or all if there are fewer.

    Parameters
    ----------
    rng
        Source of randomness.
    count
        Length of the mask.
    wanted
        How many to choose.

    Examples
    --------
    >>> int(some(np.random.default_rng(0), 10, 7).sum())
    7
    """
    mask = np.ones(count, dtype=np.bool_)
    if count > wanted:
        mask[rng.choice(count, count - wanted, replace=False)] = False
    return mask


def spread(rng: np.random.Generator, count: int, low: float, high: float) -> FloatArray:
    """Return numbers between two bounds, one in each equal slice, in random order.

    Few draws leave long gaps by chance; these do not.

    Parameters
    ----------
    rng
        Source of randomness.
    count
        How many.
    low, high
        Bounds.

    Examples
    --------
    >>> sorted(spread(np.random.default_rng(0), 4, 0.0, 4.0).astype(int).tolist())
    [0, 1, 2, 3]
    """
    slices = (rng.permutation(count) + rng.random(count)) / count
    return low + (high - low) * slices
