"""What is said of events and waits for a while, because no event that is decided meanwhile could tell.

A label changes one row in the histories that count it. An event that shares no key with that row reads none of them, so
both orders come to the same, bit for bit, and what lies between two labels can be decided in one go.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adjudge.engine.plan import HistoryPlan
from adjudge.service.changed import Change
from adjudge.service.changing import apply
from adjudge.service.running import Running
from adjudge.service.workspace import Workspace
from adjudge.typing import FloatArray


class Later:
    """Changes that wait, in the order of the log, and the keys that they are about."""

    def __init__(self) -> None:
        self._changes: list[tuple[Change, int, FloatArray]] = []
        self._keys: dict[int, set[int]] = {}

    def add(self, running: Running, changes: Sequence[Change], positions: Sequence[int], fields: FloatArray) -> bool:
        """Let labels or outcomes wait; False, and nothing waits, if others may tell of whom that is not known here.

        Parameters
        ----------
        running
            The system.
        changes
            Labels and outcomes of its decided stream, in order.
        positions, fields
            Where their events stand, and their fields, one column each.
        """
        counting = [_counting(running, change) for change in changes]
        if any(history.linked for histories in counting for history in histories):
            return False  # whom it is linked to only its histories know
        hashes, rows = fields.view(np.uint64), running.plan.stream(running.plan.decides).encoder.row
        for i, (change, position) in enumerate(zip(changes, positions, strict=True)):
            self._changes.append((change, position, fields[:, i : i + 1]))
            for row in {rows[name] for history in counting[i] for name in history.entity.fields}:
                if hashes[row, i]:
                    self._keys.setdefault(row, set()).add(int(hashes[row, i]))
        return True

    def clear(self, fields: FloatArray) -> int:
        """Return how many events come before the first that shares a key with what waits; one column of fields each."""
        hashes, clear = fields.view(np.uint64), int(fields.shape[1])
        for row, keys in self._keys.items():
            column = hashes[row, :clear].tolist()
            if not keys.isdisjoint(column):
                clear = next(i for i, value in enumerate(column) if value in keys)
        return clear

    def fold(self, workspace: Workspace) -> None:
        """Fold all that waits, what is alike together: each mark has columns of its own in the rows of histories."""
        changes, self._changes, self._keys = self._changes, [], {}
        changes.sort(key=lambda one: one[0].name)  # those of one name stay in their order
        run: list[tuple[Change, int, FloatArray]] = []
        for one in changes:
            if run and (not one[0].is_like(run[0][0]) or any(one[1] == other[1] for other in run)):
                _apply(workspace, run)
                run = []
            run.append(one)
        if run:
            _apply(workspace, run)


def _apply(workspace: Workspace, run: Sequence[tuple[Change, int, FloatArray]]) -> None:
    apply(workspace, [c for c, _, _ in run], [at for _, at, _ in run], np.hstack([fields for _, _, fields in run]))


def _counting(running: Running, change: Change) -> list[HistoryPlan]:
    """Return the histories in which a label or an outcome changes rows."""
    truth, plan = running.truth(change), running.plan
    return [] if truth is None else [h for h in plan.histories if any(mark in h.labels for mark in truth.marks)]
