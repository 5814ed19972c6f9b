"""Calibrators: from a model's log-odds to a probability that means what it says.

A calibrator is an increasing function of the margin, fitted on rows the model was not trained on. It never
changes which of two events is riskier, only what number stands for the risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.isotonic import Isotonic, counted
from adjudge.models.raw import Arrays, Meta, take
from adjudge.models.venn import VennAbers
from adjudge.typing import AnyArray, FloatArray

__all__ = [
    "FITTED",
    "Beta",
    "Calibrator",
    "Isotonic",
    "Platt",
    "VennAbers",
    "calibrator_from",
    "logistic",
    "logistic_weights",
]


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
    def fit(cls, margin: FloatArray, y: FloatArray, rows: FloatArray | None = None) -> Platt:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on; `rows` as in `counted`."""
        margin, y, rows = counted(margin, y, rows)
        positives = (rows * y).sum()
        target = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (rows.sum() - positives + 2))
        columns = np.stack([margin, np.ones(len(y))], axis=1)
        a, b = logistic_weights(columns, target, np.array([1.0, 0.0]), positive=1, rows=rows)
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
    def fit(cls, margin: FloatArray, y: FloatArray, rows: FloatArray | None = None) -> Beta:
        """Fit on margins and outcomes (0 or 1) of rows the model was not trained on; `rows` as in `counted`."""
        margin, y, rows = counted(margin, y, rows)
        low = -np.logaddexp(0.0, -margin)
        high = np.logaddexp(0.0, margin)
        columns = np.stack([low, high, np.ones(len(y))], axis=1)
        a, b, c = logistic_weights(columns, y, np.array([1.0, 1.0, 0.0]), positive=2, rows=rows)
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


class Fit(Protocol):
    """Fits a calibrator on margins, outcomes, and how much each row counts."""

    def __call__(self, margin: FloatArray, y: FloatArray, rows: FloatArray | None = None) -> Calibrator:
        """Return the calibrator."""
        ...


FITTED: Mapping[str, Fit] = {
    "isotonic": Isotonic.fit,
    "platt": Platt.fit,
    "beta": Beta.fit,
    "venn_abers": VennAbers.fit,
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
    if kind == VennAbers.kind:
        return VennAbers.from_arrays(meta, arrays)
    if kind == Platt.kind:
        return Platt(float(meta["a"]), float(meta["b"]))
    if kind == Beta.kind:
        return Beta(float(meta["a"]), float(meta["b"]), float(meta["c"]))
    msg = f"a calibrator of kind {kind!r} is not known"
    raise BundleError(msg)
