"""What remains in the state of archived events: the fields of those about which the rest of the log says something.

A label changes the rows of its event, whose keys follow from the event's fields. Whoever folds the log from where it
begins meets labels of events from before that; their fields are in the snapshot that was made there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from adjudge.log.codec import Changes
from adjudge.log.scan import scan
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace


class Remains:
    """Encoded fields of some events of one stream.

    Parameters
    ----------
    positions
        Where the events stand in the log, in order.
    fields
        Their fields, one column each.

    Examples
    --------
    >>> remains = Remains(np.array([3, 8]), np.array([[0.3, 0.8], [1.0, 2.0]]))
    >>> remains.have(np.array([8, 9])).tolist(), remains.take(np.array([8])).tolist()
    ([True, False], [[0.8], [2.0]])
    """

    def __init__(self, positions: IntArray, fields: FloatArray) -> None:
        self._positions = positions
        self._fields = fields

    def __len__(self) -> int:
        return len(self._positions)

    def have(self, positions: IntArray) -> BoolArray:
        """Return which of some positions are among them."""
        return np.isin(positions, self._positions)

    def take(self, positions: IntArray) -> FloatArray:
        """Return the fields of events that are among them."""
        fields: FloatArray = self._fields[:, np.searchsorted(self._positions, positions)]
        return fields

    def arrays(self) -> dict[str, AnyArray]:
        """Return them as arrays."""
        return {"positions": self._positions, "fields": self._fields}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Remains:
        """Return what `arrays` described."""
        return cls(arrays["positions"], arrays["fields"])


def remains_of(workspace: Workspace, start: int) -> dict[str, Remains]:
    """Return what must remain of the events before a position, by stream; of streams without any there is none.

    Parameters
    ----------
    workspace
        The state at that position.
    start
        The position.
    """
    named: dict[str, set[str]] = {}
    for stretch in scan(workspace.log, start, parts=()):
        if isinstance(stretch.block, Changes):
            named.setdefault(stretch.block.stream, set()).update(stretch.block.ids.texts())
    remains = {}
    for stream, ids in named.items():
        positions = np.unique(workspace.ids[stream].find(sorted(ids)))
        positions = positions[positions >= 0]
        if len(positions):
            remains[stream] = Remains(positions, workspace.fields_at(stream, positions.tolist()))
    return remains
