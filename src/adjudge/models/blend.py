"""A scorer of several families: each has a model and a probability of its own, and together they make one.

By weights, the blended probability is the weighted mean of the families' probabilities, so that a named
threshold means what it says. As a stack, the blended margin is a logistic regression on the families'
margins. Either way a family's contributions are stretched by the one factor that makes all contributions add
up to the blended margin; no factor is negative, so a push up stays a push up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adjudge.engine.scorer import TOP, Scores
from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.calibrate import Calibrator, calibrator_from, logistic
from adjudge.models.categories import Categories
from adjudge.models.raw import Arrays, Meta, Model, sub, under
from adjudge.models.scorers import model_from, top_from, version_of
from adjudge.typing import AnyArray, FloatArray, IntArray

NEAR = 1e-6
"""Margins closer than this to the mean are stretched by the slope there instead of a quotient of nothings."""

EDGE = 1e-12
"""Blended probabilities keep this distance from 0 and 1, so that their log-odds exist."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family of a blend.

    Parameters
    ----------
    name
        Its stable name, such as ``velocity``.
    model
        Its model.
    calibrator
        From its margins to its probability.
    weight
        Its share of the mean, or its coefficient in the stack; not negative.
    """

    name: str
    model: Model
    calibrator: Calibrator
    weight: float


@kernel
def _logit(p: float) -> float:
    p = min(max(p, EDGE), 1.0 - EDGE)
    return float(np.log(p / (1.0 - p)))


@kernel
def _mean(
    margins: FloatArray,
    probabilities: FloatArray,
    weights: FloatArray,
    centre: FloatArray,
    centre_p: FloatArray,
    slope: FloatArray,
    margin: FloatArray,
    p: FloatArray,
    factor: FloatArray,
) -> None:
    """Blend probabilities; `factor` (families, n) is what a family's contributions are multiplied by."""
    families = len(weights)
    mean_p = 0.0
    for i in range(families):
        mean_p += weights[i] * centre_p[i]
    mean_margin = _logit(mean_p)
    for j in range(margins.shape[1]):
        blended = 0.0
        for i in range(families):
            blended += weights[i] * probabilities[i, j]
        blended = min(max(blended, 0.0), 1.0)
        p[j] = blended
        margin[j] = _logit(blended)
        moved = blended - mean_p
        stretch = 1.0 / max(mean_p * (1.0 - mean_p), EDGE)
        if abs(moved) > EDGE:
            stretch = (margin[j] - mean_margin) / moved
        for i in range(families):
            away = margins[i, j] - centre[i]
            rise = slope[i] if abs(away) <= NEAR else (probabilities[i, j] - centre_p[i]) / away
            factor[i, j] = weights[i] * rise * stretch


@kernel
def _stack(
    margins: FloatArray,
    weights: FloatArray,
    intercept: float,
    margin: FloatArray,
    p: FloatArray,
    factor: FloatArray,
) -> None:
    """Add weighted margins, family by family."""
    for j in range(margins.shape[1]):
        total = intercept
        for i in range(len(weights)):
            total += weights[i] * margins[i, j]
            factor[i, j] = weights[i]
        margin[j] = total
        p[j] = logistic(total)


@kernel
def _merge(
    tops: NDArray[np.int32],
    values: FloatArray,
    first: IntArray,
    factor: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
) -> None:
    """Pick the largest pushes among the families' own; of equal ones the earlier family comes first."""
    families, n, k = tops.shape
    for j in range(n):
        for i in range(k):
            top[j, i] = -1
            top_value[j, i] = 0.0
        for f in range(families):
            for i in range(k):
                if tops[f, j, i] < 0:
                    break
                value = values[f, j, i] * factor[f, j]
                if not value > top_value[j, k - 1]:
                    break
                at = k - 1
                while at > 0 and top_value[j, at - 1] < value:
                    top[j, at] = top[j, at - 1]
                    top_value[j, at] = top_value[j, at - 1]
                    at -= 1
                top[j, at] = first[f] + tops[f, j, i]
                top_value[j, at] = value


