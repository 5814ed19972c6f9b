"""Segments: whatever the commits hold, what comes back is what went in, and damage is said."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.log import ORIGIN, Commit, End
from adjudge.log.codec import CodecError, Events, Made, Texts, blocks_of, pack
from adjudge.log.columnar import FORMAT, HEAD, unseal
from adjudge.log.segment import MANY, Segment, segment_of
from tests.log.payloads import chains


def alike(count: int, events: int) -> list[Commit]:
    """Return commits as one plan writes them under load."""
    rng, end, commits = np.random.default_rng(7), ORIGIN, []
    for i in range(count):
        ids = Texts.pack([f"p{i}-{k}".encode() for k in range(events)])
        bodies = Texts.pack([b'{"payment_id":"p%d-%d","amount":"%d.00"}' % (i, k, i % 50) for k in range(events)])
        values = rng.integers(0, 9, (8, events)).astype(float)
        made = Made(
            "card",
            rng.integers(0, 3, (events, 10), np.uint8).tobytes(),
            rng.integers(0, 9, (60, events)).astype(float).tobytes(),
        )
        payload = pack([Events("payment", "s", ids, bodies, values.tobytes(), [made])])
        commits.append(Commit.after(end, i * events, count=events, received_at=i, payload=payload))
        end = commits[-1].link
    return commits


@given(commits=chains())
def test_commits_come_back_byte_for_byte(commits: list[Commit]) -> None:
    """Links cover payloads, so nothing may change: not for known blocks, nor for several, nor for nonsense."""
    segment = Segment(segment_of(commits))
    assert segment.commits() == commits
    assert (segment.first, segment.stop) == (commits[0].first, commits[-1].stop)


@given(commits=chains(), start=st.integers(-2, 40), length=st.integers(0, 20))
def test_a_range_of_a_segment_is_that_of_its_commits(commits: list[Commit], start: int, length: int) -> None:
    """Commits that hold a position of the range, whole."""
    start += commits[0].first
    stop = start + length
    there = Segment(segment_of(commits)).commits(start, stop)
    assert there == [c for c in commits if c.stop > start and c.first < stop]


@given(commits=chains(), data=st.data())
def test_the_parts_of_a_block_are_those_of_the_whole(commits: list[Commit], data: st.DataObject) -> None:
    """Ids always come, bodies, fields and what was made of events where they are asked for."""
    segment = Segment(segment_of(commits))
    position = data.draw(st.integers(segment.first, segment.stop - 1))
    commit = next(c for c in commits if c.stop > position)
    try:
        first, whole = next((a, b) for a, b in blocks_of(commit) if a <= position < a + len(b))
    except CodecError:
        with pytest.raises(CodecError):
            segment.block(position)
        return
    assert segment.block(position) == (first, whole)
    if isinstance(whole, Events):
        at, part = segment.block(position, {"fields"})
        assert isinstance(part, Events)
        assert (at, part.stream, part.schema, part.ids, part.fields) == (
            first,
            whole.stream,
            whole.schema,
            whole.ids,
            whole.fields,
        )


@pytest.mark.parametrize("events", [1, 3, MANY * 4])
def test_commits_alike_are_laid_end_to_end(events: int) -> None:
    """The labour is worth it: less than a third of the room, however small the commits were."""
    commits = alike(MANY * 4, events)
    packed = segment_of(commits)
    assert len(unseal(packed).groups) == 1
    assert Segment(packed).commits() == commits
    assert len(packed) < sum(len(c.payload) for c in commits) / 3


def test_other_commits_in_between_do_not_part_what_is_alike() -> None:
    """A label now and then must not cost the columns."""
    commits = alike(6, 2)
    mixed, end = [], Commit.after(ORIGIN, 0, count=1, received_at=0, payload=b"").end
    for commit in commits:
        for count, payload in ((commit.count, commit.payload), (1, b"something else")):
            mixed.append(Commit.after(end.link, end.position, count=count, received_at=1, payload=payload))
            end = mixed[-1].end
    packed = segment_of(mixed)
    assert len(unseal(packed).groups) == 2
    assert Segment(packed).commits() == mixed


def test_every_flipped_byte_of_a_segment_is_noticed() -> None:
    """A segment has a checksum of its own: what a disk did to it is said before anything is made of it."""
    packed = bytearray(segment_of(alike(2, 2)))
    for i in range(len(packed)):
        packed[i] ^= 0x10
        with pytest.raises(CodecError, match="format" if i == 0 else "checksum"):
            Segment(bytes(packed))
        packed[i] ^= 0x10
    assert Segment(bytes(packed)).commits() == alike(2, 2)


@given(at=st.integers(0), value=st.integers(0, 255))
def test_a_forged_segment_is_refused_or_breaks_the_chain(at: int, value: int) -> None:
    """Who can write checksums may write nonsense: it is an error of the log, or other commits, and never a crash."""
    commits = alike(3, 2)
    body = bytearray(segment_of(commits)[HEAD:])
    body[at % len(body)] = value
    forged = bytes((FORMAT,)) + zlib.crc32(body).to_bytes(HEAD - 1, "little") + body
    try:
        read = Segment(forged).commits()
    except CodecError:
        return
    end, whole = End(), len(read) == len(commits)
    for commit in read:
        whole = whole and commit == Commit.after(
            end.link, end.position, count=commit.count, received_at=commit.received_at, payload=commit.payload
        )
        end = commit.end
    assert read == commits or not whole


def test_a_segment_of_a_later_version_is_refused() -> None:
    with pytest.raises(CodecError, match="format 9; this version reads 1"):
        Segment(b"\x09" + segment_of(alike(1, 1))[1:])
    with pytest.raises(CodecError, match="format none"):
        Segment(b"")
