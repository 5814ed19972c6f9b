"""Where a service is and how one shows who one is; the key appears in the header of a request and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from adjudge.errors import InputError

Key = str | Callable[[], str]
"""An API key or a bearer token, or what returns one: asked before every attempt, so that tokens may expire."""


class Address:
    """A service and the key to it.

    Parameters
    ----------
    url
        Where it is, such as ``https://decide.example``; may have a path.
    key
        The key; empty where none is needed.

    Raises
    ------
    InputError
        If the URL is none of a service, or the key is nothing that a header could hold.

    Examples
    --------
    >>> Address("https://decide.example/adjudge/", "secret")
    Address('https://decide.example/adjudge')
    """

    def __init__(self, url: str, key: Key = "") -> None:
        self.url = _checked(url)
        self._key = key
        if isinstance(key, str):
            self.headers()

    def __repr__(self) -> str:
        return f"Address({self.url!r})"

    def headers(self) -> dict[str, str]:
        """Return the headers of a request."""
        key = self._key if isinstance(self._key, str) else self._key()
        if not key:
            return {}
        if not (key.isascii() and key.isprintable() and " " not in key):
            message = "the key must be printable ASCII without spaces"  # and is not repeated
            raise InputError(message, field="key", code="bad_key")
        return {"authorization": f"Bearer {key}"}


def _checked(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
        message = f"the address of a service must look like http://127.0.0.1:8000, not {_shown(url)!r}"
        raise InputError(message, field="url", code="bad_url")
    if parts.userinfo:
        message = "the address of a service holds no name and password; give a key"
        raise InputError(message, field="url", code="bad_url")
    return url.rstrip("/")


def _shown(url: str) -> str:
    """Return an address without what might be a password in it."""
    return url if "@" not in url else "…@" + url.rpartition("@")[2]
