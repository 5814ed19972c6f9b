"""The desk over HTTP does what the one offline does, and sends its key to nobody else."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adjudge.errors import InputError, UnavailableError
from adjudge.service.access.keys import DAY_US, Grant
from adjudge.service.access.remote import RemoteDesk
from adjudge.service.access.scope import Scope
from adjudge.service.app import Service
from tests.service.access.test_routes import Client
from tests.service.shop import Shop, shop


class Wire(httpx.BaseTransport):
    """Hands the requests of a synchronous client to a service."""

    def __init__(self, service: Service) -> None:
        self._transport = httpx.ASGITransport(service)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def send() -> httpx.Response:
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self._transport.handle_async_request(asked)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run(send())


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(Shop(shop()))


def test_a_key_of_a_running_service_is_made_rotated_and_revoked(client: Client) -> None:
    with RemoteDesk("http://localhost:8000", client.keys[Scope.MANAGE], Wire(client.service)) as desk:
        made = desk.create(Grant("shop", ["decide"], 7 * DAY_US, 5), "new shop")
        assert (made.key.rate_per_s, made.key.expires_at) == (5, made.key.created_at.replace(day=8))
        rotated = desk.rotate(made.key.id, DAY_US // 48, "time")
        assert rotated.key.old_until is not None
        assert (rotated.key.old_until - rotated.key.rotated_at).total_seconds() == 1800
        assert desk.revoke(made.key.id, "closed").state == "revoked"
        assert [key.state for key in desk.views() if key.owner == "shop"] == ["revoked"]
        assert rotated.secret not in repr(rotated)


def test_a_refusal_is_told(client: Client) -> None:
    with RemoteDesk("http://localhost:8000", client.keys[Scope.AUDIT], Wire(client.service)) as desk:
        with pytest.raises(InputError, match="403: this needs the scope 'manage'"):
            desk.views()
        with pytest.raises(InputError, match="is no id of a key"):
            desk.revoke("../keys", "x")
    with RemoteDesk("http://localhost:8000", "", Wire(client.service)) as desk, pytest.raises(InputError, match="401"):
        desk.views()


@pytest.mark.parametrize(
    "url", ["http://decisions.example", "http://10.0.0.1:8000", "ftp://localhost", "localhost", ":"]
)
def test_a_key_is_only_sent_encrypted_or_to_this_machine(url: str) -> None:
    with pytest.raises(InputError, match=r"encrypted|looks like"):
        RemoteDesk(url, "adj_1_2")


def test_a_service_that_is_not_there_is_told() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        message = "connection refused"
        raise httpx.ConnectError(message)

    desk = RemoteDesk("https://decisions.example", "x", httpx.MockTransport(gone))
    with desk, pytest.raises(UnavailableError, match="cannot be asked: connection refused"):
        desk.views()


def test_something_else_that_answers_is_told() -> None:
    for status in (200, 500):
        other = httpx.MockTransport(lambda request, status=status: httpx.Response(status, text="<html>"))
        with (
            RemoteDesk("https://decisions.example", "x", other) as desk,
            pytest.raises(InputError, match="no service of"),
        ):
            desk.views()
