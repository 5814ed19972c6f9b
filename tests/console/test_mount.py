"""Nobody gets to a page of the console without a session, and no page from elsewhere can use one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from adjudge.console.attach import attach
from adjudge.console.mount import AT, COOKIE, Console
from adjudge.errors import InputError
from adjudge.service.access import keys
from adjudge.service.access.keys import Grant
from adjudge.service.access.ledger import By
from adjudge.service.app import Service
from adjudge.service.settings import Settings
from tests.service.shop import Shop

HERE = {"origin": "http://desk"}

Ask = Callable[[httpx.AsyncClient], Awaitable[Any]]


class Desks:
    """A service with a console, and somebody's key."""

    def __init__(self, **settings: Any) -> None:
        self.shop = Shop()
        decider = self.shop.decider
        self.registry = decider.workspace.management.keys
        made = keys.create(self.registry, decider, Grant("ada", ["review"]), By("ops", "her desk"))
        self.key, self.id = made.text, made.key.id
        self.service = Service(decider, Settings(console="on", **settings))
        attach(self.service)

    def ask(self, asking: Ask, base: str = "http://desk") -> Any:
        async def run() -> Any:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.service), base_url=base) as client:
                return await asking(client)

        return asyncio.run(run())

    async def sign_in(self, client: httpx.AsyncClient, key: str | None = None, **headers: str) -> httpx.Response:
        form = {"key": self.key if key is None else key, "next": "/console/overview"}
        return await client.post("/console/sign-in", data=form, headers=HERE | headers)


def test_whoever_has_no_session_is_asked_to_sign_in_and_comes_back() -> None:
    async def ask(client: httpx.AsyncClient) -> None:
        answer = await client.get("/console/overview?q=a b")
        assert answer.status_code == 303
        asked = await client.get(answer.headers["location"])
        assert 'value="/console/overview?q=a%20b"' in asked.text
        assert (await client.get("/console/_nicegui_ws/socket.io/")).status_code == 401

    Desks().ask(ask)


def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_do_not_get() -> None:
    desks = Desks()

    async def ask(client: httpx.AsyncClient) -> None:
        answer = await desks.sign_in(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/overview")
        parts = answer.headers["set-cookie"].split("; ")
        assert parts[0].startswith(f"{COOKIE}=")
        assert parts[1:] == [f"Path={AT}", "HttpOnly", "SameSite=Strict"]

    desks.ask(ask)
    secure = desks.ask(lambda client: desks.sign_in(client, origin="https://desk"), base="https://desk")
    assert "Secure" in secure.headers["set-cookie"]
    assert "strict-transport-security" in secure.headers


@pytest.mark.parametrize("key", ["", "adj_000000000000_00", "ä", "x" * 9000, "x" * 20_000])
def test_a_key_that_is_not_good_is_refused_and_not_repeated(key: str) -> None:
    desks = Desks()
    answer = desks.ask(lambda client: desks.sign_in(client, key))
    assert answer.status_code in (401, 413)
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers
    assert not key or key not in answer.text


@pytest.mark.parametrize(
    "headers", [{"origin": "http://elsewhere"}, {"origin": "null"}, {"origin": "http://desk.evil"}]
)
def test_a_form_of_another_site_signs_nobody_in(headers: dict[str, str]) -> None:
    desks = Desks()
    answer = desks.ask(lambda client: desks.sign_in(client, **headers))
    assert answer.status_code == 403
    assert len(console_of(desks).sessions) == 0


def test_nobody_is_sent_elsewhere_after_signing_in() -> None:
    desks = Desks()

    async def ask(client: httpx.AsyncClient) -> None:
        for to in ("https://elsewhere", "//elsewhere", "/\\elsewhere", "/console/\r\nx: y", "javascript:1"):
            form = {"key": desks.key, "next": to}
            answer = await client.post("/console/sign-in", data=form, headers=HERE)
            assert answer.headers["location"] == "/console/overview"

    desks.ask(ask)


def test_signing_out_takes_the_form_of_the_session() -> None:
    desks = Desks()

    async def ask(client: httpx.AsyncClient) -> None:
        await desks.sign_in(client)
        session = next(iter(console_of(desks).sessions._sessions.values()))
        assert (await client.get("/console/sign-out")).status_code == 403
        assert (await client.post("/console/sign-out", data={"form": "x"}, headers=HERE)).status_code == 403
        assert len(console_of(desks).sessions) == 1
        left = await client.post("/console/sign-out", data={"form": session.form}, headers=HERE)
        assert left.headers["location"] == "/console/sign-in"
        assert "Max-Age=0" in left.headers["set-cookie"]
        assert len(console_of(desks).sessions) == 0

    desks.ask(ask)


def test_the_console_says_where_everything_may_come_from() -> None:
    answer = Desks().ask(lambda client: client.get("/console/sign-in"))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert not re.search(r"https?:|\*", policy)
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "same-origin"


def test_a_connection_needs_a_session_and_the_right_page() -> None:
    desks = Desks()

    async def knock(headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            said.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        scope = {
            "type": "websocket",
            "path": "/console/_nicegui_ws/socket.io/",
            "query_string": b"EIO=4&transport=websocket",
            "headers": [(b"host", b"desk"), *headers],
        }
        await desks.service(scope, receive, send)
        return said

    assert asyncio.run(knock([(b"origin", b"http://elsewhere")]))[0]["code"] == 1008
    assert asyncio.run(knock([(b"origin", b"http://desk")]))[0]["code"] == 1008
    assert asyncio.run(knock([]))[0]["code"] == 1008


def test_one_setting_switches_it_off() -> None:
    shop = Shop()
    service = Service(shop.decider, Settings(console="off"))
    attach(service)
    assert service.console is None


def test_where_it_is_wanted_and_missing_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjudge.console.attach.find_spec", lambda name: None)
    shop = Shop()
    with pytest.raises(InputError, match=r"adjudge\[console\]"):
        attach(Service(shop.decider, Settings(console="on")))
    service = Service(shop.decider, Settings(console="auto"))
    attach(service)
    assert service.console is None


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'auto'"):
        Settings(console="aut")


def console_of(desks: Desks) -> Console:
    found = desks.service.console
    assert isinstance(found, Console)
    return found
