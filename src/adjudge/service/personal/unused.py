"""Keys that nothing is sealed with any more: those of persons of whom neither log nor archive has an event left.

Retention ends with a file of an archive, and a key outlives it: it tells that there was somebody. A key is made before
anything that it seals is logged, so unused ones can only be told while nobody decides.
"""

from __future__ import annotations

from collections.abc import Callable

from adjudge.log import Log
from adjudge.log.codec import Events
from adjudge.log.scan import scan
from adjudge.service.access.ledger import Ledger
from adjudge.service.personal.keys import Keys
from adjudge.service.personal.seal import key_id_of

FORGOTTEN = "keys_forgotten"
"""The action: how many keys were destroyed because nothing was sealed with them."""

Told = Callable[[int, int], None]
"""Told of progress: the position that has been reached, and the one where it ends."""


class Unused:
    """Looks for keys that nothing is sealed with, a stretch of the log at a time.

    Parameters
    ----------
    log
        The log, with its archive before it where there is one: what is not in it counts as gone.
    keys
        The keys of persons.
    """

    def __init__(self, log: Log, keys: Keys) -> None:
        self._log = log
        self._keys = keys
        self._position = log.begin().position
        self._used: set[bytes] = set()

    def find(self, told: Told = lambda position, stop: None) -> list[bytes]:
        """Return the ids of the keys that nothing up to the end of the log is sealed with."""
        end = self._log.end().position
        for stretch in scan(self._log, self._position, end, {"bodies"}):
            if isinstance(stretch.block, Events):
                ids = (key_id_of(body) for body in stretch.block.bodies.all())
                self._used.update(id_ for id_ in ids if id_ is not None)
            told(stretch.first + len(stretch.block), end)
        self._position = end
        found = self._keys.find(self._keys.persons()).values()
        return sorted(key.id for key in found if key.id not in self._used)

    def destroy(self, ledger: Ledger, *, who: str, why: str) -> int:
        """Destroy these keys, and return how many they were.

        Parameters
        ----------
        ledger
            Writes down what is done. Nobody may decide from then on until this returns.
        who, why
            Who does it and for what reason.

        Raises
        ------
        UnavailableError
            If a process decides on the log; nothing has happened then.
        """
        unused = self.find()
        if not unused:
            return 0
        ledger.record(FORGOTTEN, who, why, {"most": len(unused)})
        unused = self.find()  # what was decided before the right to append was taken
        for id_ in unused:
            self._keys.destroy(id_)
        return len(unused)
