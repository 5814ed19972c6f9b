"""Clients that do not take silence for an answer, and the accounts of what they were told.

Requests leave when they are due, over many connections, whether earlier ones are answered or not. One that is not
answered, because its connection broke or the service was not ready, is handed back to be sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from benchmarks._crash.workload import Clients, Request

CONNECTIONS = 32

LATER = (429, 503)
"""Answers that promise nothing and ask to come again."""

REPEATED = b',"repeated":true}'
"""How an answer ends that was given before."""

AGAIN = 0.02
"""Share of requests that are sent although they were answered: clients crash too, and forget."""

PATIENCE_S = 30.0
"""How long an answer may take."""


class Decisions(msgspec.Struct):
    """The answer to many events."""

    decisions: list[msgspec.Raw]


class Results(msgspec.Struct):
    """The answer to what is only kept."""

    results: list[dict[str, Any]]


@dataclass
class Accounts:
    """Everything that was acknowledged, and whatever is wrong with it.

    Parameters
    ----------
    decisions
        The answer to each order, by id, as it was given first.
    kept
        Other events that were accepted, by id, with their positions.
    told
        What was said about orders, by path and id.
    answered
        The requests that were answered.
    fresh
        The ids of orders that were acknowledged and not yet taken note of by whoever draws requests.
    wrong
        Answers that must not be: refusals, and others than before, in words.
    """

    decisions: dict[str, bytes] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    answered: list[Request] = field(default_factory=list)
    fresh: deque[tuple[str, ...]] = field(default_factory=deque)
    wrong: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """How many entries of the log were acknowledged."""
        return len(self.decisions) + len(self.kept) + len(self.told)

    def enter(self, request: Request, status: int, body: bytes) -> None:
        """Note what an answer says, and compare it with what was said before."""
        if status != 200:
            self.wrong.append(f"{request.path} was answered with {status}: {body[:300].decode(errors='replace')}")
            return
        before = self.acknowledged
        if request.path == "/v1/decide":
            self._decided(request.ids[0], body)
        elif request.path == "/v1/decide/many":
            for id_, answer in zip(request.ids, msgspec.json.decode(body, type=Decisions).decisions, strict=True):
                self._decided(id_, bytes(answer))
        else:
            self._told(request, msgspec.json.decode(body, type=Results).results)
        if self.acknowledged > before:
            self.answered.append(request)
            if request.path.startswith("/v1/decide"):
                self.fresh.append(request.ids)

    def _told(self, request: Request, results: list[dict[str, Any]]) -> None:
        for i, (id_, result) in enumerate(zip(request.ids, results, strict=True)):
            if request.says:
                self.told[request.path, id_] = request.says[i]
            elif self.kept.setdefault(id_, result["seq"]) != result["seq"]:
                self.wrong.append(f"{id_} is at {result['seq']}, and was at {self.kept[id_]}")

    def _decided(self, id_: str, answer: bytes) -> None:
        answer = answer[: -len(REPEATED)] + b"}" if answer.endswith(REPEATED) else answer
        if self.decisions.setdefault(id_, answer) != answer:
            self.wrong.append(f"{id_} was answered with other bytes than before")


class Connections:
    """Connections to one service while it lives.

    Parameters
    ----------
    port
        Where it listens, on this machine.
    accounts
        Gets what is answered.

    Attributes
    ----------
    flying
        The requests that are on their way, by connection.
    left
        Set whenever a request leaves.
    """

    def __init__(self, port: int, accounts: Accounts) -> None:
        self.flying: dict[asyncio.StreamWriter, Request] = {}
        self.left = asyncio.Event()
        self._unanswered: list[Request] = []
        self._port = port
        self._accounts = accounts
        self._due: asyncio.Queue[Request] = asyncio.Queue()
        self._carriers = [asyncio.create_task(self._carry()) for _ in range(CONNECTIONS)]

    def offer(self, request: Request) -> None:
        """Have a request sent as soon as a connection is free."""
        self._due.put_nowait(request)

    async def close(self) -> list[Request]:
        """Wait until everything is answered or lost, and return what was not answered."""
        await self._due.join()
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        return self._unanswered

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return the answer to a GET, on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            return await _exchange(reader, writer, f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        finally:
            await _hang_up(writer)

    async def _carry(self) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            while True:
                request = await self._due.get()
                try:
                    if writer is None:
                        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    status, body = await self._ask(reader, writer, request)
                except (OSError, EOFError) as error:  # an answer that ends early is an EOFError
                    if isinstance(error, TimeoutError):
                        self._accounts.wrong.append(f"{request.path} was not answered within {PATIENCE_S:g} s")
                    self._unanswered.append(request)
                    await _hang_up(writer)
                    writer = None
                else:
                    if status in LATER:
                        self._unanswered.append(request)
                    else:
                        self._accounts.enter(request, status, body)
                finally:
                    self._due.task_done()
        finally:
            await _hang_up(writer)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
    ) -> tuple[int, bytes]:
        head = f"POST {request.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        self.flying[writer] = request
        self.left.set()
        try:
            return await _exchange(
                reader, writer, f"{head}content-length: {len(request.body)}\r\n\r\n".encode() + request.body
            )
        finally:
            del self.flying[writer]


async def _hang_up(writer: asyncio.StreamWriter | None) -> None:
    if writer is not None:
        writer.close()
        with contextlib.suppress(OSError):  # the other side was killed
            await writer.wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """Send a request and return the status and the body of its answer."""
    async with asyncio.timeout(PATIENCE_S):
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head[9:12]), await reader.readexactly(length)


async def offer_until(
    stop: asyncio.Event, connections: Connections, clients: Clients, accounts: Accounts, rate_per_s: float
) -> None:
    """Offer requests at random moments, so many events a second, until told to stop.

    Parameters
    ----------
    stop
        Set when it is enough.
    connections
        Carry them.
    clients
        Draw them, and learn what was acknowledged.
    accounts
        Some of what they hold is asked again.
    rate_per_s
        Events that are due in a second.
    """
    rng = random.Random(len(accounts.answered))
    loop, requests = asyncio.get_running_loop(), iter(clients)
    due = loop.time()
    while not stop.is_set():
        due += rng.expovariate(rate_per_s / clients.mean)
        await asyncio.sleep(max(0.0, due - loop.time()))
        while accounts.fresh:
            clients.know(accounts.fresh.popleft())
        again = accounts.answered and rng.random() < AGAIN
        connections.offer(rng.choice(accounts.answered) if again else next(requests))
