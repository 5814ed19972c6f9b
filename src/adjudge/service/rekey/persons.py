"""Persons after a rekey: the store of their keys knows them by the new hashes, whatever came between."""

from __future__ import annotations

from collections.abc import Mapping

from adjudge.service.activation import fingerprint
from adjudge.service.personal.keys import Keys, KeysError, Person
from adjudge.service.rekey.moved import Moved


def rename_persons(keys: Keys, moved: Moved | None, secret: bytes) -> None:
    """Let a store know persons by the hashes of the secret in use, if it does not yet.

    The log comes first: a crash between the two, or an older copy of the store, is mended when the next decider starts.

    Parameters
    ----------
    keys
        The store.
    moved
        The rekey that led to the secret; None if the log begins with it.
    secret
        The secret in use.

    Raises
    ------
    KeysError
        If the store knows them by the hashes of a secret that the log does not.
    """
    used, own = keys.secret_used(), fingerprint(secret)
    earlier = [] if moved is None else moved.rekey.earlier
    if used == own or (used == "" and moved is None):
        return
    if moved is None or (used and used not in earlier):
        message = f"the keys of persons belong to the secret with fingerprint {used}, and the log to {own}: "
        message += "one of the two is an older copy"
        raise KeysError(message)
    keys.rename(own, _names(keys, moved))


def _names(keys: Keys, moved: Moved) -> Mapping[Person, Person]:
    """Return what persons are called now; a key that has sealed nothing in the log is nobody's."""
    found = ((person, moved.one(person.token)) for person in keys.persons())
    return {person: Person(person.field, token) for person, token in found if token is not None}
