"""`adjudge rules` from the command line, in a terminal of eighty columns."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.commands import show
from adjudge.define import Rules
from adjudge.errors import InputError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import Revision
from tests.commands.test_judge import DEFINITION
from tests.learn import worlds
from tests.service.shop import ManualClock
from tests.service.versions.test_offline import started

RUNNER = CliRunner()

DRAFT = """\
version: 1
rules:
- {id: fast, when: user_count_1h > 3, action: review, owner: ada}
- {id: large_and_new, when: user_device_is_new == 1 and amount > 200, action: block}
- {id: wrong, when: user_cuont_1h > 3, action: review}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small system, its data, and a draft."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "small").mkdir()
    (folder / "small" / "definition.py").write_text(DEFINITION, encoding="utf-8")
    worlds.source().write(folder / "world")
    (folder / "draft.yaml").write_text(DRAFT, encoding="utf-8")
    return folder


def run(folder: Path, *words: str, code: int = 0) -> str:
    where = ["--system", str(folder / "small"), "--data", str(folder / "world")]
    done = RUNNER.invoke(app, ["rules", *words, *where])
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_draft_is_tested_and_what_cannot_be_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "width", 80)
    said = run(folder, "test", str(folder / "draft.yaml"), "--rounds", "20", code=1)
    assert max(map(len, said.splitlines())) <= 80
    assert "8,000 events" in said
    assert [line.split()[0] for line in said.splitlines()[3:6]] == ["fast", "large_and_new", "all"]
    found = msgspec.json.decode(run(folder, "test", str(folder / "draft.yaml"), "--rounds", "0", "--json", code=1))
    fast = worlds.table().column("user_count_1h") > 3
    assert {rule["rule"]: rule["hits"] for rule in found["rules"]}["fast"] == int(fast.sum())
    assert found["untested"] == [{"rule": "wrong", "why": "there is no 'user_cuont_1h'; did you mean 'user_count_1h'?"}]


def test_one_rule_is_told_in_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "width", 80)
    words = ["test", str(folder / "draft.yaml"), "--rule", "large_and_new", "--rounds", "20"]
    said = run(folder, *words, code=1)
    assert max(map(len, said.splitlines())) <= 80
    for part in ("acted on already", "value recall", " to ", "caught: ", "spoiled: ", "week of"):
        assert part in said
    later = run(folder, *words, "--since", "2025-01-31", code=1)
    assert len(later.splitlines()) < len(said.splitlines())


def test_a_past_is_named_once_and_has_events(folder: Path) -> None:
    words = ["rules", "test", str(folder / "draft.yaml"), "--system", str(folder / "small")]
    for more, message in [
        (["--data", str(folder / "world"), "--export", "x"], "name one past"),
        (["--data", str(folder / "world"), "--since", "2030-01-01"], "there are no events in this span"),
        (["--data", str(folder / "world"), "--rule", "fats"], "the draft has no rule 'fats'; did you mean 'fast'?"),
    ]:
        done = RUNNER.invoke(app, [*words, *more])
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)


def test_a_report_says_how_rules_live(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.out, "width", 80)
    said = run(folder, "report")
    assert max(map(len, said.splitlines())) <= 80
    assert "too_fast: " in said
    assert "no owner" in said
    found = msgspec.json.decode(run(folder, "report", "--json"))
    hits = int((worlds.table().column("user_count_1h") > 5).sum())
    assert [(rule["rule"], rule["hits"]) for rule in found["rules"]] == [("too_fast", hits)]


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Path:
    """Return a workspace in which the rules have changed once."""
    home = folder / "home"
    home.mkdir()
    with closing(SqliteLog(home / "log.sqlite")) as log:
        decider = Decider([worlds.plan()], log, clock=ManualClock())
        draft = Rules.load(folder / "good.yaml")
        LiveDesk(decider, background=False).revise(Revision("a new pattern", rules=draft.document()), "ada")
    return home


@pytest.fixture(scope="module", autouse=True)
def good(folder: Path) -> Path:
    """Return a rule file without the rule that is wrong."""
    path = folder / "good.yaml"
    path.write_text("".join(DRAFT.splitlines(keepends=True)[:-1]), encoding="utf-8")
    return path


def say(*words: str, code: int = 0) -> str:
    done = RUNNER.invoke(app, ["rules", *words])
    assert done.exit_code == code, done.output
    return done.stdout


def test_rules_of_a_log_and_of_files_are_shown_and_compared(workspace: Path, good: Path) -> None:
    where = ("--workspace", str(workspace))
    assert "fast: review, priority 100\n  when user_count_1h > 3\n  owner ada\n" in say("show", *where)
    assert "too_fast: review" in say("show", *where, "--version", "first")
    assert say("show", str(good)) == say("show", *where)
    versions = msgspec.json.decode(say("show", *where, "--versions", "--json"))
    assert [(one["who"], one["why"], one["rules"]) for one in versions][1:] == [("ada", "a new pattern", 2)]
    assert [say("show", *where, "--version", one["version"][:8]) for one in versions] == [
        say("show", *where, "--version", str(one["position"])) for one in versions
    ]
    assert say("diff", str(good), *where) == "both say the same\n"
    assert say("diff", "first", "active", *where).splitlines() == [
        "rule too_fast is gone: review when user_count_1h > 5",
        "rule fast is new: review when user_count_1h > 3",
        "rule large_and_new is new: block when user_device_is_new == 1 and amount > 200",
        "3 differences",
    ]
    assert msgspec.json.decode(say("diff", "first", str(good), *where, "--json"))[0]["what"] == "removed"
    for version in ("nope", "9" * 5_000):
        done = RUNNER.invoke(app, ["rules", "show", *where, "--version", version])
        assert f"no rules '{version[:80]}' have decided here" in str(done.exception)


def test_a_file_is_checked_with_all_its_mistakes(folder: Path, good: Path) -> None:
    system = ("--system", str(folder / "small"))
    assert say("check", str(good), *system).startswith("good.yaml: 2 rules, version ")
    said = say("check", str(folder / "draft.yaml"), *system, code=1)
    assert said == "draft.yaml:5:21: rule 'wrong': unknown name 'user_cuont_1h'; did you mean 'user_count_1h'?\n"
    assert say("check", str(folder / "draft.yaml")).startswith("draft.yaml: 3 rules")


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace in which the shop has decided thirty purchases, and a draft for it."""
    home = tmp_path_factory.mktemp("decided")
    started(home).decider.log.close()
    draft = "version: 1\nrules:\n- {id: large, when: amount > 20 and user_count_1h >= 1, action: block}\n"
    (home / "draft.yaml").write_text(draft, encoding="utf-8")
    return home


def test_a_log_and_its_export_give_the_same_answer(decided: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADJUDGE_SECRET", raising=False)
    where, draft = ("--workspace", str(decided)), str(decided / "draft.yaml")
    said = RUNNER.invoke(app, ["export", *where])
    assert said.exit_code == 0, said.output
    of_log = msgspec.json.decode(say("test", draft, *where, "--json"))
    of_export = msgspec.json.decode(say("test", draft, "--export", str(decided / "export"), "--json"))
    assert of_log["events"] == 30
    assert of_log["rules"][0]["hits"] > 0
    assert of_export["rules"] == of_log["rules"]
    report = msgspec.json.decode(say("report", *where, "--json"))
    assert [rule["rule"] for rule in report["rules"]] == ["listed", "busy"]
