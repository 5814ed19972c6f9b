"""A report repeats what the log says: versions, verdicts, incidents, approvals, money; of the period, of the system."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.monitor.alerts import Hysteresis, Signal
from adjudge.service.access.ledger import By
from adjudge.service.alerts.desks import LiveDesk as Alerts
from adjudge.service.alerts.looks import NewLook
from adjudge.service.decider import Decider
from adjudge.service.governance import page
from adjudge.service.governance.facts import Report
from adjudge.service.home import LOG_FILE
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import ListRevision, Revision
from adjudge.service.workspace import Change
from tests.service.shop import ManualClock, purchase, shop

BAD = Signal("world:amount", "the median of <amount> is up 18%", "world")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with ten purchases before and ten after a card is listed, verdicts, and an incident."""
    folder = tmp_path_factory.mktemp("report")
    clock = ManualClock()
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        decider = Decider([shop()], log, clock=clock)
        alerts = Alerts(decider)

        def decide(first: int, **changes: Any) -> None:
            rows = [purchase(first + i, clock.at, user=f"u{first + i}", amount="20.00", **changes) for i in range(10)]
            decider.decide("purchase", decider.workspace.door("purchase").rows(rows).events)

        def look(*signals: Signal) -> None:
            alerts.take(NewLook("watched", "monitor", [*signals], None, Hysteresis(1, 1)), By("cron", "watched"))

        decide(0, card="c9")
        clock.advance(timedelta(hours=1))
        change = Revision("seen in a ring", lists={"blocked": ListRevision(add=["c9"])})
        LiveDesk(decider, background=False).revise(change, "ada")
        decide(10, card="c9")
        clock.advance(timedelta(days=2))
        told = {"p0": True, "p1": True, "p10": True, "p11": False}
        decider.change([Change.saying(Kind.LABEL, "purchase", id_, "fraud", said) for id_, said in told.items()])
        decider.change([Change(Kind.RETRACTION, "purchase", "p9")])
        look(BAD)
        clock.advance(timedelta(days=1))
        look()
        decide(20)
    return folder


def run(home: Path, to: Path, *words: str) -> dict[str, Any]:
    arguments = ["report", str(to), "-w", str(home), "--since", "2026-03-01", "--until", "2026-03-05", "--json", *words]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def found(home: Path) -> Report:
    path = home / "report.json"
    run(home, path, "--set-up", "100", "--a-month", "1")
    return msgspec.json.decode(path.read_bytes(), type=Report)


def test_decisions_are_counted_by_the_version_that_made_them(found: Report) -> None:
    assert (found.decisions, found.data.events, found.data.retracted) == (29, 30, 1)
    first, second = found.versions
    assert (first.decisions, second.decisions) == (9, 20)
    assert (second.who, second.why, second.by_action["block"]) == ("ada", "seen in a ring", 10)
    assert first.versions["rules"] != second.versions["rules"] or first.versions["lists"] != second.versions["lists"]


def test_human_verdicts_stand_against_what_was_decided(found: Report) -> None:
    by = {one.action: one for one in found.overrides}
    assert by["approve"].said == {"fraud": 2}
    assert by["approve"].against == 2
    assert by["block"].said == {"fraud": 1, "honest": 1}
    assert by["block"].against == 1
    assert found.judges == {}


def test_money_is_what_the_costs_say(found: Report) -> None:
    """Two frauds of 20 passed; of ten stopped ones one is fraud and one is not, and the model speaks for the rest."""
    s = found.savings
    assert s.lost == pytest.approx(40.0)
    assert s.prevented >= 20.0
    assert s.net == pytest.approx(s.prevented - s.false_declines - s.reviews - s.running)
    assert s.running == pytest.approx(4 / 30.4375)
    assert (s.pay_back_months is None) == (s.net <= 0)


def test_incidents_and_approvals_are_those_of_the_log(found: Report) -> None:
    (incident,) = found.incidents
    assert (incident.kind, incident.words) == ("alert", BAD.words)
    assert incident.end is not None
    assert incident.end - incident.start == timedelta(days=1)
    assert found.acts == {"alerts_looked": 2}
    assert found.approvals == []


def test_the_page_holds_no_markup_of_the_log_and_stands_alone(found: Report, home: Path) -> None:
    text = page.render(found)
    assert "the median of &lt;amount&gt; is up 18%" in text
    assert "<amount>" not in text
    for title in ("Savings", "Decisions by version", "Incidents", "Approvals", "Model card", "Data sheet"):
        assert f"<h2>{title}</h2>" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert run(home, home / "report.html")["decisions"] == 29
    assert (home / "report.html").read_text().startswith("<!doctype html>")


def test_the_same_log_gives_the_same_report(home: Path, found: Report) -> None:
    path = home / "again.json"
    run(home, path, "--set-up", "100", "--a-month", "1")
    assert msgspec.json.decode(path.read_bytes(), type=Report) == found


def test_a_period_without_decisions_and_unknown_names_are_refused(home: Path, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        done = CliRunner().invoke(app, ["report", str(tmp_path / "r.html"), "-w", str(home), *words])
        assert isinstance(done.exception, InputError)
        return str(done.exception)

    assert "has decided nothing" in refused("--since", "2020-01-01", "--until", "2020-02-01")
    assert "ends before it begins" in refused("--since", "2026-03-02", "--until", "2026-03-01")
    assert "did you mean 'shop'" in refused("--system", "shp")
    assert "did you mean 'method'" in refused("--since", "2026-03-01", "--until", "2026-03-05", "--slice", "metod")
    assert not (tmp_path / "r.html").exists()


def test_a_field_that_is_named_like_a_member_of_an_answer_is_the_field(home: Path, tmp_path: Path) -> None:
    """How somebody pays is not how the decision was made, though both are called method."""
    run(home, tmp_path / "by.json", "--slice", "method")
    told = msgspec.json.decode((tmp_path / "by.json").read_bytes(), type=Report)
    assert [(one.field, [part.name for part in one.slices]) for one in told.slices] == [("method", ["card"])]


def test_without_a_file_everything_is_printed(home: Path, found: Report) -> None:
    words = ["report", "--since", "2026-03-01", "--workspace", str(home)]
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout, type=Report).decisions == found.decisions
    with pytest.raises(InputError, match="name a file for the page"):
        CliRunner().invoke(app, words, catch_exceptions=False)
