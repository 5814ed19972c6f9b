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
