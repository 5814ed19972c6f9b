"""Keys of persons: one random key each, kept outside the log and wrapped by a master key.

A person is a field's name and the keyed hash of the value, never the value. A key has an id of its own, which sealed
values name: who was meant by a destroyed key cannot be told from what is left.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adjudge.errors import InputError, UnavailableError

MASTER_VARIABLE = "ADJUDGE_MASTER_KEY"
"""Environment variable with the key that wraps the keys of persons: 64 hexadecimal digits."""

ID_BYTES, KEY_BYTES, NONCE_BYTES = 16, 32, 12
"""Sizes of a key's id, of a key, and of a nonce of AES-GCM."""

CHECK = bytes(ID_BYTES)
"""Id of the entry that tells whether a store is opened with the master key that it was made with."""


class KeysError(UnavailableError):
    """The keys of persons cannot be read or written, or are not those of this log."""


class Person(NamedTuple):
    """Whom an event is about.

    Parameters
    ----------
    field
        Name of the field that names the person.
    token
        Keyed hash of its value, as encoded events have it.
    """

    field: str
    token: int


class Key(NamedTuple):
    """The key of a person.

    Parameters
    ----------
    id
        Names it in what it has sealed; random.
    secret
        The key itself.
    """

    id: bytes
    secret: bytes

    @classmethod
    def new(cls) -> Key:
        """Return a random one."""
        return cls(os.urandom(ID_BYTES), os.urandom(KEY_BYTES))


class Keys(Protocol):
    """Where keys are kept; the first argument of nothing here is a readable value."""

    def find(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of those persons that have one."""
        ...

    def make(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of all of these persons, made where there was none; durable when this returns."""
        ...

    def secret(self, id_: bytes) -> bytes | None:
        """Return a key by its id, None if it was destroyed; `KeysError` if it has never been here."""
        ...

    def destroy(self, id_: bytes) -> None:
        """Destroy a key for good; that of a key that was destroyed or has never been changes nothing."""
        ...

    def secret_used(self) -> str:
        """Return the fingerprint of the secret that persons' tokens are hashed with, empty before the first rekey."""
        ...

    def rename(self, secret_used: str, names: Mapping[Person, Person]) -> None:
        """Note that tokens are hashed with another secret now, all at once.

        Parameters
        ----------
        secret_used
            Its fingerprint.
        names
            What each person is called now; the key of one that is left out opens what it has sealed, and seals no more.
        """
        ...

    def persons(self) -> list[Person]:
        """Return everybody who has a key."""
        ...

    def close(self) -> None:
        """Release what the store holds."""
        ...


class MemoryKeys:
    """Keys that end with the process, for a log that does.

    Examples
    --------
    >>> keys = MemoryKeys()
    >>> ada = Person("user", 7)
    >>> made = keys.make([ada])[ada]
    >>> keys.find([ada, Person("user", 8)]) == {ada: made}
    True
    >>> keys.destroy(made.id)
    >>> keys.find([ada]), keys.secret(made.id)
    ({}, None)
    """

    def __init__(self) -> None:
        self._keys: dict[Person, Key] = {}
        self._secrets: dict[bytes, bytes | None] = {}
        self._secret_used = ""

    def find(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of those persons that have one."""
        return {person: self._keys[person] for person in persons if person in self._keys}

    def make(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of all of these persons, made where there was none."""
        for person in persons:
            if person not in self._keys:
                key = self._keys[person] = Key.new()
                self._secrets[key.id] = key.secret
        return self.find(persons)

    def secret(self, id_: bytes) -> bytes | None:
        """Return a key by its id, None if it was destroyed."""
        if id_ not in self._secrets:
            raise missing(id_)
        return self._secrets[id_]

    def destroy(self, id_: bytes) -> None:
        """Destroy a key for good."""
        if id_ in self._secrets:
            self._secrets[id_] = None
            self._keys = {person: key for person, key in self._keys.items() if key.id != id_}

    def secret_used(self) -> str:
        """Return the fingerprint of the secret that persons' tokens are hashed with."""
        return self._secret_used

    def rename(self, secret_used: str, names: Mapping[Person, Person]) -> None:
        """Note that tokens are hashed with another secret now."""
        self._keys = {names[person]: key for person, key in self._keys.items() if person in names}
        self._secret_used = secret_used

    def persons(self) -> list[Person]:
        """Return everybody who has a key."""
        return list(self._keys)

    def close(self) -> None:
        """Do nothing."""


class Wrap:
    """Wraps keys under a master key, so that a copied store alone is of no use.

    Parameters
    ----------
    master
        The master key, 32 bytes.

    Examples
    --------
    >>> wrap, key = Wrap(bytes(32)), Key.new()
    >>> wrap.open(key.id, wrap.close(key)) == key.secret
    True
    """

    def __init__(self, master: bytes) -> None:
        self._cipher = AESGCM(master)

    def close(self, key: Key) -> bytes:
        """Return a key as a store keeps it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key.secret, key.id)

    def open(self, id_: bytes, wrapped: bytes) -> bytes:
        """Return the key that `close` wrapped; `KeysError` if that was with another master key."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], id_)
        except InvalidTag:
            message = f"the keys of persons were wrapped with another master key than the one given ({MASTER_VARIABLE})"
            raise KeysError(message) from None

    def check(self) -> bytes:
        """Return what a new store keeps to know its master key again."""
        return self.close(Key(CHECK, bytes(KEY_BYTES)))


def master_key(environ: Mapping[str, str]) -> bytes:
    """Return the master key from the environment.

    Raises
    ------
    InputError
        If there is none or it is not 64 hexadecimal digits; the value is not repeated.
    """
    text = environ.get(MASTER_VARIABLE)
    if text is None:
        message = f"{MASTER_VARIABLE} must be set to 64 hexadecimal digits: it wraps the keys of persons"
        raise InputError(message, field=MASTER_VARIABLE)
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != KEY_BYTES:
        message = f"{MASTER_VARIABLE} must be 64 hexadecimal digits"
        raise InputError(message, field=MASTER_VARIABLE)
    return value


def missing(id_: bytes) -> KeysError:
    """Return the error of a key that has never been in a store."""
    return KeysError(f"there is no key {id_.hex()}: these are not the keys of this log, or are an older copy")


def signed(token: int) -> int:
    """Return a hash as databases have numbers: with a sign.

    Examples
    --------
    >>> signed(2**64 - 1), unsigned(signed(2**64 - 1)) == 2**64 - 1
    (-1, True)
    """
    return token - (1 << 64) if token >= 1 << 63 else token


def unsigned(token: int) -> int:
    """Return the hash that `signed` has made a number of."""
    return token % (1 << 64)
