"""Calibrators: from a model's log-odds to a probability that means what it says.

A calibrator is an increasing function of the margin, fitted on rows the model was not trained on. It never
changes which of two events is riskier, only what number stands for the risk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from adjudge.errors import BundleError, ShapeError
from adjudge.kernel import kernel
from adjudge.models.raw import Arrays, Meta, take
from adjudge.typing import AnyArray, FloatArray

SLOPE = 1e-5
"""Share of a gently rising curve in every isotonic answer, so that no two margins tie."""


class Calibrator(Protocol):
    """An increasing function from margins to probabilities."""

    def apply(self, margin: FloatArray) -> FloatArray:
        """Return the probability for each margin."""
        ...

    def meta(self) -> Meta:
        """Return the part to be written as JSON, with its ``kind``."""
        ...

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        ...


@kernel
def logistic(margin: float) -> float:
    """Return the probability of some log-odds, without overflow."""
    if margin >= 0.0:
        return float(1.0 / (1.0 + np.exp(-margin)))
    grown = np.exp(margin)
    return float(grown / (1.0 + grown))


@kernel
def _softplus(x: float) -> float:
    """Return log(1 + exp(x)) without overflow."""
    return float(max(x, 0.0) + np.log1p(np.exp(-abs(x))))


@kernel
def _curve(margin: FloatArray, a: float, b: float, c: float, out: FloatArray) -> None:
    """Beta calibration in log-odds: a ln p - b ln(1 - p) + c, with p the logistic of the margin."""
    for i in range(len(margin)):
        out[i] = logistic(c - a * _softplus(-margin[i]) + b * _softplus(margin[i]))


@kernel
def _line(margin: FloatArray, a: float, b: float, out: FloatArray) -> None:
    for i in range(len(margin)):
        out[i] = logistic(a * margin[i] + b)


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
    def fit(cls, margin: FloatArray, y: FloatArray, slope: float = SLOPE) -> Isotonic:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on."""
        margin, y = _pairs(margin, y)
        order = np.argsort(margin, kind="stable")
        at, first = np.unique(margin[order], return_index=True)
        weight = np.diff(np.append(first, len(order))).astype(np.float64)
        mean = np.add.reduceat(y[order], first) / weight
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


@dataclass(frozen=True)
class Platt:
    """A logistic line: p = logistic(a * margin + b).

    Parameters
    ----------
    a
        Slope, positive; 1 with b = 0 takes the margin at its word.
    b
        Shift in log-odds.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines; with his smoothed targets.

    Examples
    --------
    >>> Platt().apply(np.array([0.0]))
    array([0.5])
    """

    a: float = 1.0
    b: float = 0.0
    kind: ClassVar[str] = "platt"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.a) and np.isfinite(self.b) and self.a > 0):
            msg = "a Platt calibrator needs a finite positive slope and a finite shift"
            raise BundleError(msg)

    @classmethod
    def fit(cls, margin: FloatArray, y: FloatArray) -> Platt:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on."""
        margin, y = _pairs(margin, y)
        positives = y.sum()
        target = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (len(y) - positives + 2))
        columns = np.stack([margin, np.ones(len(y))], axis=1)
        a, b = logistic_weights(columns, target, np.array([1.0, 0.0]), positive=1)
        return cls(float(a), float(b))

    def apply(self, margin: FloatArray) -> FloatArray:
        """Return the probability for each margin."""
        out = np.empty(len(margin))
        _line(margin, self.a, self.b, out)
        return out

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": self.kind, "a": self.a, "b": self.b}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays: nothing."""
        return {}


