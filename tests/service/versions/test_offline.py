"""Changing a workspace at rest from the command line: the next start goes on with it."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.define.spec import to_spec
from adjudge.engine import SECRET, compile
from adjudge.errors import InputError, UnavailableError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.home import LOG_FILE
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from adjudge.service.versions.offline import open_desk
from adjudge.service.versions.revision import ListRevision, Revision
from tests.service.shop import RULES, START, Shop, many_purchases, purchase, shop_system
from tests.service.versions.test_beside import NEW, more

ROOT = Path(__file__).parents[3]

ADD = Revision("stolen", lists={"blocked": ListRevision(add=["c9"])})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of a workspace in which something was decided."""
    with closing(started(tmp_path).decider.log) as log:
        assert len(log) == 31
    return Settings(workspace=str(tmp_path))


def started(folder: Path) -> Shop:
    """Return a service on the log of a workspace, after some purchases."""
    desk = Shop(compile(shop_system()), at=START + timedelta(days=1))
    desk.decider = Decider([compile(shop_system())], SqliteLog(folder / LOG_FILE), clock=desk.clock)
    desk.decide(*many_purchases(30))
    return desk


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return what runs verbs in that workspace."""
    monkeypatch.setenv("ADJUDGE_WORKSPACE", settings.workspace)
    monkeypatch.delenv("ADJUDGE_SECRET", raising=False)
    return CliRunner()


def test_a_list_and_rules_are_changed_before_the_next_start(run: CliRunner, settings: Settings, tmp_path: Path) -> None:
    """One entry each, with who and why; the service then decides with both."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.replace(">= 3", ">= 1"))
    why = ["--why", "a ring", "--who", "ada"]
    said = run.invoke(app, ["lists", "add", "blocked", "c9", "c8", *why, "--json"])
    assert said.exit_code == 0, said.output
    assert (json.loads(said.stdout)["status"], json.loads(said.stdout)["seq"]) == ("active", 31)
    assert "active from position 32" in run.invoke(app, ["activate", "--rules", str(rules), *why]).stdout
    assert "was active already" in run.invoke(app, ["lists", "remove", "blocked", "c1", *why]).stdout
    assert "blocked: 3" in run.invoke(app, ["lists", "show"]).stdout
    assert run.invoke(app, ["lists", "set", "blocked", "stolen", "c8", *why]).exit_code == 0
    desk = started(tmp_path)
    with closing(desk.decider.log) as log:
        assert len(log) == 31 + 3
        (answer,) = desk.decide(purchase(1, card="c8", user="new"))
        assert answer["rules"] == ["listed"]
        assert desk.decide(purchase(2, card="c9", user="newer"))[0]["rules"] == []
        assert replay([compile(shop_system(rules=False))], log).differences == []


def test_elements_are_listed_until_a_time_and_from_a_file(run: CliRunner, tmp_path: Path) -> None:
    why = ["--why", "seen in a ring", "--who", "ada"]
    said = run.invoke(app, ["lists", "add", "blocked", "c9", "--expires", "2026-03-01T15:00:00+01:00", *why])
    assert said.exit_code == 0, said.output
    file = tmp_path / "stolen.csv"
    file.write_text("value,expires,reason\nc1,2026-12-31,the bank says so\nc2,,\n")
    assert run.invoke(app, ["lists", "add", "blocked", "--from", str(file), *why]).exit_code == 0
    assert run.invoke(app, ["lists", "show", "blocked"]).stdout.splitlines() == [
        "c1  until 2026-12-31  the bank says so",
        "c2",
        "c9  until 2026-03-01T14:00:00Z  seen in a ring",
        "stolen",
    ]
    held = json.loads(run.invoke(app, ["lists", "show", "blocked", "--json"]).stdout)
    assert held["entries"][0] == {"value": "c1", "expires": "2026-12-31", "reason": "the bank says so"}
    desk = started(tmp_path)
    with closing(desk.decider.log) as log:
        desk.clock.advance(timedelta(days=1))
        hours = {number: START + timedelta(hours=number) for number in (1, 2)}
        fired = [desk.decide(purchase(n, at, card="c9", user="new"))[0]["rules"] for n, at in hours.items()]
        assert fired == [["listed"], []]
        assert replay([compile(shop_system(rules=False))], log).differences == []


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        ("value,expire\nc1,2026-12-31\n", [], "stolen.csv: unknown column 'expire'; did you mean 'expires'?"),
        ("reason\nx\n", [], "stolen.csv has no column 'value'"),
        ("value,reason\n,x\n", [], "stolen.csv: row 1 has no value"),
        ("value\nc1\n", ["c2"], "a file says itself what it is about"),
        ("value,expires\nc1,soon\n", [], "expires is a day such as 2026-12-31"),
    ],
)
def test_a_file_that_cannot_be_listed_is_refused(
    run: CliRunner, tmp_path: Path, content: str, words: list[str], message: str
) -> None:
    (tmp_path / "stolen.csv").write_text(content)
    where = ["--from", str(tmp_path / "stolen.csv"), "--why", "x", "--who", "ada"]
    done = run.invoke(app, ["lists", "add", "blocked", *words, *where])
    assert message in str(done.exception)


