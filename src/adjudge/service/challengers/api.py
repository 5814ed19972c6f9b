"""Routes about challengers: seat them, give them a share, promote and retire them, and tell what is known of them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.service.access.api import Body, by, read
from adjudge.service.challengers.asked import Challenge, ChallengerView, Ending, Sharing
from adjudge.service.challengers.second import ProposedChallenges


def add_challengers(api: FastAPI, desk: ProposedChallenges, body_of: Body) -> None:
    """Add the routes.

    Parameters
    ----------
    api
        Gets them.
    desk
        Where challengers are seated.
    body_of
        Reads bodies.
    """

    @api.get("/v1/challengers")
    async def challengers(system: str | None = None, everything: bool = False) -> Response:
        """Return the challengers that run, and with `everything` those that ran last."""
        return _json(await asyncio.to_thread(desk.desk.challengers, system, everything=everything))

    @api.post("/v1/challengers")
    async def seat(request: Request) -> Response:
        """Have a challenger run from the next position on: in the shadow, or on a share of the events.

        Where a share takes a second person, it is not at once: 202.
        """
        asked = read(await body_of(request), Challenge)
        return _view(await asyncio.to_thread(desk.seat, asked, by(request, asked.why)))

    @api.get("/v1/challengers/{name}")
    async def challenger(name: str, system: str | None = None) -> Response:
        """Return a challenger that runs, or the last that ran under a name, with all that has become of it."""
        return _json(await asyncio.to_thread(desk.desk.view, system, name))

    @api.get("/v1/standings")
    async def standings(system: str | None = None) -> Response:
        """Return what is known of each challenger by the log, and what its rule still asks for.

        All that was decided since it runs is read, beside deciding.
        """
        return _json(await asyncio.to_thread(desk.judge.standings, system))

    @api.post("/v1/challengers/{name}/share")
    async def share(name: str, request: Request, system: str | None = None) -> Response:
        """Have a challenger decide another share of the events from the next position on; 0 is the shadow."""
        asked = read(await body_of(request), Sharing)
        return _view(await asyncio.to_thread(desk.share, system, name, asked, by(request, asked.why)))

    @api.post("/v1/challengers/{name}/promote")
    async def promote(name: str, request: Request, system: str | None = None) -> Response:
        """Have a challenger decide alone from the next position on, if the rule of its terms is met."""
        asked = read(await body_of(request), Ending)
        return _view(await asyncio.to_thread(desk.promote, system, name, asked, by(request, asked.why)))

    @api.post("/v1/challengers/{name}/retire")
    async def retire(name: str, request: Request, system: str | None = None) -> Response:
        """Have a challenger run no more from the next position on."""
        asked = read(await body_of(request), Ending)
        return _view(await asyncio.to_thread(desk.retire, system, name, by(request, asked.why)))


def _view(view: ChallengerView) -> Response:
    return _json(view, 200 if view.proposal is None else 202)


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
