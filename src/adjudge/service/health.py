"""Health: what a supervisor and a load balancer are told, the same whether the service starts, stands by or decides."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from adjudge.service.problem import problem

State = Literal["starting", "recovering", "standing_by", "deciding", "failed", "stopping"]
"""What a service is doing; it decides only in ``deciding``."""


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service is.

    Parameters
    ----------
    ready
        Whether it decides.
    state
        What it is doing.
    position
        How far it has folded the log.
    behind
        Entries of the log beyond that, as far as it knows.
    since
        When that state began.
    detail
        More about it, in words.
    systems
        What it decides.
    """

    ready: bool
    state: State
    position: int
    behind: int
    since: datetime
    detail: str = ""
    systems: list[str] = []


def unready(health: Health) -> bytes:
    """Return the problem document that says why no decisions are made, with everything that there is to know beside."""
    told = problem(503, health.detail, code="not_ready")
    return msgspec.json.encode(msgspec.to_builtins(told) | msgspec.to_builtins(health))


class Since:
    """Remembers since when a service has been in its state.

    Parameters
    ----------
    now
        Returns seconds since 1970 UTC.

    Examples
    --------
    >>> clock = iter([0.0, 5.0, 9.0])
    >>> since = Since(lambda: next(clock))
    >>> [since(state).second for state in ("starting", "deciding", "deciding")]
    [0, 5, 5]
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._state: State | None = None
        self._since = datetime.fromtimestamp(0, UTC)

    def __call__(self, state: State) -> datetime:
        """Return when this state began: now, if it was another one until now."""
        if state != self._state:
            self._state, self._since = state, datetime.fromtimestamp(self._now(), UTC)
        return self._since
