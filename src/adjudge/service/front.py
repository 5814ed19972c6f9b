"""The front: what answers before the service can, and hands over to it.

A service that folds a long log is alive and not ready, and a standby is alive and waits for its turn. Both say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from adjudge.service.app import PROMETHEUS, Service
from adjudge.service.health import Health, Since, State, unready
from adjudge.service.hot import JSON, PROBLEM, SECURITY, Headers, Receive, Scope, Send, answer
from adjudge.service.metrics import Standing
from adjudge.service.problem import problem

if TYPE_CHECKING:
    from adjudge.service.spans import Traces

RETRY_AFTER_S = 1
"""What a client is asked to wait before it tries again."""


class Front:
    """An ASGI application that becomes the service once there is one.

    Parameters
    ----------
    detail
        What is going on until then, in words.

    Attributes
    ----------
    service
        What answers; None until there is one.
    traces
        Makes the service's spans; None makes none.
    """

    def __init__(self, detail: str = "the service is starting") -> None:
        self.service: Service | None = None
        self.traces: Traces | None = None
        self._since = Since()
        self._health = Health(False, "starting", 0, 0, self._since("starting"), detail)

    @property
    def health(self) -> Health:
        """How the service is by now."""
        return self._health if self.service is None else self.service.gauges.health()

    @property
    def detail(self) -> str:
        """What is going on, in words."""
        return self._health.detail

    def tell(self, state: State, detail: str, *, position: int, entries: int) -> None:
        """Say what is going on now.

        Parameters
        ----------
        state, detail
            In one word, and in more.
        position, entries
            How far the log was folded, and where it ends.
        """
        self._health = Health(False, state, position, max(entries - position, 0), self._since(state), detail)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self.service is not None:
            await self.service(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        path, health, retry = scope["path"], self._health, (b"retry-after", b"%d" % RETRY_AFTER_S)
        status: int
        headers: Headers
        if path == "/metrics":
            status, headers = 200, [*SECURITY, (b"content-type", PROMETHEUS.encode())]
            body = Standing(health.position, health.position + health.behind).text()
        elif path == "/healthz":
            status, headers, body = 200, JSON, msgspec.json.encode(health)
        elif path == "/readyz":
            status, headers, body = 503, [*PROBLEM, retry], unready(health)
        else:
            document = problem(503, health.detail, code="not_ready")
            status, headers, body = 503, [*PROBLEM, retry], msgspec.json.encode(document)
        await answer(scope, send, status, headers, body)