class BlendScorer:
    """Several families, blended into one score.

    Parameters
    ----------
    families
        The families; no feature belongs to two of them.
    how
        ``mean``: weighted mean of probabilities, weights adding up to 1. ``stack``: logistic regression on
        margins.
    intercept
        Of the stack; 0 for a mean.
    categories
        How texts become numbers; None where no family reads any.
    top
        How many contributions to return a row.
    """

    kind = "blend"

    def __init__(
        self,
        families: Sequence[Family],
        how: Literal["mean", "stack"],
        *,
        intercept: float = 0.0,
        categories: Categories | None = None,
        top: int = TOP,
    ) -> None:
        self.families = tuple(families)
        self.how = how
        self.intercept = intercept
        self.categories = categories if categories is not None and categories.texts else None
        self._top = top
        self._names = tuple(name for family in self.families for name in family.model.names)
        sizes = [len(family.model.names) for family in self.families]
        self._first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._weights = np.array([family.weight for family in self.families])
        self._check()
        self._table = None if self.categories is None else self.categories.table(self._names)
        self._positions = np.arange(len(self._names))

    def _check(self) -> None:
        labels = [family.name for family in self.families]
        if not labels or len(set(labels)) != len(labels) or len(set(self._names)) != len(self._names):
            msg = "a blend needs families with different names and no feature in two of them"
            raise BundleError(msg)
        total = float(self._weights.sum())
        fits = np.isfinite(self._weights).all() and np.all(self._weights >= 0) and np.isfinite(self.intercept)
        if self.how not in ("mean", "stack") or not fits or (self.how == "mean" and abs(total - 1) > 1e-9):
            msg = "a blend needs weights that are not negative, and for a mean they add up to 1"
            raise BundleError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads, family by family."""
        return self._names

    @property
    def top(self) -> int:
        """How many contributions it returns a row."""
        return self._top

    @property
    def family_names(self) -> tuple[str, ...]:
        """Names of its families."""
        return tuple(family.name for family in self.families)

    @cached_property
    def version(self) -> str:
        """A short hash of everything that can change a score."""
        return version_of(self.meta(), self.arrays())

    @cached_property
    def _centre(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean margin, probability there and slope there, of each family."""
        margin = np.array([family.model.bias for family in self.families])
        p, slope = np.empty(len(margin)), np.empty(len(margin))
        for i, family in enumerate(self.families):
            low, p[i], high = family.calibrator.apply(margin[i] + np.array([-NEAR, 0.0, NEAR]))
            slope[i] = (high - low) / (2 * NEAR)
        return margin, p, slope

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Score n events; see `adjudge.engine.scorer.Scorer`."""
        X, rows = self._numbers(X, rows)
        raws = [family.model.raw(X, part, self._top) for family, part in self._parts(rows)]
        margins = np.stack([raw.margin for raw in raws])
        probabilities = np.stack(
            [family.calibrator.apply(raw.margin) for family, raw in zip(self.families, raws, strict=True)]
        )
        margin, p, factor = self._blend(margins, probabilities)
        result = Scores(
            margin,
            p,
            np.empty((len(margin), self._top), dtype=np.int32),
            np.empty((len(margin), self._top)),
            {family.name: column for family, column in zip(self.families, probabilities, strict=True)},
        )
        if self._top:
            tops, values = np.stack([raw.top for raw in raws]), np.stack([raw.top_value for raw in raws])
            _merge(tops, values, self._first, factor, result.top, result.top_value)
        return result

    def _numbers(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, IntArray]:
        """Return a matrix without texts and where the features are in it."""
        if self.categories is None or self._table is None:
            return X, rows
        return self.categories.encode_with(X, rows, self._table), self._positions

    def _parts(self, rows: IntArray) -> list[tuple[Family, IntArray]]:
        return [(family, rows[self._first[i] : self._first[i + 1]]) for i, family in enumerate(self.families)]

    def _blend(self, margins: FloatArray, probabilities: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        margin, p, factor = np.empty(margins.shape[1]), np.empty(margins.shape[1]), np.empty(margins.shape)
        if self.how == "stack":
            _stack(margins, self._weights, self.intercept, margin, p, factor)
        else:
            _mean(margins, probabilities, self._weights, *self._centre, margin, p, factor)
        return margin, p, factor

    def contributions(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, float]:
        """Return every contribution, shape (n, len(names)), and the bias; together they are the margin."""
        X, rows = self._numbers(X, rows)
        parts = self._parts(rows)
        margins = np.stack([family.model.raw(X, part, 0).margin for family, part in parts])
        probabilities = np.stack([f.calibrator.apply(m) for f, m in zip(self.families, margins, strict=True)])
        _, _, factor = self._blend(margins, probabilities)
        every = [family.model.contributions(X, part) for family, part in parts]
        stretched = [one * stretch[:, None] for one, stretch in zip(every, factor, strict=True)]
        return np.concatenate(stretched, axis=1), self._bias()

    def _bias(self) -> float:
        centre, p, _ = self._centre
        if self.how == "stack":
            return float(self.intercept + np.sum(self._weights * centre))
        return float(_logit(float(np.sum(self._weights * p))))

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {
            "kind": self.kind,
            "how": self.how,
            "intercept": self.intercept,
            "top": self._top,
            "categories": None if self.categories is None else self.categories.meta(),
            "families": [
                {
                    "name": family.name,
                    "weight": family.weight,
                    "model": family.model.meta(),
                    "calibrator": family.calibrator.meta(),
                }
                for family in self.families
            ],
        }

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        result: Arrays = {}
        for i, family in enumerate(self.families):
            result |= under(family.model.arrays(), f"{i}/model")
            result |= under(family.calibrator.arrays(), f"{i}/calibrator")
        return result

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray], secret: bytes) -> BlendScorer:
        """Build a blend from what `meta` and `arrays` returned, for the workspace with this secret."""
        families = [
            Family(
                str(part["name"]),
                model_from(part["model"], sub(arrays, f"{i}/model")),
                calibrator_from(part["calibrator"], sub(arrays, f"{i}/calibrator")),
                float(part["weight"]),
            )
            for i, part in enumerate(meta["families"])
        ]
        return cls(
            families,
            meta["how"],
            intercept=float(meta["intercept"]),
            categories=None if meta["categories"] is None else Categories.from_meta(meta["categories"], secret),
            top=top_from(meta),
        )
