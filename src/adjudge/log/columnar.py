"""The form of a segment: the columns of many commits laid end to end, and how commits are brought into it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from adjudge.log.codec import CodecError, Events, Texts, pack, unpack
from adjudge.log.column import Column
from adjudge.log.protocol import Commit

FORMAT = 1
"""Version of the form, the first byte of a segment; raised when an older reader could not read it."""

HEAD = 5
"""Bytes before the columns: the format and a checksum."""


class PackedMade(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one system made of the events of a run; see `codec.Made`."""

    card: str
    records: Column
    features: Column


class PackedEvents(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Commits that each hold one block of events, alike in everything but the events.

    Parameters
    ----------
    stream, schema
        As in the blocks.
    id_sizes, body_sizes
        Length of each event's id and body.
    ids, bodies
        All of them.
    fields
        The encoded fields, one row of all events after another.
    made
        What each deciding system made of them.
    """

    stream: str
    schema: str
    id_sizes: Column
    ids: Column
    body_sizes: Column
    bodies: Column
    fields: Column
    made: list[PackedMade]


class PackedAny(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Commits of any kind, as they were.

    Parameters
    ----------
    sizes
        Length of each payload.
    payloads
        All of them.
    """

    sizes: Column
    payloads: Column


class PackedCommits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A segment.

    Parameters
    ----------
    first
        Position of its first entry.
    counts, received_at
        Of each commit; the times as differences.
    links
        Of each commit.
    kinds
        For each commit which of `groups` it is in.
    groups
        Their payloads, in order.
    """

    first: int
    counts: Column
    received_at: Column
    links: memoryview
    kinds: Column
    groups: list[PackedEvents | PackedAny]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PackedCommits).decode


def seal(packed: PackedCommits) -> bytes:
    """Return the bytes of a segment."""
    body = _encode(packed)
    return bytes((FORMAT,)) + zlib.crc32(body).to_bytes(HEAD - 1, "little") + body


def unseal(sealed: bytes) -> PackedCommits:
    """Return the segment in some bytes, or raise `CodecError`."""
    if len(sealed) < HEAD or sealed[0] != FORMAT:
        message = f"a segment has format {sealed[0] if sealed else 'none'}; this version reads {FORMAT}"
        raise CodecError(message)
    body = memoryview(sealed)[HEAD:]
    if zlib.crc32(body) != int.from_bytes(sealed[1:HEAD], "little"):
        message = "a segment is damaged: its checksum is another"
        raise CodecError(message)
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"a segment cannot be read: {error}"
        raise CodecError(message) from None


def events_of(commit: Commit) -> Events | None:
    """Return the events of a commit that holds one block of them and nothing else, written as it would be now."""
    try:
        blocks = unpack(commit.payload)
    except CodecError:  # of a later version, or none of ours
        return None
    if len(blocks) == 1 and isinstance(blocks[0], Events) and len(blocks[0]) == commit.count:
        return blocks[0] if pack(blocks) == commit.payload else None
    return None


def _likeness(block: Events | None) -> Any:
    """Return what the blocks of one group have in common."""
    if block is None:
        return None
    n = len(block)
    made = tuple((m.card, len(m.records) // n, len(m.features) // n) for m in block.made)
    return block.stream, block.schema, len(block.fields) // n, made


def pack_commits(commits: Sequence[Commit], events: Sequence[Events | None]) -> PackedCommits:
    """Return the segment of some commits.

    Parameters
    ----------
    commits
        Consecutive commits.
    events
        For each the block to lay out in columns; None to keep its payload as it is.
    """
    places: dict[Any, list[int]] = {}
    for i, block in enumerate(events):
        places.setdefault(_likeness(block), []).append(i)
    kinds = np.empty(len(commits), np.int64)
    groups: list[PackedEvents | PackedAny] = []
    for kind, mine in enumerate(places.values()):
        kinds[mine] = kind
        blocks = [block for i in mine if (block := events[i]) is not None]
        groups.append(_pack_events(blocks) if blocks else _pack_any([commits[i].payload for i in mine]))
    received = np.array([c.received_at for c in commits], np.int64)
    return PackedCommits(
        commits[0].first,
        Column.of([c.count for c in commits]),
        Column.of(np.diff(received, prepend=0)),
        memoryview(b"".join(c.link for c in commits)),
        Column.of(kinds),
        groups,
    )


def _pack_any(payloads: Sequence[bytes]) -> PackedAny:
    return PackedAny(Column.of([len(p) for p in payloads]), Column.pack(b"".join(payloads)))


def _pack_events(blocks: Sequence[Events]) -> PackedEvents:
    """Lay blocks that are alike end to end."""
    first = blocks[0]
    return PackedEvents(
        first.stream,
        first.schema,
        *_pack_texts([b.ids for b in blocks]),
        *_pack_texts([b.bodies for b in blocks]),
        _pack_matrices([b.fields for b in blocks], blocks),
        [
            PackedMade(
                made.card,
                Column.pack(b"".join(b.made[m].records for b in blocks)),
                _pack_matrices([b.made[m].features for b in blocks], blocks),
            )
            for m, made in enumerate(first.made)
        ],
    )


def _pack_texts(texts: Sequence[Texts]) -> tuple[Column, Column]:
    ends = np.frombuffer(b"".join(t.ends for t in texts), "<u4").astype(np.int64)
    sizes = np.diff(ends, prepend=0)
    firsts = np.cumsum([0, *map(len, texts[:-1])])  # each block's ends begin anew
    sizes[firsts] = ends[firsts]
    return Column.of(sizes), Column.pack(b"".join(t.run for t in texts))


def _pack_matrices(matrices: Sequence[bytes], blocks: Sequence[Events]) -> Column:
    """Put matrices of one row a slot side by side."""
    counts = [len(b) for b in blocks]
    events = np.empty((sum(counts), len(matrices[0]) // (8 * counts[0])))
    at = 0
    for matrix, n in zip(matrices, counts, strict=True):
        events[at : at + n] = np.frombuffer(matrix, "<f8").reshape(-1, n).T
        at += n
    return Column.pack(events.T.tobytes())
