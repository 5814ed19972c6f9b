"""The meaning of every feature, in plain Python: filter the rows, then reduce them from the newest to the oldest.

This is the definition that the kernels are held to, bit for bit. It is slow and has no other purpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adjudge.history.codes import ADVANCE, INSERT, LABEL, RETRACT
from adjudge.history.geo import distance_km, speed_kmh, turn
from adjudge.history.layout import DAY_US, LINKED, Aggregation, Layout, Measure
from adjudge.history.naive_rows import (
    MASK,
    Cell,
    Joint,
    Key,
    Row,
    Value,
    estimate,
    make_cell,
    merge_rows,
    relabel,
    retract,
    sketch,
)
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


class Naive:
    """The same interface as `Histories`, defined by filtering and reducing lists.

    Parameters
    ----------
    layout
        What rows carry and what is asked of them.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.keys: dict[int, Key] = {}
        pairs = {(a.measure, a.other) for a in layout.aggregations if a.op == "correlation"}
        self.pairs = sorted((x, y) for x, y in pairs if x is not None and y is not None)

    def fold(
        self, kind: AnyArray, keys: HashArray, ts: IntArray, seq: IntArray, values: FloatArray, out: FloatArray
    ) -> None:
        """Fold entries in order, writing features into the columns of `out`."""
        for i in range(len(keys)):
            what, key, when, place = int(kind[i]), int(keys[i]), int(ts[i]), int(seq[i])
            if what == LABEL:
                if key in self.keys:
                    measure, old, new = (float(v) for v in values[:3, i])
                    relabel(self.keys[key], when, place, int(measure), old, new)
                continue
            row = self._row(when, place, values[:, i])
            if what == RETRACT:
                if key in self.keys:
                    retract(self.keys[key], row)
                continue
            if what != INSERT:
                out[:, i] = self._features(key, row)
            if what in (ADVANCE, INSERT) and key != 0:
                self._append(self.keys.setdefault(key, Key(self.layout.capacity)), row)

    def _row(self, ts: int, seq: int, column: FloatArray) -> Row:
        cells: list[Cell] = []
        position = 0
        for measure in self.layout.measures:
            value: Value = float(column[position])
            if measure.kind == "hash":
                value = int(column[position : position + 1].copy().view(np.int64)[0])
            elif measure.kind == "place":
                value = (float(column[position]), float(column[position + 1]))
                position += 1
            position += 1
            cells.append(make_cell(measure.kind, value))
        joints = {}
        for x, y in self.pairs:
            both = cells[x].known and cells[y].known
            joints[x, y] = Joint(1, cells[x].mean, cells[y].mean) if both else Joint(0, 0.0, 0.0)
        return Row(ts, seq, ts, 1, cells, joints)

    def _append(self, key: Key, row: Row) -> None:
        horizon = self.layout.horizon_us
        if key.rows and row.ts <= key.newest - horizon:
            return
        if key.merged and row.ts < key.newest:
            key.flagged = True
        key.newest = row.ts if not key.rows else max(key.newest, row.ts)
        position = len(key.rows)
        while position > 0 and key.rows[position - 1].ts > row.ts:
            position -= 1
        key.rows.insert(position, row)
        live = [r for r in key.rows if r.ts > key.newest - horizon]
        if len(live) > key.limit:
            self._merge(key, live)

    def _merge(self, key: Key, live: Sequence[Row]) -> None:
        """Merge neighbours, oldest first, while the merged row stays narrow for its age."""
        eps, narrow = self.layout.eps, self.layout.eps * self.layout.shortest_us
        rows: list[Row] = []
        for row in live:
            oldest = min(rows[-1].oldest, row.oldest) if rows else row.oldest
            if rows and row.ts - oldest <= max(eps * (key.newest - row.ts), narrow):
                rows[-1] = merge_rows(rows[-1], row)
            else:
                rows.append(row)
        key.rows = rows
        key.limit = max(self.layout.capacity, 2 * len(rows))
        key.merged = key.merged or any(row.n > 1 for row in rows)

    def _features(self, key: int, own: Row) -> FloatArray:
        held = self.keys.get(key, Key(0))
        features: list[float] = []
        for a in self.layout.aggregations:
            if key == 0:
                hashed = a.measure is not None and self.layout.measures[a.measure].kind == "hash"
                missing = 0.0 if hashed and a.op in ("first", "last", "last_n") else math.nan
                features += [missing] * a.width
            else:
                features += self._answer(a, held, own)
        return np.array(features)

    def _window(self, a: Aggregation, key: Key, now: int) -> list[Row]:
        """Return the rows of a key inside the window of a question that is asked at a time, newest first."""
        end, start = now - a.delay_us, now - self.layout.span_us(a)
        floor = key.newest - self.layout.horizon_us
        return [r for r in reversed(key.rows) if start < r.ts <= end and r.ts > floor]

    def _linked(self, a: Aggregation, rows: Sequence[Row], own: Row) -> float:
        """Ask the keys that rows name by their hash: the newest different ones, but the event's own."""
        assert a.measure is not None
        named = dict.fromkeys(r.cells[a.measure].last for r in rows if r.cells[a.measure].known)
        others = [int(k) & MASK for k in named if k != own.cells[a.measure].last][: int(a.parameter)]  # type: ignore[arg-type]
        if a.op == "linked_count":
            return float(len(others))
        found = []
        for other in others:
            theirs = self._window(a, self.keys.get(other, Key(0)), own.ts)
            cells = [r.cells[a.other] for r in theirs] if a.other is not None else []
            positives = sum(cell.total for cell in cells if cell.known)
            found.append(float(sum(r.n for r in theirs)) if a.other is None else positives)
        return float(sum(n > 0.0 for n in found) if a.op == "linked_known" else sum(found))

    def _answer(self, a: Aggregation, key: Key, own: Row) -> list[float]:
        rows = self._window(a, key, own.ts)
        if a.op in LINKED:
            return [self._linked(a, rows, own)]
        if a.including:
            rows.insert(0, own)
        if a.op == "last_n":
            return last_n(a, self.layout.measures, rows)
        if a.op == "since_last_n":
            return since_last_n(a, own.ts, rows)
        measure = None if a.measure is None else self.layout.measures[a.measure]
        known = [r for r in rows if a.measure is None or r.cells[a.measure].known]
        result = OPERATIONS[a.op](Question(a, measure, rows, known, own))
        return [result]


