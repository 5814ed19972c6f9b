"""The served forest: any LightGBM or XGBoost model as flat arrays, scored without either library.

A forest is a sum of trees, and a tree is a function from a row to one of its leaves. Comparisons are kept
exactly as the library makes them (doubles, missing values, zeros, categories), leaf values are added in the
order of training in doubles, and every step towards a leaf is booked on the feature that was asked: the
step's contribution is the change in the mean of the training rows below (path attribution, also known as
Saabas values).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adjudge.errors import DefinitionError
from adjudge.models import descent, packing
from adjudge.models.raw import Arrays, Kernelled, Meta, Raw, check_matrix, take
from adjudge.typing import AnyArray, FloatArray, IntArray

_ARRAYS: dict[str, type[np.generic]] = {
    "node_start": np.int64,
    "leaf_start": np.int64,
    "feature": np.int32,
    "kind": np.uint8,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "leaf_value": np.float64,
    "leaf_cover": np.float64,
    "set_start": np.int64,
    "set_values": np.int64,
}


@dataclass(frozen=True, eq=False)
class Forest(Kernelled):
    """A sum of decision trees over named features.

    Parameters
    ----------
    names
        The features, in the order in which the trees count them.
    node_start, leaf_start
        Where each tree's nodes and leaves begin, one entry more than trees. The first node of a tree is its
        root.
    feature, kind, threshold, left, right
        The nodes: a row goes left when its value is at most the threshold, or is in the set of categories
        with the number `threshold`; `kind` says what missing values do (`adjudge.models.descent`). A child c
        >= 0 is a node of the same tree, always behind its parent; c < 0 is the tree's leaf ``-c - 1``.
    leaf_value, leaf_cover
        The leaves: what is added to the margin, and the weight of the training rows that ended there.
    set_start, set_values
        The sets of categories.
    base
        Added to every margin.
    divisor
        The sum is divided by it: the number of trees for a random forest, else 1.
    flush
        Whether numbers within 1e-35 of 0 are read as 0, as LightGBM does.

    Notes
    -----
    A tree has at most 32,768 leaves.
    """

    names: tuple[str, ...]
    node_start: AnyArray
    leaf_start: AnyArray
    feature: AnyArray
    kind: AnyArray
    threshold: AnyArray
    left: AnyArray
    right: AnyArray
    leaf_value: AnyArray
    leaf_cover: AnyArray
    set_start: AnyArray
    set_values: AnyArray
    base: float = 0.0
    divisor: float = 1.0
    flush: bool = False

    def __post_init__(self) -> None:
        packing.check(self)

    @property
    def trees(self) -> int:
        """The number of trees."""
        return len(self.node_start) - 1

    @cached_property
    def _packed(self) -> packing.Packed:
        return packing.pack(self)

    @property
    def bias(self) -> float:
        """The margin before any feature is looked at: the mean over the training rows."""
        return self._packed.bias

    def joined(self, more: Forest) -> Forest:
        """Return the sum of this forest and another one over the same features: its trees, then the other's.

        Parameters
        ----------
        more
            Trees that were trained to go on from this forest's margins.

        Raises
        ------
        DefinitionError
            If the features differ, numbers are read in another way, or one of them is a mean.

        Examples
        --------
        >>> def stump(value):
        ...     numbers = dict(node_start=[0, 1], leaf_start=[0, 2], feature=[0], kind=[0], threshold=[1.0], left=[-1],
        ...                    right=[-2], leaf_value=[0.0, value], leaf_cover=[1, 1], set_start=[0], set_values=[])
        ...     return Forest(("a",), **{k: np.array(v, _ARRAYS[k]) for k, v in numbers.items()}, base=0.5)
        >>> both = stump(1.0).joined(stump(2.0))
        >>> both.trees, both.raw(np.array([[0.0, 5.0]]), np.array([0]), 0).margin.tolist()
        (2, [1.0, 4.0])
        """
        if self.names != more.names or self.flush != more.flush or not self.divisor == more.divisor == 1.0:
            msg = "two forests are joined only where both are sums over the same features, read in the same way"
            raise DefinitionError(msg)
        shifted = more.threshold.copy()
        shifted[np.isin(more.kind, (descent.SET_IN, descent.SET_OUT))] += len(self.set_start) - 1

        def ends(name: str) -> AnyArray:
            own, other = getattr(self, name), getattr(more, name)
            return np.concatenate([own, other[1:] + own[-1]])

        def run(name: str) -> AnyArray:
            return np.concatenate([getattr(self, name), getattr(more, name)])

        starts: dict[str, Any] = {name: ends(name) for name in ("node_start", "leaf_start", "set_start")}
        runs: dict[str, Any] = {name: run(name) for name in _ARRAYS if name not in starts}
        runs["threshold"] = np.concatenate([self.threshold, shifted])
        return Forest(names=self.names, **starts, **runs, base=self.base + more.base, flush=self.flush)

    def _write(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> None:
        check_matrix(X, rows, len(self.names))
        packed = self._packed
        outputs = (result.margin, result.top, result.top_value, every)
        room = descent.room(X.shape[1], packed.columns, len(self.names), k > 0 or len(every) > 0)
        arguments = (X, rows, *packed.arrays, self.base, self.divisor, k, *outputs, *room)
        descent.descend(*arguments)

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {
            "kind": "forest",
            "names": list(self.names),
            "base": self.base,
            "divisor": self.divisor,
            "flush": self.flush,
        }

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Forest:
        """Build a forest from what `meta` and `arrays` returned.

        Raises
        ------
        BundleError
            If the arrays are not those of a forest.
        """
        return cls(
            names=tuple(meta["names"]),
            base=float(meta["base"]),
            divisor=float(meta["divisor"]),
            flush=bool(meta["flush"]),
            **{name: take(arrays, name, dtype) for name, dtype in _ARRAYS.items()},
        )
