"""What hangs together: cases that share a key, and the ring of those that are reached over such keys."""

from __future__ import annotations

from collections import deque

from adjudge.errors import InputError, did_you_mean
from adjudge.service.cases.book import Book
from adjudge.service.cases.case import Case
from adjudge.service.cases.view import Link

MOST_SHARED = 50
"""A key that more cases share is a place many people pass, such as a large merchant, and ties nobody to anybody."""

MOST_RING = 1_000
"""Most cases of one ring."""

SHOWN = 20
"""Most ids that are named of one link."""


def linked(book: Book, case: Case) -> list[Link]:
    """Return, for each key of a case, the other cases that share it, the newest first."""
    found = []
    for name, value in case.keys.items():
        others = [id_ for id_ in book.links[name, value] if id_ != case.id]
        if others:
            true = sum(book.cases[id_].truth is True for id_ in others)
            found.append(Link(name, others[::-1][:SHOWN], len(others), true))
    return found


def count(book: Book, case: Case) -> int:
    """Return how many other cases share a key with a case; keys that many share are left out."""
    shared = [book.links[key] for key in case.keys.items()]
    return len({id_ for ids in shared if len(ids) <= MOST_SHARED for id_ in ids} - {case.id})


def ring(book: Book, case: Case, fields: frozenset[str] = frozenset()) -> list[str]:
    """Return the ids of all cases that hang together with one, its own first.

    Parameters
    ----------
    book
        The cases.
    case
        Where to begin.
    fields
        Key fields that tie; empty for all. Keys that many cases share never do.

    Raises
    ------
    InputError
        If there is no such field.
    """
    known = {name for name, _ in book.links}
    for name in sorted(fields - known - case.keys.keys()):
        message = f"there is no key field {name[:40]!r}{did_you_mean(name[:40], sorted(known | case.keys.keys()))}"
        raise InputError(message, field="by", code="unknown_field")
    found, waiting = {case.id: None}, deque([case])
    while waiting and len(found) < MOST_RING:
        one = waiting.popleft()
        for key in one.keys.items():
            ids = book.links[key] if not fields or key[0] in fields else []
            for id_ in ids if len(ids) <= MOST_SHARED else ():
                if id_ not in found:
                    found[id_] = None
                    waiting.append(book.cases[id_])
    return [*found][:MOST_RING]
