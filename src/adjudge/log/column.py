"""Columns of a segment: bytes that are compressed by themselves."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from adjudge.log.codec import CodecError
from adjudge.typing import AnyArray, IntArray

LEVEL = 3
"""Of zstd. Payments with 200 features took 421, 393 and 376 bytes an event on levels 1, 3 and 6, and 5.7, 8.9 and 26
microseconds an event to compress."""

LARGEST = 2**31
"""Bytes that no column reaches: a damaged length must not ask for all memory."""


class Column(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Bytes, compressed where that makes them fewer.

    Parameters
    ----------
    size
        How many there are.
    packed
        Themselves, or fewer that they can be made of.

    Examples
    --------
    >>> column = Column.pack(b"again and " * 100)
    >>> column.size, len(column.packed) < 40, column.unpack() == b"again and " * 100
    (1000, True, True)
    """

    size: int
    packed: memoryview

    @classmethod
    def pack(cls, raw: bytes) -> Column:
        """Return a column of some bytes."""
        packed: bytes = _zstd().compress(raw, asbytes=True)
        return cls(len(raw), memoryview(packed if len(packed) < len(raw) else raw))

    @classmethod
    def of(cls, numbers: Iterable[int] | AnyArray) -> Column:
        """Return a column of whole numbers."""
        return cls.pack(np.asarray(numbers, "<i8").tobytes())

    def unpack(self) -> bytes:
        """Return the bytes."""
        if not len(self.packed) <= self.size < LARGEST:
            message = "a column has an impossible length"
            raise CodecError(message)
        if len(self.packed) == self.size:
            return bytes(self.packed)
        raw: bytes = _zstd().decompress(self.packed, self.size, asbytes=True)
        return raw

    def numbers(self) -> IntArray:
        """Return the whole numbers of a column that `of` has made."""
        return np.frombuffer(self.unpack(), "<i8")


@functools.cache
def _zstd() -> Any:
    import pyarrow  # takes a tenth of a second, and many processes never open a segment

    return pyarrow.Codec("zstd", compression_level=LEVEL)
