"""Labels, outcomes and retractions as they are folded: what is set on events, and what they change in the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adjudge.define.label import Truth
from adjudge.engine.truth import codes_of, marked, said
from adjudge.log import Kind
from adjudge.service.changed import Change
from adjudge.service.index import Known
from adjudge.service.logged import fields_at
from adjudge.service.running import Running
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace

RETRACTED = ("retracted",)
"""What may be known about an event of any stream."""


def value(workspace: Workspace, change: Change, position: int | None) -> float | None:
    """Return what a label or outcome is set to now, or None; where it has values, whether the one said is set.

    Parameters
    ----------
    change
        What it would be set to.
    position
        Of its event, as `positions_of` found it.
    """
    waiting = workspace.waits.of(change.stream, change.id)
    for earlier in reversed(waiting):
        if (earlier.kind, earlier.name) == (change.kind, change.name):
            return earlier.value if earlier.text == change.text else 0.0
    if position is None:
        return None
    for s in workspace.deciding(change.stream):
        truth = s.truth(change)
        if truth is not None:
            known = said(truth, s.marks.of(position))
            return None if known is None else float(known == change.text if change.text else known)
    return None


def is_retracted(workspace: Workspace, stream: str, id_: str) -> bool:
    """Return whether an event was taken back, or will be when it comes."""
    if any(c.kind == Kind.RETRACTION for c in workspace.waits.of(stream, id_)):
        return True
    position = workspace.ids[stream].get(id_)
    return position is not None and bool(workspace.retracted[stream].of(position))


def apply_known(workspace: Workspace, run: list[Change]) -> None:
    """Apply changes of one kind, name and stream; an event that comes twice starts another batch."""
    seen: set[str] = set()
    start = 0
    for i, c in enumerate(run):
        if c.id in seen:
            _apply_at(workspace, run[start:i])
            start, seen = i, set()
        seen.add(c.id)
    _apply_at(workspace, run[start:])


def _apply_at(workspace: Workspace, run: list[Change]) -> None:
    if run:
        stream = run[0].stream
        positions: list[int] = workspace.ids[stream].find([c.id for c in run]).tolist()
        apply(workspace, run, positions, fields_at(workspace, stream, positions))


def apply(workspace: Workspace, run: Sequence[Change], positions: Sequence[int], fields: FloatArray) -> None:
    """Change rows of distinct events of one stream, all in the same way."""
    kind, stream = run[0].kind, run[0].stream
    gone = workspace.retracted[stream]
    alive = np.flatnonzero(gone.take(positions) == 0)
    if not len(alive):
        return
    at, fields = np.asarray(positions)[alive], fields[:, alive]
    if kind == Kind.RETRACTION:
        for s in workspace.reading(stream):
            if s.plan.decides == stream:
                _take_marks_back(s, at, fields)
            s.plan.retract(s.state, s.plan.encode_fields(stream, fields, at))
        mark(workspace, gone, *RETRACTED, at, np.ones(len(at)))
        return
    for s in workspace.deciding(stream):
        truth = s.truth(run[0])
        if truth is not None:
            told = [run[i] for i in alive.tolist()]
            values = np.array([c.value for c in told])
            codes = codes_of(truth, [c.text for c in told]) if truth.values else values
            _set(workspace, s, truth, codes, at, fields)


def _set(
    workspace: Workspace, s: Running, truth: Truth, codes: FloatArray, positions: IntArray, fields: FloatArray
) -> None:
    """Set a label or outcome on events of one system."""
    batch = s.plan.encode_fields(s.plan.decides, fields, positions)
    for name, new in marked(truth, codes):
        s.plan.label(s.state, batch, name, s.marks.get(name, positions), new)
        mark(workspace, s.marks, name, positions, new)


def _take_marks_back(s: Running, positions: IntArray, fields: FloatArray) -> None:
    """Unset what was set on events: a merged row would keep it after the events have left."""
    for name in s.plan.system.marks:
        old = s.marks.get(name, positions)
        marked = np.flatnonzero(~np.isnan(old))
        if len(marked):
            batch = s.plan.encode_fields(s.plan.decides, fields[:, marked], positions[marked])
            s.plan.label(s.state, batch, name, old[marked], np.full(len(marked), np.nan))


def mark(workspace: Workspace, known: Known, name: str, positions: IntArray, values: FloatArray) -> None:
    """Set a mark of events, which the undo of the workspace can take back."""
    if workspace.undo.held:
        before = known.take(positions)
        workspace.undo.note(lambda: known.put(positions, before))
    known.set(name, positions, values)
