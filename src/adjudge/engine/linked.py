"""Linked histories: an event takes two entries, one of what is shared and one of who shares it.

The first, under the key that is shared, asks, and becomes a row that names the other's key. The second, under the
other's key, becomes a row that labels are set on. Both lie in the same histories, so a question can go on from one to
the other in the middle of a fold, and whatever holds for histories holds for links: order, undoing, merging, snapshots.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from adjudge.history import INSERT, RETRACT, SCAN, Histories
from adjudge.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from adjudge.engine.batch import Batch
    from adjudge.engine.plan import HistoryPlan

SHARED, OTHER = slice(0, None, 2), slice(1, None, 2)
"""Where the two entries of each event stand among all."""


def fold_linked(history: HistoryPlan, kept: Histories, batch: Batch, kind: int, out: FloatArray | None = None) -> None:
    """Fold the events of a batch.

    Parameters
    ----------
    history
        A history with `HistoryPlan.linked`.
    kept
        Its rows; changed unless `kind` is `SCAN`.
    batch
        Events of the history's own stream, or of the decided one to ask only.
    kind
        What each event does.
    out
        Where the answers go, one column an event; None if nothing is asked.
    """
    n = len(batch)
    shared, others = batch.keys[history.key[batch.stream]], batch.keys[history.linked[batch.stream]]
    if kind == SCAN:
        asked = np.empty((history.layout.width, n)) if out is None else out
        values = np.full((history.layout.columns, n), np.nan)
        values[0] = others.view(np.float64)
        kept.fold(np.full(n, SCAN, np.int8), shared, batch.ts, batch.seq, values, asked)
        return
    keys = np.empty(2 * n, np.uint64)
    keys[SHARED], keys[OTHER] = shared, others
    values = np.full((history.layout.columns, 2 * n), np.nan)  # no label is known yet
    values[0, SHARED], values[0, OTHER] = others.view(np.float64), 0.0
    found = np.empty((history.layout.width, 2 * n))
    kept.fold(_kinds(kind, n), keys, np.repeat(batch.ts, 2), np.repeat(batch.seq, 2), values, found)
    if out is not None:
        out[:] = found[:, SHARED]


@functools.lru_cache(maxsize=4096)
def _kinds(kind: int, n: int) -> AnyArray:
    """Return what both entries of each event do; whoever shares only ever becomes a row, or goes."""
    kinds = np.empty(2 * n, np.int8)
    kinds[SHARED], kinds[OTHER] = kind, RETRACT if kind == RETRACT else INSERT
    return kinds
