"""Routes of alerts: what is the matter, what somebody has seen, and what nobody wants to hear of."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.service.access.api import Body, by, read
from adjudge.service.alerts import looks
from adjudge.service.alerts.desks import LiveDesk, NewSilence
from adjudge.service.decider import Decider


def add_alerts(api: FastAPI, decider: Decider, body_of: Body) -> None:
    """Add the routes.

    Parameters
    ----------
    api
        Gets them.
    decider
        Whose alerts they are.
    body_of
        Reads bodies.
    """
    desk = LiveDesk(decider)

    @api.get("/v1/alerts")
    async def alerts() -> Response:
        """Return what is the matter, as the last looks have it, and what is silent."""
        return _json(desk.view())

    @api.post("/v1/alerts/looks")
    async def look(request: Request) -> Response:
        """Write down what was the matter at a look; what opens or closes by it leaves through the outbox."""
        asked = read(await body_of(request), looks.NewLook)
        return _json(desk.take(asked, by(request, asked.why)))

    @api.post("/v1/alerts/silences")
    async def silence(request: Request) -> Response:
        """Hear nothing of some incidents until a time; what is still there then is told."""
        asked = read(await body_of(request), NewSilence)
        return _json(desk.silence(asked, by(request, asked.why)))


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
