"""Routes that change what decides, and tell it; those by which a second person answers."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.service.access.api import Body, by, read
from adjudge.service.versions.revision import Revision
from adjudge.service.versions.second import Answer, SecondPerson


def add_activations(api: FastAPI, desk: SecondPerson, body_of: Body) -> None:
    """Add the routes.

    Parameters
    ----------
    api
        Gets them.
    desk
        Where the service is changed.
    body_of
        Reads bodies.
    """

    @api.get("/v1/activations")
    async def active() -> Response:
        """Return what decides in each system: since which position, with which versions, bundle and lists."""
        return _json(desk.desk.active())

    @api.post("/v1/activations")
    async def activate(request: Request) -> Response:
        """Have a system decide otherwise from the next position on: other lists, rules, policy, model or definitions.

        Where that needs a state of its own, or takes a second person, it is not at once: 202.
        """
        revision = read(await body_of(request), Revision)
        done = await asyncio.to_thread(desk.revise, revision, by(request, revision.why))  # decisions go on meanwhile
        return _json(done, 202 if done.status in ("waiting", "folding") else 200)

    @api.get("/v1/lists/{name}")
    async def held(name: str, system: str | None = None) -> Response:
        """Return what a named list holds, with expiry and reason of each element."""
        return _json(desk.desk.held(name, system))

    @api.get("/v1/proposals")
    async def proposals() -> Response:
        """Return what waits for a second person, and what came to its end lately."""
        return _json(desk.views())

    @api.post("/v1/proposals/{id}/approve")
    async def approve(id: int, request: Request) -> Response:
        """Approve as a second person what somebody has proposed, and have it decide from the next position on."""
        asked = read(await body_of(request), Answer)
        return _json(await asyncio.to_thread(desk.approve, id, by(request, asked.why)))

    @api.post("/v1/proposals/{id}/refuse")
    async def refuse(id: int, request: Request) -> Response:
        """Refuse what somebody has proposed, or take back what one has."""
        asked = read(await body_of(request), Answer)
        return _json(await asyncio.to_thread(desk.refuse, id, by(request, asked.why)))


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
