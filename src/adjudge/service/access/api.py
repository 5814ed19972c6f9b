"""Routes that manage who may do what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.errors import InputError
from adjudge.service.access import keys
from adjudge.service.access.gate import visitor_of
from adjudge.service.access.keys import DAY_US, Grant, Keys
from adjudge.service.access.ledger import By, Ledger
from adjudge.service.access.view import Issued, KeyView

T = TypeVar("T")

HOUR_US = DAY_US // 24

Body = Callable[[Request], Awaitable[bytes]]
"""Reads the body of a request, up to the limit of the settings."""

Days = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Hours = Annotated[float, msgspec.Meta(ge=0, le=240_000)]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is asked for.

    Parameters
    ----------
    owner
        The person or program that it is for; what is done with it is logged under this name.
    scopes
        What it may do.
    why
        The reason, for the log.
    lifetime_days
        How long each of its secrets is good; null until it is revoked.
    rate_per_s
        Events a second that it is good for; 0 for as many as the settings say.
    """

    owner: str
    scopes: list[str]
    why: str
    lifetime_days: Days | None = None
    rate_per_s: int = 0

    def grant(self) -> Grant:
        """Return what the key is to be."""
        lifetime = None if self.lifetime_days is None else self.lifetime_days * DAY_US
        return Grant(self.owner, self.scopes, lifetime, self.rate_per_s)


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another secret for a key.

    Parameters
    ----------
    why
        The reason, for the log.
    grace_hours
        How long the present secret stays good.
    """

    why: str
    grace_hours: Hours = 24.0


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something is done, for the log."""

    why: str


class KeyList(msgspec.Struct, frozen=True):
    """Every key, those that have ended too."""

    keys: list[KeyView]


def add_keys(api: FastAPI, registry: Keys, ledger: Ledger, clock: Callable[[], int], body_of: Body) -> None:
    """Add the routes that manage API keys.

    Parameters
    ----------
    api
        Gets the routes.
    registry
        The keys.
    ledger
        Where changes are written.
    clock
        Returns microseconds since 1970 UTC.
    body_of
        Reads bodies.
    """

    @api.get("/v1/keys")
    async def list_keys() -> Response:
        """Return every key without its secret, those that have ended too."""
        return _json(KeyList([KeyView.of(key, clock()) for key in registry]))

    @api.post("/v1/keys", status_code=201)
    async def create_key(request: Request) -> Response:
        """Make a key; its secret is in this answer and nowhere else."""
        asked = read(await body_of(request), NewKey)
        made = keys.create(registry, ledger, asked.grant(), by(request, asked.why))
        return _json(Issued.of(made, clock()), 201)

    @api.post("/v1/keys/{id}/rotate")
    async def rotate_key(id: str, request: Request) -> Response:
        """Give a key another secret; the present one stays good for a while, so that nothing has to stop."""
        asked = read(await body_of(request), Rotation)
        grace_us = round(asked.grace_hours * HOUR_US)
        made = keys.rotate(registry, ledger, id, by(request, asked.why), grace_us=grace_us)
        return _json(Issued.of(made, clock()))

    @api.post("/v1/keys/{id}/revoke")
    async def revoke_key(id: str, request: Request) -> Response:
        """End a key at once and for good."""
        asked = read(await body_of(request), Revocation)
        return _json(KeyView.of(keys.revoke(registry, ledger, id, by(request, asked.why)), clock()))


def read(body: bytes, type_: type[T]) -> T:
    """Return what a body holds.

    Parameters
    ----------
    body
        JSON.
    type_
        What it has to be.

    Raises
    ------
    InputError
        If it is something else, naming the field.
    """
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        raise InputError(message[:200], field=place.rstrip("`")[:80], code="wrong_type") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = "the body is not JSON"
        raise InputError(message, code="malformed") from None


def by(request: Request, why: str) -> By:
    """Return who sent a request, with the reason they give."""
    principal = visitor_of(request).principal
    return By(principal.who, why, principal.holders)


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
