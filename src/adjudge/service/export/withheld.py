"""What an export leaves out: whatever was decided about a person who was erased."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from adjudge.log import Log
from adjudge.log.codec import Again, Events
from adjudge.log.segment import Part
from adjudge.service.lookup import Lookup
from adjudge.service.personal.seal import key_id_of

BODIES: frozenset[Part] = frozenset(("bodies",))
"""What is read of an event to tell whose it is."""

Told = npt.NDArray[np.bool_]
"""For each entry of a block whether its decision may be told."""


class Withheld:
    """Tells what may be told of decisions.

    Parameters
    ----------
    log
        Only read; has the events of second decisions.
    keys
        Ids of the keys that erasures have destroyed, in hexadecimal.
    """

    def __init__(self, log: Log, keys: Iterable[str]) -> None:
        self._keys = frozenset(bytes.fromhex(key) for key in keys)
        self._begin = log.begin().position
        self._lookup = Lookup(log)

    def events(self, block: Events) -> Told:
        """Return which decisions of a block may be told."""
        if not self._keys:
            return np.ones(len(block), np.bool_)
        return np.array([key_id_of(body) not in self._keys for body in block.bodies.all()], np.bool_)

    def again(self, block: Again) -> Told:
        """Return the same of second decisions.

        Whose they are stands with their events: where somebody was erased, what is about an archived event is left out.
        """
        positions = block.events()
        if not self._keys:
            return np.ones(len(block), np.bool_)
        told = np.zeros(len(block), np.bool_)
        there = np.flatnonzero(positions >= self._begin)
        for (first, events), places in self._lookup.grouped(positions[there].tolist(), BODIES):
            assert isinstance(events, Events)  # only what was decided is decided again
            for place in there[places].tolist():
                told[place] = key_id_of(events.bodies[int(positions[place]) - first]) not in self._keys
        return told
