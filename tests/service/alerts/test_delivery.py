"""Alerts leave the log through the outbox: signed or in words, to whom the routes say, at least once and in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.client.webhooks import verify
from adjudge.errors import InputError, UnavailableError
from adjudge.log.sqlite import SqliteLog
from adjudge.monitor.alerts import Hysteresis, Signal
from adjudge.service.alerts import delivery
from adjudge.service.alerts.desks import at_rest
from adjudge.service.alerts.looks import NewLook
from adjudge.service.alerts.routes import read_routing
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.outbox.run import report, senders
from adjudge.service.outbox.sender import Sender, run_round
from adjudge.service.settings import Settings
from adjudge.service.verdict import wall_clock
from tests.service.shop import purchase, shop

SECRET = "shared secret"

AMOUNT = Signal("world:amount", "the median of amount is up 18%", "world")
CENTS = Signal("pipeline:amount", "the median of amount is 100 times the usual one", "pipeline", True, "critical")


class Post(BaseHTTPRequestHandler):
    """Remembers what was posted, and answers as it is told to."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        server = self.server
        assert isinstance(server, Office)
        server.posted.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Office(ThreadingHTTPServer):
    """A receiver on this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Post)
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def hooks(self) -> list[dict[str, Any]]:
        """Return the alerts of signed webhooks, checked, in the order in which they came."""
        found = []
        for path, headers, body in self.posted:
            if path == "/hook":
                verify(SECRET.encode(), headers, body, now_s=wall_clock() / 1e6)
                found += json.loads(body)["alerts"]
        return found

    def words(self) -> list[dict[str, Any]]:
        """Return what apprise has posted."""
        return [json.loads(body) for path, _, body in self.posted if path == "/people"]


@pytest.fixture
def office() -> Iterator[Office]:
    with Office() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path, office: Office) -> Path:
    """Return a workspace at rest with one decision and two routes."""
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        decider = Decider([shop()], log)
        decider.decide("purchase", decider.workspace.door("purchase").rows([purchase(1)]).events)
    (tmp_path / "alerts.yaml").write_text(
        f"""
