"""How many different hashes merged rows hold, estimated: 64 registers of 8 bits in 8 words (HyperLogLog).

The standard error is 1.04 / sqrt(64) = 13 %. A plain row needs no registers: it is its own hash.
"""

from __future__ import annotations

import math

from adjudge.history.codes import SKETCH_WORDS
from adjudge.history.inline import inlined
from adjudge.typing import FloatArray, IntArray

MIX_1 = -4658895280553007687
MIX_2 = -7723592293110705685
"""The constants of splitmix64's finaliser, as signed numbers."""


@inlined
def register(value: int) -> int:
    """Return which register a hash falls in, plus 64 times the rank it shows there."""
    # Shifts to the right must fill with zeros, hence the masks.
    h = (value ^ ((value >> 30) & 0x3FFFFFFFF)) * MIX_1
    h = (h ^ ((h >> 27) & 0x1FFFFFFFFF)) * MIX_2
    h = h ^ ((h >> 31) & 0x1FFFFFFFF)
    rest = ((h >> 6) & 0x3FFFFFFFFFFFFFF) | (1 << 58)
    rank = 1
    while rest & 1 == 0:
        rest >>= 1
        rank += 1
    return (h & 63) + 64 * rank


@inlined
def add(words: IntArray, at: int, step: int, value: int) -> None:
    """Show a hash to the registers whose words lie at `at`, `at + step` and so on."""
    found = register(value)
    place, rank = found & 63, found >> 6
    word = at + (place >> 3) * step
    bits = (place & 7) * 8
    if rank > (words[word] >> bits) & 255:
        words[word] = (words[word] & ~(255 << bits)) | (rank << bits)


@inlined
def unite(words: IntArray, at: int, step: int, others: IntArray, other_at: int, other_step: int) -> None:
    """Raise every register to that of another sketch where that is higher."""
    for word in range(SKETCH_WORDS):
        a, b = words[at + word * step], others[other_at + word * other_step]
        united = 0
        for bits in range(0, 64, 8):
            united |= max((a >> bits) & 255, (b >> bits) & 255) << bits
        words[at + word * step] = united


@inlined
def merge(rows: IntArray, cells: FloatArray, at: int, known_at: int, first: int, size: int, a: int, b: int) -> None:
    """Merge the sketch and hash of row b into the sketch of row a; called before the hashes themselves merge."""
    if cells[known_at + a] > 0.0:
        add(rows, first + a, size, rows[at + a])
    unite(rows, first + a, size, rows, first + b, size)
    if cells[known_at + b] > 0.0:
        add(rows, first + a, size, rows[at + b])


@inlined
def estimate(words: IntArray, at: int) -> float:
    """Return the number of different hashes that registers show, to the nearest whole."""
    inverse, zeros = 0.0, 0.0
    for place in range(64):
        rank = (words[at + (place >> 3)] >> ((place & 7) * 8)) & 255
        inverse += math.exp2(-float(rank))
        if rank == 0:
            zeros += 1.0
    result = 0.709 * 64.0 * 64.0 / inverse
    if result <= 160.0 and zeros > 0.0:
        result = 64.0 * math.log(64.0 / zeros)
    return math.floor(result + 0.5)
