"""The loops of `scan` for a key that has merged rows: a row stands for several events, with their sums and moments.

For a row of one event every formula gives the bits that `scan` gives: multiplying by one and adding nothing is exact.
"""

from __future__ import annotations

import math

from adjudge.history import codes, sketch
from adjudge.history.codes import (
    HASH,
    KNOWN,
    LEAST,
    M2,
    MEAN,
    MOST,
    NUMBER_PARAMETER,
    NUMBER_SCALE,
    OP_COUNT,
    OP_DECAYED_SUM,
    OP_FIRST,
    OP_IS_NEW,
    OP_LAST,
    OP_MAX,
    OP_SINCE_LAST,
    OP_SINCE_LAST_N,
    TASK_AGE,
    TASK_OP,
    TASK_OUTPUT,
    TOTAL,
)
from adjudge.history.inline import inlined
from adjudge.history.scan import DAY_US, SECOND_US, is_fresh, mask_for, moment, pearson, slope
from adjudge.typing import FloatArray, IntArray


@inlined
def moments(
    cells: FloatArray, wide: int, size: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Count, sum, mean and deviation of one number."""
    n, total, pivot, first, second = 0.0, 0.0, 0.0, 0.0, 0.0
    if own == own:
        n, total, pivot = 1.0, total + own, own
    row = wide + high
    for t in range(start, stop):
        low = wide + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            known = cells[row + KNOWN * size]
            if known > 0.0:
                mean = cells[row + MEAN * size]
                if n == 0.0:
                    pivot = mean
                d = mean - pivot
                n += known
                total += cells[row + TOTAL * size]
                first += known * d
                second += cells[row + M2 * size] + known * d * d
        out[tasks[t, TASK_OUTPUT], i] = moment(tasks[t, TASK_OP], n, total, first, second, numbers[t, NUMBER_SCALE])


@inlined
def labels(
    cells: FloatArray, at: int, wide: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Count and sum of one label."""
    n, total = 0.0, 0.0
    if own == own:
        n, total = 1.0, total + own
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            if cells[wide + row] > 0.0:
                n += cells[wide + row]
                total += cells[at + row]
        out[tasks[t, TASK_OUTPUT], i] = moment(tasks[t, TASK_OP], n, total, 0.0, 0.0, numbers[t, NUMBER_SCALE])


@inlined
def extremes(
    cells: FloatArray, wide: int, size: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Least and greatest value of one number."""
    least, most = own, own
    row = wide + high
    for t in range(start, stop):
        low = wide + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            if cells[row + KNOWN * size] > 0.0:
                x = cells[row + LEAST * size]
                if x < least or least != least:
                    least = x
                x = cells[row + MOST * size]
                if x > most or most != most:
                    most = x
        best = most if tasks[t, TASK_OP] == OP_MAX else least
        out[tasks[t, TASK_OUTPUT], i] = best / numbers[t, NUMBER_SCALE]


@inlined
def counts(
    cells: FloatArray, wide: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    including: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Events whose hash or place is known, or whether there is none."""
    n = 1.0 if including else 0.0
    row = wide + high
    for t in range(start, stop):
        low = wide + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            n += cells[row]
        if tasks[t, TASK_OP] == OP_IS_NEW:
            out[tasks[t, TASK_OUTPUT], i] = 1.0 if n == 0.0 else 0.0
        else:
            out[tasks[t, TASK_OUTPUT], i] = n


@inlined
def all_rows(
    rows: IntArray, cells: FloatArray, times: int, events: int, oldest: int, now: int, high: int,
    bounds: IntArray, tasks: IntArray, start: int, stop: int, including: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Count of events, whether there is none, seconds since the last and the first."""
    n = 1.0 if including else 0.0
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        op = tasks[t, TASK_OP]
        if op == OP_COUNT:
            while row > low:
                row -= 1
                n += cells[events + row]
        value = math.nan
        if op == OP_COUNT:
            value = n
        elif op == OP_IS_NEW:
            value = 1.0 if high == low else 0.0
        elif high > low:
            at = times + high - 1 if op == OP_SINCE_LAST else oldest + low
            value = (now - rows[at]) / SECOND_US
        out[tasks[t, TASK_OUTPUT], i] = value


@inlined
def shares(
    cells: FloatArray, at: int, wide: int, other: int, high: int, bounds: IntArray, tasks: IntArray,
    start: int, stop: int, including: bool, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Positives over events, where `other` counts the events."""
    positive = own if own == own else 0.0
    n = 1.0 if including else 0.0
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            if cells[wide + row] > 0.0:
                positive += cells[at + row]
            n += cells[other + row]
        out[tasks[t, TASK_OUTPUT], i] = positive / n if n > 0.0 else math.nan


@inlined
def edges(
    rows: IntArray, cells: FloatArray, times: int, at: int, wide: int, earliest: int, oldest: int, kind: int,
    now: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int, numbers: FloatArray,
    own: float, own_known: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """First and last known value, and the seconds since."""
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        op = tasks[t, TASK_OP]
        newest = op in (OP_LAST, OP_SINCE_LAST)
        found = -1
        for k in range(high - low):
            row = high - 1 - k if newest else low + k
            if cells[wide + row] > 0.0:
                found = row
                break
        value = 0.0 if kind == HASH and op in (OP_FIRST, OP_LAST) else math.nan
        if op in (OP_FIRST, OP_LAST):
            if own_known and (newest or found < 0):
                value = own
            elif found >= 0:
                value = cells[at + found] if newest else cells[earliest + found]
            if kind != HASH:
                value = value / numbers[t, NUMBER_SCALE]
        elif found >= 0:
            value = (now - (rows[times + found] if newest else rows[oldest + found])) / SECOND_US
        out[tasks[t, TASK_OUTPUT], i] = value


@inlined
def latest(
    rows: IntArray, cells: FloatArray, times: int, at: int, wide: int, kind: int, now: int, high: int,
    bounds: IntArray, tasks: IntArray, start: int, stop: int, numbers: FloatArray, own: float, own_known: bool,
    out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Write the latest known values, or the seconds since each, newest first; a merged row gives its newest."""
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        since = tasks[t, TASK_OP] == OP_SINCE_LAST_N
        wanted = int(numbers[t, NUMBER_PARAMETER])
        scale = numbers[t, NUMBER_SCALE]
        output = tasks[t, TASK_OUTPUT]
        filled = 0
        if own_known:
            out[output, i] = own if kind == HASH else own / scale
            filled = 1
        row = high
        while row > low and filled < wanted:
            row -= 1
            if not cells[wide + row] > 0.0:
                continue
            if since:
                out[output + filled, i] = (now - rows[times + row]) / SECOND_US
            else:
                out[output + filled, i] = cells[at + row] if kind == HASH else cells[at + row] / scale
            filled += 1
        for k in range(filled, wanted):
            out[output + k, i] = 0.0 if kind == HASH and not since else math.nan


@inlined
def distincts(
    rows: IntArray, cells: FloatArray, times: int, events: int, oldest: int, at: int, wide: int, sketches: int,
    size: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int, own: int,
    seen: IntArray, epoch: int, registers: IntArray, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """How many different hashes: exact until the window holds a merged row, from there on estimated."""
    mask = mask_for(high)
    exact = 0.0
    estimated = False
    for word in range(codes.SKETCH_WORDS):
        registers[word] = 0
    if own != 0 and is_fresh(seen, mask, epoch, own):
        exact = 1.0
        sketch.add(registers, 0, 1, own)
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            merged = cells[events + row] > 1.0 or rows[oldest + row] < rows[times + row]
            estimated = estimated or merged
            if cells[wide + row] > 0.0:
                if is_fresh(seen, mask, epoch, rows[at + row]):
                    exact += 1.0
                    sketch.add(registers, 0, 1, rows[at + row])
                if merged:
                    sketch.unite(registers, 0, 1, rows, sketches + row, size)
        value = exact
        if estimated:
            value = max(exact, sketch.estimate(registers, 0))
        out[tasks[t, TASK_OUTPUT], i] = value


@inlined
def trend(
    rows: IntArray, cells: FloatArray, times: int, wide: int, size: int, now: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Least-squares slope a day; a merged row stands at its newest time."""
    n, pivot_x, st, stt, sx, stx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    pivot_t = now
    if own == own:
        n, pivot_x = 1.0, own
    row = high
    for k in range(start, stop):
        low = bounds[tasks[k, TASK_AGE]]
        while row > low:
            row -= 1
            known = cells[wide + row]
            if known > 0.0:
                x = cells[wide + MEAN * size + row]
                if n == 0.0:
                    pivot_t, pivot_x = rows[times + row], x
                dt = (rows[times + row] - pivot_t) / DAY_US
                dx = x - pivot_x
                n += known
                st += known * dt
                stt += known * dt * dt
                sx += known * dx
                stx += known * dt * dx
        out[tasks[k, TASK_OUTPUT], i] = slope(n, st, stt, sx, stx, numbers[k, NUMBER_SCALE])


@inlined
def correlation(
    cells: FloatArray, pair: int, size: int, high: int, bounds: IntArray, tasks: IntArray,
    start: int, stop: int, own_x: float, own_y: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Pearson's correlation over the events that have both numbers."""
    n, px, py, sx, sxx, sy, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if own_x == own_x and own_y == own_y:
        n, px, py = 1.0, own_x, own_y
    row = pair + high
    for t in range(start, stop):
        low = pair + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            known = cells[row]
            if known > 0.0:
                x, y = cells[row + codes.PAIR_MEAN_X * size], cells[row + codes.PAIR_MEAN_Y * size]
                if n == 0.0:
                    px, py = x, y
                dx, dy = x - px, y - py
                n += known
                sx += known * dx
                sxx += cells[row + codes.PAIR_M2_X * size] + known * dx * dx
                sy += known * dy
                syy += cells[row + codes.PAIR_M2_Y * size] + known * dy * dy
                sxy += cells[row + codes.PAIR_C * size] + known * dx * dy
        out[tasks[t, TASK_OUTPUT], i] = pearson(n, sx, sxx, sy, syy, sxy)


@inlined
def decay(
    rows: IntArray, cells: FloatArray, times: int, wide: int, total_at: int, now: int, high: int,
    bounds: IntArray, tasks: IntArray, start: int, stop: int, numbers: FloatArray, including: bool, own: float,
    out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Sum and count in which an event weighs half as much for every half-life of its row's age."""
    half_life = numbers[start, NUMBER_PARAMETER]
    total = 0.0 + own if own == own else 0.0
    n = 1.0 if including else 0.0
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            known = cells[wide + row]
            if known > 0.0:
                weight = math.exp2((rows[times + row] - now) / half_life)
                n += known * weight
                if total_at >= 0:
                    total += cells[total_at + row] * weight
        result = total / numbers[t, NUMBER_SCALE] if tasks[t, TASK_OP] == OP_DECAYED_SUM else n
        out[tasks[t, TASK_OUTPUT], i] = result
