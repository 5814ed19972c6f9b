"""The front: what is answered while the service starts, recovers or stands by is the truth."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from adjudge.service.app import Service
from adjudge.service.front import Front
from adjudge.service.settings import Settings
from tests.service.shop import Shop, purchase


def ask(front: Front, path: str, body: Any = None) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost") as client:
            return await client.request("GET" if body is None else "POST", path, json=body)

    return asyncio.run(send())


def test_it_is_alive_and_not_ready_and_says_how_far_it_is() -> None:
    front = Front()
    assert ask(front, "/readyz").json()["state"] == "starting"
    front.tell("recovering", "the log is being folded", position=30, entries=100)
    alive, ready = ask(front, "/healthz"), ask(front, "/readyz")
    assert (alive.status_code, ready.status_code) == (200, 503)
    assert ready.headers["retry-after"] == "1"
    told = ready.json()
    assert (told["state"], told["position"], told["behind"], told["ready"]) == ("recovering", 30, 70, False)
    assert (told["type"], told["detail"]) == ("urn:adjudge:problem:not-ready", "the log is being folded")
    assert told["since"] == alive.json()["since"]
    assert "adjudge_standby_behind_entries 70.0" in ask(front, "/metrics").text


def test_the_time_since_when_stays_while_the_state_does() -> None:
    front = Front()
    front.tell("standing_by", "at 5", position=5, entries=5)
    first = ask(front, "/healthz").json()["since"]
    front.tell("standing_by", "at 6", position=6, entries=6)
    assert ask(front, "/healthz").json()["since"] == first


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/labels"])
def test_whoever_wants_a_decision_is_asked_to_come_again(path: str) -> None:
    answer = ask(Front(), path, purchase(1))
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


def test_it_hands_over() -> None:
    front, desk = Front(), Shop()
    front.service = Service(desk.decider, Settings(auth="off"))
    assert ask(front, "/readyz").json()["state"] == "deciding"
    assert ask(front, "/v1/decide", purchase(1)).status_code == 200
