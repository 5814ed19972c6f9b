"""The hash chain: each link covers its commit's bytes and the link before, so a quiet edit breaks every later one."""

from __future__ import annotations

import hashlib
import struct

ORIGIN = bytes(32)
"""The link before the first commit."""

_HEAD = struct.Struct("<32sqqqq")


def link_of(before: bytes, first: int, count: int, received_at: int, payload: bytes) -> bytes:
    """Return the link of a commit.

    Parameters
    ----------
    before
        Link of the commit before it, 32 bytes.
    first, count, received_at, payload
        The commit's own content.

    Notes
    -----
    SHA-256 over a fixed head (link before, first, count, received_at, length of the payload; little-endian) and the
    payload. The length is in the head so that no two commits share a preimage.

    Examples
    --------
    >>> link_of(ORIGIN, 0, 1, 5, b"a").hex()[:16]
    '55e721012a9f8c06'
    """
    digest = hashlib.sha256(_HEAD.pack(before, first, count, received_at, len(payload)))
    digest.update(payload)
    return digest.digest()
