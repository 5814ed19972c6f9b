"""Entries drawn by hypothesis, and every aggregation asked of them: what the kernels are compared on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from adjudge.history import ADVANCE, INSERT, LABEL, RETRACT, SCAN, Aggregation, Histories, Layout, Measure
from adjudge.history.layout import LINKED, NEEDS, RELATIVE
from adjudge.history.naive import Naive
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND

MEASURES = (
    Measure("amount", scale=100.0),
    Measure("other"),
    Measure("merchant", "hash"),
    Measure("place", "place"),
    Measure("fraud", "label"),
)
AMOUNT, OTHER, MERCHANT, PLACE, FRAUD = range(5)
COLUMNS = 6

HASHES = [0, 1, 2, 5 - 2**63, -1, 0x7FF8000000000001, -(2**63), 1 << 40]
"""Some of which would read as NaN or as minus zero if they were taken for numbers; three are keys as well."""


def asked_of(op: str, window: int | None, delay: int, including: bool) -> list[Aggregation]:
    """Return an operation over every kind of measure that it takes."""
    found = []
    for kind in NEEDS[op]:
        measure = next((k for k, m in enumerate(MEASURES) if m.kind == kind), None)
        other = OTHER if op == "correlation" else None
        parameter = {"decayed_sum": 1.0, "decayed_count": 1.0, "last_n": 3.0, "since_last_n": 2.0}.get(op, 0.0)
        found.append(Aggregation(op, measure, other, window, delay, parameter, including))
    if op in LINKED:
        others: tuple[int | None, ...] = {"linked_count": (None,), "linked_known": (FRAUD,)}.get(op, (None, FRAUD))
        return [replace(a, other=other, parameter=most) for a in found for other in others for most in (2.0, 64.0)]
    if op == "rate":
        return [replace(a, other=other) for a in found for other in (None, AMOUNT, MERCHANT)]
    if op.startswith("decayed"):
        return [replace(a, parameter=half_life) for a in found for half_life in (float(MINUTE), 3.0 * HOUR)]
    return found


def everything(windows: tuple[int | None, ...], delay: int) -> list[Aggregation]:
    """Return every operation over some windows: plain, delayed, and with the event itself included."""
    found = []
    for op in NEEDS:
        for window in windows:
            found += asked_of(op, window, 0, False)
        found += asked_of(op, windows[0], delay, False)
        if op not in RELATIVE:
            found += asked_of(op, windows[-1], 0, True)
    return found


@dataclass
class Entries:
    """Entries as the arrays that a fold takes."""

    kind: AnyArray
    keys: HashArray
    ts: IntArray
    seq: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.keys)

    def fold(self, histories: Histories | Naive, width: int) -> FloatArray:
        """Return the features of every entry; -7 where none were asked for."""
        out = np.full((width, len(self)), -7.0)
        histories.fold(self.kind, self.keys, self.ts, self.seq, self.values, out)
        return out


def bits(values: FloatArray) -> IntArray:
    """Return the bits of numbers, all kinds of NaN as one."""
    return np.where(np.isnan(values), math.nan, values).view(np.int64)


_special = [0.0, -0.0, 1.0, 250.0, -250.0, 0.1, 123456789.1, 1e15, 1e-9, -3.0]
_amounts = st.one_of(st.just(math.nan), st.sampled_from(_special), st.integers(-20, 20).map(float))
_steps = st.one_of(
    st.sampled_from([0, 0, 1, SECOND, MINUTE, MINUTE - 1, HOUR, HOUR + 1, -1, -MINUTE, -2 * HOUR, DAY, -9 * DAY]),
    st.integers(0, 2 * HOUR),
)
_latitudes = st.one_of(st.just(math.nan), st.sampled_from([0.0, 48.2, -33.9, 90.0]), st.floats(-90, 90))
_longitudes = st.one_of(st.sampled_from([0.0, 179.5, -179.5, 16.4]), st.floats(-180, 180))
_labels = st.sampled_from([math.nan, math.nan, 0.0, 1.0])
_kinds = st.sampled_from([ADVANCE] * 8 + [INSERT, INSERT, SCAN, LABEL, LABEL, RETRACT])


@st.composite
def entries(draw: st.DrawFn, most: int = 40) -> Entries:
    """Draw entries: ties, late, out of order, missing, labelled before and after, retracted, twice and never seen."""
    count = draw(st.integers(1, most))
    kind = np.empty(count, dtype=np.int8)
    keys = np.empty(count, dtype=np.uint64)
    ts, seq = np.empty(count, dtype=np.int64), np.arange(1, count + 1, dtype=np.int64)
    values = np.full((COLUMNS, count), math.nan)
    events: list[int] = []
    labels: dict[int, float] = {}
    now = 30 * DAY
    for i in range(count):
        what = draw(_kinds)
        if what in (LABEL, RETRACT) and events:
            j = draw(st.sampled_from(events))
            kind[i], keys[i], ts[i], seq[i] = what, keys[j], ts[j], seq[j]
            if what == LABEL:
                new = draw(_labels)
                values[:3, i] = FRAUD, labels[j], new
                labels[j] = new
            else:
                values[:, i] = values[:, j]
                values[-1, i] = labels[j]
            continue
        now += draw(_steps)
        kind[i], ts[i] = min(what, INSERT), now
        keys[i] = draw(st.sampled_from([0, 1, 1, 1, 2, 2**63 + 5]))
        values[:2, i] = draw(_amounts), draw(_amounts)
        values[2, i : i + 1] = np.array([draw(st.sampled_from(HASHES))], dtype=np.int64).view(np.float64)
        values[3:5, i] = draw(_latitudes), draw(_longitudes)
        values[5, i] = draw(_labels)
        if kind[i] != SCAN:
            events.append(i)
            labels[i] = float(values[5, i])
    return Entries(kind, keys, ts, seq, values)


def layouts(aggregations: list[Aggregation]) -> st.SearchStrategy[Layout]:
    """Draw layouts of one list of aggregations, most of them with room for so few rows that keys merge much."""
    return st.builds(
        Layout,
        measures=st.just(MEASURES),
        aggregations=st.just(aggregations),
        capacity=st.sampled_from([2, 3, 5, 8, 512]),
        eps=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
        memory_us=st.just(3 * DAY),
        lateness_us=st.sampled_from([0, HOUR, 7 * DAY]),
    )
