"""The guard: who sent a request, and may they do this. It stands before anything else is read of one.

What a credential came to is remembered under the header as it was sent, so that checking it again is a look into a
table; its end is checked every time, and a change of the registry forgets everything. Only good credentials are
remembered: sending bad ones fills no memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from adjudge.service.access.address import is_loopback
from adjudge.service.access.keys import Keys
from adjudge.service.access.limit import Bucket
from adjudge.service.access.refusal import (
    ForbiddenError,
    MisdirectedError,
    RateLimitedError,
    UnauthenticatedError,
)
from adjudge.service.access.routes import Door, Need
from adjudge.service.access.scope import SOMEBODY, Principal, Scope

if TYPE_CHECKING:
    from adjudge.service.settings import Settings

Headers = Iterable[tuple[bytes, bytes]]

MAX_KNOWN = 4096
"""Credentials that are remembered; when there are more, all are looked up again."""

MAX_HEADER = 8192
"""Longest credential that is looked at."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:@/\[\]]+)(?::\d+)?")

OPEN, ANY = Door.OPEN, Door.ANY  # looking a member up in its enumeration costs more than comparing it

MISSING = "this needs an API key or a token: send it as Authorization: Bearer"
BAD = "the API key or token is not good: it is unknown, ended or revoked"


class Visitor:
    """Somebody who was let in.

    Parameters
    ----------
    principal
        Who they are.
    bucket
        What is left of their rate; None without a limit.
    """

    __slots__ = ("bucket", "principal")

    def __init__(self, principal: Principal, bucket: Bucket | None = None) -> None:
        self.principal = principal
        self.bucket = bucket

    def charge(self, events: int) -> None:
        """Count a batch of so many events against their rate; one was counted when they came in."""
        if self.bucket is not None and events > 1:
            self.bucket.charge(events - 1)


NOBODY = Visitor(Principal("", frozenset()))
"""Whoever asks for what is open to all."""


class Guard(Protocol):
    """Lets requests in or refuses them."""

    async def admit(self, headers: Headers, need: Need) -> Visitor:
        """Return who sent a request.

        Parameters
        ----------
        headers
            Of the request.
        need
            What the route asks for.

        Raises
        ------
        RefusedError
            If they may not.
        """
        ...


class Tokens(Protocol):
    """Checks bearer tokens that somebody else has issued."""

    async def check(self, token: str, now_us: int) -> Principal | None:
        """Return who a token makes its sender; None if it is not good."""
        ...


class CredentialGuard:
    """Asks everybody for a credential.

    Parameters
    ----------
    keys
        The registry; None if keys are not accepted.
    tokens
        What checks tokens; None if they are not accepted.
    clock
        Returns microseconds since 1970 UTC.
    rate_per_s
        Events a second of a credential that has no limit of its own; 0 for no limit.
    """

    def __init__(
        self, keys: Keys | None, tokens: Tokens | None, clock: Callable[[], int], *, rate_per_s: int = 0
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._clock = clock
        self._rate_per_s = rate_per_s
        self._known: dict[bytes, Visitor] = {}
        self._version = -1
        self._buckets: dict[tuple[str, str], Bucket] = {}

    async def admit(self, headers: Headers, need: Need) -> Visitor:
        """Return who sent a request."""
        if need is OPEN:
            return NOBODY
        sent = None
        for name, value in headers:
            if name == b"authorization":
                sent = value
                break
        if sent is None:
            raise UnauthenticatedError(MISSING, sent=False)
        now_us = self._clock()
        if self._keys is not None and self._keys.version != self._version:
            self._version = self._keys.version
            self._known.clear()
        visitor = self._known.get(sent)
        if visitor is None or now_us >= visitor.principal.until_us:
            visitor = await self._look_up(sent, now_us)
        if need is not ANY and need not in visitor.principal.scopes:
            raise ForbiddenError(need.value)
        if visitor.bucket is not None and (wait_s := visitor.bucket.take(now_us)):
            raise RateLimitedError(wait_s)
        return visitor

    async def _look_up(self, sent: bytes, now_us: int) -> Visitor:
        """Check a credential that is not remembered, and remember it."""
        self._known.pop(sent, None)
        scheme, _, text = sent.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not text or len(sent) > MAX_HEADER:
            raise UnauthenticatedError(MISSING, sent=False)
        version = self._version
        principal = None if self._keys is None else self._keys.check(text, now_us)
        if principal is None and self._tokens is not None:
            principal = await self._tokens.check(text, now_us)
        if principal is None:
            raise UnauthenticatedError(BAD, sent=True)
        visitor = Visitor(principal, self._bucket(principal, now_us))
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        if version == self._version:  # what was checked before a change came in is not remembered after it
            self._known[sent] = visitor
        return visitor

    def _bucket(self, principal: Principal, now_us: int) -> Bucket | None:
        """Return the bucket of a principal: one for all secrets of a key, and for all tokens of a subject."""
        rate = principal.rate_per_s or self._rate_per_s
        if not rate:
            return None
        name = (principal.key, principal.who)
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate_per_s != rate:
            if len(self._buckets) >= MAX_KNOWN:
                self._buckets.clear()
            bucket = self._buckets[name] = Bucket(rate, now_us)
        return bucket


class LocalGuard:
    """Asks for nothing, and serves this machine only, even where a browser was talked into asking.

    A page from elsewhere can make a browser send requests here: to this address, then it says where it comes from, or
    to a name of its own that resolves to this address, then it names the wrong host.
    """

    def __init__(self) -> None:
        self._visitor = Visitor(Principal(SOMEBODY, frozenset(Scope), holders=frozenset({SOMEBODY})))
        self._local: set[bytes] = set()

    async def admit(self, headers: Headers, need: Need) -> Visitor:
        """Return somebody who may do everything."""
        host = origin = None
        for name, value in headers:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
        if host is not None and host not in self._local and not self._learn(host):
            message = "without authentication only this machine is served, and the host header names another"
            raise MisdirectedError(message)
        if origin is not None and origin.partition(b"://")[2] != host:
            message = "without authentication no page from elsewhere is served"
            raise MisdirectedError(message)
        return self._visitor

    def _learn(self, host: bytes) -> bool:
        """Return whether a host header names this machine, and remember it if so."""
        found = _HOST.fullmatch(host.decode("latin-1"))
        local = found is not None and is_loopback(found[1].strip("[]"))
        if local and len(self._local) < MAX_KNOWN:
            self._local.add(host)
        return local


def guard_of(settings: Settings, keys: Keys, clock: Callable[[], int]) -> Guard:
    """Return the guard that the settings ask for.

    Parameters
    ----------
    settings
        How to authenticate, and the rate.
    keys
        The registry.
    clock
        Returns microseconds since 1970 UTC.
    """
    if settings.auth == "off":
        return LocalGuard()
    return CredentialGuard(keys, _tokens(settings), clock, rate_per_s=settings.rate_per_s)


def _tokens(settings: Settings) -> Tokens | None:
    """Return what checks the tokens of the issuer that the settings name."""
    if not settings.oidc_issuer:
        return None
    from adjudge.service.access.issuer import Issuer  # what few need takes a while to load
    from adjudge.service.access.tokens import OidcTokens

    return OidcTokens(Issuer(settings.oidc_issuer), settings.oidc_audience, settings.oidc_claim)
