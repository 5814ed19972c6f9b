"""Adding up: what a line of bits caught, spoiled and left open, line by line, over events that fired at all.

A line is anything that fires or does not: a rule, the rules together, a change from one treatment to another. Every
figure of a back-test is a function of the sums that are made here, and so is every resample of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjudge.kernel import kernel, lean_kernel
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, YOUNG_FRAUD
from adjudge.typing import AnyArray, BoolArray, CodeArray, FloatArray, HashArray, IntArray

ALERTS, FRAUDS, FRAUD_AMOUNT, HONESTS, HONEST_AMOUNT, OPEN, FRESH, FRESH_FRAUDS = range(8)
"""What is summed: all hits; of the old ones frauds and honest with their amounts, and without a label; the young."""

FIGURES = 8

_MAGIC = np.uint64(0x03F79D71B4CB0A89)


def _places() -> AnyArray:
    """Return the position of a single bit by the top six bits of its product with a de Bruijn number."""
    table = np.zeros(64, np.int64)
    for shift in range(64):
        table[((1 << shift) * int(_MAGIC) % 2**64) >> 58] = shift
    return table


_PLACE = _places()


@lean_kernel
def _lowest(word: Any, place: IntArray) -> Any:
    """Return the position of the lowest bit that is set."""
    low = word & (~word + np.uint64(1))
    return place[np.int64((low * _MAGIC) >> np.uint64(58))]


@kernel
def _tally(
    bits: HashArray,
    rows: IntArray,
    known: CodeArray,
    amount: FloatArray,
    acted: BoolArray,
    bucket: IntArray,
    place: IntArray,
    sums: FloatArray,
) -> None:
    for j in range(rows.shape[0]):
        i = rows[j]
        code, worth, week = known[i], amount[i], bucket[j]
        for word in range(bits.shape[0]):
            rest = bits[word, i]
            while rest != np.uint64(0):
                line = word * 64 + _lowest(rest, place)
                rest &= rest - np.uint64(1)
                for beyond in range(1 if acted[i] else 2):
                    into = sums[line, week, beyond]
                    into[ALERTS] += 1.0
                    if code == FRAUD:
                        into[FRAUDS] += 1.0
                        into[FRAUD_AMOUNT] += worth
                    elif code == HONEST:
                        into[HONESTS] += 1.0
                        into[HONEST_AMOUNT] += worth
                    elif code == UNLABELLED:
                        into[OPEN] += 1.0
                    else:
                        into[FRESH] += 1.0
                        if code == YOUNG_FRAUD:
                            into[FRESH_FRAUDS] += 1.0


@kernel
def _resample(
    bits: HashArray,
    rows: IntArray,
    customer: IntArray,
    weight: CodeArray,
    known: CodeArray,
    amount: FloatArray,
    acted: BoolArray,
    place: IntArray,
    sums: FloatArray,
) -> None:
    rounds = weight.shape[1]
    for j in range(rows.shape[0]):
        i = rows[j]
        code = known[i]
        if code != FRAUD and code != HONEST:
            continue
        times, worth = weight[customer[j]], amount[i]
        figure = FRAUDS if code == FRAUD else HONESTS  # the amount is summed beside it
        for word in range(bits.shape[0]):
            rest = bits[word, i]
            while rest != np.uint64(0):
                line = word * 64 + _lowest(rest, place)
                rest &= rest - np.uint64(1)
                for beyond in range(1 if acted[i] else 2):
                    count, money = sums[line, beyond, figure], sums[line, beyond, figure + 1]
                    for r in range(rounds):
                        count[r] += times[r]
                        money[r] += times[r] * worth


@kernel
def _pairs(one: HashArray, other: HashArray, rows: IntArray, place: IntArray, counts: IntArray) -> None:
    for j in range(rows.shape[0]):
        i = rows[j]
        for word in range(one.shape[0]):
            rest = one[word, i]
            while rest != np.uint64(0):
                a = word * 64 + _lowest(rest, place)
                rest &= rest - np.uint64(1)
                for second in range(other.shape[0]):
                    left = other[second, i]
                    while left != np.uint64(0):
                        counts[a, second * 64 + _lowest(left, place)] += 1
                        left &= left - np.uint64(1)


@kernel
def _largest(
    bits: HashArray,
    rows: IntArray,
    known: CodeArray,
    amount: FloatArray,
    place: IntArray,
    found: IntArray,
) -> None:
    most = found.shape[2]
    for j in range(rows.shape[0]):
        i = rows[j]
        if known[i] != FRAUD and known[i] != HONEST:
            continue
        kind = 0 if known[i] == FRAUD else 1
        for word in range(bits.shape[0]):
            rest = bits[word, i]
            while rest != np.uint64(0):
                best = found[word * 64 + _lowest(rest, place), kind]
                rest &= rest - np.uint64(1)
                at = most
                while at > 0 and (best[at - 1] < 0 or amount[best[at - 1]] < amount[i]):
                    at -= 1
                    if at + 1 < most:
                        best[at + 1] = best[at]
                    best[at] = i


@kernel
def _spread(bits: HashArray, rows: IntArray, count: int, fired: FloatArray, first: int) -> None:
    """Write bits as rows of ones and zeros, as rules stand in a feature matrix."""
    for r in range(count):
        word, shift = r // 64, np.uint64(r % 64)
        for j in range(rows.shape[0]):
            fired[first + r, j] = np.float64((bits[word, rows[j]] >> shift) & np.uint64(1))


def tally(
    bits: HashArray,
    rows: IntArray,
    *,
    known: CodeArray,
    amount: FloatArray,
    acted: BoolArray,
    bucket: IntArray | None = None,
    buckets: int = 1,
) -> FloatArray:
    """Return the sums of every line, shape (lines, buckets, 2, FIGURES): of all its hits, and of those beyond.

    Parameters
    ----------
    bits
        Which lines fire for which events, shape (words, n).
    rows
        The events that are looked at, shape (m,).
    known, amount
        What is known of each event, and its worth, shape (n,).
    acted
        Which of them are acted on already; the others are beyond, shape (n,).
    bucket
        Into which bucket each looked-at event falls, such as its week, shape (m,).
    buckets
        How many there are.

    Examples
    --------
    A line that fires for a fraud of 30, which was acted on, and for an honest event:

    >>> sums = tally(np.array([[1, 1]], np.uint64), np.array([0, 1]), known=np.array([FRAUD, HONEST], np.uint8),
    ...              amount=np.array([30.0, 5.0]), acted=np.array([True, False]))
    >>> sums[0, 0].tolist()
    [[2.0, 1.0, 30.0, 1.0, 5.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0, 5.0, 0.0, 0.0, 0.0]]
    """
    nothing = np.zeros(len(rows), np.int64)
    sums = np.zeros((64 * len(bits), buckets, 2, FIGURES))
    _tally(
        bits,
        rows,
        known,
        amount,
        acted,
        nothing if bucket is None else bucket,
        _PLACE,
        sums,
    )
    return sums


def resample(
    bits: HashArray,
    rows: IntArray,
    customer: IntArray,
    weight: CodeArray,
    *,
    known: CodeArray,
    amount: FloatArray,
    acted: BoolArray,
) -> FloatArray:
    """Return frauds and honest events of every line, and their amounts, with customers counted as often as drawn.

    Parameters
    ----------
    bits, rows, known, amount, acted
        See `tally`.
    customer
        Place of the customer of each looked-at event, shape (m,).
    weight
        How often each is drawn in each round, shape (customers, rounds).

    Returns
    -------
    FloatArray
        Shape (rounds, lines, 2, FIGURES); the other figures are 0.
    """
    sums = np.zeros((64 * len(bits), 2, FIGURES, weight.shape[1]))
    _resample(bits, rows, customer, weight, known, amount, acted, _PLACE, sums)
    return np.moveaxis(sums, -1, 0)


def pairs(one: HashArray, other: HashArray, rows: IntArray) -> IntArray:
    """Return how often each line of one set fires together with each line of another, shape (lines, lines).

    Parameters
    ----------
    one, other
        Bits, shape (words, n).
    rows
        The events that are looked at.

    Examples
    --------
    >>> pairs(np.array([[1, 3]], np.uint64), np.array([[1, 2]], np.uint64), np.array([0, 1]))[:2, :2].tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.zeros((64 * len(one), 64 * len(other)), np.int64)
    _pairs(one, other, rows, _PLACE, counts)
    return counts


