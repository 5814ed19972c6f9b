"""An open-loop load generator: requests leave when they are due, whether earlier ones are answered or not.

Latency counts from the moment a request was due, so a server that stalls is charged for everybody who would
have come meanwhile (a closed loop would politely wait and see nothing). It runs in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import selectors
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np

from adjudge.errors import InputError, UnavailableError

TIMEOUT_S = 10.0
"""A request that is not answered by then has failed."""

BINS = 60
"""Bins of the histogram of latencies."""

LOST = 0
"""Stands for the status of a request that got no answer."""


class Report(msgspec.Struct, frozen=True):
    """What came of a load.

    Parameters
    ----------
    sent
        Requests that were due.
    failed
        Those that were not answered, or not with a status of 200 to 299.
    statuses
        How many came back with each status; 0 for no answer.
    offered_per_s, answered_per_s
        Requests due, and answered, in a second.
    seconds
        From the first request due to the last answer.
    p50_ms, p90_ms, p99_ms, p999_ms, max_ms
        Latency from the moment a request was due; an unanswered one counts with the time-out.
    lag_p99_ms
        How late this generator itself was to send; part of the latency.
    client_cpu_s
        Processor time that this process used meanwhile.
    edges_ms, counts
        Histogram of the latencies, edges rising in equal ratios.
    """

    sent: int
    failed: int
    statuses: dict[int, int]
    offered_per_s: float
    answered_per_s: float
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    lag_p99_ms: float
    client_cpu_s: float
    edges_ms: list[float]
    counts: list[int]


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.busy: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, number: int, request: bytes) -> None:
        assert self._transport is not None
        self.busy = number
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        number, self.busy = self.busy, None
        if number is not None:
            self._load.answered(self, number, status)

    def connection_lost(self, error: Exception | None) -> None:
        number, self.busy = self.busy, None
        self._load.lost(self, number)


class _Load:
    """The state of one run."""

    def __init__(self, url: str, bodies: Sequence[bytes], rate_per_s: float, connections: int) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            message = f"the address must look like http://127.0.0.1:8000/v1/decide, not {url!r}"
            raise InputError(message, field="url")
        self.host, self.port = parts.hostname, parts.port or 80
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\ncontent-length: "
        ).encode()
        self._bodies = bodies
        self._rate = rate_per_s
        self._wanted = connections
        self._all: list[_Connection] = []
        self._free: list[_Connection] = []
        self._queue: deque[int] = deque()
        self._statuses = np.full(len(bodies), -1, np.int64)
        self._ended = np.zeros(len(bodies))
        self._lag = np.zeros(len(bodies))
        self._open = len(bodies)
        self._due = np.zeros(len(bodies))
        self.done = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._reconnecting: set[asyncio.Task[None]] = set()

    async def run(self, progress: bool) -> Report:
        try:
            await asyncio.gather(*(self._connect() for _ in range(self._wanted)))
        except OSError as error:
            message = f"nothing can be sent to {self.host}:{self.port}: {error}"
            raise UnavailableError(message) from None
        cpu = time.process_time()
        start = self._loop.time() + 0.05
        self._due = start + np.arange(len(self._bodies)) / self._rate
        watch = self._loop.create_task(self._watch(progress))
        due = self._due.tolist()
        sent = 0
        while sent < len(due):
            now = self._loop.time()
            while sent < len(due) and due[sent] <= now:
                self._dispatch(sent)
                sent += 1
            if sent < len(due):
                await asyncio.sleep(max(0.0, due[sent] - self._loop.time()))
        if self._open:
            await self.done.wait()
        cpu = time.process_time() - cpu
        watch.cancel()
        for connection in self._all:
            connection.close()
        await asyncio.sleep(0)  # lets the connections close
        return self._report(start, cpu)

    def answered(self, connection: _Connection, number: int, status: int) -> None:
        self._end(number, status)
        if self._queue:
            self._send(connection, self._queue.popleft())
        else:
            self._free.append(connection)

    def lost(self, connection: _Connection, number: int | None) -> None:
        """Count the request that was on a lost connection as failed, and connect again."""
        self._all.remove(connection)
        if connection in self._free:
            self._free.remove(connection)
        if number is not None:
            self._end(number, LOST)
        if self._open:
            task = self._loop.create_task(self._reconnect())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)

    def _end(self, number: int, status: int) -> None:
        if self._statuses[number] < 0:
            self._statuses[number] = status
            self._ended[number] = self._loop.time()
            self._open -= 1
            if not self._open:
                self.done.set()

    def _dispatch(self, number: int) -> None:
        if self._free:
            self._send(self._free.pop(), number)
        else:
            self._queue.append(number)

    def _send(self, connection: _Connection, number: int) -> None:
        if self._statuses[number] >= 0:  # timed out while it waited for a connection
            self._free.append(connection)
            return
        self._lag[number] = self._loop.time() - self._due[number]
        body = self._bodies[number]
        connection.send(number, b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    async def _connect(self) -> None:
        _, connection = await self._loop.create_connection(lambda: _Connection(self), self.host, self.port)
        self._all.append(connection)
        self._free.append(connection)

    async def _reconnect(self) -> None:
        while self._open:
            try:
                await self._connect()
            except OSError:
                await asyncio.sleep(0.1)
                continue
            if self._queue:
                self._send(self._free.pop(), self._queue.popleft())
            return

    async def _watch(self, progress: bool) -> None:
        """Give up on requests that are past the time-out, and tell how far things are."""
        total = len(self._bodies)
        while True:
            await asyncio.sleep(0.5)
            late = np.flatnonzero((self._statuses < 0) & (self._due < self._loop.time() - TIMEOUT_S))
            for number in late.tolist():
                self._end(number, LOST)
            if progress:
                sys.stderr.write(f"{total - self._open} of {total}\n")
                sys.stderr.flush()

    def _report(self, start: float, cpu: float) -> Report:
        answered = self._statuses > 0
        latency = np.where(answered, self._ended - self._due, TIMEOUT_S) * 1e3
        p50, p90, p99, p999 = np.percentile(latency, (50, 90, 99, 99.9)).tolist()
        good = (self._statuses >= 200) & (self._statuses < 300)
        seconds = float(self._ended.max() - start)
        edges = np.geomspace(max(latency.min(), 1e-3), max(latency.max(), 2e-3) * 1.001, BINS + 1)
        return Report(
            sent=len(self._bodies),
            failed=int((~good).sum()),
            statuses=dict(Counter(self._statuses.tolist())),
            offered_per_s=self._rate,
            answered_per_s=float(answered.sum()) / seconds,
            seconds=seconds,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=float(latency.max()),
            lag_p99_ms=float(np.percentile(self._lag, 99)) * 1e3,
            client_cpu_s=cpu,
            edges_ms=edges.tolist(),
            counts=np.histogram(latency, edges)[0].tolist(),
        )


def send(
    url: str, bodies: Sequence[bytes], rate_per_s: float, *, connections: int = 64, progress: bool = False
) -> Report:
    """Send bodies at a fixed rate, one request each, and return what came of them.

    Parameters
    ----------
    url
        Where to POST them.
    bodies
        JSON documents, in order.
    rate_per_s
        Requests that are due in a second.
    connections
        Most requests on their way at once; others wait, and their waiting counts.
    progress
        Whether to tell on standard error how many have been answered.

    Raises
    ------
    UnavailableError
        If nobody listens there.
    """
    if not bodies or rate_per_s <= 0 or connections < 1:
        message = "a load needs at least one body and connection, and a rate above 0"
        raise InputError(message)

    async def run() -> Report:
        load = _Load(url, bodies, rate_per_s, connections)
        return await load.run(progress)

    # select() waits to the microsecond where epoll rounds to the millisecond, which would look like latency
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(run())


def main(arguments: Sequence[str] | None = None) -> None:
    """Send the lines of a file and print the report as JSON; ``python -m adjudge.service.load --help``."""
    parser = argparse.ArgumentParser(prog="adjudge.service.load", description="Open-loop load from a file.")
    parser.add_argument("url", help="where to POST, such as http://127.0.0.1:8000/v1/decide")
    parser.add_argument("bodies", type=Path, help="a file with one JSON document a line")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests per second")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--progress", action="store_true", help="tell progress on standard error")
    given = parser.parse_args(arguments)
    bodies = [line for line in given.bodies.read_bytes().split(b"\n") if line]
    report = send(given.url, bodies, given.rate, connections=given.connections, progress=given.progress)
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


if __name__ == "__main__":
    main()