routes:
- {{id: oncall, url: "http://127.0.0.1:{office.port}/hook", secret_variable: ONCALL, severities: [critical]}}
- {{id: team, apprise_variable: TEAM}}
hysteresis: {{opens: 1, closes: 1}}
"""
    )
    return tmp_path


@pytest.fixture
def environ(office: Office) -> dict[str, str]:
    return {"ONCALL": SECRET, "TEAM": f"json://127.0.0.1:{office.port}/people"}


def look(home: Path, *signals: Signal) -> None:
    with at_rest(Settings(workspace=str(home)), "cron") as desk:
        desk.take(NewLook("watched a day", "monitor", [*signals], None, Hysteresis(1, 1)))


def deliver(home: Path, environ: dict[str, str], use: Callable[[list[Sender]], None] | None = None) -> None:
    with senders(Settings(workspace=str(home)), environ) as found:
        (use or run_until_idle)(found)


def one_round(found: list[Sender]) -> None:
    run_round(found)


def run_until_idle(found: list[Sender]) -> None:
    while run_round(found):
        pass


def test_each_route_gets_what_it_asks_for(home: Path, office: Office, environ: dict[str, str]) -> None:
    deliver(home, environ)
    look(home, AMOUNT, CENTS)
    look(home)
    deliver(home, environ)
    assert [(one["kind"], one["group"], one["severity"]) for one in office.hooks()] == [
        ("opened", "pipeline", "critical"),
        ("closed", "pipeline", "critical"),
    ]
    ids = [headers["webhook-id"] for path, headers, _ in office.posted if path == "/hook"]
    assert len(set(ids)) == len(ids)
    first = office.hooks()[0]
    assert first["system"] == "shop"
    assert [told["key"] for told in first["incidents"]] == ["pipeline:amount"]
    told = office.words()
    assert [(one["title"], one["type"]) for one in told] == [
        ("critical: shop, pipeline", "failure"),
        ("warning: shop, world", "warning"),
        ("over: shop, pipeline", "failure"),
        ("over: shop, world", "warning"),
    ]
    assert told[0]["message"].startswith("the median of amount is 100 times the usual one (since ")


def test_a_new_route_begins_with_what_is_open(home: Path, office: Office, environ: dict[str, str]) -> None:
    look(home, AMOUNT)
    look(home)
    look(home, CENTS)
    deliver(home, environ)
    assert [one["group"] for one in office.hooks()] == ["pipeline"]
    assert [one["title"] for one in office.words()] == ["critical: shop, pipeline"]


def test_each_notice_of_a_look_has_an_id_of_its_own(home: Path, office: Office, environ: dict[str, str]) -> None:
    """A receiver passes over ids that it has seen, so two groups of one entry must not share one."""
    path = home / "alerts.yaml"
    path.write_text(path.read_text().replace("severities: [critical]", "severities: []"))
    look(home, AMOUNT, CENTS)
    deliver(home, environ)
    ids = [headers["webhook-id"] for path, headers, _ in office.posted if path == "/hook"]
    assert len(ids) == len(set(ids)) == 2


def test_what_fails_is_tried_again_by_the_next_process_and_once_is_enough(
    home: Path, office: Office, environ: dict[str, str]
) -> None:
    look(home, CENTS)
    office.status = 500
    deliver(home, environ, one_round)
    assert len(office.posted) == 2
    said = "\n".join(report(Settings(workspace=str(home))))
    assert "alerts:oncall: 0 entries behind, 1 owed, 0 given up" in said
    office.status = 204

    def later(found: list[Sender]) -> None:
        for one in found:
            one.clock = lambda: wall_clock() + 10**9
        run_until_idle(found)

    deliver(home, environ, later)
    assert len(office.posted) == 4
    deliver(home, environ, later)
    assert len(office.posted) == 4


def test_a_test_arrives_everywhere_and_is_no_entry(home: Path, office: Office, environ: dict[str, str]) -> None:
    with closing(SqliteLog(home / LOG_FILE)) as log:
        before = len(log)
    found = delivery.try_out(home, environ, wall_clock)
    assert {id_: reply.outcome for id_, reply in found.items()} == {"oncall": "confirmed", "team": "confirmed"}
    assert [one["kind"] for one in office.hooks()] == ["test"]
    assert office.words()[0]["title"] == "test: test"
    with closing(SqliteLog(home / LOG_FILE)) as log:
        assert len(log) == before
    office.status = 500
    assert delivery.try_out(home, environ, wall_clock, "oncall")["oncall"].error == "answered 500"
    assert delivery.try_out(home, environ, wall_clock, "team")["team"].outcome == "away"
    with pytest.raises(InputError, match="did you mean 'team'"):
        delivery.try_out(home, environ, wall_clock, "teams")


def test_secrets_come_from_the_environment_and_are_never_repeated(home: Path, environ: dict[str, str]) -> None:
    with pytest.raises(InputError, match="route 'oncall' needs its secret in the environment variable ONCALL"):
        deliver(home, {})
    with pytest.raises(InputError, match="route 'team' needs its address in the environment variable TEAM"):
        deliver(home, environ | {"TEAM": ""})
    with pytest.raises(UnavailableError, match="apprise cannot read the address") as caught:
        deliver(home, environ | {"TEAM": "nosuch://password@host"})
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes: [{id: a}]", "either a url for webhooks or an apprise_variable"),
        ("routes: [{id: a, url: 'ftp://x', secret_variable: B}]", "must begin with https://"),
        ("routes: [{id: a, url: 'http://x'}]", "webhooks are signed"),
        ("routes: [{id: a, apprise_variable: B, severities: [critcal]}]", "did you mean 'critical'"),
        ("routes: [{id: a, apprise_variable: B}, {id: a, apprise_variable: B}]", "two routes have the same id"),
        ("routes: [{id: a, apprise_variable: B, attempts: 0}]", "must be positive"),
        ("routes: [{id: a, apprise: B}]", "unknown field `apprise`"),
        ("hysteresis: {opens: 0}", "at least one look"),
        ("routes: [", "alerts.yaml"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "alerts.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_routing(tmp_path)


def test_the_command_line_lists_silences_and_tries_out(
    home: Path, office: Office, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["alerts", *words, "--workspace", str(home)], env={"COLUMNS": "80"})
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout

    assert run("list") == "nothing is the matter\n"
    look(home, AMOUNT)
    assert "warning" in run("list")
    run("silence", "world:*", "--until", "2199-01-01", "--why", "x", code=1)
    until = "2026-01-01"
    assert json.loads(run("silence", "world:*", "--until", until, "--why", "x", "--json"))["silent"] == "world:*"
    assert json.loads(run("list", "--json"))["silences"] == []  # that day has come
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert json.loads(run("test", "--json")) == {"oncall": "delivered", "team": "delivered"}
    office.status = 410
    assert "answered 410" in run("test", "oncall", code=1)