@dataclass(frozen=True, slots=True)
class Question:
    """One aggregation with the rows of its window, newest first: all of them, and those that know the measure."""

    asked: Aggregation
    measure: Measure | None
    rows: list[Row]
    known: list[Row]
    own: Row

    def cell(self, row: Row) -> Cell:
        """Return a row's cell of the measure."""
        assert self.asked.measure is not None
        return row.cells[self.asked.measure]

    def cells(self) -> Iterator[Cell]:
        """Yield the cells that know the measure."""
        return (self.cell(row) for row in self.known)

    def size(self, row: Row) -> int:
        """Return how many events of a row count."""
        return row.n if self.asked.measure is None else self.cell(row).known

    @property
    def scale(self) -> float:
        """What results in the unit of the measure are divided by."""
        return 1.0 if self.measure is None else self.measure.scale

    @property
    def own_place(self) -> tuple[float, float]:
        """The place of the event itself."""
        place = self.cell(self.own).last
        assert isinstance(place, tuple)
        return place

    def place(self, row: Row) -> tuple[float, float]:
        """Return the place of a row."""
        place = self.cell(row).last
        assert isinstance(place, tuple)
        return place


def as_float(kind: str, value: Value) -> float:
    """Return a value as it stands in a column: a hash by its bits."""
    if kind == "hash":
        return float(np.array([value], dtype=np.int64).view(np.float64)[0])
    assert isinstance(value, float)
    return value


def count(q: Question) -> float:
    """Events of the window, or those that know the measure."""
    return float(sum(q.size(row) for row in q.known))


