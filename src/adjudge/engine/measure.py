"""Measures: what one event leaves in a row of a history, gathered from its fields and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adjudge.kernel import kernel
from adjudge.typing import FloatArray, IntArray

COPY, SCALE, HASH, ONE, LABEL = range(5)
"""How a measure is made: the field as it is; money as whole minor units; a number as 64 bits; the number of the row
itself (1 under a condition); nothing yet, for a label."""


NUMBER_BITS = 0x5BD1E9955BD1E995
"""Flipped in a number that is kept as 64 bits, so that no usual number looks like the missing hash 0."""


@dataclass(frozen=True)
class Source:
    """Where one column of a measure comes from.

    Parameters
    ----------
    how
        One of the constants above.
    row
        Row of the field; ignored for `ONE` and `LABEL`.
    condition
        Row that must hold 1 for the event to count; -1 for none.
    scale
        Minor units per major unit, for `SCALE`.
    text
        Whether missing is the hash 0 rather than NaN.
    """

    how: int
    row: int
    condition: int
    scale: float = 1.0
    text: bool = False


class Gather:
    """Writes the measure rows of a matrix.

    Parameters
    ----------
    sources
        One per measure column, in order.
    at
        First row that is written.
    """

    def __init__(self, sources: Sequence[Source], at: int) -> None:
        self._what = np.array([[s.how, s.row, s.condition, int(s.text)] for s in sources], np.int64).reshape(-1, 4)
        self._scales = np.array([s.scale for s in sources], np.float64)
        self._at = at

    def run(self, matrix: FloatArray) -> None:
        """Fill the measure rows of an encoded matrix in place."""
        if len(self._what):
            _gather(matrix, matrix.view(np.int64), self._what, self._scales, self._at)


@kernel
def _gather(matrix: FloatArray, bits: IntArray, what: IntArray, scales: FloatArray, at: int) -> None:
    for m in range(what.shape[0]):
        how, row, condition, text = what[m, 0], what[m, 1], what[m, 2], what[m, 3]
        to = at + m
        for i in range(matrix.shape[1]):
            if condition >= 0 and matrix[condition, i] != 1.0:
                if text:
                    bits[to, i] = 0
                else:
                    matrix[to, i] = np.nan
            elif how == COPY:
                bits[to, i] = bits[row, i]
            elif how == SCALE:
                matrix[to, i] = np.rint(matrix[row, i] * scales[m])
            elif how == HASH:
                value = matrix[row, i] + 0.0  # one zero, so that -0.0 and 0.0 are the same value
                if np.isnan(value):
                    bits[to, i] = 0
                else:
                    matrix[to, i] = value
                    bits[to, i] ^= NUMBER_BITS  # the bits of 0.0 would mean missing
            elif how == ONE:
                bits[to, i] = 1
            else:
                matrix[to, i] = np.nan
