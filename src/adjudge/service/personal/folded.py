"""Persons in a workspace: sealing what is personal, naming whom it is about, and folding that somebody was erased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import InputError
from adjudge.service.decode import EventStruct
from adjudge.service.personal.erasure import Erased, Erasure
from adjudge.service.personal.keys import Person
from adjudge.service.running import Prepared

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace


def seal(workspace: Workspace, prepared: Prepared, events: Sequence[EventStruct]) -> list[bytes]:
    """Return the bodies of events that are ready to be folded, as the log keeps them."""
    door = workspace.doors[prepared.stream]
    field = door.schema.person_field
    if field is None:
        return [door.encode(event) for event in events]
    tokens = np.ascontiguousarray(prepared.fields[workspace.encoder(prepared.stream).row[field]]).view(np.uint64)
    return workspace.vault.seal(prepared.stream, prepared.ids, events, tokens.tolist())


def erase(workspace: Workspace, position: int, erasure: Erasure) -> None:
    """Fold an erasure: the rows of the person's own entities are gone, all others go on counting.

    Parameters
    ----------
    position
        Where it stands in the log.
    erasure
        What the log says.
    """
    erasure = erasure.moved(lambda hashes: workspace.moved_hashes(position, hashes))
    person = erasure.person
    for stream, door in workspace.doors.items():
        if door.schema.person_field == person.field:
            beside = erasure.beside.get(stream)
            for s in workspace.reading(stream):
                s.plan.erase(s.state, stream, person.field, {person.field: np.array([person.token], np.uint64)})
                if beside is not None:
                    s.plan.erase(s.state, stream, person.field, beside.columns())
    remember_erased(workspace, Erased(erasure.field, erasure.token, erasure.key, position))


def remember_erased(workspace: Workspace, erased: Erased) -> None:
    """Know a person as erased: the key is taken for destroyed from here on."""
    workspace.erased[erased.person] = erased
    if erased.key:
        workspace.vault.doom(erased.person, erased.key_id)


def person_of(workspace: Workspace, stream: str, value: str) -> Person:
    """Return whom a value of a stream's person field names.

    Raises
    ------
    InputError
        If there is no such stream, or it has no personal fields; the value is not repeated.
    """
    field = workspace.door(stream).schema.person_field
    if field is None:
        message = f"stream {stream!r} has no personal fields"
        raise InputError(message, field="stream", code="not_personal")
    return Person(field, int(hash_texts(workspace.secret, TEXT_TAG, [value])[0]))