@dataclass(frozen=True)
class Beta:
    """Beta calibration: log-odds a ln q - b ln(1 - q) + c, where q is the logistic of the margin.

    Parameters
    ----------
    a, b
        Slopes towards 0 and towards 1, not negative and not both 0; both 1 with c = 0 changes nothing.
    c
        Shift in log-odds.

    References
    ----------
    Kull, Silva Filho and Flach (2017), Beta calibration.

    Examples
    --------
    >>> Beta().apply(np.array([0.0]))
    array([0.5])
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    kind: ClassVar[str] = "beta"

    def __post_init__(self) -> None:
        finite = np.isfinite([self.a, self.b, self.c]).all()
        if not (finite and self.a >= 0 and self.b >= 0 and self.a + self.b > 0):
            msg = "a beta calibrator needs finite slopes that are not negative and not both 0"
            raise BundleError(msg)

    @classmethod
    def fit(cls, margin: FloatArray, y: FloatArray) -> Beta:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on."""
        margin, y = _pairs(margin, y)
        low = -np.logaddexp(0.0, -margin)
        high = np.logaddexp(0.0, margin)
        columns = np.stack([low, high, np.ones(len(y))], axis=1)
        a, b, c = logistic_weights(columns, y, np.array([1.0, 1.0, 0.0]), positive=2)
        return cls(float(a), float(b), float(c))

    def apply(self, margin: FloatArray) -> FloatArray:
        """Return the probability for each margin."""
        out = np.empty(len(margin))
        _curve(margin, self.a, self.b, self.c, out)
        return out

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": self.kind, "a": self.a, "b": self.b, "c": self.c}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays: nothing."""
        return {}


def _pairs(margin: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return margins and outcomes as doubles, refusing what cannot be fitted."""
    margin, y = np.asarray(margin, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if margin.shape != y.shape or margin.ndim != 1 or len(margin) == 0:
        msg = f"margins of shape {margin.shape} and outcomes of shape {y.shape} do not belong together"
        raise ShapeError(msg)
    if not np.isfinite(margin).all() or not np.isin(y, (0.0, 1.0)).all():
        msg = "a calibrator is fitted on finite margins and outcomes 0 or 1"
        raise ShapeError(msg)
    return margin, y


def logistic_weights(
    columns: FloatArray, target: FloatArray, start: FloatArray, positive: int, *, rows: FloatArray | None = None
) -> FloatArray:
    """Return logistic regression weights; the first `positive` of them are kept above 0, all near `start`.

    The pull towards `start` is slight: it decides where the rows cannot (one class only, equal margins,
    perfect separation) and is not felt elsewhere.

    Parameters
    ----------
    columns
        The inputs, shape (n, k), an intercept among them if there is to be one.
    target
        Outcomes or smoothed outcomes in [0, 1].
    start
        First guess, shape (k,).
    positive
        How many weights, from the first on, must not be negative.
    rows
        How much each row counts, shape (n,); None for all alike.
    """
    counts = np.ones(len(columns)) if rows is None else rows
    weights = start.copy()
    floor = 1e-6
    pull = 1e-3

    def loss(w: FloatArray) -> float:
        z = columns @ w
        return float(np.sum(counts * (np.logaddexp(0.0, z) - target * z)) + 0.5 * pull * np.sum((w - start) ** 2))

    now = loss(weights)
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(columns @ weights, -700, 700)))
        slope = columns.T @ (counts * (p - target)) + pull * (weights - start)
        bend = columns.T @ (columns * (counts * p * (1 - p))[:, None]) + pull * np.eye(len(weights))
        free = ~((np.arange(len(weights)) < positive) & (weights <= floor) & (slope > 0))
        step = np.zeros(len(weights))
        step[free] = np.linalg.solve(bend[np.ix_(free, free)], slope[free])
        scale = 1.0
        while scale > 1e-10:
            tried = weights - scale * step
            tried[:positive] = np.maximum(tried[:positive], floor)
            after = loss(tried)
            if after < now:
                break
            scale /= 2
        else:
            break
        gained = now - after
        weights, now = tried, after
        if gained < 1e-12 * max(1.0, abs(now)):
            break
    return weights


FITTED: Mapping[str, Callable[[FloatArray, FloatArray], Calibrator]] = {
    "isotonic": Isotonic.fit,
    "platt": Platt.fit,
    "beta": Beta.fit,
}
"""The calibrators by name, each as the function that fits it."""


def calibrator_from(meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Calibrator:
    """Build a calibrator from what its `meta` and `arrays` returned.

    Raises
    ------
    BundleError
        If the kind is unknown or its numbers are not those of a calibrator.
    """
    kind = meta["kind"]
    if kind == Isotonic.kind:
        return Isotonic(take(arrays, "at", np.float64), take(arrays, "value", np.float64), float(meta["slope"]))
    if kind == Platt.kind:
        return Platt(float(meta["a"]), float(meta["b"]))
    if kind == Beta.kind:
        return Beta(float(meta["a"]), float(meta["b"]), float(meta["c"]))
    msg = f"a calibrator of kind {kind!r} is not known"
    raise BundleError(msg)
