"""Webhooks: what a receiver needs to know that a message comes from its adjudge, unchanged and not long ago.

The scheme is that of the Standard Webhooks specification, so that receivers in any language find a library for it.
Three headers go with a message: its id, the time it was sent at in seconds since 1970, and signatures with blanks
between them. A signature is ``v1,`` and the base64 text of an HMAC-SHA256 over ``id.time.body``. The time is signed, so
a message that somebody recorded is worth nothing after a few minutes; the id is, so a receiver can pass over what it
has seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta

from adjudge.errors import AdjudgeError, InputError

__all__ = ["TOLERANCE", "SignatureError", "secret_of", "sign", "verify"]

ID, TIME, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""Headers of a signed message."""

TOLERANCE = timedelta(minutes=5)
"""How far the time of a message may be from the receiver's."""

PREFIX = "whsec_"
"""Begins a secret that is written as base64."""

MAX_DIGITS = 12
"""Of a time in seconds; more would be no time, and costly to read."""


class SignatureError(AdjudgeError):
    """A message does not come from who it says, was changed on its way, or is too old."""


def secret_of(text: str) -> bytes:
    """Return a secret as it signs from how it is handed over: base64 behind ``whsec_``, or the text itself.

    Parameters
    ----------
    text
        As it stands in an environment variable.

    Raises
    ------
    InputError
        If it is empty or no base64; it is not repeated.

    Examples
    --------
    >>> secret_of("whsec_c2VjcmV0"), secret_of("secret")
    (b'secret', b'secret')
    """
    try:
        secret = (
            base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()
        )
    except binascii.Error:
        secret = b""
    return _checked(secret)


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
    return {ID: id_, TIME: str(at_s), SIGNATURE: _signature(_checked(secret), id_, str(at_s), body).decode()}


def verify(
    secrets: bytes | Sequence[bytes],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now_s: float,
    tolerance: timedelta = TOLERANCE,
) -> str:
    """Return the id of a message after checking its signature and its time.

    Parameters
    ----------
    secrets
        The shared secret, or several of them while one replaces another.
    headers
        Of the request, in upper or lower case.
    body
        As it came, before anything is decoded.
    now_s
        Seconds since 1970 UTC.
    tolerance
        How far the time of the message may be from now, both ways.

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
    found = {name.lower(): value for name, value in headers.items()}
    id_, at, given = (found.get(name, "") for name in (ID, TIME, SIGNATURE))
    tried = [secrets] if isinstance(secrets, bytes) else secrets
    good = [_signature(_checked(secret), id_, at, body) for secret in tried]
    offered = [signature.encode(errors="replace") for signature in given.split()]
    if not any(hmac.compare_digest(ours, theirs) for ours in good for theirs in offered):
        message = "the signature does not fit the message"
        raise SignatureError(message)
    if (
        not (at.isascii() and at.isdigit() and len(at) <= MAX_DIGITS)
        or abs(now_s - int(at)) > tolerance.total_seconds()
    ):
        message = f"the message was not sent within {tolerance.total_seconds():g} s of now"
        raise SignatureError(message)
    return id_


def _signature(secret: bytes, id_: str, at: str, body: bytes) -> bytes:
    signed = b".".join((id_.encode(errors="replace"), at.encode(errors="replace"), body))
    return b"v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256))


def _checked(secret: bytes) -> bytes:
    """Refuse an empty secret: anybody can sign with that."""
    if not secret:
        message = "the secret of a webhook must not be empty, and is base64 behind whsec_"
        raise InputError(message, field="secret", code="bad_secret")
    return secret
