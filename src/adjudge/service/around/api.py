"""Routes at which one sees what is around a decision, and who is linked to whom."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Response

from adjudge.service.around.desk import EARLIER, LATER, MOST, AroundDesk


def add_around(api: FastAPI, desk: AroundDesk) -> None:
    """Add the routes.

    Parameters
    ----------
    api
        Gets them.
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

    @api.get("/v1/linked/{field}")
    async def linked(field: str, value: str, system: str | None = None) -> Response:
        """Return the entities that share events with one, within two steps, with their known frauds and open cases.

        An entity is a key field with a value, such as `/v1/linked/user?value=u17`.
        """
        found = await asyncio.to_thread(desk.linked, field, value, system)
        return Response(msgspec.json.encode(found), media_type="application/json")
