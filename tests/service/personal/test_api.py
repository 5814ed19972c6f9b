"""Persons over HTTP: who may erase one, and who may read what of one."""

from __future__ import annotations

import json
from typing import Any, cast

import httpx
import pytest

from adjudge.client import Client as PythonClient
from adjudge.log import Kind, MemoryLog
from adjudge.log.codec import Note, blocks_of
from adjudge.service.access.scope import Scope
from adjudge.service.personal.seal import SEALED
from tests.service.access.test_routes import Client, bearer
from tests.service.personal.bank import Bank, bank, payment


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


@pytest.fixture
def desk(plan: Any) -> Bank:
    """Return a bank with two customers."""
    made = Bank(plan, MemoryLog())
    made.send(payment(1), payment(2, "bob"))
    return made


@pytest.fixture
def client(desk: Bank) -> Client:
    """Return its service, with keys."""
    return Client(cast(Any, desk))


def erasure(**changes: Any) -> dict[str, Any]:
    """Return what is sent to erase ada."""
    return {"stream": "payment", "person": "ada", "why": "asked for it"} | changes


def test_whoever_manages_may_erase_a_person(client: Client, desk: Bank) -> None:
    """Once; the log says who and why, and nothing says whom."""
    key = bearer(client.keys[Scope.MANAGE])
    for erased in (True, False):
        answer = client("POST", "/v1/erasures", erasure(), headers=key)
        assert (answer.status_code, answer.json()) == (200, {"erased": erased})
    assert client("POST", "/v1/erasures", erasure(person="nobody"), headers=key).json() == {"erased": False}
    notes = [b for commit in desk.log.read() for _, b in blocks_of(commit) if isinstance(b, Note)]
    (note,) = (n for n in notes if n.kind == Kind.ERASURE)
    assert (note.who, note.why) == ("owner of manage", "asked for it")
    assert b'"ada"' not in note.content


def test_the_client_erases_a_person(client: Client) -> None:
    """With what the route takes, and reads what it answers."""

    def carry(request: httpx.Request) -> httpx.Response:
        answer = client("POST", request.url.path, json.loads(request.content), headers=key)
        return httpx.Response(answer.status_code, content=answer.content)

    key = bearer(client.keys[Scope.MANAGE])
    with PythonClient("http://service", transport=httpx.MockTransport(carry)) as python:
        assert python.erase("payment", "ada", why="asked for it") is True
        assert python.erase("payment", "ada", why="asked for it") is False


def test_decisions_about_an_erased_person_are_gone(client: Client, desk: Bank) -> None:
    """Readable before, 410 after with nothing of it; everybody else's stay readable, and retries are known."""
    key = bearer(client.keys[Scope.REVIEW])
    assert client("GET", "/v1/decisions/p1", headers=key).json()["event"] == payment(1)
    client("POST", "/v1/erasures", erasure(), headers=bearer(client.keys[Scope.MANAGE]))
    gone = client("GET", "/v1/decisions/p1", headers=key)
    assert (gone.status_code, gone.json()["type"]) == (410, "urn:adjudge:problem:erased")
    assert set(gone.json()) == {"type", "title", "status", "detail"}
    end = desk.log.end()
    assert desk.send(payment(1)) == ["repeated"]  # and counted once
    assert desk.log.end() == end
    assert client("GET", "/v1/decisions/p2", headers=key).json()["event"] == payment(2, "bob")


def test_the_log_is_readable_for_those_who_may_read_decisions(client: Client) -> None:
    """An auditor sees what is sealed; one who may review as well sees what it says."""
    auditor, both = bearer(client.keys[Scope.AUDIT]), bearer(client.key(Scope.AUDIT, Scope.REVIEW))

    def told(key: dict[str, str]) -> list[dict[str, Any]]:
        entries = client("GET", "/v1/log", headers=key).json()["entries"]
        return [entry["content"] for entry in entries if entry["kind"] == Kind.EVENT]

    sealed = told(auditor)
    assert [set(one) for one in sealed] == [{"payment_id", "at", "merchant", "amount", SEALED}] * 2
    assert told(both) == [payment(1), payment(2, "bob")]
    client("POST", "/v1/erasures", erasure(), headers=bearer(client.keys[Scope.MANAGE]))
    assert told(auditor) == sealed
    assert [one["user"] for one in told(both)] == ["(erased)", "bob"]
    entries = client("GET", "/v1/log", headers=both).json()["entries"]
    event = next(entry for entry in entries if entry["kind"] == Kind.EVENT)  # nothing of what was decided stands here
    assert set(event["content"]) == {"payment_id", "at", "user", "card", "remark", "merchant", "amount"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (erasure(stream="zzz"), "stream"),
        (erasure(why=" "), "why"),
        (erasure(person=["zanzibar"]), "person"),
        ({"stream": "payment", "person": "zanzibar"}, ""),
        (b'{"person": "zanzibar', ""),
    ],
)
def test_what_is_wrong_is_told_without_the_person(client: Client, body: Any, field: str) -> None:
    """The field is named."""
    answer = client("POST", "/v1/erasures", body, headers=bearer(client.keys[Scope.MANAGE]))
    assert answer.status_code in (400, 404, 422)
    assert "zanzibar" not in answer.text
    assert field in answer.text
    assert json.loads(answer.text)["type"].startswith("urn:adjudge:problem:")
