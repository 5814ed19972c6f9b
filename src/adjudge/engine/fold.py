"""Folding: a run of log entries goes through every history and profile, which answer with their part of the matrix.

Live batches and backfills differ only in what is in the run: usually the events of one stream, sometimes events of
several streams with labels between them. Histories are independent of each other, so they may be folded on threads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.batch import Batch, Marks, State
from adjudge.engine.hashing import hash_keys
from adjudge.engine.linked import fold_linked
from adjudge.history import ADVANCE, INSERT, LABEL, RETRACT, SCAN, Histories, Profiles
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine.plan import HistoryPlan, Plan, ProfilePlan


@dataclass(frozen=True)
class Placed:
    """Events or labels with their places in a run, shape (n,), ascending."""

    what: Batch | Marks
    places: IntArray


def fold_batch(plan: Plan, state: State, batch: Batch, *, append: bool) -> None:
    """Fold the events of one stream; those of the decided stream get their features, in place.

    Parameters
    ----------
    plan
        The compiled system.
    state
        What earlier entries built up; changed unless nothing is appended.
    batch
        The events, in log order.
    append
        False only reads.
    """
    decided = batch.stream == plan.decides
    state.lap("decide")  # of the piece before, if there was one
    jobs: list[Callable[[], None]] = []
    for history, kept in zip(plan.histories, state.histories, strict=True):
        own = history.stream == batch.stream
        if own or decided:
            kind = (ADVANCE if append else SCAN) if own and decided else SCAN if decided else INSERT
            if kind != INSERT or append:
                jobs.append(functools.partial(_fold_history, history, kept, batch, kind, own, decided))
    for profile, latest in zip(plan.profiles, state.profiles, strict=True):
        if decided:
            jobs.append(functools.partial(_read_profile, profile, latest, batch))
        elif profile.stream == batch.stream and append:
            jobs.append(functools.partial(_write_profile, profile, latest, batch))
    _run(plan, jobs, len(batch))
    state.lap("histories")


def insert_batch(plan: Plan, state: State, batch: Batch) -> None:
    """Fold events of the decided stream without asking anything of the histories: imported, not decided."""
    jobs = [
        functools.partial(_fold_history, history, kept, batch, INSERT, True, False)
        for history, kept in zip(plan.histories, state.histories, strict=True)
        if history.stream == batch.stream
    ]
    _run(plan, jobs, len(batch))


def _run(plan: Plan, jobs: Sequence[Callable[[], None]], n: int) -> None:
    if plan.pool is None or n < 32:  # handing over a small batch costs more than folding it
        for job in jobs:
            job()
        return
    submitted = [plan.pool.submit(job) for job in jobs]
    wait(submitted)  # when one fails, the state is taken back: no other may still be folding into it
    for done in submitted:
        done.result()


@functools.lru_cache(maxsize=4096)
def _kinds(kind: int, n: int) -> AnyArray:
    kinds = np.full(n, kind, np.int8)
    kinds.flags.writeable = True
    return kinds


@functools.lru_cache(maxsize=1024)
def _blank(rows: int, n: int) -> FloatArray:
    """Values for entries that carry none: a reader from another stream."""
    return np.full((rows, n), np.nan)


def _fold_history(history: HistoryPlan, kept: Histories, batch: Batch, kind: int, own: bool, decided: bool) -> None:
    n = len(batch)
    first, last = history.values
    start, stop = history.outputs
    if history.linked:
        fold_linked(history, kept, batch, kind, batch.matrix[start:stop] if decided else None)
        return
    values = batch.matrix[first:last] if own else _blank(last - first, n)
    out = batch.matrix[start:stop] if decided else _blank(stop - start, n)
    kept.fold(_kinds(kind, n), batch.keys[history.key[batch.stream]], batch.ts, batch.seq, values, out)


def _read_profile(profile: ProfilePlan, latest: Profiles, batch: Batch) -> None:
    start, stop = profile.outputs
    n = len(batch)
    keys = batch.keys[profile.key[batch.stream]]
    latest.fold(_kinds(SCAN, n), keys, _blank(stop - start, n), batch.matrix[start:stop])


def _write_profile(profile: ProfilePlan, latest: Profiles, batch: Batch) -> None:
    n = len(batch)
    values = np.ascontiguousarray(batch.matrix[profile.fields])
    latest.fold(_kinds(INSERT, n), batch.keys[profile.key[batch.stream]], values, np.empty_like(values))


def fold_marks(plan: Plan, state: State, marks: Marks) -> None:
    """Set a label or an outcome on the rows of earlier events of the decided stream."""
    places = np.arange(len(marks.ts))
    for history, kept in zip(plan.histories, state.histories, strict=True):
        for measure, condition in history.labels.get(marks.name, ()):
            run = _Run(len(places), max(3, history.layout.columns))
            run.mark(history, plan.decides, marks, places, measure, condition)
            run.fold(kept, history)


def retract(plan: Plan, state: State, batch: Batch) -> None:
    """Take events of the past out of every history of their stream, so that no later event sees them."""
    n = len(batch)
    for history, kept in zip(plan.histories, state.histories, strict=True):
        if history.stream == batch.stream and history.linked:
            fold_linked(history, kept, batch, RETRACT)
        elif history.stream == batch.stream:
            first, last = history.values
            out = np.empty((history.layout.width, n))
            keys = batch.keys[history.key[batch.stream]]
            kept.fold(_kinds(RETRACT, n), keys, batch.ts, batch.seq, batch.matrix[first:last], out)


def erase(plan: Plan, state: State, stream: str, field: str, hashes: Mapping[str, HashArray]) -> None:
    """Take every key out that a field's value is part of; an entity with a field that is not told stays."""
    kept: list[tuple[HistoryPlan | ProfilePlan, Histories | Profiles]] = []
    kept += zip(plan.histories, state.histories, strict=True)
    kept += zip(plan.profiles, state.profiles, strict=True)
    for what, rows in kept:
        for fields in (what.entity.fields, what.entity.link):
            if what.stream == stream and field in fields and set(fields) <= set(hashes):
                columns = np.stack([hashes[name] for name in fields])
                rows.erase(hash_keys(plan.stream(stream).encoder.secret, "_".join(fields), columns))