def test_the_guide_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command that it gives for a workspace at rest, in order."""
    guide = (ROOT / "docs" / "guides" / "change.md").read_text(encoding="utf-8")
    section = guide.split("## A workspace at rest\n")[1].split("\n## ")[0]
    commands = [shlex.split(line)[1:] for line in re.findall(r"^\$ (adjudge .*)$", section, re.MULTILINE)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADJUDGE_SECRET", raising=False)
    started(tmp_path / "shop").decider.log.close()
    Path("rules.yaml").write_text(RULES.replace(">= 3", ">= 5"))
    Path("policy.yaml").write_text("actions: [approve, review, block]\nthresholds: {review: 0.4, block: 0.9}\n")
    Path("stolen.csv").write_text("value,expires,reason\nc1,2026-12-31,the bank says so\n")
    said = [CliRunner().invoke(app, command) for command in commands]
    assert [one.exit_code for one in said] == [0] * len(commands), [one.output for one in said]
    assert "position 33" in said[2].stdout
    assert "blocked: 2" in said[3].stdout
    assert "c1  until 2026-12-31  the bank says so" in said[-1].stdout


def test_nothing_is_changed_beside_a_process_that_decides(settings: Settings) -> None:
    """Nor with another secret, nor where nothing has decided yet."""
    with closing(SqliteLog(Path(settings.workspace) / LOG_FILE)) as log, open_desk(settings, SECRET, "ada") as desk:
        Decider([compile(shop_system())], log)
        with pytest.raises(UnavailableError, match="decides on this log"):
            desk.revise(ADD)
    with open_desk(settings, bytes(15) + b"1", "ada") as desk, pytest.raises(InputError, match="another secret"):
        desk.revise(ADD)
    with open_desk(settings, SECRET, "ada") as desk, pytest.raises(InputError, match="needs who in"):
        type(desk)(desk._log, None, desk._resolver.bundles, " ").revise(ADD)
    with pytest.raises(InputError, match="--url"), open_desk(Settings(log="memory"), SECRET, "ada"):
        pass


def test_another_state_is_refused_where_it_could_not_be_folded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beginning of the log was archived; what needs no other state is changed all the same."""
    folder = Path(settings.workspace)
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        follower = Follower([compile(shop_system())], log, say=pytest.fail)
        follower.catch_up()
        follower.snapshot(folder / "snapshots")
    monkeypatch.setattr(SqliteLog, "begin", lambda self: follower.end)
    with open_desk(settings, SECRET, "ada") as desk:
        with pytest.raises(InputError, match="was archived") as caught:
            desk.revise(Revision("two features", definitions=to_spec(more(shop_system()))))
        assert caught.value.field == "definitions"
        assert desk.revise(ADD).status == "active"


def test_definitions_of_a_workspace_at_rest_are_folded_at_its_next_start(settings: Settings) -> None:
    """With the code of before: what was activated goes on."""
    with open_desk(settings, SECRET, "ada") as desk:
        done = desk.revise(Revision("two features", definitions=to_spec(more(shop_system()))))
    made = started(Path(settings.workspace))
    with closing(made.decider.log) as log:
        (answer,) = made.decide(purchase(1, user="u1"))
        assert answer["versions"] == done.versions
        assert set(NEW) <= set(made.decider.decision("p1").features)
        assert replay([compile(shop_system())], log).differences == []


def test_a_log_without_decisions_has_nothing_to_change(tmp_path: Path) -> None:
    """It must be served once."""
    SqliteLog(tmp_path / LOG_FILE).close()
    settings = Settings(workspace=str(tmp_path))
    with open_desk(settings, SECRET, "ada") as desk, pytest.raises(InputError, match="serve it once"):
        desk.revise(ADD)
