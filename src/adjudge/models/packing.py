"""From a forest to the words its kernel reads: thresholds become ranks, nodes become one 64-bit word each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.descent import NAN_LOW, NAN_ZERO, SET_IN, SET_OUT, SPAN, ZERO_LOW
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.models.forest import Forest

MAX_LEAVES = 32_768
"""The most leaves of one tree: children are numbered in 16 bits."""

MAX_COLUMNS = 1 << 24
"""The most columns of codes: they are numbered in 24 bits."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A forest as its kernel reads it: the arrays in the order of the kernel's parameters, and how many columns."""

    arrays: tuple[Any, ...]
    columns: int
    bias: float


def check(forest: Forest) -> None:
    """Refuse a forest that is not one tree after the other, each node reached once and parents first.

    Raises
    ------
    BundleError
        Naming what is wrong. A forest that passes cannot make the kernel read outside its arrays.
    """
    nodes, leaves = len(forest.feature), len(forest.leaf_value)
    _require(
        len(forest.node_start) == len(forest.leaf_start) and len(forest.node_start) > 0,
        "node_start and leaf_start must have one entry more than trees",
    )
    for name in ("kind", "threshold", "left", "right"):
        _require(len(getattr(forest, name)) == nodes, f"{name} must have one entry a node")
    _require(len(forest.leaf_cover) == leaves, "leaf_cover must have one entry a leaf")
    _require(_is_partition(forest.node_start, nodes), "node_start must rise from 0 to the number of nodes")
    _require(_is_partition(forest.leaf_start, leaves), "leaf_start must rise from 0 to the number of leaves")
    of_tree = np.diff(forest.leaf_start)
    _require(bool(np.all(of_tree == np.diff(forest.node_start) + 1)), "a tree has one leaf more than nodes")
    _require(bool(np.all(of_tree <= MAX_LEAVES)), f"a tree may have {MAX_LEAVES} leaves")
    _require(
        bool(np.all((forest.feature >= 0) & (forest.feature < len(forest.names)))),
        "a node asks an unknown feature",
    )
    _require(bool(np.all(forest.kind <= SET_IN)), "a node is of an unknown kind")
    _require(not np.isnan(forest.threshold).any(), "a threshold is NaN")
    finite = np.isfinite(forest.leaf_value).all() and np.isfinite(forest.leaf_cover).all()
    _require(
        bool(finite and np.all(forest.leaf_cover >= 0)),
        "leaf values and covers must be finite, covers not negative",
    )
    _require(
        np.isfinite(forest.base) and np.isfinite(forest.divisor) and forest.divisor > 0,
        "base or divisor is off",
    )
    _check_sets(forest)
    _check_children(forest)


def _require(holds: bool | np.bool_, what: str) -> None:
    if not holds:
        msg = f"this is not a forest that can be served: {what}"
        raise BundleError(msg)


def _is_partition(starts: AnyArray, total: int) -> bool:
    return bool(starts[0] == 0 and starts[-1] == total and np.all(np.diff(starts) >= 0))


def _check_sets(forest: Forest) -> None:
    _require(
        len(forest.set_start) > 0 and _is_partition(forest.set_start, len(forest.set_values)),
        "set_start must rise from 0 to the number of set_values",
    )
    values = forest.set_values
    _require(bool(np.all((values >= 0) & (values < 2**31))), "a category is not a whole number of 31 bits")
    numbers = forest.threshold[forest.kind >= SET_OUT]
    known = (numbers >= 0) & (numbers < len(forest.set_start) - 1) & (numbers == np.floor(numbers))
    _require(bool(np.all(known)), "a node asks an unknown set of categories")


def _check_children(forest: Forest) -> None:
    """Each node but the roots, and each leaf, is the child of exactly one node before it in the same tree."""
    own = np.arange(len(forest.feature)) - np.repeat(forest.node_start[:-1], np.diff(forest.node_start))
    node_base = forest.node_start[:-1].repeat(np.diff(forest.node_start))
    leaf_base = forest.leaf_start[:-1].repeat(np.diff(forest.node_start))
    count = np.diff(forest.node_start).repeat(np.diff(forest.node_start))
    seen_nodes = np.zeros(len(forest.feature), dtype=np.int64)
    seen_leaves = np.zeros(len(forest.leaf_value), dtype=np.int64)
    for child in (forest.left.astype(np.int64), forest.right.astype(np.int64)):
        inner = child >= 0
        _require(
            bool(np.all(np.where(inner, (child > own) & (child < count), -child - 1 <= count))),
            "a child is off",
        )
        np.add.at(seen_nodes, (node_base + child)[inner], 1)
        np.add.at(seen_leaves, (leaf_base - child - 1)[~inner], 1)
    seen_nodes[own == 0] += 1
    single = forest.leaf_start[:-1][np.diff(forest.leaf_start) == 1]
    seen_leaves[single] += 1
    _require(
        bool(np.all(seen_nodes == 1) and np.all(seen_leaves == 1)),
        "a node or leaf is not reached exactly once",
    )


