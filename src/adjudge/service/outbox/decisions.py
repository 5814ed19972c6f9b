"""Reading decisions out of a log: what was decided from a position on, and what one position holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from adjudge.define.event import TEXT_ROLES
from adjudge.errors import NotFoundError
from adjudge.log import Commit, Kind, Log
from adjudge.log.codec import Again, Events, Note, blocks_of
from adjudge.log.scan import scan
from adjudge.service.activation import Activation, FieldLayout
from adjudge.service.card import Card
from adjudge.service.lookup import Lookup
from adjudge.service.outbox.ledger import Ledger
from adjudge.service.personal.erased import ErasedKeys
from adjudge.service.personal.seal import SEALED
from adjudge.service.record import Recorded

T = TypeVar("T")


class Decided(NamedTuple):
    """One decision of the log.

    Parameters
    ----------
    seq, system, stream, action
        Where it is, who decided, on which stream, and what.
    events, at
        The block that holds the event, and which one of it that is.
    """

    seq: int
    system: str
    stream: str
    action: str
    events: Events
    at: int

    @property
    def body(self) -> bytes:
        """The event as the log has it, personal values sealed."""
        return self.events.bodies[self.at]


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
    layouts
        How fields of archived schemas are kept, by digest.
    """

    what = "decisions"

    def __init__(
        self,
        log: Log,
        ledger: Ledger,
        archived: Mapping[str, Card] | None = None,
        layouts: Mapping[str, FieldLayout] | None = None,
    ) -> None:
        self._log = log
        self._ledger = ledger
        self._lookup = Lookup(log)
        self._erased = ErasedKeys(log)
        self._layouts = dict(layouts or {})
        self._cards = dict(archived or {}) | {
            digest: msgspec.json.decode(c, type=Card) for digest, c in ledger.cards().items()
        }

    def read(self, commit: Commit) -> Iterator[Decided]:
        """Yield the decisions of a commit."""
        for first, block in blocks_of(commit):
            if isinstance(block, Note) and block.kind == Kind.ACTIVATION:
                self._learn(block)
            elif isinstance(block, Events):
                for made in block.made:
                    card = self._card(made.card)
                    actions = card.records(made.records)["action"].tolist()
                    for i, action in enumerate(actions):
                        yield Decided(first + i, card.system, block.stream, card.actions[action], block, i)
            elif isinstance(block, Again):
                card = self._card(block.made.card)
                again = Recorded.read_again(card, block)
                for i, (position, action) in enumerate(
                    zip(again.positions, again.records["action"].tolist(), strict=True)
                ):
                    yield Decided(first + i, card.system, block.stream, card.actions[action], *self._event(position))

    @staticmethod
    def is_rekey(commit: Commit) -> bool:
        """Return whether hashes are made with another secret after a commit."""
        return commit.count == 1 and any(isinstance(b, Note) and b.kind == Kind.REKEY for _, b in blocks_of(commit))

    def catch_up_erased(self) -> int:
        """Learn who was erased by now, and return how many keys of persons are destroyed."""
        return self._erased.catch_up()

    def withholds(self, decided: Decided) -> bool:
        """Return whether a decision is about a person who was erased, as far as is known."""
        return self._erased.sealed(decided.body)

    def withholds_at(self, seq: int) -> bool:
        """Return the same of the decision at a position; what the log holds no more is nobody's."""
        try:
            first, block = self._lookup.block(seq)
            if isinstance(block, Again):
                events, at = self._event(int(block.events()[seq - first]))
                return self._erased.sealed(events.bodies[at])
        except NotFoundError:
            return False
        return isinstance(block, Events) and self._erased.sealed(block.bodies[seq - first])

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

    def name(self, seq: int, system: str) -> str:
        """Return what a message about a decision is called: its position."""
        return f"{seq}"

    def received_at(self, seq: int) -> int:
        """Return when the event at a position was admitted, in microseconds."""
        return self._lookup.received_at(seq)

    def key(self, decided: Decided, field: str, secret: bytes) -> bytes:
        """Return a digest of what a decision is ordered by; a personal value is told by its hash in the log.

        Parameters
        ----------
        decided
            The decision.
        field, secret
            See `key_of`.
        """
        return key_of(field, decided.body, decided.seq, secret, lambda: self._hash(decided, field))

    def _hash(self, decided: Decided, field: str) -> int:
        """Return the keyed hash of a text field as the log has it; 0 if it is missing, or no text."""
        row = 0
        for name, role, slots in self._layout(decided.events.schema).fields:
            if name == field:
                return int(decided.events.matrix().view(np.uint64)[row, decided.at]) if role in TEXT_ROLES else 0
            row += slots
        return 0

    def _event(self, position: int) -> tuple[Events, int]:
        first, block = self._lookup.block(position)
        assert isinstance(block, Events)
        return block, position - first

    def _card(self, digest: str) -> Card:
        return self._known(self._cards, digest)

    def _layout(self, digest: str) -> FieldLayout:
        return self._known(self._layouts, digest)

    def _known(self, learned: Mapping[str, T], digest: str) -> T:
        """Return what an activation told; if reading began after it, it is looked for."""
        if digest not in learned:
            for stretch in scan(self._log, self._log.begin().position, parts=()):
                if isinstance(stretch.block, Note) and stretch.block.kind == Kind.ACTIVATION:
                    self._learn(stretch.block)
                if digest in learned:
                    break
        if digest not in learned:
            message = "the part of the log that says how to read its decisions was archived"
            raise NotFoundError(message)
        return learned[digest]

    def _learn(self, note: Note) -> None:
        activation = Activation.read(note)
        self._layouts |= {layout.digest: layout for layout in activation.streams.values()}
        for card in activation.cards.values():
            self._cards[card.digest] = card
            self._ledger.keep_card(card.digest, msgspec.json.encode(card))


def key_of(field: str, body: bytes, seq: int, secret: bytes, hash_of: Callable[[], int] = int) -> bytes:
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
    hash_of
        Returns the hash of the field if that was sealed; 0 for none.

    Examples
    --------
    >>> a, b = (key_of("user", b'{"user":"ada"}', seq, b"s") for seq in (1, 2))
    >>> a == b, key_of("user", b"{}", 1, b"s") == key_of("user", b"{}", 2, b"s")
    (True, False)
    """
    if not field:
        return b""
    event = msgspec.json.decode(body)
    if (value := event.get(field)) is not None:
        content = b"key:" + msgspec.json.encode(value)
    elif SEALED in event and (hash_ := hash_of()):
        content = b"hash:%d" % hash_
    else:
        content = b"seq:%d" % seq
    return hashlib.blake2b(content, key=secret[:64], digest_size=16).digest()
