"""The register machine that runs compiled expressions over blocks of columns.

A program is one array of 64-bit words: a header, the bits of the constants, the instructions, and the
tables that `in` asks. Each instruction runs over a whole block of events before the next one is looked at,
so its dispatch is paid once per block and its loop is plain vectorisable arithmetic. Numbers live in
float64 registers with NaN for missing, texts in the same registers as 64-bit hashes with 0 for missing,
truth values in byte registers: 0 false, 1 unknown, 2 true, so that `and` is the smaller, `or` the larger
and `not` two minus. No step looks at another event: the result of an event does not depend on the batch it
is in.

Everything that one kernel needs is in this one file, because the compilation cache looks at one file's
time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjudge.history.geo import distance_km
from adjudge.kernel import lean_kernel
from adjudge.typing import AnyArray, FloatArray, IntArray

BLOCK = 1024
"""Events that go through the program together."""

HEADER = 8
"""Words before the constants: float registers, truth registers, constants, instructions, rows of X needed."""

WORDS = 6
"""Words of an instruction: operation, destination, and up to four operands."""

# Operations, in groups that one comparison tells apart. F: number, T: text, K: truth register.
LOAD_F, LOAD_K, STORE_F, STORE_K = 0, 1, 2, 3
LOAD_T, STORE_T = 4, 5
ADD, SUB, MUL, DIV, FLOORDIV, MOD, POW, MIN, MAX, SECONDS = 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
NEG, ABS, FLOOR, ROUND, SQRT, EXP, LOG, LOG1P = 16, 17, 18, 19, 20, 21, 22, 23
LT, LE, EQ, NE = 24, 25, 26, 27
AND, OR, NOT, MISSING_K, COALESCE_K, EQ_K, NE_K = 28, 29, 30, 31, 32, 33, 34
EQ_T, NE_T = 35, 36
MISSING_F, MISSING_T = 37, 38
IN_F, IN_T = 39, 40
WHERE_F, WHERE_T, WHERE_K, COALESCE_F, COALESCE_T = 41, 42, 43, 44, 45
HOUR, WEEKDAY, DATE, MONTHDAY = 46, 47, 48, 49
DISTANCE = 50
LT_C, LE_C, GT_C, GE_C, EQ_C, NE_C, EQ_TC, NE_TC = 51, 52, 53, 54, 55, 56, 57, 58
"""Comparisons with a constant, whose bits stand in the instruction: it needs no register, which are a block each."""
UNTIL_F, UNTIL_T = 59, 60
"""Membership that may have ended: behind the keys of its table stand the times from which on each is none."""

EMPTY_NUMBER = 0x7FF8000000000000
"""What an unused place of a table of numbers holds: the bits of NaN, which is never a member."""

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000


@lean_kernel
def spread(bits: Any) -> Any:
    """Return the bits of a key mixed so that tables fill evenly (the finaliser of SplitMix64).

    Parameters
    ----------
    bits
        Any 64 bits.

    Examples
    --------
    >>> int(spread(np.int64(0)))
    0
    """
    word = np.uint64(bits)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(word ^ (word >> np.uint64(31)))


@lean_kernel
def _finite(value: float) -> float:
    return value if abs(value) < np.inf else np.nan


@lean_kernel
def _floordiv(a: float, b: float) -> float:
    if b == 0.0 or not (abs(a) < np.inf) or b != b:
        return np.nan
    rest = np.fmod(a, b)
    quotient = (a - rest) / b
    if rest != 0.0 and ((b < 0.0) != (rest < 0.0)):
        quotient -= 1.0
    whole = np.floor(quotient)
    if quotient - whole > 0.5:
        whole += 1.0
    return _finite(whole + 0.0)


@lean_kernel
def _mod(a: float, b: float) -> float:
    if b == 0.0 or not (abs(a) < np.inf) or b != b:
        return np.nan
    rest = np.fmod(a, b)
    if rest != 0.0 and ((b < 0.0) != (rest < 0.0)):
        rest += b
    return _finite(rest + 0.0)


@lean_kernel
def _pow(a: float, b: float) -> float:
    if a != a or b != b:  # IEEE says 1 ** NaN is 1; here unknown stays unknown
        return np.nan
    return _finite(math.pow(a, b))


@lean_kernel
def _local(micros: float, offset: float) -> Any:
    """Return local microseconds, or the least integer when either part is missing or out of range."""
    if abs(micros) < 9e17 and abs(offset) < 1e6:
        return np.int64(micros) + np.int64(offset * 1e6)
    return np.int64(-(2**63))


@lean_kernel
def _calendar(part: int, micros: float, offset: float) -> float:
    local = _local(micros, offset)
    if local == np.int64(-(2**63)):
        return np.nan
    if part == HOUR:
        return np.float64((local // _HOUR_US) % 24)
    day = local // _DAY_US
    if part == WEEKDAY:
        return np.float64((day + 3) % 7)  # 1970-01-01 was a Thursday
    # Days to a civil date; years begin in March so that the leap day comes last (Hinnant, civil_from_days).
    shifted = day + 719468
    era = shifted // 146097
    of_era = shifted - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    monthday = of_year - (153 * month + 2) // 5 + 1
    if part == MONTHDAY:
        return np.float64(monthday)
    month = month + 3 if month < 10 else month - 9
    return np.float64(((year + era * 400 + (1 if month <= 2 else 0)) * 100 + month) * 100 + monthday)


@lean_kernel
def _distance(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    if lat_a != lat_a or lon_a != lon_a or lat_b != lat_b or lon_b != lon_b:
        return np.nan
    return _finite(distance_km(lat_a, lon_a, lat_b, lon_b))


@lean_kernel
def _holds_text(program: IntArray, table: int, mask: int, key: int) -> bool:
    at = key & mask
    while program[table + at] != 0:
        if program[table + at] == key:
            return True
        at = (at + 1) & mask
    return False


@lean_kernel
def _place_text(program: IntArray, table: int, mask: int, key: int) -> int:
    """Return where a key stands in a table, -1 if it does not."""
    at = key & mask
    while program[table + at] != 0:
        if program[table + at] == key:
            return at
        at = (at + 1) & mask
    return -1


@lean_kernel
def _place_number(program: IntArray, table: int, mask: int, bits: Any) -> Any:
    at = spread(bits) & mask
    while program[table + at] != EMPTY_NUMBER:
        if program[table + at] == bits:
            return at
        at = (at + 1) & mask
    return -1


@lean_kernel
def _holds_number(program: IntArray, table: int, mask: int, bits: Any) -> bool:
    at = spread(bits) & mask
    while program[table + at] != EMPTY_NUMBER:
        if program[table + at] == bits:
            return True
        at = (at + 1) & mask
    return False


@lean_kernel
def _move(op: int, X: FloatArray, row: int, start: int, m: int, R: FloatArray, K: AnyArray, r: int) -> None:
    """Load a row of X into register r, or store the register into the row."""
    x = X[row, start : start + m]
    if op == LOAD_F:
        for j in range(m):
            R[r, j] = x[j]
    elif op == LOAD_K:
        for j in range(m):
            K[r, j] = np.uint8(x[j] > 0.0) + np.uint8(x[j] != 0.0)
    elif op == STORE_F:
        for j in range(m):
            v = R[r, j]
            x[j] = v if v == v else np.nan  # one NaN, so that missing is one pattern of bits
    else:
        for j in range(m):
            k = K[r, j]
            x[j] = 1.0 if k == 2 else (0.0 if k == 0 else np.nan)


@lean_kernel
def _move_text(op: int, X: IntArray, row: int, start: int, m: int, T: IntArray, r: int) -> None:
    x = X[row, start : start + m]
    if op == LOAD_T:
        for j in range(m):
            T[r, j] = x[j]
    else:
        for j in range(m):
            x[j] = T[r, j]


@lean_kernel
def _arithmetic(op: int, R: FloatArray, d: int, a: int, b: int, m: int) -> None:
    if op == ADD:
        for j in range(m):
            R[d, j] = _finite(R[a, j] + R[b, j])
    elif op == SUB:
        for j in range(m):
            R[d, j] = _finite(R[a, j] - R[b, j])
    elif op == MUL:
        for j in range(m):
            R[d, j] = _finite(R[a, j] * R[b, j])
    elif op == DIV:
        for j in range(m):
            R[d, j] = _finite(R[a, j] / R[b, j])
    elif op == SECONDS:
        for j in range(m):
            R[d, j] = _finite((R[a, j] - R[b, j]) / 1e6)
    elif op == FLOORDIV:
        for j in range(m):
            R[d, j] = _floordiv(R[a, j], R[b, j])
    elif op == MOD:
        for j in range(m):
            R[d, j] = _mod(R[a, j], R[b, j])
    elif op == POW:
        for j in range(m):
            R[d, j] = _pow(R[a, j], R[b, j])
    elif op == MIN:
        for j in range(m):
            x, y = R[a, j], R[b, j]
            low = y if y < x else x
            R[d, j] = low if x == x and y == y else np.nan
    else:
        for j in range(m):
            x, y = R[a, j], R[b, j]
            high = y if y > x else x
            R[d, j] = high if x == x and y == y else np.nan


@lean_kernel
def _function(op: int, R: FloatArray, d: int, a: int, m: int) -> None:
    if op == NEG:
        for j in range(m):
            R[d, j] = -R[a, j]
    elif op == ABS:
        for j in range(m):
            R[d, j] = abs(R[a, j])
    elif op == FLOOR:
        for j in range(m):
            R[d, j] = _finite(np.floor(R[a, j]) + 0.0)
    elif op == ROUND:
        for j in range(m):
            R[d, j] = _finite(np.rint(R[a, j]) + 0.0)
    elif op == SQRT:
        for j in range(m):
            R[d, j] = _finite(math.sqrt(R[a, j]))
    elif op == EXP:
        for j in range(m):
            R[d, j] = _finite(math.exp(R[a, j]))
    elif op == LOG:
        for j in range(m):
            R[d, j] = _finite(math.log(R[a, j]))
    else:
        for j in range(m):
            R[d, j] = _finite(math.log1p(R[a, j]))


@lean_kernel
def _compare(op: int, R: FloatArray, K: AnyArray, d: int, a: int, b: int, m: int) -> None:
    # Two comparisons add up to the three values: both true, both false, or only the negated one true.
    if op == LT:
        for j in range(m):
            K[d, j] = np.uint8(R[a, j] < R[b, j]) + np.uint8(not (R[a, j] >= R[b, j]))
    elif op == LE:
        for j in range(m):
            K[d, j] = np.uint8(R[a, j] <= R[b, j]) + np.uint8(not (R[a, j] > R[b, j]))
    else:
        for j in range(m):
            x, y = R[a, j], R[b, j]
            known = x == x and y == y
            K[d, j] = np.uint8(2 if (x == y) == (op == EQ) else 0) if known else np.uint8(1)


@lean_kernel
def _compare_constant(op: int, R: FloatArray, K: AnyArray, d: int, a: int, c: float, m: int) -> None:
    if op == LT_C:
        for j in range(m):
            K[d, j] = np.uint8(R[a, j] < c) + np.uint8(not (R[a, j] >= c))
    elif op == LE_C:
        for j in range(m):
            K[d, j] = np.uint8(R[a, j] <= c) + np.uint8(not (R[a, j] > c))
    elif op == GT_C:
        for j in range(m):
            K[d, j] = np.uint8(R[a, j] > c) + np.uint8(not (R[a, j] <= c))
    elif op == GE_C:
        for j in range(m):
            K[d, j] = np.uint8(R[a, j] >= c) + np.uint8(not (R[a, j] < c))
    else:
        for j in range(m):
            x = R[a, j]
            K[d, j] = np.uint8(2 if (x == c) == (op == EQ_C) else 0) if x == x else np.uint8(1)


@lean_kernel
def _compare_text_constant(op: int, T: IntArray, K: AnyArray, d: int, a: int, c: int, m: int) -> None:
    for j in range(m):
        x = T[a, j]
        K[d, j] = np.uint8(2 if (x == c) == (op == EQ_TC) else 0) if x != 0 and c != 0 else np.uint8(1)


@lean_kernel
def _compare_text(op: int, T: IntArray, K: AnyArray, d: int, a: int, b: int, m: int) -> None:
    for j in range(m):
        x, y = T[a, j], T[b, j]
        known = x != 0 and y != 0
        K[d, j] = np.uint8(2 if (x == y) == (op == EQ_T) else 0) if known else np.uint8(1)


@lean_kernel
def _logic(op: int, K: AnyArray, d: int, a: int, b: int, m: int) -> None:
    if op == AND:
        for j in range(m):
            K[d, j] = min(K[a, j], K[b, j])
    elif op == OR:
        for j in range(m):
            K[d, j] = max(K[a, j], K[b, j])
    elif op == NOT:
        for j in range(m):
            K[d, j] = np.uint8(2) - K[a, j]
    elif op == MISSING_K:
        for j in range(m):
            K[d, j] = np.uint8(2 if K[a, j] == 1 else 0)
    elif op == COALESCE_K:
        for j in range(m):
            K[d, j] = K[b, j] if K[a, j] == 1 else K[a, j]
    else:
        for j in range(m):
            x, y = K[a, j], K[b, j]
            known = x != 1 and y != 1
            K[d, j] = np.uint8(2 if (x == y) == (op == EQ_K) else 0) if known else np.uint8(1)


@lean_kernel
def _ask(op: int, R: FloatArray, T: IntArray, K: AnyArray, d: int, a: int, m: int) -> None:
    if op == MISSING_F:
        for j in range(m):
            K[d, j] = np.uint8(0 if R[a, j] == R[a, j] else 2)
    else:
        for j in range(m):
            K[d, j] = np.uint8(2 if T[a, j] == 0 else 0)


@lean_kernel
def _member(
    op: int,
    R: FloatArray,
    T: IntArray,
    K: AnyArray,
    d: int,
    a: int,
    table: int,
    mask: int,
    program: IntArray,
    m: int,
) -> None:
    if op == IN_F:
        for j in range(m):
            x = R[a, j]
            bits = T[a, j] if x != 0.0 else np.int64(0)  # one zero
            held = x == x and _holds_number(program, table, mask, bits)
            K[d, j] = np.uint8(2 if held else 0) if x == x else np.uint8(1)
    else:
        for j in range(m):
            key = T[a, j]
            K[d, j] = np.uint8(2 if _holds_text(program, table, mask, key) else 0) if key != 0 else np.uint8(1)


@lean_kernel
def _member_until(
    op: int,
    R: FloatArray,
    T: IntArray,
    K: AnyArray,
    d: int,
    a: int,
    table: int,
    mask: int,
    clock: int,
    program: IntArray,
    numbers: FloatArray,
    m: int,
) -> None:
    ends = table + mask + 1
    for j in range(m):
        if op == UNTIL_F:
            known = R[a, j] == R[a, j]
            bits = T[a, j] if R[a, j] != 0.0 else np.int64(0)  # one zero
            at = _place_number(program, table, mask, bits) if known else -1
        else:
            known = T[a, j] != 0
            at = _place_text(program, table, mask, T[a, j]) if known else -1
        held = at >= 0 and R[clock, j] < numbers[ends + at]
        K[d, j] = np.uint8(2 if held else 0) if known else np.uint8(1)


@lean_kernel
def _choose(op: int, R: FloatArray, T: IntArray, K: AnyArray, d: int, a: int, b: int, c: int, m: int) -> None:
    if op == WHERE_F:
        for j in range(m):
            k = K[a, j]
            R[d, j] = R[b, j] if k == 2 else (R[c, j] if k == 0 else np.nan)
    elif op == WHERE_T:
        for j in range(m):
            k = K[a, j]
            T[d, j] = T[b, j] if k == 2 else (T[c, j] if k == 0 else np.int64(0))
    elif op == WHERE_K:
        for j in range(m):
            k = K[a, j]
            K[d, j] = K[b, j] if k == 2 else (K[c, j] if k == 0 else np.uint8(1))
    elif op == COALESCE_F:
        for j in range(m):
            R[d, j] = R[a, j] if R[a, j] == R[a, j] else R[b, j]
    else:
        for j in range(m):
            T[d, j] = T[a, j] if T[a, j] != 0 else T[b, j]


@lean_kernel
def interpret(X: FloatArray, program: IntArray, R: FloatArray, K: AnyArray) -> bool:
    """Run a program over every event of X, in place; False when X has too few rows for it.

    Parameters
    ----------
    X
        The feature matrix, shape (slots, events), C-contiguous.
    program
        The words of a compiled program.
    R, K
        Number and truth registers (bytes), as many as the program's header says, each of min(events, BLOCK) places;
        what is in them before and after means nothing.
    """
    if X.shape[0] < program[4]:
        return False
    n = X.shape[1]
    width = min(n, BLOCK)
    constants, count = program[2], program[3]
    T = R.view(np.int64)
    bits, numbers = X.view(np.int64), program.view(np.float64)
    for i in range(constants):
        for j in range(width):
            T[i, j] = program[HEADER + i]
    first = HEADER + constants
    for start in range(0, n, BLOCK):
        m = min(BLOCK, n - start)
        for at in range(first, first + count * WORDS, WORDS):
            op, d = program[at], program[at + 1]
            a, b, c = program[at + 2], program[at + 3], program[at + 4]
            if op <= STORE_K:
                _move(op, X, a, start, m, R, K, d)
            elif op <= STORE_T:
                _move_text(op, bits, a, start, m, T, d)
            elif op <= SECONDS:
                _arithmetic(op, R, d, a, b, m)
            elif op <= LOG1P:
                _function(op, R, d, a, m)
            elif op <= NE:
                _compare(op, R, K, d, a, b, m)
            elif op <= NE_K:
                _logic(op, K, d, a, b, m)
            elif op <= NE_T:
                _compare_text(op, T, K, d, a, b, m)
            elif op <= MISSING_T:
                _ask(op, R, T, K, d, a, m)
            elif op <= IN_T:
                _member(op, R, T, K, d, a, b, c, program, m)
            elif op <= COALESCE_T:
                _choose(op, R, T, K, d, a, b, c, m)
            elif op <= MONTHDAY:
                for j in range(m):
                    R[d, j] = _calendar(op, R[a, j], R[b, j])
            elif op <= DISTANCE:
                e = program[at + 5]
                for j in range(m):
                    R[d, j] = _distance(R[a, j], R[b, j], R[c, j], R[e, j])
            elif op <= NE_C:
                _compare_constant(op, R, K, d, a, numbers[at + 3], m)
            elif op <= NE_TC:
                _compare_text_constant(op, T, K, d, a, b, m)
            else:
                _member_until(op, R, T, K, d, a, b, c, program[at + 5], program, numbers, m)
    return True
