"""Parameters of requests: one that a route does not have is refused, for nobody sends one to have it ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fastapi import Request

from adjudge.errors import InputError, did_you_mean

FREE = ("/v1/features/{entity}",)
"""Routes that take parameters by names of their own, and check them."""


def check_known(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse what is not among the parameters of a route.

    Raises
    ------
    InputError
        If there is one, naming it.

    Examples
    --------
    >>> check_known(["limt"], ("start", "limit"))
    Traceback (most recent call last):
        ...
    adjudge.errors.InputError: there is no parameter 'limt'; did you mean 'limit'?
    """
    for name in given:
        if name not in known:
            shown = name[:80]
            message = f"there is no parameter {shown!r}{did_you_mean(shown, known)}"
            raise InputError(message, field=shown, code="unknown_parameter")


async def only_known(request: Request) -> None:
    """Refuse a request of the API with a parameter that its route does not declare; probes may have any."""
    route = request.scope["route"]
    if route.path.startswith("/v1/") and route.path not in FREE:
        check_known(request.query_params, [field.alias for field in route.dependant.query_params])
