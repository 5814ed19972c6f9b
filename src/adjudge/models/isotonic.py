"""Isotonic calibration: the rising function that fits best, by pooling neighbours that fall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from adjudge.errors import BundleError, ShapeError
from adjudge.kernel import kernel
from adjudge.models.raw import Arrays, Meta
from adjudge.typing import AnyArray, FloatArray

SLOPE = 1e-5
"""Share of a gently rising curve in every isotonic answer, so that no two margins tie."""


@kernel
def _knots(margin: FloatArray, at: FloatArray, value: FloatArray, slope: float, out: FloatArray) -> None:
    """Interpolate between knots, flat beyond them, and mix in a share of a curve that rises everywhere.

    The curve is algebraic, because the logistic one is flat in doubles long before margins end.
    """
    last = len(at) - 1
    for i in range(len(margin)):
        x = margin[i]
        if np.isnan(x):
            out[i] = np.nan
            continue
        if x <= at[0]:
            p = value[0]
        elif x >= at[last]:
            p = value[last]
        else:
            low, high = 0, last
            while high - low > 1:
                middle = (low + high) // 2
                if at[middle] <= x:
                    low = middle
                else:
                    high = middle
            share = (x - at[low]) / (at[high] - at[low])
            p = min(max(value[low] + share * (value[high] - value[low]), value[low]), value[high])
        out[i] = (1.0 - slope) * p + slope * (0.5 + 0.5 * x / (1.0 + abs(x)))


@kernel
def _pool(at: FloatArray, y: FloatArray, weight: FloatArray) -> int:
    """Pool neighbours that fall until all means rise (in place); return how many blocks are left."""
    blocks = 0
    for i in range(len(y)):
        a, b, w = at[i], y[i], weight[i]
        while blocks > 0 and y[blocks - 1] >= b:
            blocks -= 1
            total = w + weight[blocks]
            # inside the block whatever the rounding, so that the centres of blocks keep rising
            a = min(max((a * w + at[blocks] * weight[blocks]) / total, at[blocks]), a)
            b = (b * w + y[blocks] * weight[blocks]) / total
            w = total
        at[blocks], y[blocks], weight[blocks] = a, b, w
        blocks += 1
    return blocks


@dataclass(frozen=True, eq=False)
class Isotonic:
    """Isotonic regression, served as knots with straight lines between them.

    Parameters
    ----------
    at
        Margins of the knots, rising: the mean margin of each pooled block.
    value
        Probabilities at the knots, rising.
    slope
        Share of a rising curve mixed into every answer. With 0 the function is flat beyond the knots and
        ranking there is lost to ties; with the default it is strictly increasing, and off by at most the
        share.

    Notes
    -----
    Fitting pools adjacent violators and adds one positive row at the lowest margin and one negative row at
    the highest, so that no score is ever called certain: a top block of k positives says k / (k + 1).

    References
    ----------
    Oron and Flournoy (2017), Centered isotonic regression: the straight lines between block centres.

    Examples
    --------
    >>> calibrator = Isotonic(np.array([-1.0, 1.0]), np.array([0.2, 0.6]), slope=0.0)
    >>> calibrator.apply(np.array([-5.0, 0.0, 0.5]))
    array([0.2, 0.4, 0.5])
    """

    at: AnyArray
    value: AnyArray
    slope: float = SLOPE
    kind: ClassVar[str] = "isotonic"

    def __post_init__(self) -> None:
        rises = len(self.at) == len(self.value) > 0 and np.all(np.diff(self.at) > 0)
        inside = np.all(np.diff(self.value) >= 0) and np.all((self.value >= 0) & (self.value <= 1))
        if not (rises and inside and np.isfinite(self.at).all() and 0 <= self.slope <= 1):
            msg = "an isotonic calibrator needs rising finite knots and rising values in [0, 1]"
            raise BundleError(msg)

    @classmethod
    def fit(
        cls, margin: FloatArray, y: FloatArray, rows: FloatArray | None = None, *, slope: float = SLOPE
    ) -> Isotonic:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on; `rows` as in `counted`."""
        margin, y, rows = counted(margin, y, rows)
        order = np.argsort(margin, kind="stable")
        at, first = np.unique(margin[order], return_index=True)
        weight = np.add.reduceat(rows[order], first)
        mean = np.minimum(np.add.reduceat((rows * y)[order], first) / weight, 1.0)
        mean[0] = (mean[0] * weight[0] + 1.0) / (weight[0] + 1.0)
        weight[0] += 1.0
        mean[-1] = mean[-1] * weight[-1] / (weight[-1] + 1.0)
        weight[-1] += 1.0
        blocks = _pool(at, mean, weight)
        return cls(at[:blocks].copy(), mean[:blocks].copy(), slope)

    def apply(self, margin: FloatArray) -> FloatArray:
        """Return the probability for each margin."""
        out = np.empty(len(margin))
        _knots(margin, self.at, self.value, self.slope, out)
        return out

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": self.kind, "slope": self.slope}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {"at": self.at, "value": self.value}


def counted(margin: FloatArray, y: FloatArray, rows: FloatArray | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return margins, outcomes and how much each row counts, without rows that count nothing.

    Weights only say how much rows count beside each other. Together they count as many rows as would say as much if
    all counted alike (Kish), so that a calibrator fitted on few heavy rows is as cautious as it should be.

    Parameters
    ----------
    margin, y
        See `pairs`.
    rows
        Weights, not negative and not all 0; None for all alike.

    Examples
    --------
    Of three rows one stands for two others; they tell as much as 2.7 equal ones:

    >>> _, _, rows = counted(np.zeros(3), np.array([0.0, 1, 1]), np.array([1.0, 1, 2]))
    >>> rows.round(3).tolist()
    [0.667, 0.667, 1.333]
    """
    margin, y = pairs(margin, y)
    if rows is None:
        return margin, y, np.ones(len(y))
    weight = np.asarray(rows, dtype=np.float64)
    if weight.shape != y.shape or not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        msg = f"{len(y)} rows need as many weights of at least 0, and some above it"
        raise ShapeError(msg)
    there = weight > 0
    weight = weight[there]
    return margin[there], y[there], weight * (weight.sum() / (weight**2).sum())


def pairs(margin: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return margins and outcomes as doubles, refusing what cannot be fitted."""
    margin, y = np.asarray(margin, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if margin.shape != y.shape or margin.ndim != 1 or len(margin) == 0:
        msg = f"margins of shape {margin.shape} and outcomes of shape {y.shape} do not belong together"
        raise ShapeError(msg)
    if not np.isfinite(margin).all() or not np.isin(y, (0.0, 1.0)).all():
        msg = "a calibrator is fitted on finite margins and outcomes 0 or 1"
        raise ShapeError(msg)
    return margin, y
