"""The loops over the rows of a key that has no merged rows, newest to oldest, one for each family of operations.

The windows of a group nest, so one walk serves them all: whenever it reaches the far edge of a window, that window's
result is what has been gathered so far. The order of every sum is the order of the rows, so it never depends on
anything but them.
"""

from __future__ import annotations

import math

import numpy as np

from adjudge.history.codes import (
    HASH,
    NUMBER_PARAMETER,
    NUMBER_SCALE,
    OP_COUNT,
    OP_DECAYED_SUM,
    OP_FIRST,
    OP_IS_NEW,
    OP_LAST,
    OP_MAX,
    OP_MEAN,
    OP_SINCE_LAST,
    OP_SINCE_LAST_N,
    OP_SPEED,
    OP_SUM,
    TASK_AGE,
    TASK_OP,
    TASK_OUTPUT,
)
from adjudge.history.geo import distance_km, speed_kmh, turn
from adjudge.history.inline import inlined
from adjudge.typing import FloatArray, IntArray

DAY_US = 86_400_000_000.0
SECOND_US = 1_000_000.0
STRIDE = 16


@inlined
def unsigned(position: int) -> int:
    """Return a position as one that cannot be negative, which spares its use a test for counting from the end."""
    return int(np.uintp(position))


@inlined
def upto(rows: IntArray, times: int, high: int, cut: int) -> int:
    """Return how many of the first `high` rows have a time of at most `cut`, looking from the newest backwards.

    It steps over whole strides of newer rows, then counts the newer ones of the last stride: a sum without branches,
    which the compiler turns into a few wide comparisons, and which no history can mispredict.
    """
    # Most windows are short, and hold nothing that a shorter one does not.
    if high == 0 or rows[unsigned(times + high - 1)] <= cut:
        return high
    while high >= STRIDE and rows[unsigned(times + high - STRIDE)] > cut:
        high -= STRIDE
    newer = 0
    if high >= STRIDE:
        first = unsigned(times + high - STRIDE)
        for k in range(unsigned(STRIDE)):
            newer += int(rows[first + k] > cut)
    else:
        while newer < high and rows[unsigned(times + high - newer - 1)] > cut:
            newer += 1
    return high - newer


@inlined
def find_bounds(rows: IntArray, times: int, count: int, now: int, floor: int, ages: IntArray, bounds: IntArray) -> None:
    """Write for every age how many rows are at least that old; rows up to `floor` count as older than anything."""
    high = count
    for j in range(ages.shape[0]):
        cut = now - ages[j]
        if cut < floor:
            cut = floor
        high = upto(rows, times, high, cut)
        bounds[j] = high


@inlined
def moment(op: int, n: float, total: float, first: float, second: float, scale: float) -> float:
    """Return a count, sum, mean or sample deviation from sums of values and of deviations from a pivot."""
    if op == OP_COUNT:
        return n
    result = total
    if op == OP_MEAN:
        result = total / n if n > 0.0 else math.nan
    elif op != OP_SUM:
        if n < 2.0:
            return math.nan
        m2 = second - first * first / n
        result = math.sqrt(m2 / (n - 1.0)) if m2 > 0.0 else 0.0
    # Dividing by one changes no bit, and takes as long as adding four rows.
    return result if scale == 1.0 else result / scale