def fold_run(plan: Plan, state: State, run: Sequence[Placed], length: int) -> None:
    """Fold events of several streams with labels between them, in the order of their places.

    Parameters
    ----------
    plan
        The compiled system.
    state
        What earlier entries built up; changed in place.
    run
        Events and labels with their places. A mark takes one place for every measure it sets in any history:
        `mark_width` of them, from the place given on; a label with several marks takes so many for each.
    length
        Number of places.
    """
    jobs: list[Callable[[], None]] = [
        functools.partial(_fold_mixed, plan, history, kept, run, length)
        for history, kept in zip(plan.histories, state.histories, strict=True)
    ]
    jobs += [
        functools.partial(_fold_mixed_profile, plan, profile, latest, run, length)
        for profile, latest in zip(plan.profiles, state.profiles, strict=True)
    ]
    _run(plan, jobs, length)


def conditions_of(plan: Plan, name: str) -> tuple[int, ...]:
    """Return the rows of the decided stream's matrix that measures of a mark are conditioned on."""
    measures = (m for h in plan.histories for m in h.labels.get(name, ()))
    return tuple(sorted({condition for _, condition in measures if condition >= 0}))


def mark_width(plan: Plan) -> int:
    """Return how many places a mark takes in a run."""
    return max((len(m) for h in plan.histories for m in h.labels.values()), default=1)


def counted_marks(plan: Plan) -> frozenset[str]:
    """Return the marks that some history counts."""
    return frozenset(mark for h in plan.histories for mark in h.labels)


def label_width(plan: Plan) -> int:
    """Return how many places a label takes in a run, with every mark of it that is counted."""
    counted = counted_marks(plan)
    marks = max((sum(m in counted for m in truth.marks) for truth in plan.system.truths.values()), default=1)
    return mark_width(plan) * max(1, marks)


