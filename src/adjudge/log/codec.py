"""Packing: the entries of a batch become the payload of one commit, column by column, and come back the same.

A payload is the version of the format in one byte, then a list of blocks in MessagePack. Each block holds entries of
one kind; numbers lie in it as little-endian arrays, texts as one run of bytes with their ends.

How the format may change, so that a log written by an older version always opens:

* A block may get further members at its end, each with a default that means "written before there was one".
* A new kind of block gets a new tag. Members and tags are never taken away, reordered or given another meaning.
* Anything else raises `FORMAT`; the older form stays readable, and payloads are never rewritten: links cover them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from adjudge.errors import AdjudgeError
from adjudge.log.protocol import Commit, Kind
from adjudge.typing import FloatArray, IntArray

FORMAT = 1
"""Version of the format, the first byte of every payload."""

_ENDS = np.dtype("<u4")
_VALUE = np.dtype("<f8")


class CodecError(AdjudgeError):
    """Bytes of the log are not what was written, or were written by a later version."""


class Texts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A column of texts or bytes: all of them in one run, and where each ends.

    Parameters
    ----------
    ends
        End of each in `run`, as unsigned 32-bit numbers.
    run
        All of them, one after another.

    Examples
    --------
    >>> texts = Texts.pack([b"a", b"", b"bc"])
    >>> texts[2], len(texts), texts.all()
    (b'bc', 3, [b'a', b'', b'bc'])
    """

    ends: bytes
    run: bytes

    @classmethod
    def pack(cls, items: Sequence[bytes]) -> Texts:
        """Return a column of these items."""
        return cls(struct.pack(f"<{len(items)}I", *accumulate(map(len, items))), b"".join(items))

    def __len__(self) -> int:
        return len(self.ends) // _ENDS.itemsize

    def __getitem__(self, i: int) -> bytes:
        first, last = (int.from_bytes(self.ends[4 * k : 4 * k + 4], "little") if k >= 0 else 0 for k in (i - 1, i))
        return self.run[first:last]

    def all(self) -> list[bytes]:
        """Return every item."""
        ends: list[int] = np.frombuffer(self.ends, _ENDS).tolist()
        return [self.run[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def texts(self) -> list[str]:
        """Return every item as text.

        Examples
        --------
        >>> Texts.pack([b"a", "é".encode()]).texts()
        ['a', 'é']
        """
        run = self.run.decode()
        if len(run) != len(self.run):  # a letter may take several bytes, and ends count bytes
            return [item.decode() for item in self.all()]
        ends: list[int] = np.frombuffer(self.ends, _ENDS).tolist()
        return [run[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    @classmethod
    def join(cls, columns: Sequence[Texts]) -> Texts:
        """Return some columns as one.

        Examples
        --------
        >>> Texts.join([Texts.pack([b"a"]), Texts.pack([b"", b"bc"])]).all()
        [b'a', b'', b'bc']
        """
        starts = accumulate((len(column.run) for column in columns[:-1]), initial=0)
        ends = [np.frombuffer(column.ends, _ENDS) + np.uint32(at) for column, at in zip(columns, starts, strict=True)]
        return cls(np.concatenate(ends).tobytes(), b"".join(column.run for column in columns))


class Made(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one system made of the events of a block.

    Parameters
    ----------
    card
        Digest of the card that says how to read the rest; an activation earlier in the log holds it.
    records
        One fixed-width record an event: action, score, rules that fired, what pushed the score.
    features
        Feature values behind them, one feature after another, as doubles.
    """

    card: str
    records: bytes
    features: bytes


class Events(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Events of one stream at consecutive positions, with what was decided about them.

    Parameters
    ----------
    stream
        Their stream.
    schema
        Digest of the schema that `fields` was written under.
    ids
        The events' ids.
    bodies
        Canonical JSON of each, as it was accepted.
    fields
        The encoded fields, one row of doubles after another; folding reads nothing else.
    made
        What each deciding system made of them; empty for streams that are kept only.
    """

    stream: str
    schema: str
    ids: Texts
    bodies: Texts
    fields: bytes
    made: list[Made] = []

    def __len__(self) -> int:
        return len(self.ids)

    def matrix(self) -> FloatArray:
        """Return the encoded fields, one row a slot, one column an event."""
        return np.frombuffer(self.fields, _VALUE).reshape(-1, len(self))


class Changes(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Labels, outcomes or retractions of events of one stream, in order.

    Parameters
    ----------
    kind
        Which of the three, as `Kind` numbers them.
    stream
        Stream of the events.
    ids
        The events.
    names
        The label or outcome of each; empty for retractions.
    values
        1 for positive, 0 for negative, as doubles; empty for retractions.
    by
        Who says so, for people and audit; empty where nobody is named.
    texts
        The value of each outcome that has values, as it was said, and empty text for the others, whose value is in
        `values`; empty where there is no such outcome in the block.
    """

    kind: int
    stream: str
    ids: Texts
    names: list[str] = []
    values: bytes = b""
    by: str = ""
    texts: list[str] = []

    def __len__(self) -> int:
        return len(self.ids)


class Table(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Many events of a stream at once, from before the first decision.

    Parameters
    ----------
    stream
        Their stream.
    count
        How many.
    parquet
        The events as a Parquet file.
    """

    stream: str
    count: int
    parquet: bytes

    def __len__(self) -> int:
        return self.count


class Note(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """One entry of any other kind, with its content as JSON.

    Parameters
    ----------
    kind
        As `Kind` numbers them.
    content
        JSON.
    who, why
        The person or program that did it, and the reason given.
    data
        What only folding reads.
    """

    kind: int
    content: bytes
    who: str = ""
    why: str = ""
    data: bytes = b""

    def __len__(self) -> int:
        return 1


class Again(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """Second decisions: what a system made of earlier events whose first decision lacked a part of it.

    Parameters
    ----------
    stream
        Stream of the events.
    ids
        The events' ids.
    positions
        Position of each event, as signed 64-bit numbers.
    made
        What the system made of them.
    """

    stream: str
    ids: Texts
    positions: bytes
    made: Made

    def __len__(self) -> int:
        return len(self.ids)

    def events(self) -> IntArray:
        """Return the position of each event."""
        return np.frombuffer(self.positions, "<i8")


Block = Events | Changes | Table | Note | Again

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Block]).decode


def pack(blocks: Sequence[Block]) -> bytes:
    """Return the payload that holds some blocks.

    Examples
    --------
    >>> unpack(pack([Note(Kind.MANAGEMENT, b"{}")]))[0].kind
    8
    """
    return bytes((FORMAT,)) + _pack(blocks)


def unpack(payload: bytes) -> list[Block]:
    """Return the blocks of a payload.

    Raises
    ------
    CodecError
        If it was written by a later version, or is damaged.
    """
    if not payload or payload[0] != FORMAT:
        message = f"a commit has format {payload[0] if payload else 'none'}; this version reads {FORMAT}"
        raise CodecError(message)
    try:
        blocks = _unpack(memoryview(payload)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"a commit cannot be read: {error}"
        raise CodecError(message) from None
    for block in blocks:
        _check(block)
    return blocks


def _check(block: Block) -> None:
    """Refuse a block whose parts contradict each other, so that no reader runs past an end."""
    n = len(block)
    good = n > 0
    if isinstance(block, Events):
        good = good and _whole(block.ids) and _whole(block.bodies) and len(block.bodies) == n
        good = good and len(block.fields) % (_VALUE.itemsize * n) == 0
        good = good and all(
            len(m.records) % n == 0 and len(m.features) % (_VALUE.itemsize * n) == 0 for m in block.made
        )
    elif isinstance(block, Changes):
        said = 0 if block.kind == Kind.RETRACTION else n
        good = good and block.kind in (Kind.LABEL, Kind.OUTCOME, Kind.RETRACTION) and _whole(block.ids)
        good = good and len(block.names) == said and len(block.values) == _VALUE.itemsize * said
        good = good and len(block.texts) in (0, said)
    elif isinstance(block, Again):
        good = good and _whole(block.ids) and len(block.positions) == 8 * n
        good = good and len(block.made.records) % n == 0 and len(block.made.features) % (_VALUE.itemsize * n) == 0
    if not good:
        message = f"a block of {type(block).__name__.lower()} contradicts itself"
        raise CodecError(message)


def _whole(texts: Texts) -> bool:
    """Whether the ends of a column rise and fit what they cut."""
    if len(texts.ends) == _ENDS.itemsize:  # alone, as in most small commits
        return int.from_bytes(texts.ends, "little") == len(texts.run)
    if len(texts.ends) % _ENDS.itemsize:
        return False
    ends = np.frombuffer(texts.ends, _ENDS)
    return bool(len(ends) == 0 or (ends[-1] == len(texts.run) and (len(ends) == 1 or (ends[1:] >= ends[:-1]).all())))


def blocks_of(commit: Commit) -> Iterator[tuple[int, Block]]:
    """Yield the blocks of a commit, each with the position of its first entry.

    Raises
    ------
    CodecError
        If they do not take as many positions as the commit says.
    """
    blocks = unpack(commit.payload)
    if sum(map(len, blocks)) != commit.count:
        message = f"the commit at {commit.first} does not hold the {commit.count} entries that it claims"
        raise CodecError(message)
    at = commit.first
    for block in blocks:
        yield at, block
        at += len(block)


class Entry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One entry of the log as people and other programs read it.

    Parameters
    ----------
    seq
        Position.
    received_at
        Microseconds since 1970 UTC at which it was admitted.
    kind
        What it is.
    stream, id
        The event that is meant; empty where there is none.
    content
        The event, the change or the note, as JSON; for tables how many events they hold.
    who, why
        Who did it and why, where that is known.
    """

    seq: int
    received_at: int
    kind: Kind
    stream: str = ""
    id: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")
    who: str = ""
    why: str = ""


def entries_of(commit: Commit) -> Iterator[Entry]:
    """Yield the entries of a commit one by one.

    Examples
    --------
    >>> from adjudge.log.chain import ORIGIN
    >>> payload = pack([Note(Kind.LISTS, b'{"vip":["ada"]}', "bo", "asked for")])
    >>> entry, = entries_of(Commit.after(ORIGIN, 0, count=1, received_at=5, payload=payload))
    >>> entry.kind.name, bytes(entry.content), entry.who
    ('LISTS', b'{"vip":["ada"]}', 'bo')
    """
    for first, block in blocks_of(commit):
        try:
            rows = list(_rows(block))
        except (UnicodeError, ValueError) as error:
            message = f"the entries at {first} cannot be read: {error}"
            raise CodecError(message) from None
        for i, (kind, stream, id_, content, who, why) in enumerate(rows):
            yield Entry(first + i, commit.received_at, kind, stream, id_, msgspec.Raw(content), who, why)


def _rows(block: Block) -> Iterator[tuple[Kind, str, str, bytes, str, str]]:
    match block:
        case Events(stream=stream, ids=ids, bodies=bodies):
            for id_, body in zip(ids.all(), bodies.all(), strict=True):
                yield Kind.EVENT, stream, id_.decode(), body, "", ""
        case Changes(kind=kind, stream=stream, ids=ids, by=by):
            for i, id_ in enumerate(ids.all()):
                yield Kind(kind), stream, id_.decode(), msgspec.json.encode(change_content(block, i)), by, ""
        case Table(stream=stream, count=count):
            yield Kind.TABLE, stream, "", b'{"events":%d}' % count, "", ""
        case Again(stream=stream, ids=ids):
            for id_, position in zip(ids.all(), block.events().tolist(), strict=True):
                yield Kind.DECISION, stream, id_.decode(), b'{"decided":%d}' % position, "", ""
        case Note(kind=kind, content=content, who=who, why=why):
            yield Kind(kind), "", "", content, who, why


def change_content(block: Changes, i: int) -> dict[str, Any]:
    """Return what a change says, by name; nothing for a retraction."""
    if block.kind == Kind.RETRACTION:
        return {}
    text = block.texts[i] if block.texts else ""
    return {"name": block.names[i], "value": text or bool(np.frombuffer(block.values, _VALUE)[i] == 1.0)}
