"""Whatever bytes come in, from outside or from a damaged file: an error of ours that says so, and never anything else.

`ADJUDGE_FUZZ` says how many inputs are tried over all targets (10,000 unless set); `make fuzz` tries 200,000 new ones.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjudge.define.expression import parse
from adjudge.errors import AdjudgeError
from adjudge.log import Commit, Kind, entries_of
from adjudge.log.codec import Changes, Events, Note, Table, Texts, pack, unpack
from adjudge.log.segment import Segment, segment_of
from adjudge.service.decode import EventDecoder
from tests.define.strategies import booleans
from tests.service.shop import Shop, as_json, many_purchases, shop
from tests.service.test_decider import label

INPUTS = int(os.environ.get("ADJUDGE_FUZZ", "10000"))
TARGETS = 5


def fuzz(function: Callable[..., None]) -> Callable[..., None]:
    """Try a share of the inputs: the same ones in every run of the tests, new ones where more are asked for."""
    new = "ADJUDGE_FUZZ" in os.environ
    return settings(
        max_examples=INPUTS // TARGETS,
        derandomize=not new,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(function)


def mutations(valid: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return valid inputs with some of their bytes changed, left out, doubled or replaced by pieces of others."""
    pieces = st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"", b"null", b"1e999", b"-0", b'"', b"\\ud800", b"\xff", b"[", b"{}", b"\x00", b"9" * 40]),
    )
    change = st.tuples(st.integers(0, 10_000), st.integers(0, 12), pieces)
    return st.builds(_mutated, st.sampled_from(valid), st.lists(change, min_size=1, max_size=4))


def _mutated(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, piece in changes:
        at %= len(data) + 1
        data = data[:at] + piece + data[at + length :]
    return data


@functools.cache
def door() -> EventDecoder:
    """Return the decoder of purchases."""
    return EventDecoder(shop(model=False).schema("purchase"))


BODIES = [as_json(row) for row in many_purchases(6)]


@given(st.one_of(mutations(BODIES), st.binary(max_size=200)))
@fuzz
def test_the_hot_path_decodes_one_or_refuses(body: bytes) -> None:
    """What is accepted is written and read again as the same event."""
    try:
        event = door().one(body)
    except AdjudgeError:
        return
    assert door().one(door().encode(event)) == event


@given(st.one_of(mutations([b"[" + b",".join(BODIES) + b"]"]), st.binary(max_size=200)))
@fuzz
def test_the_hot_path_decodes_many_or_refuses(body: bytes) -> None:
    """Every row is either among the good or has an error."""
    try:
        found = door().many(body, 1_000)
    except AdjudgeError:
        return
    bad = {error.row for error in found.errors}
    assert not bad & set(found.rows)
    assert bad | set(found.rows) == set(range(len(bad) + len(found.rows)))


WORDS = st.sampled_from(
    [
        "amount",
        "user_count_1h",
        "and",
        "or",
        "not",
        "in",
        "is",
        "missing",
        "(",
        ")",
        "[",
        "]",
        ",",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "<",
        "<=",
        "==",
        "!=",
        ">",
        "1",
        "0.5",
        "1e400",
        "'x'",
        "..",
        "ü",
    ]
)


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(WORDS, max_size=30).map(" ".join),
        st.builds(lambda node, cut, more: str(node)[:cut] + more, booleans(3), st.integers(0, 80), st.text(max_size=3)),
    )
)
@fuzz
def test_an_expression_is_parsed_or_refused(text: str) -> None:
    """What is parsed is written and parsed again as the same."""
    try:
        parsed = parse(text)
    except AdjudgeError:
        return
    assert str(parse(str(parsed))) == str(parsed)


@functools.cache
def commits() -> list[Commit]:
    """Return a small log with every kind of block."""
    desk = Shop(shop(model=False))
    desk.clock.at = desk.clock.at.replace(hour=23)
    desk.decide(*many_purchases(20))
    desk.decider.change([label("p1-0"), label("later")])
    return list(desk.decider.log.read())


PAYLOADS = [
    pack([Note(Kind.LISTS, b'{"vip":["ada"]}', "bo", "asked for"), Table("s", 3, b"PAR1")]),
    pack([Changes(Kind.RETRACTION, "s", Texts.pack([b"a", b"b"]))]),
]


@given(st.data())
@fuzz
def test_a_payload_is_read_or_refused(data: Any) -> None:
    """Damaged on the disk: refused, or read to the end without anything but words of ours."""
    payload = data.draw(mutations([*PAYLOADS, *(c.payload for c in commits())]))
    try:
        blocks = unpack(payload)
        count = sum(map(len, blocks))
        for entry in entries_of(Commit(0, count, 5, payload, bytes(32))):
            assert entry.seq < count
        for block in blocks:
            if isinstance(block, Events):
                assert block.matrix().shape[1] == len(block)
    except AdjudgeError:
        return


@given(st.data())
@fuzz
def test_a_segment_is_read_or_refused(data: Any) -> None:
    """A damaged segment never gives other commits than those that went in."""
    whole = commits()
    sealed = data.draw(mutations([segment_of(whole)]))
    try:
        assert list(Segment(sealed).commits()) == whole
    except AdjudgeError:
        return
