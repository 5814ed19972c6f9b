"""Sealing: the values of an event's personal fields become one text that only the key of the person opens.

A sealed body is the event's canonical JSON without its personal fields and with one more member, whose name no field
can have. AES-256-GCM with a random nonce for every event; what is sealed is bound to its stream and the event's id.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adjudge.define import Schema
from adjudge.log.codec import CodecError
from adjudge.service.decode import EventStruct
from adjudge.service.personal.keys import ID_BYTES, NONCE_BYTES, Key, Keys, KeysError, Person

SEALED = "~sealed"
"""Name of the member of a body that holds what is sealed."""

MARKER = "(erased)"
"""What stands for a value that was erased."""

VERSION = b"\x01"
"""First byte of what is sealed; then the id of the key, the nonce, the ciphertext and its tag."""

CACHED = 1 << 16
"""Keys that stay at hand: making a cipher from a key takes as long as using it, and finding the key ten times that."""

HEAD_TEXT = 4 * -(-(1 + ID_BYTES) // 3)
"""Characters of a sealed text that hold the version and the id of the key."""

_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_FOUND = b'"' + SEALED.encode() + b'":"'


def key_id_of(body: bytes) -> bytes | None:
    """Return the id of the key that a body was sealed with, None if it is not sealed."""
    at = body.find(_FOUND)
    if at < 0:
        return None
    start = at + len(_FOUND)
    return base64.b64decode(body[start : start + HEAD_TEXT])[1 : 1 + ID_BYTES]


@dataclass(frozen=True)
class Readable:
    """A body as it can be read now.

    Parameters
    ----------
    body
        Canonical JSON of the event; with `MARKER` for what was erased.
    erased
        Whether its key was destroyed.
    """

    body: bytes
    erased: bool = False


class Vault:
    """Seals and opens bodies.

    Parameters
    ----------
    schemas
        The streams by name.
    keys
        The keys of persons.
    """

    def __init__(self, schemas: Mapping[str, Schema], keys: Keys) -> None:
        self.keys = keys
        self._cuts = {name: _Cut(schema) for name, schema in schemas.items() if schema.person_field}
        self._schemas = schemas
        self._lock = threading.Lock()  # so that nobody brings a key back to mind that is being forgotten
        self._sealing: dict[Person, tuple[bytes, AESGCM]] = {}
        self._opening: dict[bytes, AESGCM] = {}
        self._doomed: set[bytes] = set()

    def seal(
        self, stream: str, ids: Sequence[str], events: Sequence[EventStruct], tokens: Sequence[int]
    ) -> list[bytes]:
        """Return the bodies of some events of a stream that has personal fields.

        Keys that are made for it are durable when this returns.

        Parameters
        ----------
        stream, ids, events
            The events.
        tokens
            Keyed hash of the person of each.
        """
        cut = self._cuts[stream]
        persons = [Person(cut.field, token) for token in tokens]
        nonces = os.urandom(NONCE_BYTES * len(ids))
        bodies = []
        with self._lock:
            ciphers = self._ciphers(set(persons))
            for i, (id_, event, person) in enumerate(zip(ids, events, persons, strict=True)):
                key_id, cipher = ciphers[person]
                nonce = nonces[i * NONCE_BYTES : (i + 1) * NONCE_BYTES]
                box = cipher.encrypt(nonce, _encode(cut.personal(event)), _bound(stream, id_))
                text = base64.b64encode(VERSION + key_id + nonce + box).decode()
                bodies.append(_encode(cut.rest(event, text)))
        return bodies

    def read(self, stream: str, id_: str, body: bytes) -> Readable:
        """Return a body as it can be read now; one that is not sealed is returned as it is.

        Parameters
        ----------
        stream, id_
            The event's stream and id.
        body
            As the log has it.

        Raises
        ------
        KeysError
            If its key is not in the store and was not destroyed, or it was sealed for another event.
        CodecError
            If it is not what `seal` has made, so that nothing can be told of it.
        """
        if _FOUND not in body:
            return Readable(body)
        try:
            members = _members(body)
            box = base64.b64decode(msgspec.json.decode(members.pop(SEALED), type=str), validate=True)
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, KeyError):
            message = f"the body of an event of stream {stream!r} is not what was logged: it cannot be read"
            raise CodecError(message) from None
        names = self._schemas[stream].names if stream in self._schemas else ()
        start = 1 + ID_BYTES
        cipher = self._cipher_of(box[1:start])
        if cipher is None:
            cut = self._cuts.get(stream)
            members |= {name: msgspec.Raw(_encode(MARKER)) for name in (cut.names if cut else ())}
            return Readable(_joined(members, names), erased=True)
        try:
            opened = cipher.decrypt(box[start : start + NONCE_BYTES], box[start + NONCE_BYTES :], _bound(stream, id_))
        except InvalidTag:
            message = f"the personal fields of an event of stream {stream!r} are not what was sealed for it"
            raise KeysError(message) from None
        return Readable(_joined(members | _members(opened), names))

    def doom(self, person: Person, key_id: bytes) -> None:
        """Take a key for destroyed from here on, as an erasure in the log says; `finish` destroys it.

        Parameters
        ----------
        person
            Whose key.
        key_id
            Its id.
        """
        with self._lock:
            self._doomed.add(key_id)
            self._opening.pop(key_id, None)
            sealing = self._sealing.get(person)
            if sealing is not None and sealing[0] == key_id:
                del self._sealing[person]

    def finish(self) -> None:
        """Destroy the keys that are doomed; whoever decides calls it, and may call it again after a failure."""
        with self._lock:
            for key_id in list(self._doomed):
                self.keys.destroy(key_id)
                self._doomed.discard(key_id)

    def _ciphers(self, persons: set[Person]) -> dict[Person, tuple[bytes, AESGCM]]:
        """Return id and cipher of each person's key; those that are new are made at once."""
        found = {person: self._sealing[person] for person in persons if person in self._sealing}
        absent = [person for person in persons if person not in found]
        if absent:
            keys = self.keys.find(absent)
            for person, key in list(keys.items()):
                if key.id in self._doomed:  # its destruction had failed, and must come before a new one
                    self.keys.destroy(key.id)
                    del keys[person]
            new = [person for person in absent if person not in keys]
            keys |= self.keys.make(new) if new else {}
            if len(self._sealing) + len(keys) > CACHED:
                self._sealing.clear()
            made = {person: (key.id, AESGCM(key.secret)) for person, key in keys.items()}
            self._sealing |= made
            found |= made
        return found

    def _cipher_of(self, key_id: bytes) -> AESGCM | None:
        """Return the cipher of a key, None if it was destroyed."""
        with self._lock:
            if key_id in self._doomed:
                return None
            cipher = self._opening.get(key_id)
            if cipher is None:
                secret = self.keys.secret(key_id)
                if secret is None:
                    return None
                if len(self._opening) >= CACHED:
                    self._opening.clear()
                cipher = self._opening[key_id] = AESGCM(secret)
            return cipher

    def key_of(self, person: Person) -> Key | None:
        """Return a person's key, None where there is none, or it is to be destroyed already."""
        key = self.keys.find([person]).get(person)
        return None if key is None or key.id in self._doomed else key


