"""Reading alerts out of a log, for the outbox: what each look has told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from adjudge.errors import NotFoundError
from adjudge.log import Commit, Kind, Log
from adjudge.log.codec import Note, blocks_of
from adjudge.service.access.ledger import Act
from adjudge.service.alerts.entries import LOOKED, Look
from adjudge.service.alerts.words import Alert
from adjudge.service.lookup import Lookup


class Notified(NamedTuple):
    """One notice of the log.

    Parameters
    ----------
    seq
        Position of its entry.
    system
        Which notice of the entry: system, kind and group with ``/`` between; it keeps the notices of one entry apart.
    stream, action
        Its group and its severity, under the names by which endpoints choose.
    """

    seq: int
    system: str
    stream: str
    action: str


class AlertReader:
    """Reads alerts; nothing in them is about a person, so nothing is ever withheld.

    Parameters
    ----------
    log
        Only read.
    """

    what = "alerts"

    def __init__(self, log: Log) -> None:
        self._lookup = Lookup(log)

    def read(self, commit: Commit) -> Iterator[Notified]:
        """Yield the notices of a commit."""
        for first, block in blocks_of(commit):
            look = _look(first, block) if isinstance(block, Note) else None
            for notice in () if look is None else look.notices:
                name = _name(look.system, notice.kind, notice.group) if look is not None else ""
                yield Notified(first, name, notice.group, notice.severity)

    @staticmethod
    def is_rekey(commit: Commit) -> bool:
        """Return False: alerts have no keys."""
        return False

    def catch_up_erased(self) -> int:
        """Return 0: alerts are about nobody."""
        return 0

    def withholds(self, decided: Notified) -> bool:
        """Return False: alerts are about nobody."""
        return False

    def withholds_at(self, seq: int) -> bool:
        """Return False: alerts are about nobody."""
        return False

    def key(self, decided: Notified, field: str, secret: bytes) -> bytes:
        """Return nothing: alerts arrive in the order of the log."""
        return b""

    def name(self, seq: int, system: str) -> str:
        """Return what a message about a notice is called: its position, and which of the notices there it is."""
        return f"{seq}-{hashlib.blake2b(system.encode(), digest_size=4).hexdigest()}"

    def answer(self, seq: int, system: str) -> bytes:
        """Return a notice as it is sent; `NotFoundError` if the log holds it no more."""
        first, block = self._lookup.block(seq)
        look = _look(first, block) if isinstance(block, Note) else None
        for notice in () if look is None else look.notices:
            if look is not None and _name(look.system, notice.kind, notice.group) == system:
                return msgspec.json.encode(Alert.of(seq, look.system, notice))
        message = f"position {seq} tells nothing of {system!r}"
        raise NotFoundError(message)


def _name(system: str, kind: str, group: str) -> str:
    return f"{system}/{kind}/{group}"


def _look(seq: int, note: Note) -> Look | None:
    if note.kind != Kind.MANAGEMENT:
        return None
    act = Act.read(seq, 0, note)
    return msgspec.convert(act.content, Look) if act.action == LOOKED else None
