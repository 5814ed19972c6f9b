"""The kernels of the served forest: a row is a column of small codes, and a tree only compares codes.

Every feature value is replaced once by its rank among the thresholds that the forest uses on that feature, so
that each comparison in a tree is one of two bytes and missing values, zeros and categories need no branch:
each way of treating them is one more column of codes. Whole blocks of rows then go through a tree node by
node (all lanes at once, leaves towards root), single rows from root to leaf. Both ways only find the leaf;
values are added tree by tree in the order of training, so a row has the same bits in any batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adjudge.kernel import lean_kernel
from adjudge.models.pushes import note
from adjudge.typing import AnyArray, FloatArray, IntArray

LANES = 128
"""Rows that go through a tree together; 128 bytes are two vector registers of the widest kind."""

FEW = 24
"""Up to so many rows are cheaper one by one than as a block that is mostly empty (measured)."""

SPAN = 255
"""Thresholds per column of codes; a feature with more of them is spread over several columns."""

NAN_LOW, NAN_HIGH, NAN_ZERO, ZERO_LOW, ZERO_HIGH, SET_OUT, SET_IN = range(7)
"""What a column does with missing values: lowest or highest code, as the number 0; the same for zero and
missing alike; and for sets of categories, missing is outside or inside."""

TINY = float(np.float32(1e-35))
"""LightGBM takes numbers up to this size for zero."""

ByteArray = NDArray[np.uint8]
WordArray = NDArray[np.uint64]
FeatureArray = NDArray[np.int32]


@lean_kernel
def _rank(values: FloatArray, thresholds: FloatArray, low: int, high: int, width: int, rank: IntArray) -> None:
    """Count for each value the thresholds below it; NaN is below all."""
    for j in range(width):
        rank[j] = 0
    if high == low:
        return
    length = high - low
    while length > 1:
        half = length // 2
        for j in range(width):
            rank[j] += half if thresholds[low + rank[j] + half - 1] < values[j] else 0
        length -= half
    for j in range(width):
        rank[j] += 1 if thresholds[low + rank[j]] < values[j] else 0


@lean_kernel
def _rank_one(value: float, thresholds: FloatArray, low: int, high: int) -> int:
    """Count the thresholds below one value; NaN is below all."""
    at, length = np.uint64(low), np.uint64(high - low)
    while length > np.uint64(1):
        half = length >> np.uint64(1)
        at += half if thresholds[at + half - np.uint64(1)] < value else np.uint64(0)
        length -= half
    if length > np.uint64(0):
        at += np.uint64(thresholds[at] < value)
    return int(at) - low


@lean_kernel
def _in_set(value: float, words: WordArray, first: int, last: int) -> bool:
    """Return whether the whole part of a category value is in a set of bits."""
    if not (value > -1.0 and value < 2147483648.0):
        return False
    category = np.int64(value)
    word = first + (category >> 6)
    return bool(word < last and (words[word] >> np.uint64(category & 63)) & np.uint64(1) == np.uint64(1))


@lean_kernel
def encode(
    X: FloatArray,
    rows: IntArray,
    start: int,
    width: int,
    features: IntArray,
    thresholds: FloatArray,
    columns: IntArray,
    sets: IntArray,
    words: WordArray,
    flush: bool,
    codes: ByteArray,
    values: FloatArray,
    rank: IntArray,
) -> None:
    """Fill `codes` (columns, lanes) for the events from `start` on; `values` and `rank` are room to work in."""
    for f in range(len(features) - 1):
        if features[f, 1] == features[f + 1, 1]:
            continue
        low, high = features[f, 0], features[f + 1, 0]
        slot = rows[f]
        for j in range(width):
            value = X[slot, start + j]
            values[j] = 0.0 if flush and abs(value) <= TINY else value
        if width > FEW:
            _rank(values, thresholds, low, high, width, rank)
        else:
            for j in range(width):
                rank[j] = _rank_one(values[j], thresholds, low, high)
        for c in range(features[f, 1], features[f + 1, 1]):
            kind, offset, if_missing = columns[c, 0], columns[c, 1], columns[c, 2]
            if kind >= SET_OUT:
                first, last = sets[offset], sets[offset + 1]
                for j in range(width):
                    code = 0 if _in_set(values[j], words, first, last) else SPAN
                    codes[c, j] = if_missing if np.isnan(values[j]) else code
                continue
            with_zero = kind in (ZERO_LOW, ZERO_HIGH)
            for j in range(width):
                value = values[j]
                missing = np.isnan(value) or (with_zero and abs(value) <= TINY)
                codes[c, j] = if_missing if missing else min(max(rank[j] - offset, 0), SPAN)


@lean_kernel
def _step(
    nodes: WordArray, base: np.uint64, at: np.uint64, codes: ByteArray, lane: np.uint64, lanes: np.uint64
) -> np.uint64:
    """Go from a node to its child; a leaf leads to itself, so all rows may take the same number of steps."""
    word = nodes[base + at]
    column = (word >> np.uint64(32)) & np.uint64(0xFFFFFF)
    right = np.uint64(np.uint64(codes[column * lanes + lane]) > (word >> np.uint64(56)))
    return np.uint64((word >> (right << np.uint64(4))) & np.uint64(0xFFFF))


@lean_kernel
def _leaves(nodes: WordArray, base: int, leaves: int, codes: ByteArray, found: ByteArray) -> None:
    """Find the leaf of every lane: children first, each node takes over one child's answer."""
    of_leaf = np.uint64(leaves)
    shift = np.uint64(256) - of_leaf
    for i in range(leaves - 2, -1, -1):
        word = nodes[base + leaves + i]
        left = word & np.uint64(0xFFFF)
        right = (word >> np.uint64(16)) & np.uint64(0xFFFF)
        limit = np.uint8(word >> np.uint64(56))
        code = codes[(word >> np.uint64(32)) & np.uint64(0xFFFFFF)]
        if_left = found[left if left < of_leaf else left + shift]
        if_right = found[right if right < of_leaf else right + shift]
        answer = found[256 + i]
        for j in range(LANES):
            one = if_left[j]
            other = if_right[j]
            answer[j] = other if code[j] > limit else one


