"""What was told of events, each with where it stands in the log: so one can ask what was known when."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adjudge.log import Kind
from adjudge.log.codec import Changes
from adjudge.service.fold import changes_of
from adjudge.typing import AnyArray, HashArray

FALSE, TRUE, GONE = range(3)
"""What can be told of an event: the label either way, or that it was taken back."""

_LAYOUT = np.dtype([("id", "u8"), ("seq", "i8"), ("at", "i8"), ("code", "u1")])


class Saying(NamedTuple):
    """One thing that was told: its position in the log, when that was, and what."""

    seq: int
    at_us: int
    code: int


class Told:
    """What was told of the events of one stream, 25 bytes each.

    Parameters
    ----------
    label
        Name of the label; empty where there is none.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._parts: list[AnyArray] = []
        self._true: HashArray | None = None

    def take(self, first: int, received_at: int, block: Changes, tokens: HashArray) -> None:
        """Remember what a block tells.

        Parameters
        ----------
        first, received_at
            Position of its first entry, and when it was admitted.
        block
            The changes.
        tokens
            Hashes of the ids of their events.
        """
        rows = np.zeros(len(tokens), _LAYOUT)
        rows["id"], rows["at"] = tokens, received_at
        rows["seq"] = np.arange(first, first + len(tokens))
        changes = changes_of(block)
        rows["code"] = [GONE if c.kind == Kind.RETRACTION else TRUE if c.value == 1.0 else FALSE for c in changes]
        kept = [c.kind == Kind.RETRACTION or (c.kind == Kind.LABEL and c.name == self._label) for c in changes]
        self._parts.append(rows[kept])
        self._true = None

    def of(self, tokens: HashArray) -> list[list[Saying]]:
        """Return, for each of some events by the hashes of their ids, what was told of it, in the order of the log."""
        found: list[list[Saying]] = [[] for _ in tokens]
        if not self._parts or not len(tokens):
            return found
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        rows, order = self._parts[0], np.argsort(tokens)
        at = np.minimum(np.searchsorted(tokens, rows["id"], sorter=order), len(tokens) - 1)
        place = order[at]
        for i in np.flatnonzero(tokens[place] == rows["id"]).tolist():
            row = rows[i]
            found[int(place[i])].append(Saying(int(row["seq"]), int(row["at"]), int(row["code"])))
        return found

    def true_ids(self) -> HashArray:
        """Return the hashes of the ids of events whose label is true now, and which were not taken back."""
        if not self._parts:
            return np.empty(0, np.uint64)
        if self._true is None or len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
            rows = self._parts[0]
            labels = rows[rows["code"] != GONE][::-1]
            ids, newest = np.unique(labels["id"], return_index=True)
            true = ids[labels["code"][newest] == TRUE]
            self._true = np.setdiff1d(true, rows["id"][rows["code"] == GONE])
        return self._true


def known(sayings: list[Saying], before: int | None = None) -> tuple[bool | None, bool]:
    """Return the label, and whether the event was taken back, as it was known before a position; None for now.

    Examples
    --------
    >>> said = [Saying(5, 0, FALSE), Saying(9, 0, TRUE), Saying(12, 0, GONE)]
    >>> known(said, 5), known(said, 9), known(said)
    ((None, False), (False, False), (True, True))
    """
    then = [one.code for one in sayings if before is None or one.seq < before]
    labels = [code == TRUE for code in then if code != GONE]
    return (labels[-1] if labels else None), GONE in then
