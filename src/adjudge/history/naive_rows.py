"""The rows that `naive` reduces, and how they merge and change: the other half of the definition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

Value = float | int | tuple[float, float]
"""A number or label, a hash, or a place."""

MASK = (1 << 64) - 1


@dataclass(slots=True)
class Cell:
    """What a row knows of one measure: of one event, or of the events merged into it."""

    last: Value
    first: Value
    known: int
    total: float = 0.0
    mean: float = 0.0
    m2: float = 0.0
    least: float = math.nan
    most: float = math.nan
    sketch: list[int] = field(default_factory=lambda: [0] * 64)


@dataclass(slots=True)
class Joint:
    """What a row knows of two numbers together, over the events that have both."""

    known: int
    mean_x: float
    mean_y: float
    m2_x: float = 0.0
    m2_y: float = 0.0
    c: float = 0.0


@dataclass(slots=True)
class Row:
    """One event, or several merged ones: its newest time and position, its oldest time, how many events."""

    ts: int
    seq: int
    oldest: int
    n: int
    cells: list[Cell]
    joints: dict[tuple[int, int], Joint]

    @property
    def is_merged(self) -> bool:
        """Whether it stands for more than one event, or once did."""
        return self.n > 1 or self.oldest < self.ts


@dataclass(slots=True)
class Key:
    """The rows of one key, oldest first, and what decides when they merge."""

    limit: int
    newest: int = 0
    merged: bool = False
    flagged: bool = False
    rows: list[Row] = field(default_factory=list)


def is_known(kind: str, value: Value) -> bool:
    """Tell whether a value is not missing: a hash other than 0, a number or latitude other than NaN."""
    if kind == "hash":
        return value != 0
    number = value[0] if isinstance(value, tuple) else value
    return not math.isnan(number)


def make_cell(kind: str, value: Value) -> Cell:
    """Return what the row of one event knows of a measure."""
    known = int(is_known(kind, value))
    if isinstance(value, tuple) or kind == "hash":
        return Cell(value, value, known)
    x = value if known else 0.0
    return Cell(value, value, known, total=x, mean=x, least=value, most=value)


def merge_rows(a: Row, b: Row) -> Row:
    """Return one row for two neighbours, `a` the older: times of both, moments by Chan's formula."""
    cells = [merge_cells(x, y) for x, y in zip(a.cells, b.cells, strict=True)]
    joints = {pair: merge_joints(a.joints[pair], b.joints[pair]) for pair in a.joints}
    return Row(b.ts, b.seq, min(a.oldest, b.oldest), a.n + b.n, cells, joints)


def merge_cells(a: Cell, b: Cell) -> Cell:
    """Return what two rows know of a measure, `a` the older."""
    registers = [max(x, y) for x, y in zip(sketch(a), sketch(b), strict=True)]
    if not (a.known and b.known):
        return replace(a if a.known else b, sketch=registers)
    n = a.known + b.known
    delta = b.mean - a.mean
    return Cell(
        last=b.last,
        first=a.first,
        known=n,
        total=a.total + b.total,
        mean=a.mean + delta * b.known / n,
        m2=a.m2 + b.m2 + delta * delta * a.known * b.known / n,
        least=b.least if b.least < a.least else a.least,
        most=b.most if b.most > a.most else a.most,
        sketch=registers,
    )


def merge_joints(a: Joint, b: Joint) -> Joint:
    """Return what two rows know of two numbers together."""
    if not (a.known and b.known):
        return replace(a if a.known else b)
    n = a.known + b.known
    dx, dy = b.mean_x - a.mean_x, b.mean_y - a.mean_y
    return Joint(
        known=n,
        mean_x=a.mean_x + dx * b.known / n,
        mean_y=a.mean_y + dy * b.known / n,
        m2_x=a.m2_x + b.m2_x + dx * dx * a.known * b.known / n,
        m2_y=a.m2_y + b.m2_y + dy * dy * a.known * b.known / n,
        c=a.c + b.c + dx * dy * a.known * b.known / n,
    )


