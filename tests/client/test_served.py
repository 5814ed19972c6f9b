"""The client and a service of its own process, over real connections."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx

from adjudge.client import AsyncClient, Client, Options
from adjudge.service.server import free_port
from tests.service.shop import many_purchases, purchase

NOW = datetime.now(UTC) - timedelta(hours=1)


class Breaking(httpx.HTTPTransport):
    """Carries the first request, and loses its answer."""

    lost = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request."""
        response = super().handle_request(request)
        if not self.lost:
            self.lost = True
            response.read()
            message = "connection reset"
            raise httpx.ReadError(message, request=request)
        return response


def test_a_decision_whose_answer_was_lost_is_found_again(shop_url: str) -> None:
    with Client(shop_url, transport=Breaking()) as client:
        decided = client.decide_one(purchase("lost", NOW))
        assert decided.repeated
        assert client.decision("plost").decision.seq == decided.seq


def test_many_over_one_connection(shop_url: str) -> None:
    """Larger than a body may be here: it is sent in pieces, in order."""
    rows = many_purchases(1_500, seed=11, at=NOW, step_s=0.5)
    with Client(shop_url, options=Options(max_body_bytes=90_000, max_rows=10_000)) as client:
        assert client.ready().systems == ["shop"]
        decided = client.decide_many(rows).all()
        assert [d.id for d in decided] == [row["purchase_id"] for row in rows]
        positions = [d.seq for d in decided]
        assert positions == sorted(positions)
        again = client.decide_many(rows[:40]).all()
        assert [d.seq for d in again] == positions[:40]
        assert all(d.repeated for d in again)


def test_calls_at_the_same_time(shop_url: str) -> None:
    """As many as one likes over a few connections, each with its own answer."""

    async def ask() -> list[str]:
        async with AsyncClient(shop_url, options=Options(connections=4)) as client:
            calls = [client.decide_one(purchase(f"at-once-{i}", NOW, user=f"v{i}")) for i in range(40)]
            return [decision.id for decision in await asyncio.gather(*calls)]

    assert asyncio.run(ask()) == [f"pat-once-{i}" for i in range(40)]


def test_nobody_there(shop_url: str) -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        assert client.healthy() is False
        assert "no connection" in client.ready().detail
    with Client(shop_url) as client:
        assert client.healthy() is True
