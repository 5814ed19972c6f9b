"""What the first layer of a net sees of a row: scaled numbers, marks for gaps, rows of tables for categories and bins.

A number is its distance from the mean of the training rows in their standard deviations, up to a limit: what is a
thousand deviations away is far, and not a thousand times as loud. Where training rows had gaps, whether the value is
there is an input of its own. A category picks a row of learned numbers (an entity embedding), and so does the bin of a
number where it is asked for; missing and unknown share the first row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError, ShapeError
from adjudge.kernel import lean_kernel
from adjudge.models.raw import Arrays, Meta, check_matrix, take
from adjudge.models.steps import bin_of
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

SingleArray = NDArray[np.float32]
"""Numbers in single precision: what a net computes with."""

LIMIT = 5.0
"""No number is further from 0 than so many deviations, infinities included."""

_ARRAYS: dict[str, type[np.generic]] = {
    "middle": np.float64,
    "scale": np.float64,
    "gap": np.bool_,
    "starts": np.int64,
    "edges": np.float64,
    "width": np.int64,
    "table": np.float32,
}


@lean_kernel
def fill(
    X: FloatArray,
    rows: IntArray,
    j: int,
    middle: FloatArray,
    scale: FloatArray,
    gap: BoolArray,
    starts: IntArray,
    edges: FloatArray,
    width: IntArray,
    table: SingleArray,
    out: SingleArray,
) -> None:
    """Write what the net sees of event j, feature by feature: number, gap, row of the table."""
    at, first = 0, 0
    for f in range(len(rows)):
        value = X[rows[f], j]
        missing = np.isnan(value)
        if scale[f] > 0.0:
            away = 0.0
            if not missing:
                away = min(max((value - middle[f]) * scale[f], -LIMIT), LIMIT)
            out[at] = np.float32(away)
            at += 1
        if gap[f]:
            out[at] = np.float32(1.0) if missing else np.float32(0.0)
            at += 1
        if width[f] > 0:
            row = first + width[f] * bin_of(value, edges, starts[f], starts[f + 1])
            for d in range(width[f]):
                out[at + d] = table[row + d]
            at += width[f]
            first += width[f] * (starts[f + 1] - starts[f] + 2)


@lean_kernel
def _encode(
    X: FloatArray,
    rows: IntArray,
    middle: FloatArray,
    scale: FloatArray,
    gap: BoolArray,
    starts: IntArray,
    edges: FloatArray,
    width: IntArray,
    table: SingleArray,
    out: SingleArray,
) -> None:
    for j in range(X.shape[1]):
        fill(X, rows, j, middle, scale, gap, starts, edges, width, table, out[j])


@dataclass(frozen=True, eq=False)
class Inputs:
    """How rows of features become the inputs of a net.

    Parameters
    ----------
    names
        The features.
    middle, scale
        Of each feature as a number: what is 0, and one over what is 1; a scale of 0 leaves the number out.
    gap
        Whether an input says that the value is missing.
    starts, edges
        Where each feature's cuts begin, one entry more than features, and the cuts, rising within a feature; a value
        equal to a cut belongs below it.
    width
        How many numbers a row of the feature's table has; 0 for none.
    table
        The tables, row by row: for each feature with a width missing first, then from the lowest bin up.

    Examples
    --------
    A number with a gap mark, and a category of two texts with one number each:

    >>> inputs = Inputs(("a", "b"), np.array([5.0, 0.0]), np.array([1.0, 0.0]), np.array([True, False]),
    ...     np.array([0, 0, 1]), np.array([0.5]), np.array([0, 1]), np.array([0.0, 7.0, 8.0], np.float32))
    >>> inputs.encode(np.array([[5.0, np.nan, 6.0], [1.0, 0.0, np.nan]]), np.arange(2)).tolist()
    [[0.0, 0.0, 8.0], [0.0, 1.0, 7.0], [1.0, 0.0, 0.0]]
    >>> inputs.owner.tolist()
    [0, 0, 1]
    """

    names: tuple[str, ...]
    middle: AnyArray
    scale: AnyArray
    gap: AnyArray
    starts: AnyArray
    edges: AnyArray
    width: AnyArray
    table: AnyArray

    def __post_init__(self) -> None:
        n = len(self.names)
        fits = len(self.middle) == len(self.scale) == len(self.gap) == len(self.width) == len(self.starts) - 1 == n
        fits = fits and self.starts[0] == 0 and self.starts[-1] == len(self.edges) and bool(np.all(self._cuts >= 0))
        fits = fits and bool(np.all(self.width >= 0)) and len(self.table) == int(np.sum(self._rows * self.width))
        finite = all(np.isfinite(part).all() for part in (self.middle, self.scale, self.table))
        if not (fits and finite and np.all(self.scale >= 0) and not np.isnan(self.edges).any() and self._edges_rise()):
            msg = "these are not the inputs of a net: scales, cuts and tables contradict each other"
            raise BundleError(msg)

    def _edges_rise(self) -> bool:
        return all(np.all(np.diff(self.edges[a:b]) > 0) for a, b in zip(self.starts, self.starts[1:], strict=False))

    @property
    def _cuts(self) -> IntArray:
        return np.diff(self.starts)

    @property
    def _rows(self) -> IntArray:
        """Rows of each feature's table, had it one."""
        return self._cuts + 2

    @property
    def embedded(self) -> IntArray:
        """Positions of the features that have a table."""
        return np.flatnonzero(self.width)

    @cached_property
    def owner(self) -> IntArray:
        """For each input the position of its feature."""
        return np.repeat(np.arange(len(self.names)), (self.scale > 0).astype(np.int64) + self.gap + self.width)

    @cached_property
    def learned(self) -> BoolArray:
        """For each input whether it comes from a table."""
        plain = (self.scale > 0).astype(np.int64) + self.gap
        kinds = np.stack([plain, self.width], axis=1).reshape(-1)
        return np.repeat(np.tile([False, True], len(self.names)), kinds)

    @classmethod
    def fit(
        cls, X: FloatArray, names: Sequence[str], *, texts: Mapping[str, int], bins: int = 0, width: int = 0
    ) -> Inputs:
        """Measure training rows X (n, F); the tables are still empty.

        Parameters
        ----------
        X
            Rows of numbers, NaN where missing.
        names
            The features.
        texts
            The features that hold numbers of categories, each with how many there are: a bin each, and no scale.
        bins
            Quantile bins of every other feature; 0 gives them no table.
        width
            How many numbers a bin or category picks.
        """
        if X.ndim != 2 or X.shape[1] != len(names):
            msg = f"rows of shape {X.shape} and {len(names)} names do not belong together"
            raise ShapeError(msg)
        middle, scale = np.zeros(len(names)), np.zeros(len(names))
        edges: list[FloatArray] = []
        for f, (name, column) in enumerate(zip(names, X.T, strict=True)):
            known = column[np.isfinite(column)]
            if name in texts:
                edges.append(np.arange(max(texts[name] - 1, 0), dtype=np.float64) + 0.5)
                continue
            middle[f], scale[f] = _scaled(known)
            edges.append(_quantiles(known, bins) if bins else np.empty(0))
        wide = np.array([width if name in texts or bins else 0 for name in names], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum([len(cuts) for cuts in edges])]).astype(np.int64)
        table = np.zeros(int(np.sum((np.diff(starts) + 2) * wide)), np.float32)
        gap = np.isnan(X).any(axis=0) & (scale > 0)
        return cls(tuple(names), middle, scale, gap, starts, np.concatenate([np.empty(0), *edges]), wide, table)

    @cached_property
    def plain(self) -> Inputs:
        """The same inputs without tables."""
        return replace(self, width=np.zeros_like(self.width), table=np.empty(0, np.float32))

    def bins(self, X: FloatArray) -> IntArray:
        """Return for each row of X (n, F) the row it picks of each table, shape (n, tables)."""
        found = np.zeros((len(X), len(self.embedded)), dtype=np.int64)
        for column, f in enumerate(self.embedded):
            cuts = self.edges[self.starts[f] : self.starts[f + 1]]
            found[:, column] = np.where(np.isnan(X[:, f]), 0, np.searchsorted(cuts, X[:, f], side="left") + 1)
        return found

    def with_tables(self, tables: Sequence[SingleArray]) -> Inputs:
        """Return the same inputs with these tables, one for each feature in `embedded`."""
        flat = [np.ascontiguousarray(table, dtype=np.float32).reshape(-1) for table in tables]
        width = self.width.copy()
        width[self.embedded] = [table.shape[1] for table in tables]
        return replace(self, width=width, table=np.concatenate([np.empty(0, np.float32), *flat]))

    def reading(self, features: IntArray) -> Inputs:
        """Return the same inputs for some features only; the tables are empty again."""
        keep = np.isin(np.arange(len(self.names)), features)
        width = np.where(keep, self.width, 0)
        table = np.zeros(int(np.sum(self._rows * width)), np.float32)
        return replace(self, scale=np.where(keep, self.scale, 0.0), gap=self.gap & keep, width=width, table=table)

    @cached_property
    def packed(self) -> tuple[AnyArray, ...]:
        """The arrays in the order in which the kernels take them."""
        return tuple(getattr(self, name) for name in _ARRAYS)

    def encode(self, X: FloatArray, rows: IntArray) -> SingleArray:
        """Return the inputs of n events, shape (n, inputs); `rows` says where in X (slots, n) each name is."""
        check_matrix(X, rows, len(self.names))
        out = np.empty((X.shape[1], len(self.owner)), np.float32)
        arguments: tuple[Any, ...] = (X, rows, *self.packed, out)
        _encode(*arguments)
        return out

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"names": list(self.names)}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Inputs:
        """Build the inputs from what `meta` and `arrays` returned."""
        return cls(tuple(meta["names"]), **{name: take(arrays, name, dtype) for name, dtype in _ARRAYS.items()})


def _scaled(known: FloatArray) -> tuple[float, float]:
    """Return the mean and one over the standard deviation; over 1 where all values are equal or none is there."""
    if not len(known):
        return 0.0, 1.0
    deviation = float(known.std())
    return float(known.mean()), 1.0 / deviation if 1e-30 < deviation < 1e30 else 1.0


def _quantiles(known: FloatArray, bins: int) -> FloatArray:
    """Return cuts at quantiles; none where all values are equal."""
    if not len(known):
        return np.empty(0)
    cuts = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="lower"))
    inner: FloatArray = cuts[cuts < known.max()]
    return inner
