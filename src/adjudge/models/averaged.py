"""A forest whose trees each give a probability: the mean of them, as log-odds.

A random forest's margin is ``ln((p T + 1/2) / ((1 - p) T + 1/2))`` with the mean p of T trees: the log-odds of the
mean with half a vote added on either side, which is finite where all trees agree and keeps every order. What each
feature adds to the mean is known exactly (path contributions); it is stretched by the one factor that makes all
contributions add up to the margin. The factor is positive, so a push up stays a push up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.forest import Forest
from adjudge.models.raw import Arrays, Meta, Raw
from adjudge.typing import AnyArray, FloatArray, IntArray

NEAR = 1e-9
"""Means closer than this to that of the training rows are stretched by the slope there."""


@kernel
def _odds(p: float, trees: float) -> float:
    p = min(max(p, 0.0), 1.0)
    return float(np.log((p * trees + 0.5) / ((1.0 - p) * trees + 0.5)))


@kernel
def _stretch(mean: FloatArray, centre: float, trees: float, margin: FloatArray, factor: FloatArray) -> None:
    """Turn means into log-odds, and say what contributions to the mean are multiplied by."""
    middle = _odds(centre, trees)
    slope = trees / (centre * trees + 0.5) + trees / ((1.0 - centre) * trees + 0.5)
    for i in range(len(mean)):
        margin[i] = _odds(mean[i], trees)
        moved = mean[i] - centre
        factor[i] = slope if abs(moved) <= NEAR else (margin[i] - middle) / moved


@dataclass(frozen=True, eq=False)
class Averaged:
    """The served form of a random forest.

    Parameters
    ----------
    forest
        Its trees; the sum over them, divided by their number, is the mean probability.
    """

    forest: Forest

    def __post_init__(self) -> None:
        values, inside = self.forest.leaf_value, self.forest.base == 0.0
        if not (inside and self.forest.divisor == self.forest.trees > 0 and np.all((values >= 0) & (values <= 1))):
            msg = "an averaged forest needs trees with probabilities in their leaves, and divides by their number"
            raise BundleError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        return self.forest.names

    @cached_property
    def bias(self) -> float:
        """The log-odds of the mean over the training rows."""
        return float(_odds(self.forest.bias, float(self.forest.trees)))

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins and the k largest pushes; `rows` says where in X each name is."""
        mean = self.forest.raw(X, rows, k)
        margin, factor = self._stretched(mean.margin)
        return Raw(margin, mean.top, mean.top_value * factor[:, None])

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return every contribution, shape (n, len(names)); with `bias` they add up to the margin."""
        return self.explained(X, rows)[1]

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and every contribution, computed together."""
        mean, every = self.forest.explained(X, rows)
        margin, factor = self._stretched(mean)
        return margin, every * factor[:, None]

    def _stretched(self, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
        margin, factor = np.empty(len(mean)), np.empty(len(mean))
        _stretch(mean, self.forest.bias, float(self.forest.trees), margin, factor)
        return margin, factor

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": "averaged", "forest": self.forest.meta()}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return self.forest.arrays()

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Averaged:
        """Build the model from what `meta` and `arrays` returned."""
        return cls(Forest.from_arrays(meta["forest"], arrays))
