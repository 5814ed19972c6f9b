"""Routes at which cases are worked."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Request, Response

from adjudge.service.access.api import Body, by, read
from adjudge.service.access.gate import visitor_of
from adjudge.service.access.ledger import By
from adjudge.service.cases.asked import Assign, Decide, Defer, Escalate, HandBack, Limit, Next, Undo, Which, Work, Write
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.cases.spent import DAYS

NOTED = "noted about a case"
"""The reason of a note, which says itself why it is there."""


def add_cases(api: FastAPI, desk: CaseDesk, body_of: Body) -> None:
    """Add the routes of cases.

    Parameters
    ----------
    api
        Gets the routes.
    desk
        Where the cases are.
    body_of
        Reads bodies.
    """

    async def told(found: Any) -> Response:
        return Response(msgspec.json.encode(found), media_type="application/json")

    @api.get("/v1/cases")
    async def cases(
        request: Request,
        which: Which = "queue",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
        start: Annotated[int, Query(ge=0)] = 0,
        system: str | None = None,
    ) -> Response:
        """Return cases in the order in which they should be looked at, and how many fit into a day's review."""
        who = visitor_of(request).principal.who
        return await told(await asyncio.to_thread(desk.cases, which, who=who, limit=limit, start=start, system=system))

    @api.get("/v1/cases/summary")
    async def summary(system: str | None = None, days: Annotated[float, Query(gt=0, le=36_500)] = DAYS) -> Response:
        """Return how review goes: what waits and how long it takes, agreement of opinions, what random cases say.

        And what the verdicts of the last `days` came to: hours, cost, and the loss that they found.
        """
        return await told(await asyncio.to_thread(desk.summary, system, days=days))

    @api.get("/v1/cases/people")
    async def people(system: str | None = None, days: Annotated[float, Query(gt=0, le=36_500)] = DAYS) -> Response:
        """Return who gave verdicts in the last `days`: how many, how fast, what they found, who agrees."""
        return await told(await asyncio.to_thread(desk.people, system, days=days))

    @api.get("/v1/cases/one/{id:path}")
    async def case(id: str, system: str | None = None) -> Response:
        """Return the case of an event with its decision, what it is linked to, and the ring it belongs to."""
        return await told(await asyncio.to_thread(desk.case, id, system))

    @api.post("/v1/cases/next")
    async def next_one(request: Request) -> Response:
        """Give whoever asks the case to look at next, and write down that they have it; null if there is none."""
        asked = read(await body_of(request), Next)
        return await told(await asyncio.to_thread(desk.next, asked, by(request, asked.why)))

    @api.post("/v1/cases/assign")
    async def assign(request: Request) -> Response:
        """Give cases to somebody."""
        asked = read(await body_of(request), Assign)
        return await told(await asyncio.to_thread(desk.assign, asked, by(request, asked.why)))

    @api.post("/v1/cases/release")
    async def release(request: Request) -> Response:
        """Give cases back to the queue."""
        asked = read(await body_of(request), HandBack)
        return await told(await asyncio.to_thread(desk.release, asked, by(request, asked.why)))

    @api.post("/v1/cases/note")
    async def note(request: Request) -> Response:
        """Write something about cases; it is in the log for good."""
        asked = read(await body_of(request), Write)
        return await told(await asyncio.to_thread(desk.note, asked, _noted(request)))

    @api.post("/v1/cases/due")
    async def due(request: Request) -> Response:
        """Give cases another deadline."""
        asked = read(await body_of(request), Limit)
        return await told(await asyncio.to_thread(desk.due, asked, by(request, asked.why)))

    @api.post("/v1/cases/decide")
    async def decide(request: Request) -> Response:
        """Decide cases, or a whole ring: the verdict becomes the label of each event."""
        asked = read(await body_of(request), Decide)
        return await told(await asyncio.to_thread(desk.decide, asked, by(request, asked.why)))

    @api.post("/v1/cases/undo")
    async def undo(request: Request) -> Response:
        """Take one's last verdict about cases back; they wait again."""
        asked = read(await body_of(request), Undo)
        return await told(await asyncio.to_thread(desk.undo, asked, by(request, asked.why)))

    @api.post("/v1/cases/defer")
    async def defer(request: Request) -> Response:
        """Keep cases in hand until more is known."""
        asked = read(await body_of(request), Defer)
        return await told(await asyncio.to_thread(desk.defer, asked, by(request, asked.why)))

    @api.post("/v1/cases/escalate")
    async def escalate(request: Request) -> Response:
        """Pass cases on to somebody who knows more."""
        asked = read(await body_of(request), Escalate)
        return await told(await asyncio.to_thread(desk.escalate, asked, by(request, asked.why)))

    @api.post("/v1/cases/routine")
    async def routine(request: Request) -> Response:
        """Say how cases are worked from here on: draws, second opinions, deadlines, hours."""
        asked = read(await body_of(request), Work)
        return await told(await asyncio.to_thread(desk.work, asked, by(request, asked.why)))


def _noted(request: Request) -> By:
    return by(request, NOTED)
