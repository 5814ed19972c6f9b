"""Tokens: what an OpenID Connect issuer says about somebody, held to the issuer's own keys.

A token is believed if a key of the issuer has signed it with an algorithm that fits the key, for this service, and it
is neither too old nor too new. Nothing that it says about its own key is believed, beyond which of the issuer's it is.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Iterable
from typing import Annotated, Any, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from adjudge.errors import UnavailableError
from adjudge.service.access.issuer import Jwk
from adjudge.service.access.ledger import MAX_NAME
from adjudge.service.access.refusal import IssuerAwayError
from adjudge.service.access.scope import Principal, Scope

log = logging.getLogger(__name__)

SECOND_US = 1_000_000

LEEWAY_US = 30 * SECOND_US
"""How far the clocks of issuer and service may be apart."""

RENEW_US = 300 * SECOND_US
"""How old the issuer's keys become before it is asked again; a checked token is remembered as long."""

KEPT_US = 86_400 * SECOND_US
"""How long its keys are good while it cannot be asked."""

PAUSE_US = 10 * SECOND_US
"""How seldom it is asked, whatever is sent."""

MIN_RSA_BITS = 2048

MAX_KEYS = 64
"""Most keys of an issuer that are looked at."""

RSA = frozenset(f"{family}{bits}" for family in ("RS", "PS") for bits in (256, 384, 512))

FITTING: dict[tuple[str | None, str | None], frozenset[str]] = {
    ("RSA", None): RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
"""Algorithms by type and curve of a key. None is symmetric: a public key is no secret to sign with."""

PREFIX = "adjudge:"
"""May stand before a scope, where an issuer serves others as well."""

Time = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Seconds since 1970 UTC."""


class _Claims(msgspec.Struct):
    """What a token must say; the signature, the issuer and the audience were checked before."""

    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    exp: Time
    nbf: Time = 0.0
    iat: Time = 0.0


class Source(Protocol):
    """Gives the public keys of an issuer."""

    url: str

    async def keys(self) -> list[Jwk]:
        """Return its keys as they are now; `UnavailableError` if it cannot be asked."""
        ...


class OidcTokens:
    """Checks the bearer tokens of one issuer.

    Parameters
    ----------
    source
        The issuer.
    audience
        What a token must be for; one for another service of the same issuer is refused.
    claim
        Under which name a token has its scopes: a text with blanks between, or a list.
    """

    def __init__(self, source: Source, audience: str, claim: str = "scope") -> None:
        self._source = source
        self._audience = audience
        self._claim = claim
        self._keys: dict[str | None, Jwk] = {}
        self._fetched_us = self._asked_us = -KEPT_US
        self._asking = asyncio.Lock()
        self._renewal: asyncio.Future[None] | None = None

    async def check(self, token: str, now_us: int) -> Principal | None:
        """Return who a token makes its sender; None if it is not good.

        Parameters
        ----------
        token
            What was sent.
        now_us
            The time, in microseconds since 1970 UTC.

        Raises
        ------
        IssuerAwayError
            If there are no keys to hold it to, because the issuer cannot be asked.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, RecursionError):  # whoever nests a header deeply is no issuer
            return None
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or "crit" in header:  # what is critical must be understood, or it is refused
            return None
        jwk = await self._key(kid, now_us)
        if jwk is None or algorithm not in fitting(jwk):
            return None
        return self._principal(self._claims(token, jwk, algorithm), now_us)

    async def _key(self, kid: str | None, now_us: int) -> Jwk | None:
        """Return the key of a name, which only a set of a single key can do without; ask the issuer where needed."""
        if now_us >= self._fetched_us + KEPT_US:
            self._keys = {}
        if self._find(kid) is None:
            await self._renew(kid, now_us)
            if not self._keys:
                raise IssuerAwayError(PAUSE_US // SECOND_US)
        elif now_us >= self._fetched_us + RENEW_US and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.ensure_future(self._renew(kid, now_us))  # nobody waits for it
        return self._find(kid)

    def _find(self, kid: str | None) -> Jwk | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _renew(self, kid: str | None, now_us: int) -> None:
        """Fetch the issuer's keys, unless somebody else just did."""
        async with self._asking:
            fresh = now_us < self._fetched_us + RENEW_US and self._find(kid) is not None
            if fresh or now_us < self._asked_us + PAUSE_US:
                return
            self._asked_us = now_us
            try:
                found = await self._source.keys()
            except UnavailableError as error:
                log.warning("%s", error, extra={"event": "issuer_away"})
                return
            self._keys = {jwk.get("kid"): jwk for jwk in found[:MAX_KEYS] if fitting(jwk)}
            self._fetched_us = now_us

    def _claims(self, token: str, jwk: Jwk, algorithm: str) -> dict[str, Any] | None:
        """Return what a token says if the key has signed it, for us and in the issuer's name."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                _loaded(msgspec.json.encode(jwk), algorithm),
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._source.url,
                # times are held to the clock of the service, below
                options={"require": ["aud", "iss"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            log.debug("a token was refused: %s", type(error).__name__, extra={"event": "token_refused"})
            return None
        return claims

    def _principal(self, claims: dict[str, Any] | None, now_us: int) -> Principal | None:
        """Return who somebody is by what was signed, if it is good now."""
        try:
            found = msgspec.convert(claims, _Claims)
        except msgspec.ValidationError:
            return None
        ends_us = int(found.exp * SECOND_US) + LEEWAY_US
        begins_us = int(max(found.nbf, found.iat) * SECOND_US) - LEEWAY_US
        if not begins_us <= now_us < ends_us or not found.sub.isprintable() or not found.sub.strip():
            return None
        scopes = scopes_in((claims or {}).get(self._claim))
        return Principal(found.sub, scopes, min(ends_us, now_us + RENEW_US), holders=frozenset({found.sub}))


def fitting(jwk: Jwk) -> frozenset[str]:
    """Return the algorithms that a public key may have signed with; none if it is for something else.

    Examples
    --------
    >>> sorted(fitting({"kty": "EC", "crv": "P-256"})), sorted(fitting({"kty": "oct", "k": "c2VjcmV0"}))
    (['ES256'], [])
    """
    type_, curve, kid = jwk.get("kty"), jwk.get("crv"), jwk.get("kid")
    if not all(value is None or isinstance(value, str) for value in (type_, curve, kid, jwk.get("alg"))):
        return frozenset()
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    known = FITTING.get((type_, curve), frozenset())
    return known & {jwk["alg"]} if jwk.get("alg") else known


def scopes_in(claim: object) -> frozenset[Scope]:
    """Return the scopes among what a claim names; whatever else it names is another service's.

    Examples
    --------
    >>> sorted(scopes_in("openid adjudge:review label")), sorted(scopes_in(None))
    ([<Scope.LABEL: 'label'>, <Scope.REVIEW: 'review'>], [])
    """
    names: Iterable[object] = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else ()
    given = {name.removeprefix(PREFIX) for name in names if isinstance(name, str)}
    return frozenset(scope for scope in Scope if scope in given)


@functools.lru_cache(maxsize=MAX_KEYS)
def _loaded(jwk: bytes, algorithm: str) -> jwt.PyJWK:
    """Return a key that is ready to verify with an algorithm; `PyJWTError` if it is none, or a weak one."""
    key = jwt.PyJWK(msgspec.json.decode(jwk), algorithm)
    if not hasattr(key.key, "verify"):
        message = "the issuer shows a private key"
        raise jwt.InvalidKeyError(message)
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
        message = "the key is too short"
        raise jwt.InvalidKeyError(message)
    return key
