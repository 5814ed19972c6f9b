"""Keyed 64-bit hashes: a text or a key is known to the engine only by the SipHash-2-4 of its tagged bytes.

The secret makes collisions impossible to construct from outside, the tag keeps a category from ever
equalling a card number, and 0 is reserved for "missing" (the one hash that would be 0 is 1 instead). A text
is hashed as eight bytes of tag followed by its UTF-8 bytes; an entity key as the hash of the entity's name,
the number of its fields and the hash of each field, every part of fixed width, so that ("ab", "c") and
("a", "bc") cannot meet.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np

from adjudge.errors import DefinitionError, ShapeError
from adjudge.kernel import kernel
from adjudge.typing import AnyArray, BoolArray, FloatArray, HashArray, IntArray

ENTITY_TAG = 0xE7
"""Tag of an entity's name inside the hash of a key."""

TEXT_TAG = 0x01
"""Tag of ordinary texts: all texts that may be compared with one another share it."""

Word: TypeAlias = np.uint64
State: TypeAlias = tuple[Word, Word, Word, Word]


@kernel
def _round(v0: Word, v1: Word, v2: Word, v3: Word) -> State:
    v0 = v0 + v1
    v2 = v2 + v3
    v1 = ((v1 << np.uint64(13)) | (v1 >> np.uint64(51))) ^ v0
    v3 = ((v3 << np.uint64(16)) | (v3 >> np.uint64(48))) ^ v2
    v0 = (v0 << np.uint64(32)) | (v0 >> np.uint64(32))
    v2 = v2 + v1
    v0 = v0 + v3
    v1 = ((v1 << np.uint64(17)) | (v1 >> np.uint64(47))) ^ v2
    v3 = ((v3 << np.uint64(21)) | (v3 >> np.uint64(43))) ^ v0
    v2 = (v2 << np.uint64(32)) | (v2 >> np.uint64(32))
    return v0, v1, v2, v3


@kernel
def _start(k0: Word, k1: Word) -> State:
    return (
        k0 ^ np.uint64(0x736F6D6570736575),
        k1 ^ np.uint64(0x646F72616E646F6D),
        k0 ^ np.uint64(0x6C7967656E657261),
        k1 ^ np.uint64(0x7465646279746573),
    )


@kernel
def _absorb(v0: Word, v1: Word, v2: Word, v3: Word, word: Word) -> State:
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ word, v1, v2, v3


@kernel
def _finish(v0: Word, v1: Word, v2: Word, v3: Word) -> Word:
    v2 ^= np.uint64(0xFF)
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@kernel
def _absorb_bytes(v0: Word, v1: Word, v2: Word, v3: Word, data: AnyArray, start: int, length: int, before: int) -> Word:
    """Absorb `length` bytes after `before` bytes (a multiple of 8) that were absorbed already, and finish."""
    whole = length >> 3
    for i in range(whole):
        at = start + (i << 3)
        word = np.uint64(0)
        for j in range(8):
            word |= np.uint64(data[at + j]) << np.uint64(8 * j)
        v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, word)
    word = np.uint64((length + before) & 0xFF) << np.uint64(56)
    at = start + (whole << 3)
    for j in range(length & 7):
        word |= np.uint64(data[at + j]) << np.uint64(8 * j)
    v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, word)
    return _finish(v0, v1, v2, v3)


@kernel
def _siphash(k0: Word, k1: Word, data: AnyArray) -> Word:
    v0, v1, v2, v3 = _start(k0, k1)
    return _absorb_bytes(v0, v1, v2, v3, data, 0, data.shape[0], 0)


