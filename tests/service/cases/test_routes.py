"""Cases over HTTP and on the command line: who may, and what it says."""

from __future__ import annotations

import asyncio
import functools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from adjudge.service.access.keys import Grant, create
from adjudge.service.access.ledger import By
from adjudge.service.app import Service
from adjudge.service.cases import remote
from adjudge.service.settings import Settings
from tests.service.access.test_remote import Wire
from tests.service.shop import START, Shop, many_purchases

SCOPES = {"ada": ["review", "label"], "bob": ["review", "label", "manage"], "eve": ["review"], "till": ["decide"]}


class Office:
    """A service with cases, and people with keys."""

    def __init__(self) -> None:
        shop = Shop(at=START + timedelta(hours=2))
        shop.decide(*many_purchases(100))
        self.decider = shop.decider
        self.service = Service(self.decider, Settings())
        registry = self.decider.workspace.management.keys
        self.keys = {
            who: create(registry, self.decider, Grant(who, scopes), By("root", "first")).text
            for who, scopes in SCOPES.items()
        }

    def call(self, who: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the service as somebody."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.service)
            headers = {"authorization": f"Bearer {self.keys[who]}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
                return await client.request("GET" if body is None else "POST", f"/v1/{path}", json=body)

        answer = asyncio.run(send())
        return answer.status_code, answer.json()


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_case_from_the_queue_to_its_verdict(office: Office) -> None:
    status, page = office.call("eve", "cases")
    assert status == 200
    id_ = page["cases"][0]["id"]
    status, mine = office.call("ada", "cases/next", {})
    assert (status, mine["id"], mine["assigned"]) == (200, id_, "ada")
    assert office.call("ada", "cases?which=mine")[1]["total"] == 1
    assert office.call("ada", "cases/note", {"ids": [id_], "text": "no answer"})[0] == 200
    status, done = office.call("ada", "cases/decide", {"ids": [id_], "value": True, "why": "stolen", "minutes": 2})
    assert (status, done) == (200, {"results": [{"id": id_, "status": "decided"}]})
    status, found = office.call("eve", f"cases/one/{id_}")
    assert (found["case"]["state"], found["case"]["truth"]) == ("closed", True)
    assert found["case"]["verdicts"][0]["minutes"] == 2.0
    assert found["case"]["notes"][0]["text"] == "no answer"
    assert found["decision"]["event"]["purchase_id"] == id_
    assert office.call("eve", f"decisions/{id_}")[1]["labels"] == {"fraud": True}


def test_who_may(office: Office) -> None:
    id_ = office.call("eve", "cases")[1]["cases"][0]["id"]
    assert office.call("till", "cases")[0] == 403
    assert office.call("eve", "cases/decide", {"ids": [id_], "value": True, "why": "x"})[0] == 403
    assert office.call("ada", "cases/routine", {"routine": {"second": 1.0}, "why": "x"})[0] == 403
    status, told = office.call("bob", "cases/routine", {"routine": {"second": 1.0}, "why": "agreement"})
    assert (status, told["routine"]["second"]) == (200, 1.0)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("decide", {"ids": [], "value": True, "why": "x"}, "ids"),
        ("decide", {"ids": ["p"], "value": 1, "why": "x"}, "value"),
        ("decide", {"ids": ["p1-1"], "value": True, "why": "x", "minutes": -1}, "minutes"),
        ("routine", {"routine": {"random": 2}, "why": "x"}, "routine.random"),
        ("assign", {"ids": ["p"], "why": "x", "two": "bob"}, ""),
    ],
)
def test_what_is_wrong_names_the_field(office: Office, path: str, body: Any, field: str) -> None:
    status, told = office.call("bob", f"cases/{path}", body)
    assert status == 422
    assert field in json.dumps(told)
    assert office.call("bob", "cases/one/nobody")[0] == 404
    assert office.call("bob", "cases?which=each")[0] == 422


def test_all_cases_are_a_table(office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote, "RemoteCases", functools.partial(remote.RemoteCases, transport=Wire(office.service)))
    monkeypatch.setattr("adjudge.commands.cases.MOST_ROWS", 7)
    monkeypatch.setenv("ADJUDGE_KEY", office.keys["bob"])
    first = office.call("bob", "cases")[1]["cases"][0]["id"]
    assert office.call("bob", "cases/decide", {"ids": [first], "value": True, "why": "stolen"})[0] == 200
    waiting = {case["id"] for case in office.call("bob", "cases?which=waiting")[1]["cases"]}
    for name in ("cases.parquet", "cases.csv"):
        words = ["cases", "export", str(tmp_path / name), "--url", "http://localhost:8000"]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    frame = pl.read_parquet(tmp_path / "cases.parquet")
    assert {*frame["id"]} == waiting | {first}
    assert frame["seq"].is_sorted()
    assert frame.filter(pl.col("truth").is_not_null())["id"].to_list() == [first]
    assert frame["chance"].to_list() == [1.0] * len(frame)
    assert pl.read_csv(tmp_path / "cases.csv")["id"].to_list() == frame["id"].to_list()
    with pytest.raises(InputError, match=r"csv or \.parquet"):
        CliRunner().invoke(app, ["cases", "export", "cases.txt"], catch_exceptions=False)


def test_the_command_line(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made = functools.partial(remote.RemoteCases, transport=Wire(office.service))
    monkeypatch.setattr(remote, "RemoteCases", made)
    monkeypatch.setenv("ADJUDGE_KEY", office.keys["bob"])

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["cases", *words, "--url", "http://localhost:8000"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "fit into a day's review" in run("list")
    id_ = json.loads(run("next", "--json"))["id"]
    assert id_ in run("next")
    assert run("assign", id_, "--release", "--why", "not mine") == f"{id_}: released\n"
    assert run("assign", id_, "--why", "mine after all") == f"{id_}: assigned\n"
    assert run("note", id_, "--text", "no answer") == f"{id_}: noted\n"
    assert run("due", id_, "--until", "2026-03-02", "--why", "goods leave") == f"{id_}: due\n"
    assert run("decide", id_, "--honest", "--why", "the receipt") == f"{id_}: decided\n"
    shown = run("show", id_)
    assert "no answer" in shown
    assert "bob found it false: the receipt" in shown
    told = json.loads(run("routine", "--second", "0.5", "--why", "agreement", "--json"))
    assert (told["routine"]["second"], told["closed"]) == (0.5, 1)
    assert "agreement" in run("summary")
    (bob,) = json.loads(run("people", "--json"))["people"]
    assert (bob["who"], bob["verdicts"], bob["positive"]) == ("bob", 1, 0)
    assert "bob" in run("people", "--days", "7")