@inlined
def moments(
    cells: FloatArray, at: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Count, sum, mean and deviation of one column.

    Deviations are taken from the newest value of the window. Being one of the values, it is never further from
    their mean than the square root of their m2, so nothing cancels; equal values give exactly 0.
    """
    n, total, pivot, first, second = 0.0, 0.0, 0.0, 0.0, 0.0
    if own == own:
        n, total, pivot = 1.0, total + own, own
    row = at + high
    for t in range(start, stop):
        low = at + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            x = cells[unsigned(row)]
            if x == x:
                if n == 0.0:
                    pivot = x
                n += 1.0
                total += x
                d = x - pivot
                first += d
                second += d * d
        out[tasks[t, TASK_OUTPUT], i] = moment(tasks[t, TASK_OP], n, total, first, second, numbers[t, NUMBER_SCALE])


@inlined
def extremes(
    cells: FloatArray, at: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Least and greatest value of one column."""
    least, most = own, own
    row = at + high
    for t in range(start, stop):
        low = at + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            x = cells[unsigned(row)]
            # Written so that a missing x changes nothing and any x replaces a missing extreme.
            if x < least or least != least:
                least = x
            if x > most or most != most:
                most = x
        best = most if tasks[t, TASK_OP] == OP_MAX else least
        scale = numbers[t, NUMBER_SCALE]
        out[tasks[t, TASK_OUTPUT], i] = best if scale == 1.0 else best / scale


@inlined
def is_known(rows: IntArray, cells: FloatArray, row: int, kind: int) -> bool:
    """Tell whether a row's value of some kind is not missing."""
    if kind == HASH:
        return bool(rows[row] != 0)
    return bool(cells[row] == cells[row])


@inlined
def counts(
    rows: IntArray, cells: FloatArray, at: int, kind: int, high: int, bounds: IntArray, tasks: IntArray,
    start: int, stop: int, including: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Rows whose hash or place is known, or whether there is none."""
    n = 1.0 if including else 0.0
    row = at + high
    for t in range(start, stop):
        low = at + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            if is_known(rows, cells, row, kind):
                n += 1.0
        if tasks[t, TASK_OP] == OP_IS_NEW:
            out[tasks[t, TASK_OUTPUT], i] = 1.0 if n == 0.0 else 0.0
        else:
            out[tasks[t, TASK_OUTPUT], i] = n


@inlined
def all_rows(
    rows: IntArray, times: int, now: int, high: int, bounds: IntArray, tasks: IntArray,
    start: int, stop: int, including: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Count of rows, whether there is none, seconds since the last and the first: the bounds alone answer."""
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        op = tasks[t, TASK_OP]
        n = high - low
        value = math.nan
        if op == OP_COUNT:
            value = float(n + 1) if including else float(n)
        elif op == OP_IS_NEW:
            value = 1.0 if n == 0 else 0.0
        elif n > 0:
            row = high - 1 if op == OP_SINCE_LAST else low
            value = (now - rows[times + row]) / SECOND_US
        out[tasks[t, TASK_OUTPUT], i] = value


@inlined
def shares(
    rows: IntArray, cells: FloatArray, at: int, other: int, kind: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, including: bool, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Positives over rows, or over the rows whose other measure is known."""
    positive = own if own == own else 0.0
    n = 1.0 if including else 0.0
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            x = cells[at + row]
            if x == x:
                positive += x
            if other < 0 or is_known(rows, cells, other + row, kind):
                n += 1.0
        out[tasks[t, TASK_OUTPUT], i] = positive / n if n > 0.0 else math.nan


@inlined
def edges(
    rows: IntArray, cells: FloatArray, times: int, at: int, kind: int, now: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, numbers: FloatArray, own: float, own_known: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """First and last known value, and the seconds since."""
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        op = tasks[t, TASK_OP]
        newest = op in (OP_LAST, OP_SINCE_LAST)
        found = -1
        if newest:
            for row in range(high - 1, low - 1, -1):
                if is_known(rows, cells, at + row, kind):
                    found = row
                    break
        else:
            for row in range(low, high):
                if is_known(rows, cells, at + row, kind):
                    found = row
                    break
        value = 0.0 if kind == HASH and op in (OP_FIRST, OP_LAST) else math.nan
        if op in (OP_FIRST, OP_LAST):
            if own_known and (newest or found < 0):
                value = own
            elif found >= 0:
                value = cells[at + found]
            if kind != HASH:
                value = value / numbers[t, NUMBER_SCALE]
        elif found >= 0:
            value = (now - rows[times + found]) / SECOND_US
        out[tasks[t, TASK_OUTPUT], i] = value


@inlined
def latest(
    rows: IntArray, cells: FloatArray, times: int, at: int, kind: int, now: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, numbers: FloatArray, own: float, own_known: bool, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Write the latest known values, or the seconds since each, newest first, then missing ones."""
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
            if at >= 0 and not is_known(rows, cells, at + row, kind):
                continue
            if since:
                out[output + filled, i] = (now - rows[times + row]) / SECOND_US
            else:
                out[output + filled, i] = cells[at + row] if kind == HASH else cells[at + row] / scale
            filled += 1
        for k in range(filled, wanted):
            out[output + k, i] = 0.0 if kind == HASH and not since else math.nan


@inlined
def is_fresh(seen: IntArray, mask: int, epoch: int, value: int) -> bool:
    """Add a hash to the scratch set and tell whether it was not in it; entries of other epochs count as empty."""
    place = ((value ^ (value >> 32)) * -7046029254386353131 >> 20) & mask
    while seen[2 * place + 1] == epoch:
        if seen[2 * place] == value:
            return False
        place = (place + 1) & mask
    seen[2 * place] = value
    seen[2 * place + 1] = epoch
    return True


@inlined
def mask_for(count: int) -> int:
    """Return a mask of slots that leaves a set of `count` values at most half full."""
    slots = 16
    while slots < 2 * (count + 1):
        slots *= 2
    return slots - 1


@inlined
def distincts(
    rows: IntArray, at: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    own: int, seen: IntArray, epoch: int, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """How many different hashes."""
    mask = mask_for(high)
    n = 0.0
    if own != 0 and is_fresh(seen, mask, epoch, own):
        n = 1.0
    row = at + high
    for t in range(start, stop):
        low = at + bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            value = rows[row]
            if value != 0 and is_fresh(seen, mask, epoch, value):
                n += 1.0
        out[tasks[t, TASK_OUTPUT], i] = n


@inlined
def slope(n: float, st: float, stt: float, sx: float, stx: float, scale: float) -> float:
    """Return the least-squares slope from sums relative to a pivot; missing without spread in time."""
    if n < 2.0:
        return math.nan
    spread = stt - st * st / n
    return (stx - st * sx / n) / spread / scale if spread > 0.0 else math.nan


@inlined
def trend(
    rows: IntArray, cells: FloatArray, times: int, at: int, now: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, numbers: FloatArray, own: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Least-squares slope a day, relative to the newest row's time and value."""
    n, pivot_x, st, stt, sx, stx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    pivot_t = now
    if own == own:
        n, pivot_x = 1.0, own
    row = high
    for k in range(start, stop):
        low = bounds[tasks[k, TASK_AGE]]
        while row > low:
            row -= 1
            x = cells[at + row]
            if x == x:
                if n == 0.0:
                    pivot_t, pivot_x = rows[times + row], x
                dt = (rows[times + row] - pivot_t) / DAY_US
                dx = x - pivot_x
                n += 1.0
                st += dt
                stt += dt * dt
                sx += dx
                stx += dt * dx
        out[tasks[k, TASK_OUTPUT], i] = slope(n, st, stt, sx, stx, numbers[k, NUMBER_SCALE])


@inlined
def pearson(n: float, sx: float, sxx: float, sy: float, syy: float, sxy: float) -> float:
    """Return the correlation from sums relative to pivots; missing when a side does not vary."""
    if n < 2.0:
        return math.nan
    vx = sxx - sx * sx / n
    vy = syy - sy * sy / n
    if not (vx > 0.0 and vy > 0.0):
        return math.nan
    return max(-1.0, min(1.0, (sxy - sx * sy / n) / (math.sqrt(vx) * math.sqrt(vy))))


@inlined
def correlation(
    cells: FloatArray, at: int, other: int, high: int, bounds: IntArray, tasks: IntArray,
    start: int, stop: int, own_x: float, own_y: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Pearson's correlation of two columns over the rows that have both."""
    n, px, py, sx, sxx, sy, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if own_x == own_x and own_y == own_y:
        n, px, py = 1.0, own_x, own_y
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            x, y = cells[at + row], cells[other + row]
            if x == x and y == y:
                if n == 0.0:
                    px, py = x, y
                n += 1.0
                dx, dy = x - px, y - py
                sx += dx
                sxx += dx * dx
                sy += dy
                syy += dy * dy
                sxy += dx * dy
        out[tasks[t, TASK_OUTPUT], i] = pearson(n, sx, sxx, sy, syy, sxy)


@inlined
def decay(
    rows: IntArray, cells: FloatArray, times: int, at: int, kind: int, now: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, numbers: FloatArray, including: bool, own: float,
    out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Sum and count in which a row weighs half as much for every half-life of its age."""
    half_life = numbers[start, NUMBER_PARAMETER]
    total = 0.0 + own if own == own else 0.0
    n = 1.0 if including else 0.0
    row = high
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low:
            row -= 1
            if at < 0 or is_known(rows, cells, at + row, kind):
                weight = math.exp2((rows[times + row] - now) / half_life)
                n += weight
                if at >= 0:
                    total += cells[at + row] * weight
        result = total / numbers[t, NUMBER_SCALE] if tasks[t, TASK_OP] == OP_DECAYED_SUM else n
        out[tasks[t, TASK_OUTPUT], i] = result


@inlined
def moves(
    rows: IntArray, cells: FloatArray, times: int, at: int, size: int, now: int, high: int, bounds: IntArray,
    tasks: IntArray, start: int, stop: int, own_lat: float, own_lon: float, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Distance from the last known place, and the speed of getting here from there."""
    row = high
    found = False
    for t in range(start, stop):
        low = bounds[tasks[t, TASK_AGE]]
        while row > low and not found:
            row -= 1
            found = bool(cells[at + row] == cells[at + row])
        value = math.nan
        if found and own_lat == own_lat:
            value = distance_km(cells[at + row], cells[at + size + row], own_lat, own_lon)
            if tasks[t, TASK_OP] == OP_SPEED:
                value = speed_kmh(value, now - rows[times + row])
        out[tasks[t, TASK_OUTPUT], i] = value


@inlined
def ranked(values: FloatArray, n: int, rank: int) -> float:
    """Return the value of a rank (from 0) among the first n, reordering them: Hoare's selection."""
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        a, b = low, high
        while a <= b:
            while values[a] < pivot:
                a += 1
            while values[b] > pivot:
                b -= 1
            if a <= b:
                values[a], values[b] = values[b], values[a]
                a += 1
                b -= 1
        if rank <= b:
            high = b
        elif rank >= a:
            low = a
        else:
            break
    return float(values[rank])


@inlined
def median(values: FloatArray, n: int) -> float:
    """Return the median of the first n values, the middle of the two middle ones when n is even."""
    upper = ranked(values, n, n // 2)
    if n % 2 == 1:
        return upper
    return (ranked(values, n, n // 2 - 1) + upper) / 2.0


@inlined
def typical(
    cells: FloatArray, at: int, size: int, high: int, bounds: IntArray, tasks: IntArray, start: int, stop: int,
    including: bool, own_lat: float, own_lon: float, scratch: FloatArray, out: FloatArray, i: int,
) -> None:  # fmt: skip
    """Distance from the robust centre of the places: median latitude, median longitude as seen from here."""
    for t in range(start, stop):
        value = math.nan
        n = 0
        if own_lat == own_lat:
            half = scratch.shape[0] // 2
            if including:
                scratch[0], scratch[half] = own_lat, 0.0
                n = 1
            for row in range(at + high - 1, at + bounds[tasks[t, TASK_AGE]] - 1, -1):
                if cells[row] == cells[row]:
                    scratch[n] = cells[row]
                    scratch[half + n] = turn(cells[row + size], own_lon)
                    n += 1
            if n > 0:
                north = median(scratch, n)
                east = median(scratch[half:], n)
                value = distance_km(north, own_lon + east, own_lat, own_lon)
        out[tasks[t, TASK_OUTPUT], i] = value