@lean_kernel
def _explain(
    leaf: int, paths: IntArray, path_feature: FeatureArray, path_value: FloatArray, pushes: FloatArray
) -> None:
    """Book each step on the way to a leaf on the feature that was asked."""
    for i in range(np.uint64(paths[leaf]), np.uint64(paths[leaf + 1])):
        pushes[np.uint64(path_feature[i])] += path_value[i]


@lean_kernel
def _row(
    codes: ByteArray,
    lane: int,
    lanes: int,
    trees: IntArray,
    nodes: WordArray,
    leaf_value: FloatArray,
    paths: IntArray,
    path_feature: FeatureArray,
    path_value: FloatArray,
    base: float,
    explain: bool,
    pushes: FloatArray,
) -> float:
    """Send one row through all trees, four side by side, because each step of a walk waits for memory."""
    total = base
    here, width = np.uint64(lane), np.uint64(lanes)
    count = len(trees)
    for t in range(0, count, 4):
        u, v, w = min(t + 1, count - 1), min(t + 2, count - 1), min(t + 3, count - 1)
        base_a, base_b = np.uint64(trees[t, 0]), np.uint64(trees[u, 0])
        base_c, base_d = np.uint64(trees[v, 0]), np.uint64(trees[w, 0])
        a, b, c, d = np.uint64(trees[t, 4]), np.uint64(trees[u, 4]), np.uint64(trees[v, 4]), np.uint64(trees[w, 4])
        for _ in range(max(max(trees[t, 2], trees[u, 2]), max(trees[v, 2], trees[w, 2]))):
            a = _step(nodes, base_a, a, codes, here, width)
            b = _step(nodes, base_b, b, codes, here, width)
            c = _step(nodes, base_c, c, codes, here, width)
            d = _step(nodes, base_d, d, codes, here, width)
        for i in range(min(4, count - t)):
            at = a if i == 0 else b if i == 1 else c if i == 2 else d
            leaf = trees[t + i, 3] + np.int64(at)
            total += leaf_value[leaf]
            if explain:
                _explain(leaf, paths, path_feature, path_value, pushes)
    return total


