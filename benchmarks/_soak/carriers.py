"""Connections that carry requests: each as soon as it is answered the next, or each when it is due."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks._soak.traffic import Request, Traffic

CONNECTIONS = 24

PATIENCE_S = 30.0
"""A request that is not answered by then has failed."""


@dataclass
class Carried:
    """What came of some requests.

    Parameters
    ----------
    events
        Entries of the log that were asked for and acknowledged.
    latencies_s
        From when each request was due to its answer.
    failed
        Requests that were not answered with 200, by what happened instead.
    """

    events: int = 0
    latencies_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


class Carriers:
    """Connections to a service on this machine.

    Parameters
    ----------
    port
        Where it listens.
    traffic
        What is sent.
    """

    def __init__(self, port: int, traffic: Traffic) -> None:
        self._port = port
        self._traffic = traffic

    async def flood(self, seconds: float) -> Carried:
        """Send for some seconds, on each connection the next request once the last one is answered."""
        carried = Carried()
        until = asyncio.get_running_loop().time() + seconds

        async def one() -> None:
            async with _Connection(self._port) as connection:
                while (now := asyncio.get_running_loop().time()) < until:
                    await self._carry(connection, self._traffic.draw(), now, carried)

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        return carried

    async def keep_to(self, rate_per_s: float, seconds: float, carried: Carried) -> None:
        """Send so many events a second at random moments, whether earlier ones are answered or not."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, Request]] = asyncio.Queue()

        async def one() -> None:
            async with _Connection(self._port) as connection:
                while True:
                    due, request = await waiting.get()
                    await self._carry(connection, request, due, carried)
                    waiting.task_done()

        carriers = [asyncio.create_task(one()) for _ in range(CONNECTIONS)]
        rng, due = random.Random(0), loop.time()
        until = due + seconds
        while due < until:
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            waiting.put_nowait((due, self._traffic.draw()))
            due += rng.expovariate(rate_per_s / self._traffic.mean)
        await waiting.join()
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)

    async def _carry(self, connection: _Connection, request: Request, due: float, carried: Carried) -> None:
        try:
            status, _ = await connection.ask(b"POST", request.path, request.body)
        except (OSError, EOFError, TimeoutError) as error:
            carried.failed[type(error).__name__] += 1
            return
        carried.latencies_s.append(asyncio.get_running_loop().time() - due)
        if status == 200:
            carried.events += request.events
            self._traffic.know(request)
        else:
            carried.failed[str(status)] += 1


async def get(port: int, path: str) -> bytes:
    """Return the body of the answer to a GET."""
    async with _Connection(port) as connection:
        return (await connection.ask(b"GET", path, b""))[1]


class _Connection:
    """One connection, opened again when it has broken."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> _Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()

    async def ask(self, verb: bytes, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                head = (
                    b"%b %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                )
                writer.write(head % (verb, path.encode(), len(body)) + body)
                await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                return int(head[9:12]), await reader.readexactly(length)
        except (OSError, EOFError):
            await self._hang_up()
            raise

    async def _hang_up(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
