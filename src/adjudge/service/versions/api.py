"""Routes that change what decides, and tell it."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.service.access.api import Body, read
from adjudge.service.access.gate import visitor_of
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import Revision


def add_activations(api: FastAPI, desk: LiveDesk, body_of: Body) -> None:
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
        return _json(desk.active())

    @api.post("/v1/activations")
    async def activate(request: Request) -> Response:
        """Have a system decide with other lists, rules, policy or model from the next position of the log on."""
        revision, who = read(await body_of(request), Revision), visitor_of(request).principal.who
        return _json(await asyncio.to_thread(desk.revise, revision, who))  # decisions go on while it is compiled


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
