"""Erasure: an entry of the log from which on a person's histories are gone and the person's key is destroyed.

The entry is all that folding needs: keyed hashes of the person and of every combination of key and category fields
that stood beside it, from which the keys of whatever entities there are follow. No readable value is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import Schema
from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.codec import Again, Block, Changes, Note, blocks_of
from adjudge.service.personal.keys import Person
from adjudge.typing import HashArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace


class Beside(msgspec.Struct, frozen=True):
    """What stood beside a person in the events of one stream.

    Parameters
    ----------
    fields
        Names of its key and category fields.
    hashes
        Every combination of their values there was, as keyed hashes in hexadecimal.
    """

    fields: list[str]
    hashes: list[list[str]]

    def columns(self) -> dict[str, HashArray]:
        """Return the hashes of each field, one of each combination."""
        numbers = np.array([[int(h, 16) for h in row] for row in self.hashes], np.uint64).reshape(-1, len(self.fields))
        return {name: np.ascontiguousarray(column) for name, column in zip(self.fields, numbers.T, strict=True)}


class Erasure(msgspec.Struct, frozen=True):
    """A person is erased.

    Parameters
    ----------
    field
        Name of the field that names the person.
    token
        Keyed hash of its value, in hexadecimal.
    key
        Id of the key that is destroyed, in hexadecimal; empty where there was none.
    beside
        What stood beside the person, by stream.
    """

    field: str
    token: str
    key: str
    beside: dict[str, Beside]

    @property
    def person(self) -> Person:
        """Who is erased."""
        return Person(self.field, int(self.token, 16))

    def hashes(self) -> list[int]:
        """Return every hash in it."""
        return [int(h, 16) for b in self.beside.values() for row in b.hashes for h in row] + [self.person.token]

    def moved(self, move: Callable[[HashArray], HashArray]) -> Erasure:
        """Return the erasure with other hashes, as `move` says."""
        hashes = self.hashes()
        now = dict(zip(hashes, move(np.array(hashes, np.uint64)).tolist(), strict=True))
        beside = {
            stream: Beside(b.fields, [[f"{now[int(h, 16)]:016x}" for h in row] for row in b.hashes])
            for stream, b in self.beside.items()
        }
        return Erasure(self.field, f"{now[self.person.token]:016x}", self.key, beside)

    def note(self, who: str, why: str) -> Note:
        """Return the entry of the log."""
        return Note(Kind.ERASURE, msgspec.json.encode(self), who, why)

    @classmethod
    def read(cls, note: Note) -> Erasure:
        """Return what `note` wrote."""
        return msgspec.json.decode(note.content, type=cls)


class Erased(msgspec.Struct, frozen=True):
    """The last erasure of a person, as the state remembers it.

    Parameters
    ----------
    field, token, key
        As in `Erasure`.
    position
        Where it stands in the log.
    """

    field: str
    token: str
    key: str
    position: int

    @property
    def person(self) -> Person:
        """Who was erased."""
        return Person(self.field, int(self.token, 16))

    @property
    def key_id(self) -> bytes:
        """Id of the key that was destroyed."""
        return bytes.fromhex(self.key)


class Search:
    """Looks a person up in the log, a stretch at a time: the greater part before anybody is kept waiting.

    Parameters
    ----------
    workspace
        Knows how fields are kept.
    person
        Who is looked for.
    start
        Position from which on.

    Raises
    ------
    InputError
        If what is there has to be known and was archived.
    """

    def __init__(self, workspace: Workspace, person: Person, start: int) -> None:
        if start < workspace.log.begin().position and _has_company(workspace, person.field):
            message = (
                "the beginning of the log was archived, and what stood beside the person there has to be known: erase "
                "with the archive at hand, adjudge erase --archive"
            )
            raise InputError(message, code="archived")
        self.position = start
        self._workspace = workspace
        self._person = person
        schemas = {name: door.schema for name, door in workspace.doors.items()}
        self._fields = {name: beside(s) for name, s in schemas.items() if s.person_field == person.field}
        self._found: dict[str, set[tuple[int, ...]]] = {}

    def go_on(self) -> None:
        """Look through whatever the log has by now."""
        for commit in self._workspace.log.read(self.position):
            for first, block in blocks_of(commit):
                self._look(first, block)
            self.position = commit.stop

    def erasure(self) -> Erasure | None:
        """Return what is to be logged, None if there is neither a key nor an event of the person."""
        key = self._workspace.vault.key_of(self._person)
        if key is None and not self._found:
            return None
        found = {
            stream: Beside(self._fields[stream], [[f"{h:016x}" for h in row] for row in sorted(rows)])
            for stream, rows in sorted(self._found.items())
        }
        id_ = "" if key is None else key.id.hex()
        return Erasure(self._person.field, f"{self._person.token:016x}", id_, found)

    def _look(self, first: int, block: Block) -> None:
        if isinstance(block, (Note, Changes, Again)) or block.stream not in self._fields:
            return
        names = self._fields[block.stream]
        columns = self._workspace.hashes_in(first, block, [self._person.field, *names])
        hit = columns[0] == np.uint64(self._person.token)
        if hit.any():
            rows = np.unique(columns[1:, hit], axis=1).T.tolist()
            self._found.setdefault(block.stream, set()).update(map(tuple, rows))


def _has_company(workspace: Workspace, field: str) -> bool:
    """Return whether a person's field is one of several that make an entity: its keys then follow from events alone."""
    plans = [s.plan for s in workspace.systems.values()]
    entities = [h.entity for plan in plans for h in plan.histories]
    entities += [p.entity for plan in plans for p in plan.profiles]
    return any(field in fields and len(fields) > 1 for e in entities for fields in (e.fields, e.link))


def beside(schema: Schema) -> list[str]:
    """Return the names of the fields that a stream's entities can be made of."""
    return [f.name for f in schema if f.role in ("key", "category")]
