"""A sum of step functions: the served form of a binned model, one weight for each bin of each feature.

Missing is a bin of its own. A feature's contribution is the weight of the bin that its value falls into,
counted from the mean over the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError
from adjudge.kernel import kernel, lean_kernel
from adjudge.models.pushes import note
from adjudge.models.raw import Arrays, Kernelled, Meta, Raw, check_matrix, take
from adjudge.typing import AnyArray, FloatArray, IntArray


@lean_kernel
def bin_of(value: float, edges: FloatArray, first: int, last: int) -> int:
    """Return 0 for missing, else 1 + the number of edges below the value."""
    if np.isnan(value):
        return 0
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if edges[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low - first + 1


@kernel
def _steps(
    X: FloatArray,
    rows: IntArray,
    starts: IntArray,
    edges: FloatArray,
    push: FloatArray,
    bias: float,
    k: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
    every: FloatArray,
) -> None:
    """Add one push per feature, in the order of the features."""
    pushes = np.zeros(len(rows))
    for j in range(X.shape[1]):
        total = bias
        for f in range(len(rows)):
            # a feature with e edges has e + 2 weights, so weights start 2 f after the edges
            at = starts[f] + 2 * f + bin_of(X[rows[f], j], edges, starts[f], starts[f + 1])
            pushes[f] = push[at]
            total += push[at]
        margin[j] = total
        note(pushes, j, k, top, top_value, every)


@dataclass(frozen=True, eq=False)
class Steps(Kernelled):
    """A sum of one step function per feature: the served form of a binned logistic regression.

    Parameters
    ----------
    names
        The features.
    starts
        Where each feature's edges begin, one entry more than features.
    edges
        The cuts, rising within a feature; a value equal to a cut belongs below it.
    push
        What each bin adds to the margin: for each feature missing first, then from the lowest bin up.
    bias
        The mean margin of the training rows.

    Examples
    --------
    >>> model = Steps(("a",), np.array([0, 1]), np.array([10.0]), np.array([0.5, -1.0, 2.0]), bias=-3.0)
    >>> model.raw(np.array([[np.nan, 10.0, 11.0]]), np.array([0]), k=1).margin
    array([-2.5, -4. , -1. ])
    """

    names: tuple[str, ...]
    starts: AnyArray
    edges: AnyArray
    push: AnyArray
    bias: float

    def __post_init__(self) -> None:
        partition = (
            len(self.starts) == len(self.names) + 1
            and self.starts[0] == 0
            and self.starts[-1] == len(self.edges)
            and np.all(np.diff(self.starts) >= 0)
        )
        fits = partition and len(self.push) == len(self.edges) + 2 * len(self.names)
        if not (fits and np.isfinite(self.push).all() and np.isfinite(self.bias) and self._edges_rise()):
            msg = "these are not the steps of a binned model: edges, starts and pushes contradict each other"
            raise BundleError(msg)

    def _edges_rise(self) -> bool:
        inside = np.ones(max(len(self.edges) - 1, 0), dtype=np.bool_)
        borders = self.starts[1:-1]
        inside[borders[(borders > 0) & (borders < len(self.edges))] - 1] = False
        return not np.isnan(self.edges).any() and bool(np.all((self.edges[1:] > self.edges[:-1])[inside]))

    def _write(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> None:
        check_matrix(X, rows, len(self.names))
        outputs = (result.margin, result.top, result.top_value, every)
        arguments = (X, rows, self.starts, self.edges, self.push, self.bias, k, *outputs)
        _steps(*arguments)

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": "steps", "names": list(self.names), "bias": self.bias}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {"starts": self.starts, "edges": self.edges, "push": self.push}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Steps:
        """Build the model from what `meta` and `arrays` returned."""
        return cls(
            tuple(meta["names"]),
            take(arrays, "starts", np.int64),
            take(arrays, "edges", np.float64),
            take(arrays, "push", np.float64),
            float(meta["bias"]),
        )
