"""Challengers over HTTP and on the command line: who may, what waits for a second person, what is refused."""

from __future__ import annotations

import functools
import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.engine import compile
from adjudge.errors import InputError
from adjudge.log import Kind, entries_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.challengers import remote
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.replay import replay
from tests.service.access.test_remote import Wire
from tests.service.challengers.test_split import STRICT, who
from tests.service.shop import START, Shop, many_purchases, shop_system
from tests.service.versions.test_second import Office

URL = ["--url", "http://localhost:8000"]
SHADOW = {"why": "fewer frauds", "name": "strict", "revision": {"rules": STRICT}}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_shadow_needs_nobody_else_and_a_share_does(office: Office) -> None:
    status, told = office.call("ada", "challengers", SHADOW)
    assert (status, told["stage"], told["changes"]) == (200, "shadow", ["rules"])
    status, told = office.call("ada", "challengers/strict/share", {"why": "a week", "share": 0.5})
    assert (status, told["stage"]) == (202, "shadow")
    number = told["proposal"]
    assert office.answer("ada", number)[0] == 403
    status, done = office.answer("bob", number)
    assert (status, done["status"]) == (200, "active")
    assert office.call("carol", "challengers/strict")[1]["share"] == 0.5
    (commit,) = office.log.read(done["seq"] - 1, done["seq"])
    assert [(e.kind, e.who) for e in entries_of(commit)] == [
        (Kind.ACTIVATION, "ada"),
        (Kind.MANAGEMENT, "ada"),
        (Kind.MANAGEMENT, "bob"),
    ]
    assert office.state(number) == "used"


def test_a_challenger_that_begins_with_a_share_waits_too(office: Office) -> None:
    status, told = office.call("ada", "challengers", {**SHADOW, "share": 0.2, "by": "user"})
    assert (status, told["stage"]) == (202, "waiting")
    assert office.call("ada", "challengers")[1]["challengers"] == []
    assert office.answer("bob", told["proposal"])[0] == 200
    assert office.call("ada", "challengers")[1]["challengers"][0]["by"] == "user"


def test_a_promotion_waits_and_then_decides(office: Office) -> None:
    office.call("ada", "challengers", SHADOW)
    status, told = office.call("ada", "challengers/strict/promote", {"why": "better", "anyway": True})
    assert status == 202
    before = office.versions()
    assert office.answer("bob", told["proposal"])[0] == 200
    assert office.versions()["rules"] != before["rules"]
    past = office.call("ada", "challengers?everything=true")[1]["challengers"]
    assert [(one["name"], one["stage"], one["steps"][-1]["who"]) for one in past] == [
        ("before-strict", "shadow", "ada"),
        ("strict", "promoted", "ada"),
    ]
    assert office.call("ada", "challengers/before-strict/promote", {"why": "back"})[0] == 200  # needs nobody else
    assert office.versions() == before


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("challengers", {**SHADOW, "name": "Strict"}, 422, "name"),
        ("challengers", {**SHADOW, "share": 2}, 422, "share"),
        ("challengers", {**SHADOW, "shares": 2}, 422, ""),
        ("challengers", {**SHADOW, "system": "shp"}, 404, "system"),
        ("challengers", {"why": "w", "release": "ab12"}, 404, ""),
        ("challengers/nobody/share", {"why": "w", "share": 0.1}, 404, ""),
        ("challengers/nobody/retire", {"why": "w"}, 404, ""),
        ("challengers/nobody", None, 404, ""),
        ("challengers", {**SHADOW, "why": " "}, 422, "why"),
    ],
)
def test_what_is_wrong_is_refused(office: Office, path: str, body: Any, status: int, field: str) -> None:
    answered, told = office.call("ada", path, body)
    assert answered == status, told
    if field:
        assert told["errors"][0]["field"] == field if "errors" in told else field in json.dumps(told)
    assert office.call("ada", "challengers")[1]["challengers"] == []


def test_the_command_line_at_a_service(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(STRICT))
    monkeypatch.setattr(
        remote, "RemoteChallengers", functools.partial(remote.RemoteChallengers, transport=Wire(office.service))
    )

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["challengers", *words, *URL], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    monkeypatch.setenv("ADJUDGE_KEY", office.keys["ada"])
    rules = str(tmp_path / "rules.yaml")
    assert "shadow" in run("shadow", "--name", "strict", "--rules", rules, "--why", "fewer frauds")
    assert "waits for a second person" in run("share", "strict", "0.1", "--why", "a week")
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["name"], listed["stage"]) == ("strict", "shadow")
    assert "retired" in run("retire", "strict", "--why", "no better")
    assert "no better" in run("why", "strict")
    with pytest.raises(InputError, match="no challenger 'strict' runs"):
        run("share", "strict", "0.1", "--why", "again")


def test_a_workspace_at_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start goes on with what was seated before it."""
    monkeypatch.setenv("ADJUDGE_WORKSPACE", str(tmp_path))
    monkeypatch.delenv("ADJUDGE_SECRET", raising=False)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(STRICT))
    with closing(started(tmp_path).decider.log):
        pass

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["challengers", *words, "--who", "ada"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    run("shadow", "--name", "strict", "--rules", str(tmp_path / "rules.yaml"), "--why", "fewer frauds")
    assert "50 % of the events, by user" in run("share", "strict", "0.5", "--by", "user", "--why", "a week")
    desk = started(tmp_path, seed=2)
    with closing(desk.decider.log) as log:
        assert {*who(desk.decide(*many_purchases(30, seed=3)))} == {"", "strict"}
        assert replay([compile(shop_system())], log).differences == []
    run("promote", "strict", "--why", "better", "--anyway")
    desk = started(tmp_path, seed=4)
    with closing(desk.decider.log) as log:
        assert [seat.name for seat in desk.decider.workspace.seats] == ["before-strict"]
        assert "large" in [rule.id for rule in desk.decider.workspace.systems["shop"].plan.rules]
        assert replay([compile(shop_system())], log).differences == []


def started(folder: Path, seed: int = 1) -> Shop:
    """Return a service on the log of a workspace, after some purchases."""
    desk = Shop(compile(shop_system()), at=START + timedelta(days=1))
    desk.decider = Decider([compile(shop_system())], SqliteLog(folder / LOG_FILE), clock=desk.clock)
    desk.decide(*many_purchases(30, seed=seed))
    return desk
