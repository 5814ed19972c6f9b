"""`adjudge rules` from the command line, in a terminal of eighty columns."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.commands import show
from adjudge.errors import InputError
from tests.commands.test_judge import DEFINITION
from tests.learn import worlds

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
