"""What a served model is underneath the scorer: rows in, log-odds and pushes out, plain arrays as state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError, ShapeError
from adjudge.kernel import kernel
from adjudge.typing import AnyArray, FloatArray, IntArray

Meta = dict[str, Any]
"""The part of a served model that is written as JSON."""

Arrays = dict[str, AnyArray]
"""The part of a served model that is written as numbers."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Log-odds of n rows and the features that pushed each up most.

    Parameters
    ----------
    margin
        Raw log-odds, shape (n,).
    top
        Positions of the features with the largest positive contributions, shape (n, k), -1 where there are
        fewer.
    top_value
        Their contributions, shape (n, k).
    """

    margin: FloatArray
    top: NDArray[np.int32]
    top_value: FloatArray

    @classmethod
    def empty(cls, n: int, k: int) -> Raw:
        """Return room for n rows and k contributions."""
        return cls(np.empty(n), np.empty((n, k), dtype=np.int32), np.empty((n, k)))


class Model(Protocol):
    """A trained model in its served form."""

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        ...

    @property
    def bias(self) -> float:
        """The part of the margin that no feature contributes."""
        ...

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins and the k largest pushes; `rows` says where in X each name is."""
        ...

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return every contribution, shape (n, len(names)); with `bias` they add up to the margin."""
        ...

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and every contribution, computed together; the same bits as each by itself."""
        ...

    def meta(self) -> Meta:
        """Return the part to be written as JSON, with its ``kind``."""
        ...

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        ...


class Kernelled(ABC):
    """A served model whose kernel writes margins, the largest pushes, and where there is room for them all pushes."""

    @abstractmethod
    def _write(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> None:
        """Fill the result with margins and the k largest pushes, and `every`, if it has rows, with all pushes."""

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins and the k largest pushes.

        Parameters
        ----------
        X
            The feature matrix, shape (C, n), one feature a row; NaN means missing.
        rows
            The row of `X` for each name.
        k
            How many contributions to return a row; 0 leaves them out and is faster.
        """
        result = Raw.empty(X.shape[1], k)
        self._write(X, rows, k, result, np.empty((0, 0)))
        return result

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return every contribution, shape (n, len(names)).

        With `bias` they add up to the margin, to the rounding of the addition (relative 1e-12).
        """
        return self.explained(X, rows)[1]

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and every contribution, computed together; the same bits as each by itself."""
        result, every = Raw.empty(X.shape[1], 0), np.empty((X.shape[1], len(rows)))
        self._write(X, rows, 0, result, every)
        return result.margin, every


def sub(arrays: Mapping[str, AnyArray], prefix: str) -> Arrays:
    """Return the arrays under a prefix, without it.

    Examples
    --------
    >>> sub({"a/x": np.zeros(1), "b": np.zeros(2)}, "a")
    {'x': array([0.])}
    """
    head = prefix + "/"
    return {name.removeprefix(head): array for name, array in arrays.items() if name.startswith(head)}


def under(arrays: Mapping[str, AnyArray], prefix: str) -> Arrays:
    """Return the arrays with a prefix before each name; the inverse of `sub`."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def take(arrays: Mapping[str, AnyArray], name: str, dtype: type[np.generic], dimensions: int = 1) -> AnyArray:
    """Return one array of a saved model, refusing another type or shape.

    Raises
    ------
    BundleError
        If the array is not there, or is not what the model wrote.
    """
    if name not in arrays:
        msg = f"the saved model has no array {name!r}"
        raise BundleError(msg)
    array = arrays[name]
    if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
        found = f"{array.dtype} with {array.ndim} dimensions"
        msg = f"array {name!r} of the saved model holds {found}, not {np.dtype(dtype)} with {dimensions}"
        raise BundleError(msg)
    return np.ascontiguousarray(array)


@kernel
def _inside(rows: IntArray, limit: int) -> bool:
    """Return whether all positions lie in 0..limit - 1; numpy's minimum takes as long as a small forest."""
    outside = 0
    for row in rows:
        outside += row < 0 or row >= limit
    return outside == 0


def check_matrix(X: FloatArray, rows: IntArray, features: int) -> None:
    """Refuse what a kernel could not read safely.

    Raises
    ------
    ShapeError
        If X is not a C-contiguous float64 matrix, or `rows` does not say where in it each feature is.
    """
    if X.ndim != 2 or X.dtype != np.float64 or not X.flags.c_contiguous:
        msg = "X must be a C-contiguous float64 matrix of shape (slots, events)"
        raise ShapeError(msg)
    if rows.shape != (features,) or rows.dtype != np.int64:
        msg = f"the model reads {features} features, but rows has shape {rows.shape} and type {rows.dtype}"
        raise ShapeError(msg)
    if not _inside(rows, len(X)):
        msg = f"rows must lie in 0..{len(X) - 1}, the rows of X"
        raise ShapeError(msg)