def find(key: Key, ts: int, seq: int) -> Row | None:
    """Return the row of an event: its own, or the first merged one at or after it that reaches back to it."""
    for row in key.rows:
        if (row.ts, row.seq) >= (ts, seq):
            if row.is_merged and row.oldest <= ts:
                return row
            if not row.is_merged and (row.ts, row.seq) == (ts, seq):
                return row
    return None


def relabel(key: Key, ts: int, seq: int, measure: int, old: float, new: float) -> None:
    """Set a label, where the old one may be missing, or take it back by setting it to missing."""
    row = find(key, ts, seq)
    if row is None:
        return
    cell = row.cells[measure]
    if not row.is_merged:
        row.cells[measure] = make_cell("label", new)
        return
    cell.known = max(0, cell.known + int(not math.isnan(new)) - int(not math.isnan(old)))
    cell.total += (0.0 if math.isnan(new) else new) - (0.0 if math.isnan(old) else old)


def retract(key: Key, event: Row) -> None:
    """Take an event away: its row, or what it gave to the sums of a merged row."""
    row = find(key, event.ts, event.seq)
    if row is None:
        return
    row.n -= 1
    if row.n == 0:
        key.rows.remove(row)
        return
    key.flagged = True
    for cell, own in zip(row.cells, event.cells, strict=True):
        if own.known and cell.known:
            subtract_cell(cell, own)
    for pair, joint in row.joints.items():
        if event.joints[pair].known and joint.known:
            subtract_joint(joint, event.joints[pair])


def subtract_cell(cell: Cell, own: Cell) -> None:
    """Take one event out of the count, sum and moments; least, most, first, last and sketch stay as they are."""
    cell.known -= 1
    cell.total -= own.total
    if cell.known:
        mean = cell.mean - (own.mean - cell.mean) / cell.known
        cell.m2 = max(0.0, cell.m2 - (own.mean - cell.mean) * (own.mean - mean))
        cell.mean = mean


def subtract_joint(joint: Joint, own: Joint) -> None:
    """Take one event out of the moments of two numbers."""
    joint.known -= 1
    if joint.known:
        dx, dy = own.mean_x - joint.mean_x, own.mean_y - joint.mean_y
        mean_x, mean_y = joint.mean_x - dx / joint.known, joint.mean_y - dy / joint.known
        joint.m2_x = max(0.0, joint.m2_x - dx * (own.mean_x - mean_x))
        joint.m2_y = max(0.0, joint.m2_y - dy * (own.mean_y - mean_y))
        joint.c -= dx * (own.mean_y - mean_y)
        joint.mean_x, joint.mean_y = mean_x, mean_y


def sketch(cell: Cell) -> list[int]:
    """Return the registers of a cell: those of the hashes merged into it, and of its last one."""
    registers = list(cell.sketch)
    if cell.known and isinstance(cell.last, int):
        place, rank = register(cell.last)
        registers[place] = max(registers[place], rank)
    return registers


def register(value: int) -> tuple[int, int]:
    """Return which of 64 registers a hash falls in, and the rank it shows there (HyperLogLog)."""
    h = value & MASK
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & MASK
    h ^= h >> 31
    rest = (h >> 6) | (1 << 58)
    return h & 63, (rest & -rest).bit_length()


def estimate(registers: Sequence[int]) -> float:
    """Return the number of different hashes that registers show, to the nearest whole (Flajolet and others, 2007)."""
    inverse = 0.0
    for rank in registers:
        inverse += math.exp2(-rank)
    result = 0.709 * 64.0 * 64.0 / inverse
    zeros = registers.count(0)
    if result <= 160.0 and zeros > 0:
        result = 64.0 * math.log(64.0 / zeros)
    return math.floor(result + 0.5)