@lean_kernel
def _block(
    codes: ByteArray,
    flat: ByteArray,
    width: int,
    found: ByteArray,
    leaf: IntArray,
    trees: IntArray,
    nodes: WordArray,
    leaf_value: FloatArray,
    paths: IntArray,
    path_feature: FeatureArray,
    path_value: FloatArray,
    explain: bool,
    total: FloatArray,
    pushes: FloatArray,
) -> None:
    """Send a block of rows through all trees, tree by tree."""
    for t in range(len(trees)):
        first_node, leaves, first = trees[t, 0], trees[t, 1], trees[t, 3]
        if leaves <= 256:
            _leaves(nodes, first_node, leaves, codes, found)
            answer = found[256 if leaves > 1 else 0]
            for j in range(width):
                leaf[j] = first + answer[j]
        else:
            for j in range(width):
                at = np.uint64(trees[t, 4])
                for _ in range(trees[t, 2]):
                    at = _step(nodes, np.uint64(first_node), at, flat, np.uint64(j), np.uint64(LANES))
                leaf[j] = first + np.int64(at)
        for j in range(width):
            total[j] += leaf_value[leaf[j]]
        if explain:
            for j in range(width):
                _explain(leaf[j], paths, path_feature, path_value, pushes[j])


@lean_kernel
def descend(
    X: FloatArray,
    rows: IntArray,
    features: IntArray,
    thresholds: FloatArray,
    columns: IntArray,
    sets: IntArray,
    words: WordArray,
    flush: bool,
    trees: IntArray,
    nodes: WordArray,
    leaf_value: FloatArray,
    paths: IntArray,
    path_feature: FeatureArray,
    path_value: FloatArray,
    base: float,
    divisor: float,
    k: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
    every: FloatArray,
    codes: ByteArray,
    flat: ByteArray,
    found: ByteArray,
    total: FloatArray,
    pushes: FloatArray,
    values: FloatArray,
    places: IntArray,
) -> None:
    """Score all events; with k > 0 also the k largest contributions, with room in `every` (n, F) all.

    What follows `every` is room to work in, made by `room`: a kernel that allocates nothing need not count references.
    """
    n = X.shape[1]
    explain = k > 0 or len(every) > 0
    lanes = codes.shape[1]
    for i in range(min(len(found), 256)):
        for j in range(LANES):
            found[i, j] = i
    for start in range(0, n, lanes):
        width = min(lanes, n - start)
        encode(X, rows, start, width, features, thresholds, columns, sets, words, flush, codes, values, places)
        for j in range(width):
            total[j] = base
            for f in range(pushes.shape[1]):
                pushes[j, f] = 0.0
        tables = (trees, nodes, leaf_value, paths, path_feature, path_value)
        if width > FEW:
            _block(codes, flat, width, found, places, *tables, explain, total, pushes)
        else:
            for j in range(width):
                total[j] = _row(flat, j, lanes, *tables, base, explain, pushes[j])
        for j in range(width):
            margin[start + j] = total[j] / divisor
            note(pushes[j], start + j, k, top, top_value, every)


def room(n: int, columns: int, features: int, explain: bool) -> tuple[AnyArray, ...]:
    """Return the arrays that `descend` works in, for n events."""
    lanes = LANES if n > FEW else max(n, 1)
    codes = np.empty((columns, lanes), dtype=np.uint8)
    return (
        codes,
        codes.reshape(-1),
        np.empty((512 if n > FEW else 0, LANES), dtype=np.uint8),
        np.empty(lanes),
        np.empty((lanes, features if explain else 0)),
        np.empty(lanes),
        np.empty(lanes, dtype=np.int64),
    )
