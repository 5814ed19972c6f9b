"""A loop of the console's own, on a thread beside the one that decides: building a page holds up no decision.

The server calls the console in its loop, and the guard belongs there, too; in between, whatever the console does is
done in its own. Both hand each other coroutines and wait for what comes of them.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from adjudge.service.access.guard import Guard, Headers, Visitor
from adjudge.service.access.routes import Need
from adjudge.service.hot import Message, Receive, Scope, Send

T = TypeVar("T")


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """Return the console's loop; there is one for the process, as there is one NiceGUI, and it ends with that."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, name="console-loop", daemon=True).start()
    return made


async def run_in(there: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what comes of a coroutine that runs in a loop; it is cancelled there when waiting for it is, here.

    Parameters
    ----------
    there
        The loop, of this thread or another one.
    coroutine
        What runs.
    """
    if there is asyncio.get_running_loop():
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, there))


async def serve_apart(application: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request in the console's loop that the server has put into the present one.

    Parameters
    ----------
    application
        What serves it.
    scope, receive, send
        As ASGI has them.
    """
    here = asyncio.get_running_loop()

    async def received() -> Message:  # the server makes what is awaited, and makes it for the loop that it is called in
        return await receive()

    async def sent(message: Message) -> None:
        await send(message)

    async def receive_here() -> Message:
        return await run_in(here, received())

    async def send_here(message: Message) -> None:
        await run_in(here, sent(message))

    await run_in(loop(), application(scope, receive_here, send_here))


class HomeGuard:
    """A guard that is only ever asked in the loop of the service, whose requests ask it, too.

    Parameters
    ----------
    guard
        The guard.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.home: asyncio.AbstractEventLoop | None = None

    async def admit(self, headers: Headers, need: Need) -> Visitor:
        """Return who sent a request; see `Guard`."""
        asked = self._guard.admit(headers, need)
        return await (asked if self.home is None else run_in(self.home, asked))
