"""Addresses: which are this machine, and which may be asked for something that must not be tampered with."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from adjudge.errors import InputError


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine and cannot be reached from another.

    Examples
    --------
    >>> [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def safe_address(url: str) -> str:
    """Return an address if what it answers can be believed: it is encrypted, or on this machine.

    Raises
    ------
    InputError
        If it cannot.

    Examples
    --------
    >>> safe_address("https://login.example/realms/risk")
    'https://login.example/realms/risk'
    """
    try:
        parsed = urlsplit(url)
        host, _ = parsed.hostname or "", parsed.port
    except ValueError:
        host = ""
    if (
        not host
        or "@" in parsed.netloc
        or not url.isprintable()
        or not (parsed.scheme == "https" or (parsed.scheme == "http" and is_loopback(host)))
    ):
        message = f"an issuer has an address such as https://login.example, not {url[:200]!r}"
        raise InputError(message, field="oidc_issuer")
    return url