class _Cut:
    """Cuts the events of one stream into what is personal and the rest."""

    def __init__(self, schema: Schema) -> None:
        assert schema.person_field is not None
        self.field = schema.person_field
        self.names = schema.personal_fields
        rest = [name for name in schema.names if name not in self.names]
        self._personal_type = _bare(self.names)
        self._rest_type = _bare(rest, (SEALED_ATTRIBUTE, str, msgspec.field(name=SEALED)))
        self._get_personal = _getter(self.names)
        self._get_rest = _getter(rest)

    def personal(self, event: EventStruct) -> msgspec.Struct:
        """Return what is to be sealed."""
        return self._personal_type(*self._get_personal(event))

    def rest(self, event: EventStruct, sealed: str) -> msgspec.Struct:
        """Return the other fields with what is sealed."""
        return self._rest_type(sealed, *self._get_rest(event))


SEALED_ATTRIBUTE = "sealed__"
"""Attribute behind `SEALED`."""


def _bare(names: Sequence[str], *first: tuple[str, type, Any]) -> type[msgspec.Struct]:
    """Return a struct type that only writes: members in order, missing ones left out."""
    fields: list[Any] = [*first, *((name, Any, None) for name in names)]
    return msgspec.defstruct("Bare", fields, omit_defaults=True, gc=False)


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) == 1:
        one = attrgetter(names[0])
        return lambda event: (one(event),)
    return attrgetter(*names)


def _bound(stream: str, id_: str) -> bytes:
    """Return what sealed values are bound to; the name of a stream holds no line feed."""
    return f"{stream}\n{id_}".encode()


def _joined(members: Mapping[str, msgspec.Raw], names: Sequence[str]) -> bytes:
    """Return members as one object, in the order of a schema's fields."""
    known = {name: members[name] for name in names if name in members}
    return _encode(known | {name: raw for name, raw in members.items() if name not in known})
