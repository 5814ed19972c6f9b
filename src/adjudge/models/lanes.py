"""Rows side by side: a net of full layers computed for several rows at once, a lane for each.

A weight is fetched once and multiplied with its input in every lane; nothing is ever added up across lanes, and each
lane adds the same numbers in the same order as a row alone does. So a row has the same bits in any lane, beside any
neighbours, and alone. What a row alone passes over because it is 0 is added here, which changes nothing but the sign of
a zero.
"""

from __future__ import annotations

import numpy as np

from adjudge.kernel import lean_kernel
from adjudge.models.inputs import SingleArray
from adjudge.typing import FloatArray, IntArray

LANES = 16
"""Rows side by side: two registers of eight numbers in single precision."""

FEWEST = 8
"""From so many rows on lanes are cheaper than one row after the other, however many stay empty (measured)."""


@lean_kernel
def into_lane(numbers: SingleArray, lane: int, wide: SingleArray) -> None:
    """Put a row of numbers into a lane."""
    for i in range(len(numbers)):
        wide[i * LANES + lane] = numbers[i]


@lean_kernel
def out_of_lane(wide: FloatArray, lane: int, numbers: FloatArray) -> None:
    """Take a row of numbers out of a lane."""
    for i in range(len(numbers)):
        numbers[i] = wide[i * LANES + lane]


@lean_kernel
def _add(source: SingleArray, m: int, weights: SingleArray, first: int, n: int, out: SingleArray) -> None:
    """Add to n outputs each of m inputs times its row of weights, in order: tiles of four inputs and four outputs.

    All of a tile stands in one loop over the lanes, because a call for each would take longer than the tile.
    """
    whole, rest = m - m % 4, n - n % 4
    for i in range(0, whole, 4):
        at = first + i * n
        w0, w1 = weights[at : at + n], weights[at + n : at + 2 * n]
        w2, w3 = weights[at + 2 * n : at + 3 * n], weights[at + 3 * n : at + 4 * n]
        four = source[i * LANES : (i + 4) * LANES]
        for o in range(0, rest, 4):
            a0, a1, a2, a3 = w0[o], w0[o + 1], w0[o + 2], w0[o + 3]
            b0, b1, b2, b3 = w1[o], w1[o + 1], w1[o + 2], w1[o + 3]
            c0, c1, c2, c3 = w2[o], w2[o + 1], w2[o + 2], w2[o + 3]
            d0, d1, d2, d3 = w3[o], w3[o + 1], w3[o + 2], w3[o + 3]
            tile = out[o * LANES : (o + 4) * LANES]
            for lane in range(LANES):
                v0, v1 = four[lane], four[LANES + lane]
                v2, v3 = four[2 * LANES + lane], four[3 * LANES + lane]
                tile[lane] = (((tile[lane] + v0 * a0) + v1 * b0) + v2 * c0) + v3 * d0
                tile[LANES + lane] = (((tile[LANES + lane] + v0 * a1) + v1 * b1) + v2 * c1) + v3 * d1
                tile[2 * LANES + lane] = (((tile[2 * LANES + lane] + v0 * a2) + v1 * b2) + v2 * c2) + v3 * d2
                tile[3 * LANES + lane] = (((tile[3 * LANES + lane] + v0 * a3) + v1 * b3) + v2 * c3) + v3 * d3
        for o in range(rest, n):
            one = out[o * LANES : (o + 1) * LANES]
            for lane in range(LANES):
                v0, v1 = four[lane], four[LANES + lane]
                v2, v3 = four[2 * LANES + lane], four[3 * LANES + lane]
                one[lane] = (((one[lane] + v0 * w0[o]) + v1 * w1[o]) + v2 * w2[o]) + v3 * w3[o]
    for i in range(whole, m):
        single, w = source[i * LANES : (i + 1) * LANES], weights[first + i * n : first + (i + 1) * n]
        for o in range(n):
            one = out[o * LANES : (o + 1) * LANES]
            for lane in range(LANES):
                one[lane] += single[lane] * w[o]


@lean_kernel
def lanes_forward(
    sizes: IntArray, weights: SingleArray, biases: SingleArray, wide: SingleArray, alive: SingleArray
) -> None:
    """Compute every layer behind the inputs, which stand first in `wide`; layers are kept as before their ReLU.

    `alive` is room to work in, for the widest layer.
    """
    at, w, b = 0, 0, 0
    for layer in range(len(sizes) - 1):
        m, n = sizes[layer], sizes[layer + 1]
        source, out = wide[at * LANES : (at + m) * LANES], wide[(at + m) * LANES : (at + m + n) * LANES]
        if layer > 0:
            for i in range(m * LANES):
                alive[i] = max(source[i], np.float32(0.0))
            source = alive[: m * LANES]
        for o in range(n):
            for lane in range(LANES):
                out[o * LANES + lane] = biases[b + o]
        _add(source, m, weights, w, n, out)
        at, w, b = at + m, w + m * n, b + n


@lean_kernel
def lanes_push(
    sizes: IntArray,
    transposed: SingleArray,
    wide: SingleArray,
    usual: SingleArray,
    owner: IntArray,
    share: SingleArray,
    pushes: FloatArray,
) -> None:
    """Go back through the layers of every lane and book what each input changed on its feature."""
    zero, room = np.float32(0.0), len(share) // 2
    now, then = share[:room], share[room:]
    for lane in range(LANES):
        now[lane] = np.float32(1.0)
    w, at = len(transposed), len(usual) - sizes[len(sizes) - 1]
    for turn in range(len(sizes) - 1):
        layer = len(sizes) - 2 - turn
        m, n = sizes[layer], sizes[layer + 1]
        w, at = w - m * n, at - m
        for i in range(m * LANES):
            then[i] = zero
        _add(now[: n * LANES], n, transposed, w, m, then[: m * LANES])
        if layer > 0:
            for i in range(m):
                _slopes(wide[(at + i) * LANES : (at + i + 1) * LANES], usual[at + i], then[i * LANES : (i + 1) * LANES])
        now, then = then, now
    for f in range(len(pushes)):
        pushes[f] = 0.0
    for i in range(sizes[0]):
        usually = np.float64(usual[i])
        mine = pushes[owner[i] * LANES : (owner[i] + 1) * LANES]
        for lane in range(LANES):
            away = np.float64(wide[i * LANES + lane]) - usually
            mine[lane] += np.float64(now[i * LANES + lane]) * away


@lean_kernel
def _slopes(number: SingleArray, usual: np.float32, share: SingleArray) -> None:
    """Multiply shares by how much of its change a unit passes on, between what it usually is and what it is now."""
    zero, one = np.float32(0.0), np.float32(1.0)
    before = max(usual, zero)
    still = one if usual > zero else zero
    for lane in range(LANES):
        away = number[lane] - usual
        passed = (max(number[lane], zero) - before) / (away if away != zero else one)
        share[lane] *= still if away == zero else passed
