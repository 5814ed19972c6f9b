"""The fields of events that something becomes known about later: kept from when they are decided until it is said.

Otherwise each label would have its event read back from the log, which takes longer than deciding a hundred events.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from adjudge.log import Log
from adjudge.log.codec import Changes
from adjudge.log.scan import scan
from adjudge.typing import FloatArray, IntArray


def named(log: Log, stream: str, start: int, stop: int) -> frozenset[str]:
    """Return the ids of the events of a stream of which something is said between two positions of a log."""
    found: set[str] = set()
    for stretch in scan(log, start, stop, parts=()):
        if isinstance(stretch.block, Changes) and stretch.block.stream == stream:
            found.update(stretch.block.ids.texts())
    return frozenset(found)


class Kept:
    """Encoded fields of some events, by position.

    Parameters
    ----------
    ids
        Of the events whose fields are kept.

    Examples
    --------
    >>> kept = Kept(["b"])
    >>> kept.note(5, ["a", "b"], np.array([[1.0, 2.0]]))
    >>> kept.take([6]).tolist(), kept.take([5, 6])
    ([[2.0]], None)
    """

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = ids
        self._fields: dict[int, FloatArray] = {}

    def note(self, first: int, ids: Sequence[str], fields: FloatArray) -> None:
        """Keep the fields of those of some events at consecutive positions that are named."""
        for i, id_ in enumerate(ids):
            if id_ in self._ids:
                self._fields[first + i] = fields[:, i].copy()

    def take(self, positions: Sequence[int] | IntArray) -> FloatArray | None:
        """Return the fields of events at some positions, one column each; None if one of them is not kept."""
        found = [self._fields.get(int(at)) for at in positions]
        kept = [one for one in found if one is not None]
        return np.stack(kept, axis=1) if found and len(kept) == len(found) else None
