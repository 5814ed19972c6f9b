"""The route at which one sees what is around a decision."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Response

from adjudge.service.around.desk import EARLIER, LATER, MOST, AroundDesk


def add_around(api: FastAPI, desk: AroundDesk) -> None:
    """Add the route.

    Parameters
    ----------
    api
        Gets it.
    desk
        Reads what is around decisions.
    """

    @api.get("/v1/around/{id:path}")
    async def around(
        id: str,
        system: str | None = None,
        by: Annotated[str, Query(description="a key field; the first that the event has where absent")] = "",
        earlier: Annotated[int, Query(ge=0, le=MOST)] = EARLIER,
        later: Annotated[int, Query(ge=0, le=MOST)] = LATER,
    ) -> Response:
        """Return what is around a decision: what was usual, and the events of the same entity before and after it."""
        found = await asyncio.to_thread(desk.around, id, system, by=by, earlier=earlier, later=later)
        return Response(msgspec.json.encode(found), media_type="application/json")
