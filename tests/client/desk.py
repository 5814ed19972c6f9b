"""A client and the service that it talks to in one process, with whatever may go wrong in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from adjudge.client import AsyncClient, Client, Options, Timing

URL = "http://localhost"


@dataclass(frozen=True)
class Fault:
    """What becomes of one request on its way.

    Parameters
    ----------
    reaches
        Whether the service gets it.
    takes_s
        Seconds that pass.
    error
        What the client sees instead of an answer.
    status, headers, body
        What it is answered in the service's place; 0 for the service's own answer.
    """

    reaches: bool = False
    takes_s: float = 0.0
    error: type[httpx.TransportError] | None = None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


PASSES = Fault(reaches=True)
UNREACHABLE = Fault(error=httpx.ConnectError)
DROPPED = Fault(error=httpx.RemoteProtocolError)
RESET = Fault(reaches=True, error=httpx.ReadError)
"""The service has decided, and its answer is lost."""
SLOW = Fault(reaches=True, takes_s=10.0, error=httpx.ReadTimeout)
"""The service has decided, too late for the time that an attempt may take."""


def told(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Return the fault that somebody else answers, a proxy say."""
    return Fault(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


class Line(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A line to an ASGI application with faults in it, which strike in their order; then everything passes.

    Parameters
    ----------
    application
        The service.
    faults
        One a request.
    """

    def __init__(self, application: Any, faults: Iterable[Fault] = ()) -> None:
        self.faults = iter(faults)
        self.now = 1000.0
        self.waits: list[float] = []
        self.seen: list[httpx.Request] = []
        self._inner = httpx.ASGITransport(application, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request of the client that waits."""
        return asyncio.run(self.handle_async_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request of the client that is awaited."""
        self.seen.append(request)
        fault = next(self.faults, PASSES)
        response = httpx.Response(fault.status or 200, headers=fault.headers, content=fault.body)
        if fault.reaches:
            answer = await self._inner.handle_async_request(request)
            response = httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())
        self.now += fault.takes_s
        if fault.error is not None:
            message = "as the test wants it"
            raise fault.error(message, request=request)
        return response

    def clock(self) -> float:
        """Return the time, which passes by waiting and by slow answers only."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.now += seconds

    async def wait_async(self, seconds: float) -> None:
        """Let time pass."""
        self.wait(seconds)


class Desk:
    """Either client at the end of a line, spoken to in the same way: ``desk("decide_one", event)``.

    Parameters
    ----------
    kind
        ``Client`` or ``AsyncClient``.
    line
        Leads to the service.
    key
        The client's key.
    options
        Its patience and sizes.
    """

    def __init__(self, kind: str, line: Line, key: Any = "", options: Options | None = None) -> None:
        self.line = line
        timing = Timing(line.clock, lambda: 0.5)
        self.client: Client | AsyncClient
        if kind == "Client":
            self.client = Client(URL, key, options=options, transport=line, timing=timing, sleep=line.wait)
        else:
            self.client = AsyncClient(URL, key, options=options, transport=line, timing=timing, sleep=line.wait_async)

    def __call__(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """Call a verb and return its result."""
        result = getattr(self.client, verb)(*arguments, **named)
        if isinstance(self.client, AsyncClient):
            return asyncio.run(result)
        return result


BOTH = pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
"""Runs a test with either client."""
