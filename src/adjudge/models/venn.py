"""Venn-Abers calibration: two probabilities for each margin, one of which is right on average.

The row in hand is added to the calibration rows twice, once as if it ended well and once as if it ended badly, and
isotonic regression gives each time what it says of the row: p0 and p1. Whatever the model, one of the two, the one
that goes with what came of it, is calibrated; how far they lie apart says how little the rows know there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.isotonic import SLOPE, counted
from adjudge.models.raw import Arrays, Meta, take
from adjudge.typing import AnyArray, FloatArray, IntArray


@kernel
def _ends(total: FloatArray, weight: FloatArray) -> tuple[IntArray, IntArray]:
    """Return where the pooled block ends that begins at each group, and where the one begins that ends there.

    Pooling from the right, the block of a group is followed by the blocks of the group behind it, untouched; so one
    number a group holds the solutions of all suffixes, and another those of all prefixes.
    """
    n = len(total) - 1
    last, first = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for i in range(n - 1, -1, -1):
        end = i
        while end + 1 < n:
            after = last[end + 1]
            mine = (total[end + 1] - total[i]) * (weight[after + 1] - weight[end + 1])
            if mine < (total[after + 1] - total[end + 1]) * (weight[end + 1] - weight[i]):
                break
            end = after
        last[i] = end
    for i in range(n):
        start = i
        while start > 0:
            before = first[start - 1]
            mine = (total[i + 1] - total[start]) * (weight[start] - weight[before])
            if mine > (total[start] - total[before]) * (weight[i + 1] - weight[start]):
                break
            start = before
        first[i] = start
    return first, last


@kernel
def _with_one_more(total: FloatArray, weight: FloatArray, outcome: float) -> FloatArray:
    """Return for each group the isotonic answer there when one more row with this outcome is in it.

    `total` and `weight` are sums of outcomes and of rows before each group, one entry more than groups. The groups
    before and behind are pooled already; the group in hand only takes in the blocks that it violates.
    """
    n = len(total) - 1
    first, last = _ends(total, weight)
    answer = np.empty(n)
    for i in range(n):
        low, high = i, i + 1
        while True:
            mine = (total[high] - total[low] + outcome) / (weight[high] - weight[low] + 1.0)
            if high < n:
                after = last[high] + 1
                if (total[after] - total[high]) / (weight[after] - weight[high]) <= mine:
                    high = after
                    continue
            if low > 0:
                before = first[low - 1]
                if (total[low] - total[before]) / (weight[low] - weight[before]) >= mine:
                    low = before
                    continue
            break
        answer[i] = mine
    return answer


@kernel
def _count(at: FloatArray, x: float, itself: bool) -> int:
    """Return how many cuts lie below x, and at it where `itself` is asked for."""
    low, high = 0, len(at)
    while low < high:
        middle = (low + high) // 2
        if at[middle] < x or (itself and at[middle] == x):
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _interval(
    margin: FloatArray,
    low_at: FloatArray,
    low_value: FloatArray,
    high_at: FloatArray,
    high_value: FloatArray,
    slope: float,
    low: FloatArray,
    high: FloatArray,
    p: FloatArray,
) -> None:
    """Look up both steps, and put the single probability between them."""
    for i in range(len(margin)):
        x = margin[i]
        if np.isnan(x):
            low[i] = high[i] = p[i] = np.nan
            continue
        low[i] = low_value[_count(low_at, x, True)]
        high[i] = max(high_value[_count(high_at, x, False)], low[i])
        single = high[i] / (1.0 - low[i] + high[i])
        rising = (1.0 - slope) * single + slope * (0.5 + 0.5 * x / (1.0 + abs(x)))
        p[i] = min(max(rising, low[i]), high[i])


@dataclass(frozen=True, eq=False)
class VennAbers:
    """Inductive Venn-Abers prediction, served as two step functions.

    Parameters
    ----------
    low_at, low_value
        Margins from which on p0 takes its next value, and the values, one more than margins, the first 0.
    high_at, high_value
        Margins beyond which p1 takes its next value, and the values, one more than margins, the last 1.
    slope
        Share of a rising curve mixed into the single probability, inside the interval, so that no two margins tie.

    Notes
    -----
    The single probability is ``p1 / (1 - p0 + p1)``, which loses least in the worst case under the log loss.

    References
    ----------
    Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without guarantees of validity.

    Examples
    --------
    Two honest rows lie below two frauds. A row below all is one fraud among three rows at most; one above all is a
    fraud like the two before it, or the one honest row among three:

    >>> calibrator = VennAbers.fit(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    >>> low, high = calibrator.interval(np.array([-2.0, 1.0, 3.0]))
    >>> low.tolist(), high.tolist()
    ([0.0, 0.5, 0.6666666666666666], [0.3333333333333333, 1.0, 1.0])
    """

    low_at: AnyArray
    low_value: AnyArray
    high_at: AnyArray
    high_value: AnyArray
    slope: float = SLOPE
    kind: ClassVar[str] = "venn_abers"

    def __post_init__(self) -> None:
        for at, value in ((self.low_at, self.low_value), (self.high_at, self.high_value)):
            fits = len(value) == len(at) + 1 and np.isfinite(at).all() and np.all(np.diff(at) > 0)
            inside = fits and np.all(np.diff(value) >= 0) and np.all((value >= 0) & (value <= 1))
            if not (inside and 0 <= self.slope <= 1):
                msg = "a Venn-Abers calibrator needs rising finite margins and rising values in [0, 1]"
                raise BundleError(msg)

    @classmethod
    def fit(
        cls, margin: FloatArray, y: FloatArray, rows: FloatArray | None = None, *, slope: float = SLOPE
    ) -> VennAbers:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on; `rows` as in `counted`."""
        margin, y, rows = counted(margin, y, rows)
        order = np.argsort(margin, kind="stable")
        at, first = np.unique(margin[order], return_index=True)
        total = np.append(0.0, np.cumsum((rows * y)[order])[np.append(first[1:], len(order)) - 1])
        weight = np.append(0.0, np.cumsum(rows[order])[np.append(first[1:], len(order)) - 1])
        # without weights sums are whole numbers and quotients are rounded once, so equal answers are equal in bits
        low = np.maximum.accumulate(np.append(0.0, _with_one_more(total, weight, 0.0)))
        high = np.maximum.accumulate(np.append(_with_one_more(total, weight, 1.0), 1.0))
        low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
        moves, rises = np.diff(low) != 0, np.diff(high) != 0
        return cls(at[moves], low[np.append(True, moves)], at[rises], high[np.append(rises, True)], slope)

    def interval(self, margin: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return p0 and p1 for each margin: what the row's probability is if it ends well, and if it ends badly."""
        low, high, _ = self._both(margin)
        return low, high

    def apply(self, margin: FloatArray) -> FloatArray:
        """Return the single probability for each margin."""
        return self._both(margin)[2]

    def _both(self, margin: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        low, high, p = np.empty(len(margin)), np.empty(len(margin)), np.empty(len(margin))
        steps = (self.low_at, self.low_value, self.high_at, self.high_value)
        _interval(np.ascontiguousarray(margin, dtype=np.float64), *steps, self.slope, low, high, p)
        return low, high, p

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": self.kind, "slope": self.slope}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {
            "low_at": self.low_at,
            "low_value": self.low_value,
            "high_at": self.high_at,
            "high_value": self.high_value,
        }

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> VennAbers:
        """Build the calibrator from what `meta` and `arrays` returned."""
        return cls(
            take(arrays, "low_at", np.float64),
            take(arrays, "low_value", np.float64),
            take(arrays, "high_at", np.float64),
            take(arrays, "high_value", np.float64),
            float(meta["slope"]),
        )
