"""Trees grown by scikit-learn become a `Forest`: the arrays that it keeps of each tree, and a value for each leaf.

scikit-learn rounds a value to float32 before it compares it; thresholds are moved to the doubles that give the same
answer without rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjudge.models import descent
from adjudge.models.forest import Forest
from adjudge.models.native import below_float32
from adjudge.typing import AnyArray, FloatArray

LARGEST = 1e30
"""What infinities become: larger than any value that means something, and a column of it still has a sum in float32."""

LeafValue = Callable[[Any, AnyArray], FloatArray]
"""From a tree as scikit-learn keeps it, and the numbers of its leaves, to what each leaf is worth."""


def finite(X: FloatArray) -> FloatArray:
    """Return rows with infinities as large numbers, because scikit-learn takes no others."""
    return np.clip(X, -LARGEST, LARGEST)


def forest_of(
    trees: Sequence[Any],
    names: Sequence[str],
    value: LeafValue,
    *,
    divisor: float,
    fill: FloatArray | None = None,
    columns: Sequence[AnyArray] | None = None,
) -> Forest:
    """Return the served form of fitted trees.

    Parameters
    ----------
    trees
        The ``tree_`` of each, in the order in which they are added.
    names
        The features.
    value
        What a leaf is worth.
    divisor
        The sum is divided by it.
    fill
        What missing values were replaced with before training, shape (F,); None where trees learnt a direction for
        them.
    columns
        For each tree the positions of the features that it was given; None where each was given all.
    """
    everything = [np.arange(len(names))] * len(trees)
    parts = [_arrays(tree, value, fill, read) for tree, read in zip(trees, columns or everything, strict=True)]

    def joined(name: str, dtype: type[np.generic]) -> AnyArray:
        return np.concatenate([np.empty(0, dtype=dtype), *(part[name] for part in parts)]).astype(dtype)

    return Forest(
        names=tuple(names),
        node_start=_starts([len(part["feature"]) for part in parts]),
        leaf_start=_starts([len(part["leaf_value"]) for part in parts]),
        feature=joined("feature", np.int32),
        kind=joined("kind", np.uint8),
        threshold=joined("threshold", np.float64),
        left=joined("left", np.int32),
        right=joined("right", np.int32),
        leaf_value=joined("leaf_value", np.float64),
        leaf_cover=joined("leaf_cover", np.float64),
        set_start=np.zeros(1, dtype=np.int64),
        set_values=np.empty(0, dtype=np.int64),
        divisor=divisor,
    )


def _arrays(tree: Any, value: LeafValue, fill: FloatArray | None, read: AnyArray) -> dict[str, AnyArray]:
    """Return one tree's part of every array; scikit-learn, too, numbers parents before their children."""
    inner = tree.children_left >= 0
    nodes, leaves = np.flatnonzero(inner), np.flatnonzero(~inner)
    place = np.empty(tree.node_count, dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    place[leaves] = -np.arange(len(leaves)) - 1
    feature = read[tree.feature[nodes]]
    threshold = np.array([at_most_float32(cut) for cut in tree.threshold[nodes]], dtype=np.float64)
    low = tree.missing_go_to_left[nodes] != 0 if fill is None else fill[feature] <= threshold
    return {
        "feature": feature,
        "kind": np.where(low, descent.NAN_LOW, descent.NAN_HIGH),
        "threshold": threshold,
        "left": place[tree.children_left[nodes]],
        "right": place[tree.children_right[nodes]],
        "leaf_value": value(tree, leaves),
        "leaf_cover": tree.weighted_n_node_samples[leaves],
    }


def _starts(sizes: Sequence[int]) -> AnyArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def at_most_float32(threshold: float) -> float:
    """Return the largest double that is at most a threshold once it is rounded to float32.

    Examples
    --------
    Halfway between 1 and its float32 neighbour above is rounded to 1, the even one, and anything beyond is not:

    >>> at_most_float32(1.0) == 1.0 + 2.0**-24
    True

    What parts missing values from all others is infinite, and infinities belong to the others:

    >>> at_most_float32(np.inf)
    inf
    """
    if threshold == np.inf:
        return threshold
    limit = np.float32(threshold)
    if float(limit) <= threshold:
        limit = np.nextafter(limit, np.float32(np.inf))
    return below_float32(float(limit))