@kernel
def _hash_packed(head: HashArray, lengths: IntArray, data: AnyArray) -> HashArray:
    k0, k1 = head[0], head[1]
    fields = head.shape[0] - 2
    rows = lengths.shape[0] // fields
    out = np.empty((fields, rows), np.uint64)
    at = 0
    for f in range(fields):
        v0, v1, v2, v3 = _start(k0, k1)
        v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, head[2 + f])
        for i in range(rows):
            length = lengths[f * rows + i]
            if length < 0:
                out[f, i] = np.uint64(0)
                continue
            digest = _absorb_bytes(v0, v1, v2, v3, data, at, length, 8)
            out[f, i] = digest if digest != np.uint64(0) else np.uint64(1)
            at += length
    return out


@kernel
def _hash_slices(k0: Word, k1: Word, tag: int, offsets: IntArray, data: AnyArray, valid: BoolArray) -> HashArray:
    rows = offsets.shape[0] - 1
    out = np.empty(rows, np.uint64)
    v0, v1, v2, v3 = _start(k0, k1)
    v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, np.uint64(tag))
    for i in range(rows):
        if not valid[i]:
            out[i] = np.uint64(0)
            continue
        digest = _absorb_bytes(v0, v1, v2, v3, data, offsets[i], offsets[i + 1] - offsets[i], 8)
        out[i] = digest if digest != np.uint64(0) else np.uint64(1)
    return out


@kernel
def _hash_words(k0: Word, k1: Word, tag: int, words: HashArray, missing: BoolArray) -> HashArray:
    out = np.empty(words.shape[0], np.uint64)
    v0, v1, v2, v3 = _start(k0, k1)
    v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, np.uint64(tag))
    for i in range(words.shape[0]):
        w0, w1, w2, w3 = _absorb(v0, v1, v2, v3, words[i])
        w0, w1, w2, w3 = _absorb(w0, w1, w2, w3, np.uint64(16) << np.uint64(56))
        digest = _finish(w0, w1, w2, w3)
        digest = digest if digest != np.uint64(0) else np.uint64(1)
        out[i] = np.uint64(0) if missing[i] else digest
    return out


@kernel
def _hash_entities(k0: Word, k1: Word, names: HashArray, columns: IntArray, hashes: HashArray) -> HashArray:
    entities, widest = columns.shape
    rows = hashes.shape[1]
    out = np.empty((entities, rows), np.uint64)
    for e in range(entities):
        count = 0
        while count < widest and columns[e, count] >= 0:
            count += 1
        s0, s1, s2, s3 = _start(k0, k1)
        s0, s1, s2, s3 = _absorb(s0, s1, s2, s3, names[e])
        s0, s1, s2, s3 = _absorb(s0, s1, s2, s3, np.uint64(count))
        last = np.uint64((8 * (count + 2)) & 0xFF) << np.uint64(56)
        for i in range(rows):
            v0, v1, v2, v3 = s0, s1, s2, s3
            missing = False
            for c in range(count):
                word = hashes[columns[e, c], i]
                missing = missing or word == np.uint64(0)
                v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, word)
            v0, v1, v2, v3 = _absorb(v0, v1, v2, v3, last)
            digest = _finish(v0, v1, v2, v3)
            digest = digest if digest != np.uint64(0) else np.uint64(1)
            out[e, i] = np.uint64(0) if missing else digest
    return out


@functools.lru_cache(maxsize=64)
def _words(secret: bytes) -> tuple[np.uint64, np.uint64]:
    if len(secret) != 16:
        message = f"a hashing secret has 16 bytes, this one has {len(secret)}"
        raise DefinitionError(message)
    k0, k1 = struct.unpack("<QQ", secret)
    return np.uint64(k0), np.uint64(k1)


@functools.lru_cache(maxsize=256)
def _head(secret: bytes, tags: tuple[int, ...]) -> HashArray:
    """Return the two words of the secret and the tags, in one array: every argument of a call has its price."""
    return np.array([*_words(secret), *tags], np.uint64)