def pack(forest: Forest) -> Packed:
    """Return the arrays that `adjudge.models.descent.descend` reads, from `features` to `path_value`."""
    is_set = forest.kind >= SET_OUT
    thresholds, starts, rank = _thresholds(forest, is_set)
    chunk = np.where(is_set, 0, rank // SPAN)
    offset = np.where(is_set, forest.threshold, chunk * SPAN).astype(np.int64)
    keys = np.stack([forest.feature.astype(np.int64), forest.kind.astype(np.int64), offset], axis=1)
    columns, column = np.unique(keys, axis=0, return_inverse=True)
    column = column.reshape(-1)
    _require(len(columns) < MAX_COLUMNS, f"it compares in more than {MAX_COLUMNS} ways")
    first_column = np.searchsorted(columns[:, 0], np.arange(len(forest.names) + 1))
    limit = np.where(is_set, 0, rank % SPAN)
    sets, words = _bits(forest)
    depth, paths, path_feature, path_value, root_mean = _walk(
        forest.node_start,
        forest.leaf_start,
        forest.feature,
        forest.left,
        forest.right,
        forest.leaf_value,
        forest.leaf_cover,
    )
    first_node = forest.node_start[:-1] + forest.leaf_start[:-1]
    leaves = np.diff(forest.leaf_start)
    root = np.where(leaves > 1, leaves, 0)
    trees = np.stack([first_node, leaves, depth, forest.leaf_start[:-1], root], axis=1)
    bias = forest.base
    for value in root_mean:
        bias += value
    arrays = (
        np.stack([starts, first_column], axis=1),
        thresholds,
        _with_missing(columns, thresholds, starts),
        sets,
        words,
        forest.flush,
        trees,
        _nodes(forest, column, limit),
        forest.leaf_value,
        paths,
        path_feature,
        path_value / forest.divisor,
    )
    return Packed(arrays, len(columns), float(bias / forest.divisor))


def _thresholds(forest: Forest, is_set: BoolArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Return each feature's sorted thresholds, where they begin, and each node's rank in them."""
    starts = np.zeros(len(forest.names) + 1, dtype=np.int64)
    parts = [np.empty(0)]
    rank = np.zeros(len(forest.feature), dtype=np.int64)
    for f in range(len(forest.names)):
        here = np.flatnonzero((forest.feature == f) & ~is_set)
        unique, inverse = np.unique(forest.threshold[here], return_inverse=True)
        rank[here] = inverse
        starts[f + 1] = starts[f] + len(unique)
        parts.append(unique)
    return np.concatenate(parts), starts, rank


def _with_missing(columns: IntArray, thresholds: FloatArray, starts: IntArray) -> IntArray:
    """Return kind and offset of each column, and the code that a missing value has in it."""
    if_missing = np.where(np.isin(columns[:, 1], (NAN_LOW, ZERO_LOW, SET_IN)), 0, SPAN)
    for c in np.flatnonzero(columns[:, 1] == NAN_ZERO):
        f, _, offset = columns[c]
        rank = np.searchsorted(thresholds[starts[f] : starts[f + 1]], 0.0, side="left")
        if_missing[c] = np.clip(rank - offset, 0, SPAN)
    return np.ascontiguousarray(np.column_stack([columns[:, 1:], if_missing]), dtype=np.int64)


def _bits(forest: Forest) -> tuple[IntArray, AnyArray]:
    """Return the sets of categories as words of 64 bits."""
    starts = [0]
    parts = [np.empty(0, dtype=np.uint64)]
    for first, last in zip(forest.set_start[:-1], forest.set_start[1:], strict=True):
        values = forest.set_values[first:last]
        words = np.zeros(int(values.max(initial=-1)) // 64 + 1, dtype=np.uint64)
        np.bitwise_or.at(words, values >> 6, np.uint64(1) << (values & 63).astype(np.uint64))
        starts.append(starts[-1] + len(words))
        parts.append(words)
    return np.array(starts, dtype=np.int64), np.concatenate(parts)


def _nodes(forest: Forest, column: IntArray, limit: IntArray) -> AnyArray:
    """Return one word (left, right, column, limit) for each leaf and node, tree by tree."""
    per_tree = np.diff(forest.leaf_start)
    leaves_before = np.repeat(per_tree, np.diff(forest.node_start)).astype(np.int64)

    def place(child: AnyArray) -> AnyArray:
        return np.where(child >= 0, child + leaves_before, -child.astype(np.int64) - 1).astype(np.uint64)

    words = place(forest.left) | place(forest.right) << np.uint64(16)
    words |= column.astype(np.uint64) << np.uint64(32) | limit.astype(np.uint64) << np.uint64(56)
    own = (np.arange(len(forest.leaf_value)) - np.repeat(forest.leaf_start[:-1], per_tree)).astype(np.uint64)
    leaf_words = own | own << np.uint64(16) | np.uint64(SPAN) << np.uint64(56)
    result = np.empty(len(words) + len(leaf_words), dtype=np.uint64)
    of_node = np.arange(len(words)) + np.repeat(forest.leaf_start[1:], np.diff(forest.node_start))
    of_leaf = np.arange(len(leaf_words)) + np.repeat(forest.node_start[:-1], per_tree)
    result[of_node] = words
    result[of_leaf] = leaf_words
    return result


@kernel
def _means(
    left: AnyArray,
    right: AnyArray,
    value: FloatArray,
    cover: FloatArray,
    mean: FloatArray,
    weight: FloatArray,
) -> None:
    """Fill in the mean of the leaves below each node of one tree, weighted by cover; children come first."""
    for i in range(len(left) - 1, -1, -1):
        a, b = left[i], right[i]
        mean_a, weight_a = (mean[a], weight[a]) if a >= 0 else (value[-a - 1], cover[-a - 1])
        mean_b, weight_b = (mean[b], weight[b]) if b >= 0 else (value[-b - 1], cover[-b - 1])
        weight[i] = weight_a + weight_b
        share = weight_a / weight[i] if weight[i] > 0.0 else 0.5
        mean[i] = share * mean_a + (1.0 - share) * mean_b


@kernel
def _walk(
    node_start: IntArray,
    leaf_start: IntArray,
    feature: AnyArray,
    left: AnyArray,
    right: AnyArray,
    leaf_value: FloatArray,
    leaf_cover: FloatArray,
) -> tuple[IntArray, IntArray, AnyArray, FloatArray, FloatArray]:
    """Return tree depths, each leaf's path as (feature, contribution) pairs, and the root means."""
    trees = len(node_start) - 1
    depth = np.zeros(trees, dtype=np.int64)
    root_mean = np.zeros(trees)
    paths = np.zeros(len(leaf_value) + 1, dtype=np.int64)
    room = 0
    for t in range(trees):
        size = node_start[t + 1] - node_start[t]
        level = np.zeros(size, dtype=np.int64)
        for i in range(size):
            for child in (left[node_start[t] + i], right[node_start[t] + i]):
                if child >= 0:
                    level[child] = level[i] + 1
                else:
                    room += level[i] + 1
            depth[t] = max(depth[t], level[i] + 1)
    path_feature = np.zeros(room, dtype=np.int32)
    path_value = np.zeros(room)
    used = 0
    for t in range(trees):
        first, size, first_leaf = node_start[t], node_start[t + 1] - node_start[t], leaf_start[t]
        a, b = left[first : first + size], right[first : first + size]
        value, cover = leaf_value[first_leaf : leaf_start[t + 1]], leaf_cover[first_leaf : leaf_start[t + 1]]
        mean, weight = np.zeros(size), np.zeros(size)
        _means(a, b, value, cover, mean, weight)
        root_mean[t] = mean[0] if size > 0 else value[0]
        parent_of_node = np.full(size, -1, dtype=np.int64)
        parent_of_leaf = np.full(size + 1, -1, dtype=np.int64)
        for i in range(size):
            for child in (a[i], b[i]):
                if child >= 0:
                    parent_of_node[child] = i
                else:
                    parent_of_leaf[-child - 1] = i
        for leaf in range(size + 1):
            start = used
            below, at = value[leaf], parent_of_leaf[leaf]
            while at >= 0:
                step, asked = below - mean[at], feature[first + at]
                place = start
                while place < used and path_feature[place] != asked:
                    place += 1
                if place == used:
                    path_feature[place] = asked
                    used += 1
                path_value[place] += step
                below, at = mean[at], parent_of_node[at]
            paths[first_leaf + leaf + 1] = used
    return depth, paths, path_feature[:used].copy(), path_value[:used].copy(), root_mean
