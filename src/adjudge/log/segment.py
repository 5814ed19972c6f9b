"""Segments: runs of old commits, repacked to take less room; unpacked they are the same commits, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adjudge.log.codec import CodecError
from adjudge.log.protocol import Commit

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Commit]).decode


def segment_of(commits: Sequence[Commit]) -> bytes:
    """Return the segment that holds some commits."""
    import pyarrow

    raw = _pack(list(commits))
    return len(raw).to_bytes(8, "little") + bytes(pyarrow.compress(raw, codec="zstd", asbytes=True))


def unpack_segment(packed: bytes) -> list[Commit]:
    """Return the commits of a segment; `CodecError` if it is damaged."""
    import pyarrow

    try:
        raw = pyarrow.decompress(packed[8:], int.from_bytes(packed[:8], "little"), codec="zstd", asbytes=True)
        return _unpack(raw)
    except (msgspec.DecodeError, pyarrow.ArrowException, OSError) as error:
        message = f"a segment cannot be read: {error}"
        raise CodecError(message) from None