def total(q: Question) -> float:
    """Sum, 0 when there is nothing to add."""
    result = 0.0
    for cell in q.cells():
        result += cell.total
    return result / q.scale


def mean(q: Question) -> float:
    """Sum over count."""
    n, result = 0.0, 0.0
    for cell in q.cells():
        n += cell.known
        result += cell.total
    return result / n / q.scale if n else math.nan


def std(q: Question) -> float:
    """Sample deviation; deviations are summed from the newest value, so that equal values give exactly 0."""
    n, first, second = 0.0, 0.0, 0.0
    for cell in q.cells():
        if n == 0.0:
            pivot = cell.mean
        d = cell.mean - pivot
        n += cell.known
        first += cell.known * d
        second += cell.m2 + cell.known * d * d
    if n < 2:
        return math.nan
    m2 = second - first * first / n
    return math.sqrt(m2 / (n - 1.0)) / q.scale if m2 > 0.0 else 0.0


def least(q: Question) -> float:
    """Least value; of equal ones the newest."""
    return min((cell.least for cell in q.cells()), default=math.nan) / q.scale


def most(q: Question) -> float:
    """Greatest value; of equal ones the newest."""
    return max((cell.most for cell in q.cells()), default=math.nan) / q.scale


def edge(q: Question, value: Value) -> float:
    """Return the first or last value as an output."""
    assert q.measure is not None
    number = as_float(q.measure.kind, value)
    return number if q.measure.kind == "hash" else number / q.scale


def missing(q: Question) -> float:
    """Return what is missing in the measure's kind: the hash 0, or NaN."""
    return 0.0 if q.measure is not None and q.measure.kind == "hash" else math.nan


def first(q: Question) -> float:
    """Return the oldest known value."""
    return edge(q, q.cell(q.known[-1]).first) if q.known else missing(q)


def last(q: Question) -> float:
    """Return the newest known value."""
    return edge(q, q.cell(q.known[0]).last) if q.known else missing(q)


def last_n(a: Aggregation, measures: Sequence[Measure], rows: Sequence[Row]) -> list[float]:
    """Return the newest known values, newest first, then missing ones; a merged row gives its last."""
    assert a.measure is not None
    measure = measures[a.measure]
    wanted = int(a.parameter)
    found = [as_float(measure.kind, r.cells[a.measure].last) for r in rows if r.cells[a.measure].known]
    if measure.kind == "hash":
        return (found + [0.0] * wanted)[:wanted]
    return ([x / measure.scale for x in found] + [math.nan] * wanted)[:wanted]


def since_last_n(a: Aggregation, now: int, rows: Sequence[Row]) -> list[float]:
    """Return the seconds since each of the newest rows, those without the measure left out, then missing ones."""
    found = [(now - r.ts) / 1e6 for r in rows if a.measure is None or r.cells[a.measure].known]
    wanted = int(a.parameter)
    return (found + [math.nan] * wanted)[:wanted]


def is_new(q: Question) -> float:
    """1 when no row is seen, or none that knows the measure, 0 when one is."""
    return float(not q.known)


def since_last(q: Question) -> float:
    """Seconds since the newest row."""
    return (q.own.ts - q.known[0].ts) / 1e6 if q.known else math.nan


def since_first(q: Question) -> float:
    """Seconds since the oldest row."""
    return (q.own.ts - q.known[-1].oldest) / 1e6 if q.known else math.nan


def rate(q: Question) -> float:
    """Positives over events, or over the events that know the other measure."""
    other = q.asked.other
    positive = 0.0
    for cell in q.cells():
        positive += cell.total
    n = float(sum(row.n if other is None else row.cells[other].known for row in q.rows))
    return positive / n if n else math.nan


