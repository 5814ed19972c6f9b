"""Backfill: somebody's history is folded through the engine, and what each event saw becomes the training table.

Events of every stream and labels go in by the time at which they became known, so that a feature never sees a label
before it was there to be seen. It is the same fold that decides live events; afterwards its state can go on deciding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine import Batch, Marks, Plan, State
from adjudge.engine.fold import Placed, conditions_of, counted_marks, fold_run, label_width, mark_width
from adjudge.engine.truth import marked
from adjudge.errors import InputError, did_you_mean
from adjudge.learn.table import NEVER, Table
from adjudge.learn.timeline import Effects, timeline
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    import polars as pl

CHUNK = 16_384
"""Log entries that are folded at a time; never changes a result."""

Progress = Callable[[int, int], None]
"""Called with entries done and entries in all."""


@dataclass(frozen=True)
class Backfilled:
    """What a backfill leaves.

    Parameters
    ----------
    table
        One column per event of the decided stream, in event order, with the plan's inputs and behind them the fields
        that its model asks for; ``extra["rules"]`` is the position in the policy's
        actions that the rules alone come to, ``extra["rules_beside_model"]`` the one that they still come to where a
        model sees no risk, ``extra["settled"]`` whether they decide whatever a score may be.
    state
        The histories after the last entry.
    next_seq
        Position in the log that comes next.
    seq
        Position of each decided event, shape (n,).
    kept
        The rows of the feature matrix that were asked for, shape (rows, n).
    """

    table: Table
    state: State
    next_seq: int
    seq: IntArray
    kept: FloatArray


def backfill(
    plan: Plan,
    frames: Mapping[str, pl.DataFrame],
    labels: Mapping[str, pl.DataFrame] | None = None,
    *,
    rows: Sequence[int] = (),
    progress: Progress | None = None,
) -> Backfilled:
    """Fold tables of events and labels, and return what each decided event saw.

    Parameters
    ----------
    plan
        The compiled system.
    frames
        For each stream its events; columns as in `Encoder.frame`, any order.
    labels
        For each label or outcome a table with the event's id (named as in the decided stream), ``value`` (0 or 1,
        or one of the outcome's values) and ``known_at``. Entries for unknown events are left out.
    rows
        Rows of the feature matrix that are kept besides what a model may read: fields, features or rules.
    progress
        Called now and then.

    Raises
    ------
    InputError
        If the decided stream is absent or a column is missing or wrong.
    """
    run = _Backfill(plan, frames, labels or {}, np.array(rows, np.int64))
    run.fold(progress)
    return run.result()


class _Backfill:
    def __init__(
        self, plan: Plan, frames: Mapping[str, pl.DataFrame], labels: Mapping[str, pl.DataFrame], rows: IntArray
    ) -> None:
        for name in frames:
            plan.stream(name)
        if plan.decides not in frames:
            msg = f"a backfill needs events of stream {plan.decides!r}{did_you_mean(plan.decides, frames)}"
            raise InputError(msg, field=plan.decides, code="missing_stream")
        self.plan = plan
        line = timeline(plan, frames, labels)
        self.frames, self.labels, self.length = line.frames, line.labels, line.length
        self.label_seq, self.event_seq = line.label_seq, line.event_seq
        self._check_ids()
        self.state = plan.start()
        n = self.frames[plan.decides].height
        self.ts = np.empty(n, np.int64)
        self.keys: HashArray = np.empty((len(plan.stream(plan.decides).entity_names), n), np.uint64)
        self.names = (*plan.names, *(name for name in plan.asked if name not in plan.names))
        self.read = np.array([plan.slots[name].row for name in self.names], np.int64)
        self.X = np.empty((len(self.names), n))
        self.rows, self.kept = rows, np.empty((len(rows), n))
        self.amount = np.ones(n)
        self.entity: AnyArray = np.arange(n, dtype=np.uint64)
        self.rules = np.empty(n, np.int64)
        self.beside = np.empty(n, np.int64)
        self.settled = np.empty(n, np.bool_)
        self.conditions = {
            r: np.empty(n) for name in labels for mark in self._marks_of(name) for r in conditions_of(plan, mark)
        }

    def _check_ids(self) -> None:
        """Refuse an event that is there twice: it would be counted twice."""
        for stream, frame in self.frames.items():
            name = self.plan.schema(stream).id_field
            if name not in frame.columns:
                msg = f"the table of {stream!r} has no column {name!r}{did_you_mean(name, frame.columns)}"
                raise InputError(msg, field=name, code="missing_field")
            twice = frame[name].is_duplicated()
            if twice.any():
                row = int(twice.arg_max() or 0)
                msg = f"the table of {stream!r} holds the id {frame[name][row]!r} twice"
                raise InputError(msg, field=name, row=row, code="conflict")

    def fold(self, progress: Progress | None) -> None:
        width = label_width(self.plan)
        for first in range(0, self.length, CHUNK):
            last = min(first + CHUNK, self.length)
            is_label = np.zeros(last - first, np.int64)
            for seqs in self.label_seq.values():
                is_label[seqs[slice(*np.searchsorted(seqs, (first, last)))] - first] = 1
            # a label takes `width` places, an event one
            place = np.cumsum(1 + is_label * (width - 1)) - (1 + is_label * (width - 1))
            length = int(place[-1]) + (width if is_label[-1] else 1)
            run, decided = self._run(first, last, place)
            fold_run(self.plan, self.state, run, length)
            if decided is not None:
                self._keep(*decided)
            if progress is not None:
                progress(last, self.length)

    def _run(self, first: int, last: int, place: IntArray) -> tuple[list[Placed], tuple[Batch, slice] | None]:
        run: list[Placed] = []
        decided = None
        for stream in self.frames:
            seqs = self.event_seq[stream]
            start, stop = np.searchsorted(seqs, (first, last)).tolist()
            if start < stop:
                batch = self.plan.encode_frame(stream, self.frames[stream][start:stop], seqs[start:stop])
                run.append(Placed(batch, place[batch.seq - first]))
                if stream == self.plan.decides:
                    decided = (batch, slice(start, stop))
                    self.ts[start:stop] = batch.ts
                    self.keys[:, start:stop] = batch.keys
                    for row, kept in self.conditions.items():
                        kept[start:stop] = batch.matrix[row]
        for name, entry in self.labels.items():
            seqs = self.label_seq[name]
            part = slice(*np.searchsorted(seqs, (first, last)).tolist())
            if part.start < part.stop:
                places = place[seqs[part] - first]
                for step, marks in enumerate(self._marks(name, entry, part)):
                    run.append(Placed(marks, places + step * mark_width(self.plan)))
        return run, decided

    def _marks_of(self, name: str) -> list[str]:
        """Return the marks of a label or outcome that are counted."""
        counted = counted_marks(self.plan)
        return [mark for mark in self.plan.truth(name).marks if mark in counted]

    def _marks(self, name: str, entry: Effects, part: slice) -> Iterator[Marks]:
        """Yield what labels set, one counted mark after the other."""
        truth, rows = self.plan.truth(name), entry.row[part]
        keys = np.ascontiguousarray(self.keys[:, rows])
        ts, seq = self.ts[rows], self.event_seq[self.plan.decides][rows]
        old, new = dict(marked(truth, entry.old[part])), dict(marked(truth, entry.new[part]))
        for mark in self._marks_of(name):
            conditions = {row: self.conditions[row][rows] for row in conditions_of(self.plan, mark)}
            yield Marks(mark, keys, ts, seq, old[mark], new[mark], conditions)

    def _keep(self, batch: Batch, part: slice) -> None:
        plan = self.plan
        X = batch.matrix
        plan.program.run(X)
        self.X[:, part] = X[self.read]
        self.kept[:, part] = X[self.rows]
        self.rules[part] = plan.combine.run(X, np.full(X.shape[1], np.nan)).action
        self.beside[part] = plan.combine.run(X, np.zeros(X.shape[1])).action
        self.settled[part] = plan.combine.settled(X)
        if plan.system.amount is not None:
            self.amount[part] = X[plan.slots[plan.system.amount].row]
        if plan.system.card is not None:
            self.entity[part] = X.view(np.uint64)[plan.slots[plan.system.card].row]

    def result(self) -> Backfilled:
        n = len(self.ts)
        label: FloatArray = np.full(n, np.nan)
        known_at = np.full(n, NEVER, np.int64)
        truth = self.plan.system.label
        if truth is not None and truth.name in self.labels:
            entry = self.labels[truth.name]
            label[entry.row] = entry.new  # the last label of an event counts
            known_at[entry.row] = entry.known_us
        frame = self.frames[self.plan.decides]
        table = Table(
            names=self.names,
            X=self.X,
            ts=self.ts,
            label=label,
            known_at=known_at,
            amount=self.amount,
            entity=self.entity,
            ids=frame[self.plan.schema(self.plan.decides).id_field].to_numpy(),
            extra={"rules": self.rules, "rules_beside_model": self.beside, "settled": self.settled},
        )
        return Backfilled(table, self.state, self.length, self.event_seq[self.plan.decides], self.kept)