def largest(bits: HashArray, rows: IntArray, *, known: CodeArray, amount: FloatArray, most: int) -> IntArray:
    """Return the frauds and the honest events of most worth that each line fires for, shape (lines, 2, most).

    Parameters
    ----------
    bits, rows, known, amount
        See `tally`.
    most
        How many of each.

    Returns
    -------
    IntArray
        Positions of events, those of most worth first; -1 where there are no more.
    """
    found = np.full((64 * len(bits), 2, most), -1, np.int64)
    _largest(bits, rows, known, amount, _PLACE, found)
    return found


def spread(bits: HashArray, rows: IntArray, count: int, fired: FloatArray, first: int) -> None:
    """Write the bits of some events into rows of a feature matrix, one row a line.

    Parameters
    ----------
    bits, rows
        See `tally`.
    count
        How many lines.
    fired
        Filled from row `first` on, shape (rows, m).
    first
        Where the lines begin.
    """
    _spread(bits, rows, count, fired, first)


def any_of(bits: HashArray) -> IntArray:
    """Return the events for which anything fires."""
    return np.flatnonzero(together_of(bits))


def together_of(bits: HashArray) -> HashArray:
    """Return the bits of all words of each event in one; a word of 0 is an event for which nothing fires."""
    together: HashArray = bits[0]
    for word in bits[1:]:
        together = together | word
    return together