def trend(q: Question) -> float:
    """Least-squares slope a day, with times and values relative to the newest row."""
    n, st, stt, sx, stx = 0.0, 0.0, 0.0, 0.0, 0.0
    for row in q.known:
        cell = q.cell(row)
        dt = (row.ts - q.known[0].ts) / float(DAY_US)
        dx = cell.mean - q.cell(q.known[0]).mean
        n += cell.known
        st += cell.known * dt
        stt += cell.known * dt * dt
        sx += cell.known * dx
        stx += cell.known * dt * dx
    if n < 2:
        return math.nan
    spread = stt - st * st / n
    return (stx - st * sx / n) / spread / q.scale if spread > 0.0 else math.nan


def correlation(q: Question) -> float:
    """Pearson's correlation over the events that have both numbers, relative to the newest row."""
    assert q.asked.measure is not None
    assert q.asked.other is not None
    joints = [row.joints[q.asked.measure, q.asked.other] for row in q.rows]
    joints = [joint for joint in joints if joint.known]
    n, sx, sxx, sy, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for joint in joints:
        dx, dy = joint.mean_x - joints[0].mean_x, joint.mean_y - joints[0].mean_y
        n += joint.known
        sx += joint.known * dx
        sxx += joint.m2_x + joint.known * dx * dx
        sy += joint.known * dy
        syy += joint.m2_y + joint.known * dy * dy
        sxy += joint.c + joint.known * dx * dy
    if n < 2:
        return math.nan
    vx, vy = sxx - sx * sx / n, syy - sy * sy / n
    if not (vx > 0.0 and vy > 0.0):
        return math.nan
    return max(-1.0, min(1.0, (sxy - sx * sy / n) / (math.sqrt(vx) * math.sqrt(vy))))


def weight(q: Question, row: Row) -> float:
    """Return one half for every half-life of a row's age."""
    return math.exp2((row.ts - q.own.ts) / q.asked.parameter)


def decayed_sum(q: Question) -> float:
    """Sum of values, each times its weight."""
    result = 0.0
    for row in q.known:
        result += q.cell(row).total * weight(q, row)
    return result / q.scale


def decayed_count(q: Question) -> float:
    """Sum of weights."""
    result = 0.0
    for row in q.known:
        result += q.size(row) * weight(q, row)
    return result


def distance(q: Question) -> float:
    """Kilometres from the last known place."""
    if not q.known or math.isnan(q.own_place[0]):
        return math.nan
    return distance_km(*q.place(q.known[0]), *q.own_place)


def speed(q: Question) -> float:
    """Kilometres an hour from the last known place."""
    way = distance(q)
    return way if math.isnan(way) else speed_kmh(way, q.own.ts - q.known[0].ts)


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the middle of the two middle ones."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2.0


def distance_typical(q: Question) -> float:
    """Kilometres from the median latitude and the median longitude, longitudes seen from the event."""
    latitude, longitude = q.own_place
    if not q.known or math.isnan(latitude):
        return math.nan
    north = median([q.place(row)[0] for row in q.known])
    east = median([turn(q.place(row)[1], longitude) for row in q.known])
    return distance_km(north, longitude + east, latitude, longitude)


def distinct(q: Question) -> float:
    """Different hashes: exact over plain rows, estimated from sketches once a merged row is in the window."""
    exact = float(len({cell.last for cell in q.cells()}))
    if not any(row.is_merged for row in q.rows):
        return exact
    registers = [0] * 64
    for cell in q.cells():
        registers = [max(a, b) for a, b in zip(registers, sketch(cell), strict=True)]
    return max(exact, estimate(registers))


OPERATIONS: dict[str, Callable[[Question], float]] = {
    "count": count,
    "sum": total,
    "mean": mean,
    "std": std,
    "min": least,
    "max": most,
    "first": first,
    "last": last,
    "distinct": distinct,
    "is_new": is_new,
    "since_last": since_last,
    "since_first": since_first,
    "rate": rate,
    "trend": trend,
    "correlation": correlation,
    "decayed_sum": decayed_sum,
    "decayed_count": decayed_count,
    "speed": speed,
    "distance": distance,
    "distance_typical": distance_typical,
}
"""The definition of every aggregation; those with several results, `last_n` and `since_last_n`, stand apart."""
