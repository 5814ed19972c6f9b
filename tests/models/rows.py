"""Small seeded data for the model tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adjudge.typing import FloatArray, IntArray


class Rows(NamedTuple):
    """Rows (n, F) with missing values and zeros, and outcomes that depend on them."""

    X: FloatArray
    y: FloatArray

    @property
    def slots(self) -> FloatArray:
        """The rows as the engine holds them, (F, n)."""
        return np.ascontiguousarray(self.X.T)

    @property
    def places(self) -> IntArray:
        """Where in the slots each feature is."""
        return np.arange(self.X.shape[1])


def draw(n: int, seed: int, features: int = 8) -> Rows:
    """Draw rows with missing values, exact zeros, whole numbers and one informative pair of features."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, features))
    X[:, 2] = np.where(random.random(n) < 0.4, 0.0, X[:, 2])
    X[:, 3] = np.abs(np.round(X[:, 3] * 4))
    X[random.random(X.shape) < 0.1] = np.nan
    known = np.nan_to_num(X)
    risk = known[:, 0] + known[:, 1] * known[:, 2] + (known[:, 3] == 2) + random.normal(size=n)
    return Rows(X, (risk > 1.2).astype(np.float64))
