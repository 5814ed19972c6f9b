"""Collecting what a rekey moves: every hash that a log holds, and what the new secret makes of the same value.

Values are read from the bodies of events, once each. A value that nobody can read any more, because everybody who had
it is erased, gets a hash of its old hash: it goes on being told from others, and no value will ever meet it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import InputError, UnavailableError
from adjudge.log import Kind
from adjudge.log.codec import Block, Events, Note, Table
from adjudge.log.scan import scan
from adjudge.service.activation import FieldLayout, fingerprint
from adjudge.service.personal.erasure import Erasure
from adjudge.service.personal.seal import MARKER, Vault
from adjudge.service.rekey.entry import Rekey
from adjudge.typing import HashArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace

UNREAD_TAG = 0x4D
"""Tag of the hash of a hash, so that it is not that of a text."""

TEXTS = ("key", "category", "text")
"""Roles of fields whose values are hashed; ids are too, and stand beside them in the log."""


def note_of_rekey(workspace: Workspace, secret: bytes, who: str, why: str) -> Note:
    """Return the entry that replaces the secret of a workspace.

    Parameters
    ----------
    workspace
        What the whole log has been folded into.
    secret
        The new secret.
    who, why
        Who replaces it and for what reason.

    Raises
    ------
    InputError
        If the log was hashed with it before, or its beginning was archived.
    UnavailableError
        If a value cannot be read although nobody has erased it.
    """
    before = [] if workspace.moved is None else workspace.moved.rekey.earlier
    rekey = Rekey([*before, fingerprint(workspace.secret)], fingerprint(secret))
    if rekey.new in rekey.earlier:
        message = "the new secret is one that the log was hashed with before"
        raise InputError(message, field="secret", code="known_secret")
    if workspace.log.begin().position:
        message = "the beginning of the log was archived, and a rekey has to read all of it: give the archive"
        raise InputError(message, code="archived")
    return rekey.note(who, why, rekey.close(secret, *_Collected(workspace, secret).collect()))


class _Collected:
    """The hashes of a log and what they become.

    Parameters
    ----------
    workspace
        What the log has been folded into, with the secret that is replaced.
    secret
        The new one.
    """

    def __init__(self, workspace: Workspace, secret: bytes) -> None:
        self._workspace = workspace
        self._secret = secret
        self._own: dict[int, int] = {}  # by the hash that an entry holds, that of the secret which is replaced
        self._new: dict[int, int] = {}  # by the latter, that of the new secret

    def collect(self) -> tuple[HashArray, HashArray]:
        """Return every hash in the log, whatever secret made it, and what each becomes.

        Raises
        ------
        UnavailableError
            If a value cannot be read although nobody has erased it.
        """
        for stretch in scan(self._workspace.log, parts=frozenset(("bodies", "fields"))):
            self._block(stretch.first, stretch.block)
        self._own |= {own: own for own in list(self._own.values())}  # an older copy of the keys may name persons so
        unread = [own for own in set(self._own.values()) if own not in self._new]
        texts = [f"{own:016x}" for own in unread]
        self._new |= zip(unread, hash_texts(self._secret, UNREAD_TAG, texts).tolist(), strict=True)
        old = np.fromiter(self._own, np.uint64, len(self._own))
        return old, np.array([self._new[own] for own in self._own.values()], np.uint64)

    def _block(self, first: int, block: Block) -> None:
        if isinstance(block, Note) and block.kind == Kind.ERASURE:
            self._enter(first, Erasure.read(block).hashes())
        elif isinstance(block, Table):
            frame = self._workspace.lookup.frame(first, block)
            for field in self._workspace.door(block.stream).schema:
                if field.role in TEXTS and field.name in frame.columns:
                    self._tell(frame[field.name].drop_nulls().unique().cast(str).to_list())
        elif isinstance(block, Events):
            bodies = _Bodies(self._workspace.vault, block)
            hashes = block.matrix().view(np.uint64)
            for name, row in _text_rows(self._workspace.layouts[block.schema]):
                held = hashes[row].tolist()
                self._enter(first, held)
                self._read(bodies, name, held)

    def _enter(self, first: int, hashes: Iterable[int]) -> None:
        """Note hashes that stand in entries from a position on."""
        fresh = [h for h in set(hashes) if h and h not in self._own]
        if fresh:
            own = self._workspace.moved_hashes(first, np.array(fresh, np.uint64)).tolist()
            self._own |= zip(fresh, own, strict=True)

    def _read(self, bodies: _Bodies, name: str, held: list[int]) -> None:
        """Read the values of a field whose hashes are not known yet from the events that have them."""
        unread = {h for h in set(held) if h and self._own[h] not in self._new}
        values: dict[int, str] = {}
        for i, h in enumerate(held) if unread else ():
            if h in unread and (value := bodies.value(i, name)) is not None:
                values[self._own[h]] = value
                unread.discard(h)
        if self._tell(list(values.values())) != list(values):
            message = f"field {name!r} of events of stream {bodies.stream!r} is not what its hashes were made of"
            raise UnavailableError(message)

    def _tell(self, texts: list[str]) -> list[int]:
        """Note what becomes of the hashes of some values, and return them by the secret that is replaced."""
        own: list[int] = hash_texts(self._workspace.secret, TEXT_TAG, texts).tolist()
        self._own |= {h: h for h in own if h not in self._own}
        self._new |= zip(own, hash_texts(self._secret, TEXT_TAG, texts).tolist(), strict=True)
        return own


class _Bodies:
    """The bodies of a block's events, read when they are asked for."""

    def __init__(self, vault: Vault, block: Events) -> None:
        self.stream = block.stream
        self._vault = vault
        self._ids, self._bodies = block.ids.texts(), block.bodies.all()
        self._read: dict[int, dict[str, Any]] = {}

    def value(self, i: int, name: str) -> str | None:
        """Return a text of an event, None if it was erased."""
        if i not in self._read:
            read = self._vault.read(self.stream, self._ids[i], self._bodies[i])
            members: dict[str, Any] = msgspec.json.decode(read.body)
            self._read[i] = {n: None if v == MARKER else v for n, v in members.items()} if read.erased else members
        value: str | None = self._read[i].get(name, "")
        return value


def _text_rows(layout: FieldLayout) -> list[tuple[str, int]]:
    """Return names and rows of the fields whose values are hashed, ids left out."""
    found, row = [], 0
    for name, role, slots in layout.fields:
        if role in TEXTS:
            found.append((name, row))
        row += slots
    return found