def siphash24(secret: bytes, data: bytes) -> int:
    """Return the SipHash-2-4 of some bytes, as its authors define it.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    data
        What to hash.

    References
    ----------
    Aumasson and Bernstein (2012), SipHash: a fast short-input PRF, appendix A, whose example this is.

    Examples
    --------
    >>> hex(siphash24(bytes(range(16)), bytes(range(15))))
    '0xa129ca6149be45e5'
    """
    return int(_siphash(*_words(secret), np.frombuffer(data, np.uint8)))


def _pack(texts: Sequence[str | None]) -> tuple[IntArray, AnyArray]:
    """Return byte lengths (-1 where missing) and the UTF-8 bytes, end to end."""
    joined = "".join(filter(None, texts))
    if joined.isascii():  # one length per character: the whole batch is encoded at once
        lengths = [-1 if text is None else len(text) for text in texts]
        data = joined.encode()
    else:
        encoded = [None if text is None else text.encode() for text in texts]
        lengths = [-1 if part is None else len(part) for part in encoded]
        data = b"".join([part for part in encoded if part is not None])
    return np.array(lengths, np.int64), np.frombuffer(data, np.uint8)


def hash_fields(secret: bytes, tags: Sequence[int], texts: Sequence[Sequence[str | None]]) -> HashArray:
    """Return the hashes of several text columns at once, shape (fields, rows).

    One call for all text fields of a batch, because for a batch of one a call costs more than its strings.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    tags
        One tag per field; equal texts under different tags have different hashes.
    texts
        One sequence per field, all of one length; None is missing and hashes to 0.

    Raises
    ------
    ShapeError
        If the columns differ in length or in number from the tags.

    Examples
    --------
    >>> hashes = hash_fields(bytes(16), [1, 2], [["a", None], ["a", "a"]])
    >>> hashes.shape, bool(hashes[0, 0] == hashes[1, 0]), int(hashes[0, 1])
    ((2, 2), False, 0)
    """
    if len(texts) != len(tags) or len(set(map(len, texts))) > 1:
        message = f"{len(tags)} tags and columns of lengths {[len(column) for column in texts]} do not fit"
        raise ShapeError(message)
    if not texts:
        return np.empty((0, 0), np.uint64)
    lengths, data = _pack(list(chain.from_iterable(texts)))
    out: HashArray = _hash_packed(_head(secret, tuple(tags)), lengths, data)
    return out


def hash_texts(secret: bytes, tag: int, texts: Sequence[str | None]) -> HashArray:
    """Return the hashes of one text column; None is missing and hashes to 0.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    tag
        What kind of text it is; equal texts under different tags have different hashes.
    texts
        One text or None per row.

    Examples
    --------
    >>> a, b, missing = hash_texts(bytes(16), 1, ["shop", "shop", None])
    >>> bool(a == b), int(missing)
    (True, 0)
    """
    if not isinstance(texts, list):
        texts = list(texts)
    lengths, data = _pack(texts)
    out: HashArray = _hash_packed(_head(secret, (tag,)), lengths, data)[0]
    return out


def hash_text(secret: bytes, tag: int, text: str) -> int:
    """Return the hash of one text, the same that a column of texts gives.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    tag
        What kind of text it is.
    text
        The text.

    Examples
    --------
    >>> hash_text(bytes(16), 1, "shop") == int(hash_texts(bytes(16), 1, ["shop"])[0])
    True
    """
    return int(hash_texts(secret, tag, [text])[0])


