"""The front: what answers before the service can, and hands over to it.

A service that folds a long log is alive and not ready, and a standby is alive and waits for its turn. Both say so.
"""

from __future__ import annotations

import msgspec

from adjudge.service.app import Service
from adjudge.service.hot import JSON, PROBLEM, Receive, Scope, Send
from adjudge.service.problem import problem

RETRY_AFTER_S = 1
"""What a client is asked to wait before it tries again."""


class Front:
    """An ASGI application that becomes the service once there is one.

    Parameters
    ----------
    state
        What is going on until then, in words.
    """

    def __init__(self, state: str = "the service is starting") -> None:
        self.state = state
        self.service: Service | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self.service is not None:
            await self.service(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope["path"], send)

    async def _answer(self, path: str, send: Send) -> None:
        if path == "/healthz":
            status, headers, body = 200, JSON, msgspec.json.encode({"alive": True})
        else:
            document = problem(503, self.state, code="not_ready")
            status, headers, body = 503, PROBLEM, msgspec.json.encode(document)
            headers = [*headers, (b"retry-after", b"%d" % RETRY_AFTER_S)]
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})
