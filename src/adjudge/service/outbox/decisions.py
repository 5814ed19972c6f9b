"""Reading decisions out of a log: what was decided from a position on, and what one position holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from adjudge.errors import NotFoundError
from adjudge.log import Commit, Kind, Log
from adjudge.log.codec import Again, Events, Note, blocks_of
from adjudge.service.activation import Activation
from adjudge.service.card import Card
from adjudge.service.lookup import Lookup
from adjudge.service.outbox.ledger import Ledger
from adjudge.service.record import Recorded


class Decided(NamedTuple):
    """One decision of the log.

    Parameters
    ----------
    seq, system, stream, action
        Where it is, who decided, on which stream, and what.
    body
        The event as JSON.
    """

    seq: int
    system: str
    stream: str
    action: str
    body: bytes


class DecisionReader:
    """Reads decisions, with no system at hand: the cards that say how stand in the log.

    Parameters
    ----------
    log
        Only read.
    ledger
        Keeps the cards, so that they are looked for once.
    archived
        Cards that were logged before the log begins, by digest.
    """

    def __init__(self, log: Log, ledger: Ledger, archived: Mapping[str, Card] | None = None) -> None:
        self._log = log
        self._ledger = ledger
        self._lookup = Lookup(log)
        self._cards = dict(archived or {}) | {
            digest: msgspec.json.decode(c, type=Card) for digest, c in ledger.cards().items()
        }

    def read(self, commit: Commit) -> Iterator[Decided]:
        """Yield the decisions of a commit."""
        for first, block in blocks_of(commit):
            if isinstance(block, Note) and block.kind == Kind.ACTIVATION:
                self._learn(block)
            elif isinstance(block, Events):
                bodies = block.bodies.all() if block.made else []
                for made in block.made:
                    card = self._card(made.card)
                    actions = card.records(made.records)["action"].tolist()
                    for i, action in enumerate(actions):
                        yield Decided(first + i, card.system, block.stream, card.actions[action], bodies[i])
            elif isinstance(block, Again):
                card = self._card(block.made.card)
                again = Recorded.read_again(card, block)
                for i, (position, action) in enumerate(
                    zip(again.positions, again.records["action"].tolist(), strict=True)
                ):
                    yield Decided(first + i, card.system, block.stream, card.actions[action], self._body(position))

    def answer(self, seq: int, system: str) -> bytes:
        """Return a decision as its first sender got it; `NotFoundError` if the log holds it no more."""
        first, block = self._lookup.block(seq)
        if isinstance(block, Events):
            for made in block.made:
                card = self._card(made.card)
                if card.system == system:
                    ids = [id_.decode() for id_ in block.ids.all()]
                    return Recorded.read(card, ids, first, made).one(seq - first).answers[0]
        if isinstance(block, Again) and (card := self._card(block.made.card)).system == system:
            return Recorded.read_again(card, block).some(np.array([seq - first])).answers[0]
        message = f"position {seq} holds no decision of system {system!r}"
        raise NotFoundError(message)

    def received_at(self, seq: int) -> int:
        """Return when the event at a position was admitted, in microseconds."""
        return self._lookup.received_at(seq)

    def _body(self, position: int) -> bytes:
        first, block = self._lookup.block(position)
        assert isinstance(block, Events)
        return block.bodies[position - first]

    def _card(self, digest: str) -> Card:
        if digest not in self._cards:  # reading began after the card was logged
            for commit in self._log.read(self._log.begin().position):
                for _, block in blocks_of(commit):
                    if isinstance(block, Note) and block.kind == Kind.ACTIVATION:
                        self._learn(block)
                if digest in self._cards:
                    break
        if digest not in self._cards:
            message = "the part of the log that says how to read its decisions was archived"
            raise NotFoundError(message)
        return self._cards[digest]

    def _learn(self, note: Note) -> None:
        for active in Activation.read(note).systems.values():
            card = active.card
            self._cards[card.digest] = card
            self._ledger.keep_card(card.digest, msgspec.json.encode(card))


def key_of(field: str, body: bytes, seq: int, secret: bytes) -> bytes:
    """Return a digest of what a decision is ordered by.

    Parameters
    ----------
    field
        Field of the event; empty orders all decisions among each other.
    body
        The event as JSON.
    seq
        Its position: an event without that field is in nobody's order.
    secret
        Keeps the value from being guessed from its digest.

    Examples
    --------
    >>> a, b = (key_of("user", b'{"user":"ada"}', seq, b"s") for seq in (1, 2))
    >>> a == b, key_of("user", b"{}", 1, b"s") == key_of("user", b"{}", 2, b"s")
    (True, False)
    """
    if not field:
        return b""
    value = msgspec.json.decode(body).get(field)
    content = b"seq:%d" % seq if value is None else b"key:" + msgspec.json.encode(value)
    return hashlib.blake2b(content, key=secret[:64], digest_size=16).digest()