def hash_arrow(secret: bytes, tag: int, offsets: IntArray, data: AnyArray, valid: BoolArray | None = None) -> HashArray:
    """Return the hashes of a text column in Arrow layout, without copying its bytes.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    tag
        What kind of text it is.
    offsets
        Where each text starts in `data`; one more than there are rows (int64).
    data
        The UTF-8 bytes of all texts.
    valid
        False where a text is missing; None where none is.

    Examples
    --------
    >>> data = np.frombuffer(b"shopbar", np.uint8)
    >>> hashes = hash_arrow(bytes(16), 1, np.array([0, 4, 7]), data, np.array([True, False]))
    >>> int(hashes[0]) == hash_text(bytes(16), 1, "shop"), int(hashes[1])
    (True, 0)
    """
    rows = len(offsets) - 1
    if valid is None:
        valid = np.ones(max(rows, 0), np.bool_)
    if rows < 0 or len(valid) != rows or (rows and (int(offsets[-1]) > len(data) or int(offsets[0]) < 0)):
        message = f"{len(offsets)} offsets, {len(valid)} validity flags and {len(data)} bytes do not fit"
        raise ShapeError(message)
    if np.any(np.diff(offsets) < 0):
        message = "the offsets of a text column must not fall"
        raise ShapeError(message)
    out: HashArray = _hash_slices(
        *_words(secret),
        tag,
        np.ascontiguousarray(offsets, np.int64),
        np.ascontiguousarray(data, np.uint8),
        valid,
    )
    return out


def hash_numbers(secret: bytes, tag: int, values: FloatArray) -> HashArray:
    """Return the hashes of numbers that serve as keys; NaN is missing and hashes to 0.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    tag
        What kind of number it is.
    values
        The numbers; the hash is that of their bits, with one zero.

    Examples
    --------
    >>> a, b, missing = hash_numbers(bytes(16), 1, np.array([0.0, -0.0, np.nan]))
    >>> bool(a == b), int(missing)
    (True, 0)
    """
    values = np.asarray(values, np.float64) + 0.0  # -0.0 + 0.0 is 0.0
    out: HashArray = _hash_words(*_words(secret), tag, values.view(np.uint64), np.isnan(values))
    return out


def hash_entities(secret: bytes, names: HashArray, columns: IntArray, hashes: HashArray) -> HashArray:
    """Return the keys of several entities for every row, shape (entities, rows).

    Parameters
    ----------
    secret
        The 16 bytes of key.
    names
        The hash of each entity's name: `entity_name`.
    columns
        For each entity the rows of `hashes` that make its key, padded with -1; shape (entities, most fields).
    hashes
        The hash of each field, shape (fields, rows); 0 is missing and makes the key 0.

    Examples
    --------
    >>> hashes = hash_fields(bytes(16), [1, 1], [["ann", "bob"], ["phone", None]])
    >>> names = np.array([entity_name(bytes(16), "user"), entity_name(bytes(16), "user_device")], np.uint64)
    >>> keys = hash_entities(bytes(16), names, np.array([[0, -1], [0, 1]]), hashes)
    >>> keys.shape, int(keys[1, 1])
    ((2, 2), 0)
    """
    out: HashArray = _hash_entities(*_words(secret), names, columns, hashes)
    return out


def entity_name(secret: bytes, entity: str) -> int:
    """Return the hash of an entity's name, the first part of each of its keys.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    entity
        The name, such as ``user`` or ``user_device``.

    Examples
    --------
    >>> entity_name(bytes(16), "user") == entity_name(bytes(16), "card")
    False
    """
    return hash_text(secret, ENTITY_TAG, entity)


def hash_keys(secret: bytes, entity: str, columns: HashArray) -> HashArray:
    """Return the keys of one entity from the hashes of its fields.

    Parameters
    ----------
    secret
        The 16 bytes of key.
    entity
        The entity's name.
    columns
        The hash of each field, shape (fields, rows); a row with a missing field (0) has the key 0.

    Examples
    --------
    >>> fields = hash_fields(bytes(16), [1, 1], [["ab", "a"], ["c", "bc"]])
    >>> first, second = hash_keys(bytes(16), "pair", fields)
    >>> bool(first == second)
    False
    """
    names = np.array([entity_name(secret, entity)], np.uint64)
    fields = np.arange(columns.shape[0], dtype=np.int64).reshape(1, -1)
    out: HashArray = hash_entities(secret, names, fields, columns)[0]
    return out
