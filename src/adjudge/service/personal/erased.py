"""Who was erased, as the log itself says it: readers of decisions that hold neither key nor secret withhold by it.

A sealed event names the key that it was sealed with, and an erasure the key that it destroys. A key is never used again
after that, so a position of the log is about an erased person exactly if its event names one of those keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from adjudge.errors import ErasedError
from adjudge.log import Kind, Log
from adjudge.log.codec import Note
from adjudge.log.scan import scan
from adjudge.service.personal.erasure import Erasure
from adjudge.service.personal.seal import key_id_of


def erasures(log: Log, start: int = 0, stop: int | None = None) -> list[Erasure]:
    """Return the erasures that a stretch of a log holds.

    Parameters
    ----------
    log
        Only read.
    start, stop
        First position, and one past the last; the end of the log where absent.
    """
    return [
        Erasure.read(stretch.block)
        for stretch in scan(log, start, stop, parts=())
        if isinstance(stretch.block, Note) and stretch.block.kind == Kind.ERASURE
    ]


class ErasedKeys:
    """The keys that a log says are destroyed.

    Parameters
    ----------
    log
        Only read; it may grow.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._position = 0
        self._ids: set[bytes] = set()

    def catch_up(self) -> int:
        """Read what the log has more by now, and return how many keys are destroyed."""
        end = self._log.end().position
        self._ids.update(key_ids(erasures(self._log, self._position, end)))
        self._position = end
        return len(self._ids)

    def sealed(self, body: bytes) -> bool:
        """Return whether an event, as the log has it, was sealed with one of them."""
        return bool(self._ids) and key_id_of(body) in self._ids


def key_ids(found: Iterable[Erasure]) -> set[bytes]:
    """Return the ids of the keys that erasures destroy; some of them had none to destroy."""
    return {bytes.fromhex(erasure.key) for erasure in found if erasure.key}


def erased_error() -> ErasedError:
    """Return the error of a decision that is withheld; it says nothing of it."""
    return ErasedError("the person whom the decision is about was erased: it can no longer be read")
