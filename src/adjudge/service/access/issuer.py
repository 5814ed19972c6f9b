"""An issuer of tokens: where its public keys are, and how they are fetched."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
import msgspec

from adjudge.errors import InputError, UnavailableError
from adjudge.service.access.address import safe_address

T = TypeVar("T")

DISCOVERY = "/.well-known/openid-configuration"
"""Where an issuer says what it is, behind its own address."""

TIMEOUT_S = 5.0

MAX_DOCUMENT_BYTES = 1 << 20
"""Longest document that is read."""

Jwk = dict[str, Any]
"""A public key as JSON (RFC 7517)."""


class _Configuration(msgspec.Struct):
    """What a discovery document has to say."""

    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[Jwk]


class Issuer:
    """Knows an issuer by its address, and asks it for its keys.

    Parameters
    ----------
    url
        The issuer's name, which is its address: exactly what its tokens say under ``iss``.
    transport
        How it is asked; over the network where absent.

    Raises
    ------
    InputError
        If it would be asked over a network unencrypted: whoever is in between could then let anybody in.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = safe_address(url)
        self._transport = transport

    async def keys(self) -> list[Jwk]:
        """Return its public keys as they are now.

        Raises
        ------
        UnavailableError
            If it cannot be asked, or says something that no issuer of this name says.
        """
        async with httpx.AsyncClient(timeout=TIMEOUT_S, transport=self._transport) as client:
            found = await self._get(client, self.url.rstrip("/") + DISCOVERY, _Configuration)
            if found.issuer != self.url:
                message = f"the issuer {self.url} calls itself {found.issuer[:200]!r}"
                raise UnavailableError(message)
            try:
                address = safe_address(found.jwks_uri)
            except InputError as error:
                message = f"the issuer {self.url} has its keys where they cannot be fetched: {error}"
                raise UnavailableError(message) from None
            return (await self._get(client, address, _KeySet)).keys

    async def _get(self, client: httpx.AsyncClient, address: str, type_: type[T]) -> T:
        try:
            async with client.stream("GET", address) as answer:
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_DOCUMENT_BYTES:
                        message = f"the issuer answers {address} with too much"
                        raise UnavailableError(message)
            if answer.status_code == httpx.codes.OK:  # a redirection is not followed: it may lead anywhere
                return msgspec.json.decode(body, type=type_)
        except httpx.HTTPError as error:
            message = f"the issuer cannot be asked at {address}: {type(error).__name__}"
            raise UnavailableError(message) from None
        except msgspec.MsgspecError as error:
            message = f"the issuer answers {address} with something else: {error}"
            raise UnavailableError(message) from None
        message = f"the issuer answers {address} with status {answer.status_code}"
        raise UnavailableError(message)
