"""Webhooks: what a receiver needs to know that a decision comes from its adjudge, unchanged and not long ago.

Signatures are those of the Standard Webhooks specification: an HMAC-SHA256 over id, time and body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from adjudge.errors import AdjudgeError

ID, TIME, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""Headers of a signed message."""

TOLERANCE_S = 300
"""How far the time of a message may be from the receiver's."""


class SignatureError(AdjudgeError):
    """A message does not come from who it says, was changed on its way, or is too old."""


def sign(secret: bytes, id_: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a message.

    Parameters
    ----------
    secret
        Shared by sender and receiver.
    id_
        Of the message.
    at_s
        Now, in seconds since 1970 UTC.
    body
        What is sent.

    Examples
    --------
    >>> sorted(sign(b"secret", "m1", 100, b"{}"))
    ['webhook-id', 'webhook-signature', 'webhook-timestamp']
    """
    return {ID: id_, TIME: str(at_s), SIGNATURE: f"v1,{_digest(secret, id_, str(at_s), body)}"}


def verify(secrets: bytes | Sequence[bytes], headers: Mapping[str, str], body: bytes, *, now_s: float) -> str:
    """Return the id of a message after checking its signature and its time.

    Parameters
    ----------
    secrets
        The shared secret, or several of them while one replaces another.
    headers
        Of the request, by lower-case name.
    body
        As it came, before anything is decoded.
    now_s
        Seconds since 1970 UTC.

    Raises
    ------
    SignatureError
        If no secret fits, a header is missing, or the message is too old.

    Examples
    --------
    >>> verify(b"secret", sign(b"secret", "m1", 100, b"{}"), b"{}", now_s=101.0)
    'm1'
    >>> verify(b"secret", sign(b"secret", "m1", 100, b"{}"), b"[]", now_s=101.0)
    Traceback (most recent call last):
    adjudge.client.webhooks.SignatureError: the signature does not fit the message
    """
    id_, at, given = (headers.get(name, "") for name in (ID, TIME, SIGNATURE))
    if not (at.isascii() and at.isdigit()) or abs(now_s - int(at)) > TOLERANCE_S:
        message = f"the message is not from the last {TOLERANCE_S // 60} minutes"
        raise SignatureError(message)
    tried = [secrets] if isinstance(secrets, bytes) else secrets
    good = [f"v1,{_digest(secret, id_, at, body)}" for secret in tried]
    if not any(hmac.compare_digest(g.encode(), s.encode()) for g in good for s in given.split()):
        message = "the signature does not fit the message"
        raise SignatureError(message)
    return id_


def _digest(secret: bytes, id_: str, at: str, body: bytes) -> str:
    signed = b".".join((id_.encode(), at.encode(), body))
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
