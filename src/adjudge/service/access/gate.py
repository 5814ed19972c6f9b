"""The gate: every route that FastAPI serves, behind the guard."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from starlette.routing import BaseRoute, Match

from adjudge.errors import DefinitionError
from adjudge.service.access.guard import Guard, Visitor
from adjudge.service.access.routes import Need

VISITOR = "adjudge.visitor"
"""Where a request keeps who sent it."""


class Gate:
    """Lets a request through to the route that it is for.

    Parameters
    ----------
    api
        Has every route already.
    guard
        Lets requests in or refuses them.
    needs
        What each route asks for, by method and path.

    Raises
    ------
    DefinitionError
        If there is a route of which that is not known.
    """

    def __init__(self, api: FastAPI, guard: Guard, needs: Mapping[str, Need]) -> None:
        self._routes = list(api.routes)
        self._guard = guard
        self._needs = needs
        for route in self._routes:
            for name in names_of(route):
                if name not in needs:
                    message = f"route {name!r} does not say what it asks for; put it into adjudge.service.access.routes"
                    raise DefinitionError(message)

    async def admit(self, scope: MutableMapping[str, Any]) -> None:
        """Note in a request who sent it and which route it is for; one that is for none passes, to be told so.

        Raises
        ------
        RefusedError
            If they may not.
        """
        for route in self._routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                scope["route"] = route
                need = self._needs[f"{scope['method']} {getattr(route, 'path', '')}"]
                scope[VISITOR] = await self._guard.admit(scope["headers"], need)
                return


def names_of(route: BaseRoute) -> list[str]:
    """Return a route's methods and path as the table of needs has them; what has no methods is named by its kind."""
    path = getattr(route, "path", "")
    methods = getattr(route, "methods", None) or [type(route).__name__.upper()]
    return [f"{method} {path}" for method in sorted(methods)]


def allowed(request: Request) -> str:
    """Return the methods that an address takes, whichever routes they belong to."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in routes for method in getattr(route, "methods", None) or ()}))


def visitor_of(request: Request) -> Visitor:
    """Return who sent a request that the gate let through."""
    visitor: Visitor = request.scope[VISITOR]
    return visitor
