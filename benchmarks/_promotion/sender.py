"""Sends events in an open loop and keeps when each was due and answered, by whom, and with which versions.

A request is sent when it is due, whether earlier ones were answered or not, and its time counts from then. Times are
of the machine's monotonic clock, so that they can be held against what others did meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from pathlib import Path

import msgspec

CONNECTIONS = 64

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Kept(msgspec.Struct, array_like=True):
    """One request: when it was due and answered, its status (0 for no answer), position, who decided, and versions."""

    due: float
    ended: float
    status: int
    seq: int = -1
    challenger: str = ""
    versions: dict[str, str] = {}


class _Answer(msgspec.Struct):
    seq: int
    versions: dict[str, str]
    challenger: str = ""


async def send(port: int, bodies: list[bytes], rate: float) -> list[Kept]:
    """Send bodies at a rate a second, and return what became of each."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    raw: deque[tuple[float, float, int, bytes]] = deque()

    async def one(due: float, body: bytes) -> None:
        connection = await free.get()
        try:
            status, answer = await _asked(connection, body)
        except (asyncio.IncompleteReadError, OSError):
            status, answer = 0, b""
        raw.append((due, time.monotonic(), status, answer))
        free.put_nowait(connection)

    start, tasks = time.monotonic() + 0.2, set()
    for i, body in enumerate(bodies):
        due = start + i / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(one(due, body))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return [_kept(*each) for each in raw]


async def _asked(connection: Connection, body: bytes) -> tuple[int, bytes]:
    """Send a body and return status and answer."""
    reader, writer = connection
    writer.write(_HEAD + b"%d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    answer = await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
    return int(head[9:12]), answer


def _kept(due: float, ended: float, status: int, answer: bytes) -> Kept:
    if status != 200:
        return Kept(due, ended, status)
    found = msgspec.json.decode(answer, type=_Answer)
    return Kept(due, ended, status, found.seq, found.challenger, found.versions)


_HEAD = b"POST /v1/decide HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "


def main(port: str, bodies: str, rate: str, out: str) -> None:
    """Send the lines of a file, and write what became of each."""
    kept = asyncio.run(send(int(port), Path(bodies).read_bytes().split(b"\n"), float(rate)))
    Path(out).write_bytes(msgspec.json.encode(kept))


if __name__ == "__main__":
    main(*sys.argv[1:])
