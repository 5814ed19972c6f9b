"""SipHash-2-4 against its authors' vectors and a plain Python version; keys, missing values, batches."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.engine.hashing import (
    TEXT_TAG,
    entity_name,
    hash_arrow,
    hash_entities,
    hash_fields,
    hash_keys,
    hash_numbers,
    hash_text,
    hash_texts,
    siphash24,
)
from adjudge.errors import DefinitionError, ShapeError

SECRET = bytes(range(16))
VECTORS = [
    "310e0edd47db6f72",
    "fd67dc93c539f874",
    "5a4fa9d909806c0d",
    "2d7efbd796666785",
    "b7877127e09427cf",
    "8da699cd64557618",
    "cee3fe586e46c9cb",
    "37d1018bf50002ab",
    "6224939a79f5f593",
    "b0e4a90bdf82009e",
    "f3b9dd94c5bb5d7a",
    "a7ad6b22462fb3f4",
    "fbe50e86bc8f1e75",
    "903d84c02756ea14",
    "eef27a8e90ca23f7",
    "e545be4961ca29a1",
]
"""The first of the reference vectors: the hash of the bytes 0, 1, 2 ... n - 1 under the key 0 ... 15."""

texts = st.one_of(st.none(), st.text(max_size=40))


def plain(secret: bytes, data: bytes) -> int:
    """SipHash-2-4 as its paper writes it down, in whole numbers."""
    mask = 2**64 - 1
    k0, k1 = struct.unpack("<QQ", secret)
    v: list[int] = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def rotate(x: int, by: int) -> int:
        return ((x << by) | (x >> (64 - by))) & mask

    def mix() -> None:
        for a, b, c, d, first, second in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = (v[a] + v[b]) & mask
            v[c] = (v[c] + v[d]) & mask
            v[b] = rotate(v[b], first) ^ v[a]
            v[d] = rotate(v[d], second) ^ v[c]
            v[a] = rotate(v[a], 32)

    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        mix()
        mix()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        mix()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@pytest.mark.parametrize(("n", "vector"), list(enumerate(VECTORS)))
def test_reference_vectors(n: int, vector: str) -> None:
    assert siphash24(SECRET, bytes(range(n))) == int.from_bytes(bytes.fromhex(vector), "little")


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=600))
def test_siphash_equals_the_plain_version(secret: bytes, data: bytes) -> None:
    assert siphash24(secret, data) == plain(secret, data)


@given(st.lists(texts, max_size=20), st.integers(0, 255))
def test_a_column_of_texts_is_the_hash_of_tag_and_bytes(column: list[str | None], tag: int) -> None:
    want = [0 if text is None else plain(SECRET, struct.pack("<Q", tag) + text.encode()) for text in column]
    assert hash_texts(SECRET, tag, column).tolist() == want
    assert hash_texts(SECRET, tag, tuple(column)).tolist() == want
    assert [hash_text(SECRET, tag, text) for text in column if text is not None] == [h for h in want if h]


@given(st.integers(0, 6).flatmap(lambda n: st.lists(st.lists(texts, min_size=n, max_size=n), max_size=4)))
def test_fields_together_are_fields_apart(columns: list[list[str | None]]) -> None:
    tags = list(range(1, len(columns) + 1))
    together = hash_fields(SECRET, tags, columns)
    apart = [hash_texts(SECRET, tag, column).tolist() for tag, column in zip(tags, columns, strict=True)]
    assert together.tolist() == apart


@given(st.lists(texts, min_size=1, max_size=20))
def test_an_arrow_column_is_hashed_in_place(column: list[str | None]) -> None:
    offsets = np.cumsum([0, *(len((text or "").encode()) for text in column)])
    data = np.frombuffer("".join(text or "" for text in column).encode(), np.uint8)
    valid = np.array([text is not None for text in column])
    assert hash_arrow(SECRET, TEXT_TAG, offsets, data, valid).tolist() == hash_texts(SECRET, 1, column).tolist()


def test_hashes_depend_on_secret_and_tag() -> None:
    assert len({hash_text(bytes([i]) * 16, tag, "shop") for i in range(5) for tag in range(5)}) == 25


def test_key_fields_do_not_run_together() -> None:
    fields = hash_fields(SECRET, [1, 1], [["ab", "a", "x"], ["c", "bc", None]])
    first, second, missing = hash_keys(SECRET, "pair", fields).tolist()
    assert first != second
    assert missing == 0


def test_a_key_is_the_hash_of_name_count_and_fields() -> None:
    fields = hash_fields(SECRET, [1, 1], [["ann"], ["phone"]])
    words = [entity_name(SECRET, "user_device"), 2, *fields[:, 0].tolist()]
    assert hash_keys(SECRET, "user_device", fields).tolist() == [plain(SECRET, struct.pack("<4Q", *words))]


def test_entities_together_are_entities_apart() -> None:
    fields = hash_fields(SECRET, [1, 1, 1], [["a", "b", None], ["c", None, "d"], ["e", "f", "g"]])
    entities = {"one": [0], "two": [0, 1], "three": [2, 1, 0], "again": [0]}
    names = np.array([entity_name(SECRET, name) for name in entities], np.uint64)
    columns = np.array([rows + [-1] * (3 - len(rows)) for rows in entities.values()])
    together = hash_entities(SECRET, names, columns, fields)
    apart = [hash_keys(SECRET, name, fields[rows]).tolist() for name, rows in entities.items()]
    assert together.tolist() == apart
    assert together[0, 0] != together[3, 0], "the entity's name is part of the key"


def test_numbers_as_keys() -> None:
    values = np.array([0.0, -0.0, 1.0, np.nan, 1.0, np.inf])
    zero, minus, one, missing, again, infinite = hash_numbers(SECRET, 1, values).tolist()
    assert zero == minus
    assert missing == 0
    assert one == again
    assert len({zero, one, infinite}) == 3
    assert one == plain(SECRET, struct.pack("<Qd", 1, 1.0))


def test_wrong_input_is_named() -> None:
    with pytest.raises(DefinitionError, match="16 bytes, this one has 3"):
        hash_text(b"abc", 1, "x")
    with pytest.raises(ShapeError, match="2 tags and columns of lengths"):
        hash_fields(SECRET, [1, 2], [["a"]])
    with pytest.raises(ShapeError, match="do not fit"):
        hash_fields(SECRET, [1, 2], [["a"], ["a", "b"]])
    with pytest.raises(ShapeError, match="do not fit"):
        hash_arrow(SECRET, 1, np.array([0, 9]), np.zeros(3, np.uint8), None)
    with pytest.raises(ShapeError, match="must not fall"):
        hash_arrow(SECRET, 1, np.array([0, 3, 1, 3]), np.zeros(3, np.uint8), None)
