"""Reading SQLite's write-ahead file ourselves: how much of it is whole, and how much a crash has torn off.

SQLite recovers by itself: what follows the last whole transaction is ignored. It does not say that there was something;
this does. The format is the one that SQLite documents (https://www.sqlite.org/fileformat2.html#walformat).
"""

from __future__ import annotations

import functools
import struct
from io import BufferedReader
from pathlib import Path

import msgspec
import numpy as np

from adjudge.typing import AnyArray

ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
"""The byte order in which checksums read the file, by the magic number that it begins with."""

AT_ONCE = 256
"""Frames that are checked at a time."""

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")

State = tuple[int, int]
"""The running checksum."""


class Wal(msgspec.Struct, frozen=True):
    """What a write-ahead file holds.

    Parameters
    ----------
    size
        Bytes of the file.
    frames
        Pages of whole transactions, each as often as it was written.
    whole_bytes
        Bytes up to the end of the last whole transaction.
    torn_bytes
        Bytes of a transaction that follows and is not whole: never acknowledged, or damaged since.
    """

    size: int = 0
    frames: int = 0
    whole_bytes: int = 0
    torn_bytes: int = 0


def read_wal(path: Path) -> Wal:
    """Return what is in a write-ahead file; it may be missing.

    Parameters
    ----------
    path
        The file, ``…-wal``. Another process may be writing it; then the answer is of some moment.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except FileNotFoundError:
        return Wal()


def _read(file: BufferedReader, size: int) -> Wal:
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return Wal(size, torn_bytes=size)
    magic, _, page, _, *salts, first, second = _HEADER.unpack(head)
    order = ORDERS.get(magic)
    covered = np.frombuffer(head[:24], f"{order or '<'}u4").reshape(1, -1)
    if order is None or _add((0, 0), _sums(covered)[0], 3) != (first, second) or not 512 <= page <= 65_536:
        return Wal(size, torn_bytes=size)  # SQLite ignores all of it
    whole = _whole_frames(file, page, order, tuple(salts), (first, second))
    end = _HEADER.size + whole * (_FRAME.size + page)
    return Wal(size, whole, end, _torn(file, end, size, page, tuple(salts)))


def _whole_frames(file: BufferedReader, page: int, order: str, salts: tuple[int, ...], state: State) -> int:
    """Return how many frames there are up to the end of the last whole transaction."""
    length = _FRAME.size + page
    done = whole = 0
    while True:
        data = file.read(length * AT_ONCE)
        n = len(data) // length
        rows = np.frombuffer(data[: n * length], np.uint8).reshape(n, length)
        covered = np.ascontiguousarray(np.hstack([rows[:, :8], rows[:, _FRAME.size :]])).view(f"{order}u4")
        for row, sums in zip(rows, _sums(covered), strict=True):
            _, commit, *of = _FRAME.unpack(row[: _FRAME.size].tobytes())
            state = _add(state, sums, covered.shape[1] // 2)
            if tuple(of) != (*salts, *state):
                return whole
            done += 1
            if commit:
                whole = done
        if n < AT_ONCE:
            return whole


def _torn(file: BufferedReader, end: int, size: int, page: int, salts: tuple[int, ...]) -> int:
    """Return how many bytes behind the last whole transaction are not left over from before the file started over."""
    at = end
    while at < size:
        file.seek(at)
        head = file.read(_FRAME.size)
        if len(head) >= 16 and all(a != b for a, b in zip(_FRAME.unpack(head.ljust(24))[2:4], salts, strict=True)):
            break  # both salts change when it starts over; damage rarely hits both
        at += _FRAME.size + page
    return min(at, size) - end


def _sums(words: AnyArray) -> list[State]:
    """Return for each row what it adds to the running checksum.

    SQLite folds pairs of words (x, y) into (a, b): ``a += x + b; b += y + a``, modulo 2**32. That is linear, so a row's
    share is a weighted sum of its words, and the rows can be taken all at once.
    """
    a, b = _weights(words.shape[1] // 2)
    return list(
        zip(
            (words * a).sum(axis=1, dtype=np.uint32).tolist(),
            (words * b).sum(axis=1, dtype=np.uint32).tolist(),
            strict=True,
        )
    )


def _add(state: State, sums: State, pairs: int) -> State:
    """Return the running checksum after a row of so many pairs of words."""
    (p, q), (r, s) = _power(pairs)
    a, b = state
    return (p * a + q * b + sums[0]) % 2**32, (r * a + s * b + sums[1]) % 2**32


@functools.cache
def _power(n: int) -> tuple[State, State]:
    """Return the matrix that n pairs of zeros multiply the running checksum with."""
    p, q, r, s = 1, 0, 0, 1
    for _ in range(n):
        p, q, r, s = (p + r) % 2**32, (q + s) % 2**32, (p + 2 * r) % 2**32, (q + 2 * s) % 2**32
    return (p, q), (r, s)


@functools.cache
def _weights(pairs: int) -> tuple[AnyArray, AnyArray]:
    """Return what each word of a row of pairs counts in the two sums."""
    weights = np.empty((2, 2 * pairs), np.uint32)
    p, q, r, s = 1, 0, 0, 1  # what has been folded in since, for the last pair nothing
    for k in reversed(range(pairs)):
        weights[:, 2 * k : 2 * k + 2] = [[(p + q) % 2**32, q], [(r + s) % 2**32, s]]  # x enters both sums, y the second
        p, q, r, s = (p + q) % 2**32, (p + 2 * q) % 2**32, (r + s) % 2**32, (r + 2 * s) % 2**32
    return weights[0], weights[1]
