"""The memory under the blocks: one run of words that grows in place where the system can, so growing never pauses."""

from __future__ import annotations

import mmap

import numpy as np

from adjudge.typing import FloatArray, IntArray

WORD = 8
"""Bytes in a word."""

HUGE = 1 << 18
"""Words in a huge page of the usual size; mappings are whole ones, so that they stay aligned when they move."""


class Arena:
    """Words that can be read as whole numbers or as doubles, and that keep their contents when they grow.

    Linux moves pages, not bytes, when a mapping grows; elsewhere the words are copied.

    Parameters
    ----------
    words
        How many words to begin with.

    Examples
    --------
    >>> arena = Arena(4)
    >>> arena.cells[3] = 1.5
    >>> arena.grow(100)
    >>> len(arena.rows) >= 104, float(arena.cells[3])
    (True, 1.5)
    """

    def __init__(self, words: int) -> None:
        self._open(mmap.mmap(-1, _rounded(words) * WORD, **_flags()))

    def _open(self, memory: mmap.mmap) -> None:
        if len(memory) > 2 * HUGE * WORD and hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        self._memory = memory
        self.rows: IntArray = np.frombuffer(memory, dtype=np.int64)
        self.cells: FloatArray = self.rows.view(np.float64)

    def grow(self, words: int) -> None:
        """Make room for at least `words` more words, and for half as many again as there are."""
        size = _rounded(len(self.rows) + max(words, len(self.rows) // 2)) * WORD
        # A mapping cannot be resized while arrays point into it.
        del self.rows, self.cells
        memory = self._memory
        try:
            memory.resize(size)
        except SystemError:
            memory = mmap.mmap(-1, size, **_flags())
            memory[: len(self._memory)] = self._memory[:]
        self._open(memory)


def _rounded(words: int) -> int:
    return -(-words // HUGE) * HUGE


def _flags() -> dict[str, int]:
    """Return the flags of private memory where the system knows them."""
    return {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
