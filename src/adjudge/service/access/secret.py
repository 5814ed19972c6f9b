"""What an API key looks like, and what is kept of it.

A key is ``adj_<id>_<secret>``: a prefix that scanners for leaked secrets can look for, a public id that logs and lists
may show, and 256 random bits that are shown once. What is kept is a digest. A password needs a slow hash because it can
be guessed; 256 random bits cannot, not at any speed, so a fast one loses nothing and a request stays cheap.
"""

from __future__ import annotations

import hashlib
import re
import secrets

PREFIX = "adj"
"""How every key begins."""

ID_BYTES, SECRET_BYTES = 6, 32
"""Random bytes of an id and of a secret."""

_FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})")


def new_id() -> str:
    """Return the id of a new key."""
    return secrets.token_hex(ID_BYTES)


def mint(id_: str) -> tuple[str, str]:
    """Return a new secret of a key as its owner writes it, and the digest of it that is kept.

    Parameters
    ----------
    id_
        Id of the key.
    """
    secret = secrets.token_hex(SECRET_BYTES)
    return f"{PREFIX}_{id_}_{secret}", digest_of(id_, secret)


def parse(text: str) -> tuple[str, str] | None:
    """Return id and secret of a key; None if the text is none.

    Examples
    --------
    >>> parse("adj_" + "0a" * 6 + "_" + "ff" * 32) == ("0a" * 6, "ff" * 32)
    True
    >>> parse("adj_1_2") is None
    True
    """
    found = _FORM.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest_of(id_: str, secret: str) -> str:
    """Return what is kept of a secret.

    The hash is keyed with the id, so that a digest copied to another key of the log opens nothing.

    Examples
    --------
    >>> len(digest_of("00", "aa")), digest_of("00", "aa") == digest_of("01", "aa")
    (64, False)
    """
    return hashlib.blake2b(secret.encode(), digest_size=32, key=id_.encode(), person=b"adjudge api key").hexdigest()