class _Run:
    """The entries of one history in a mixed run; an entry with key 0 touches nothing."""

    def __init__(self, length: int, rows: int) -> None:
        self.kind = np.zeros(length, np.int8)
        self.keys = np.zeros(length, np.uint64)
        self.ts = np.zeros(length, np.int64)
        self.seq = np.zeros(length, np.int64)
        self.values = np.full((rows, length), np.nan)

    def mark(
        self, history: HistoryPlan, stream: str, marks: Marks, places: IntArray, measure: int, condition: int
    ) -> None:
        """Enter labels for one measure; an event outside its condition is left out."""
        keys = marks.keys[history.labelled[stream]]
        if condition >= 0:
            keys = np.where(marks.conditions[condition] == 1.0, keys, np.uint64(0))
        self.kind[places] = LABEL
        self.keys[places] = keys
        self.ts[places] = marks.ts
        self.seq[places] = marks.seq
        self.values[0, places] = measure
        self.values[1, places] = marks.old
        self.values[2, places] = marks.new

    def link(self, batch: Batch, places: IntArray, others: HashArray, *, appends: bool) -> None:
        """Name the others that share what events are about, and enter the others after them."""
        self.values[0, places] = others.view(np.float64)
        if appends:
            self.kind[places + 1] = INSERT
            self.keys[places + 1] = others
            self.ts[places + 1] = batch.ts
            self.seq[places + 1] = batch.seq
            self.values[0, places + 1] = 0.0

    def fold(self, kept: Histories, history: HistoryPlan) -> FloatArray:
        out = np.empty((history.layout.width, len(self.kind)))
        kept.fold(self.kind, self.keys, self.ts, self.seq, self.values, out)
        return out


def _fold_mixed(plan: Plan, history: HistoryPlan, kept: Histories, placed: Sequence[Placed], length: int) -> None:
    first, last = history.values
    width = 2 if history.linked else 1
    run = _Run(length * width, max(3, history.layout.columns))
    for item in placed:
        what, places = item.what, item.places
        if isinstance(what, Marks):
            for step, (measure, condition) in enumerate(history.labels.get(what.name, ())):
                run.mark(history, plan.decides, what, (places + step) * width, measure, condition)
            continue
        places = places * width
        own, decided = history.stream == what.stream, what.stream == plan.decides
        if own or decided:
            run.kind[places] = ADVANCE if own and decided else INSERT if own else SCAN
            run.keys[places] = what.keys[history.key[what.stream]]
            run.ts[places] = what.ts
            run.seq[places] = what.seq
            if history.linked:
                run.link(what, places, what.keys[history.linked[what.stream]], appends=own)
            elif own:
                run.values[: last - first, places] = what.matrix[first:last]
    out = run.fold(kept, history)
    start, stop = history.outputs
    for item in placed:
        if isinstance(item.what, Batch) and item.what.stream == plan.decides:
            item.what.matrix[start:stop] = out[:, item.places * width]


def _fold_mixed_profile(
    plan: Plan, profile: ProfilePlan, latest: Profiles, placed: Sequence[Placed], length: int
) -> None:
    kinds = np.zeros(length, np.int8)
    keys = np.zeros(length, np.uint64)
    values = np.full((len(profile.fields), length), np.nan)
    for item in placed:
        what, places = item.what, item.places
        if isinstance(what, Marks) or what.stream not in (plan.decides, profile.stream):
            continue
        kinds[places] = INSERT if what.stream == profile.stream else SCAN
        keys[places] = what.keys[profile.key[what.stream]]
        if what.stream == profile.stream:
            values[:, places] = what.matrix[profile.fields]
    out = np.empty_like(values)
    latest.fold(kinds, keys, values, out)
    start, stop = profile.outputs
    for item in placed:
        if isinstance(item.what, Batch) and item.what.stream == plan.decides:
            item.what.matrix[start:stop] = out[:, item.places]
