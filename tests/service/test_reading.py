"""Reading the log over HTTP: however long it takes, decisions are made meanwhile, and few pages are read at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adjudge.log import Commit, MemoryLog
from adjudge.service.app import MAX_READING, Service
from adjudge.service.decider import Decider
from adjudge.service.settings import Settings
from tests.service.shop import Shop, purchase, shop

PATIENCE_S = 30.0
"""After how long a read gives up: only a service that reads where it decides ever waits for it."""


class SlowLog(MemoryLog):
    """A log whose pages take as long as one says."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.in_time: list[bool] = []

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield commits, after the wait."""
        if self.slow:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            self.begun.release()
            self.in_time.append(self.go_on.wait(PATIENCE_S))
            with self.lock:
                self.now -= 1
        return super().read(start, stop)


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.mark.parametrize("path", ["/v1/log", "/v1/log/commits"])
def test_a_long_read_holds_up_no_decision(plan: Any, path: str) -> None:
    log, desk = SlowLog(), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    service = Service(desk.decider, Settings(auth="off"))

    async def ask() -> tuple[httpx.Response, list[httpx.Response]]:
        transport = httpx.ASGITransport(service)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            log.slow = True
            pages = [asyncio.create_task(client.get(path)) for _ in range(3 * MAX_READING)]
            for _ in range(MAX_READING):
                assert await asyncio.to_thread(log.begun.acquire, timeout=PATIENCE_S)
            decided = await client.post("/v1/decide", json=purchase(1))
            assert not any(page.done() for page in pages)
            log.go_on.set()
            return decided, await asyncio.gather(*pages)

    decided, pages = asyncio.run(ask())
    assert decided.status_code == 200
    assert {page.status_code for page in pages} == {200}
    assert all(page.json().get("next") is None for page in pages)
    assert (log.most, log.in_time) == (MAX_READING, [True] * len(pages))
