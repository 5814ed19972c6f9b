"""Managing the keys of a running service: the same desk as offline, over HTTP."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx
import msgspec

from adjudge.errors import InputError, UnavailableError
from adjudge.service.access.address import is_loopback
from adjudge.service.access.api import HOUR_US, KeyList, NewKey, Revocation, Rotation
from adjudge.service.access.keys import DAY_US, Grant
from adjudge.service.access.view import Issued, KeyView
from adjudge.service.problem import Problem

T = TypeVar("T")

TIMEOUT = httpx.Timeout(600.0, connect=10.0)
"""A service that is not there is given up soon; seating a challenger reads weeks of the log, resting for decisions."""

LATER = frozenset({429, 503})
"""Answers of a service that may say something else in a while."""

JSON = "application/json"
"""Media type of bodies unless said otherwise."""


class Desk(Protocol):
    """Makes, lists, rotates and revokes keys."""

    def views(self) -> list[KeyView]:
        """Return every key."""
        ...

    def create(self, grant: Grant, why: str) -> Issued:
        """Make a key."""
        ...

    def rotate(self, id_: str, grace_us: int, why: str) -> Issued:
        """Give a key a new secret."""
        ...

    def revoke(self, id_: str, why: str) -> KeyView:
        """End a key."""
        ...


class RemoteDesk:
    """Manages the keys of a service.

    Parameters
    ----------
    url
        Address of the service.
    key
        A key that may manage; empty for a service that asks for none.
    transport
        How requests are sent; over the network where absent.

    Raises
    ------
    InputError
        If the key would go over a network unencrypted.
    """

    def __init__(self, url: str, key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL()
        if parsed.scheme not in ("http", "https") or not parsed.host:
            message = f"the address of a service looks like https://decisions.example, not {url!r}"
            raise InputError(message, field="url")
        if key and parsed.scheme != "https" and not is_loopback(parsed.host):
            message = f"a key is only sent encrypted, and {url!r} is not https"
            raise InputError(message, field="url")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=parsed, headers=headers, timeout=TIMEOUT, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def views(self) -> list[KeyView]:
        """Return every key."""
        return self._ask("GET", "/v1/keys", KeyList).keys

    def create(self, grant: Grant, why: str) -> Issued:
        """Make a key."""
        days = None if grant.lifetime_us is None else grant.lifetime_us // DAY_US
        return self._ask("POST", "/v1/keys", Issued, NewKey(grant.owner, grant.scopes, why, days, grant.rate_per_s))

    def rotate(self, id_: str, grace_us: int, why: str) -> Issued:
        """Give a key a new secret."""
        return self._ask("POST", f"/v1/keys/{_part(id_)}/rotate", Issued, Rotation(why, grace_us / HOUR_US))

    def revoke(self, id_: str, why: str) -> KeyView:
        """End a key."""
        return self._ask("POST", f"/v1/keys/{_part(id_)}/revoke", KeyView, Revocation(why))

    def _ask(self, method: str, path: str, type_: type[T], body: Any = None, media: str = JSON) -> T:
        """Return what the service answers; a body of another media type than JSON is bytes."""
        content = self._sent(method, path, body, media)
        try:
            return msgspec.json.decode(content, type=type_)
        except msgspec.MsgspecError:
            message = f"what answers at {self._client.base_url} is no service of this version"
            raise InputError(message) from None

    def _sent(self, method: str, path: str, body: Any = None, media: str = JSON) -> bytes:
        """Return the bytes that the service answers."""
        content = body if body is None or media != JSON else msgspec.json.encode(body)
        try:
            answer = self._client.request(method, path, content=content, headers={"content-type": media})
        except httpx.HTTPError as error:
            message = f"the service at {self._client.base_url} cannot be asked: {error}"
            raise UnavailableError(message) from None
        if answer.is_success:
            return answer.content
        try:
            detail = msgspec.json.decode(answer.content, type=Problem).detail
        except msgspec.MsgspecError:
            detail = "it is no service of this version"
        message = f"the service refused with {answer.status_code}: {detail}"
        raise UnavailableError(message) if answer.status_code in LATER else InputError(message)


def _part(id_: str) -> str:
    """Return an id as a part of a path."""
    if not id_.isalnum():
        message = f"{id_[:40]!r} is no id of a key"
        raise InputError(message, field="id")
    return id_
