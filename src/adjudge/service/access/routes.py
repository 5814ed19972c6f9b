"""What each route asks for, in one table. With a route that does not stand here the service does not start."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from adjudge.errors import InputError, did_you_mean
from adjudge.service.access.scope import Scope


class Door(enum.Enum):
    """What a route asks for that asks for no scope."""

    OPEN = "nothing"
    """Nothing at all."""
    ANY = "any"
    """A good credential, whatever it may do."""


Need = Scope | Door

NEEDS: Mapping[str, Need] = {
    "POST /v1/decide": Scope.DECIDE,
    "POST /v1/decide/many": Scope.DECIDE,
    "POST /v1/score": Scope.DECIDE,
    "POST /v1/score/many": Scope.DECIDE,
    "POST /v1/events/{stream}": Scope.DECIDE,
    "POST /v1/labels": Scope.LABEL,
    "POST /v1/outcomes": Scope.LABEL,
    "POST /v1/retractions": Scope.LABEL,
    "GET /v1/waiting": Scope.LABEL,
    "GET /v1/decisions/{id:path}": Scope.REVIEW,
    "GET /v1/around/{id:path}": Scope.REVIEW,
    "GET /v1/linked/{field}": Scope.REVIEW,
    "GET /v1/features/{entity}": Scope.REVIEW,
    "GET /v1/cases": Scope.REVIEW,
    "GET /v1/cases/summary": Scope.REVIEW,
    "GET /v1/cases/people": Scope.MANAGE,
    "GET /v1/cases/one/{id:path}": Scope.REVIEW,
    "POST /v1/cases/next": Scope.REVIEW,
    "POST /v1/cases/assign": Scope.REVIEW,
    "POST /v1/cases/release": Scope.REVIEW,
    "POST /v1/cases/note": Scope.REVIEW,
    "POST /v1/cases/due": Scope.REVIEW,
    "POST /v1/cases/decide": Scope.LABEL,
    "POST /v1/cases/undo": Scope.LABEL,
    "POST /v1/cases/defer": Scope.REVIEW,
    "POST /v1/cases/escalate": Scope.REVIEW,
    "POST /v1/cases/routine": Scope.MANAGE,
    "GET /v1/catalogue": Door.ANY,
    "GET /v1/keys": Scope.MANAGE,
    "POST /v1/keys": Scope.MANAGE,
    "POST /v1/keys/{id}/rotate": Scope.MANAGE,
    "POST /v1/keys/{id}/revoke": Scope.MANAGE,
    "POST /v1/erasures": Scope.MANAGE,
    "GET /v1/activations": Scope.MANAGE,
    "GET /v1/lists/{name}": Scope.MANAGE,
    "POST /v1/activations": Scope.MANAGE,
    "GET /v1/alerts": Scope.AUDIT,
    "POST /v1/alerts/looks": Scope.MANAGE,
    "POST /v1/alerts/silences": Scope.MANAGE,
    "GET /v1/challengers": Scope.MANAGE,
    "POST /v1/challengers": Scope.MANAGE,
    "GET /v1/challengers/{name}": Scope.MANAGE,
    "GET /v1/standings": Scope.MANAGE,
    "POST /v1/challengers/{name}/share": Scope.MANAGE,
    "POST /v1/challengers/{name}/promote": Scope.MANAGE,
    "POST /v1/challengers/{name}/retire": Scope.MANAGE,
    "GET /v1/releases": Scope.MANAGE,
    "POST /v1/releases": Scope.MANAGE,
    "GET /v1/releases/{id}": Scope.MANAGE,
    "GET /v1/releases/{id}/card": Scope.MANAGE,
    "POST /v1/releases/{id}/approve": Scope.MANAGE,
    "POST /v1/releases/{id}/promote": Scope.MANAGE,
    "POST /v1/releases/{id}/package": Scope.MANAGE,
    "POST /v1/packages": Scope.MANAGE,
    "GET /v1/proposals": Scope.MANAGE,
    "POST /v1/proposals/{id}/approve": Scope.MANAGE,
    "POST /v1/proposals/{id}/refuse": Scope.MANAGE,
    "GET /v1/log": Scope.AUDIT,
    "GET /v1/log/commits": Scope.AUDIT,
    "GET /metrics": Scope.AUDIT,
    "GET /docs": Door.ANY,
    "GET /openapi.json": Door.ANY,
    "HEAD /openapi.json": Door.ANY,
    "GET /healthz": Door.OPEN,
    "GET /readyz": Door.OPEN,
}
"""What each route asks for, by method and path as it is declared."""

OPENED = {
    "docs": ("GET /docs", "GET /openapi.json", "HEAD /openapi.json"),
    "metrics": ("GET /metrics",),
}
"""Routes that the setting `public` can open to all, by the word it uses."""


def needs(public: str = "") -> dict[str, Need]:
    """Return what each route asks for.

    Parameters
    ----------
    public
        Words of `OPENED`, with commas between.

    Raises
    ------
    InputError
        If there is no such word.

    Examples
    --------
    >>> needs()["GET /metrics"], needs("metrics")["GET /metrics"]
    (<Scope.AUDIT: 'audit'>, <Door.OPEN: 'nothing'>)
    """
    found = dict(NEEDS)
    for word in filter(None, (part.strip() for part in public.split(","))):
        if word not in OPENED:
            message = f"public may name {' and '.join(OPENED)}, not {word[:40]!r}{did_you_mean(word[:40], OPENED)}"
            raise InputError(message, field="public")
        found |= dict.fromkeys(OPENED[word], Door.OPEN)
    return found
