"""`adjudge evaluate` and `adjudge thresholds` from the command line, in a terminal of eighty columns."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.commands import show
from adjudge.errors import InputError
from tests.learn import worlds

RUNNER = CliRunner()


DEFINITION = "from tests.learn.worlds import SMALL\n\n\ndef system(lists=None):\n    return SMALL\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small system, its data, and a bundle that was trained on them."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "small").mkdir()
    (folder / "small" / "definition.py").write_text(DEFINITION, encoding="utf-8")
    worlds.source().write(folder / "world")
    run(folder, "train")
    return folder


def run(folder: Path, verb: str, *words: str) -> str:
    where = ["--system", str(folder / "small"), "--data", str(folder / "world")]
    done = RUNNER.invoke(app, [verb, str(folder / "bundle"), *where, *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_evaluate_writes_a_page_and_all_its_figures(folder: Path) -> None:
    page = folder / "out.html"
    said = msgspec.json.decode(run(folder, "evaluate", "--report", str(page), "--by", "channel", "--json"))
    assert {"test_events", "recall", "gaps"} <= set(said)
    figures = msgspec.json.decode((folder / "out.json").read_bytes())
    assert figures["slices"][0]["field"] == "channel"
    assert figures["trade_offs"][0]["rows"]
    assert "what a different choice would cost" in page.read_text(encoding="utf-8")


def test_a_test_on_what_was_trained_on_says_so(folder: Path, tmp_path: Path) -> None:
    """The first half of the history: its last part lies in the time that the bundle was fitted on."""
    worlds.source().head(worlds.SMALL, 4_000).write(tmp_path / "half")
    where = ["--system", str(folder / "small"), "--report", str(tmp_path / "new" / "out.html")]
    done = RUNNER.invoke(app, ["evaluate", str(folder / "bundle"), *where, "--data", str(tmp_path / "half")])
    assert done.exit_code == 0, done.output
    figures = msgspec.json.decode((tmp_path / "new" / "out.json").read_bytes())
    assert any("the figures flatter" in note for note in figures["notes"])
    assert "flatter" in done.stderr
    done = RUNNER.invoke(app, ["evaluate", str(folder / "bundle"), *where, "--data", str(folder / "world")])
    assert "flatter" not in done.stderr


@pytest.mark.parametrize("name", ["out.json", "."])
def test_a_report_does_not_take_the_place_of_its_figures(folder: Path, tmp_path: Path, name: str) -> None:
    where = ["--system", str(folder / "small"), "--data", str(folder / "world"), "--report", str(tmp_path / name)]
    found = RUNNER.invoke(app, ["evaluate", str(folder / "bundle"), *where]).exception
    assert isinstance(found, InputError)
    assert "cannot be the HTML report" in str(found)


def test_thresholds_keep_to_what_was_asked_and_fit_into_eighty_columns(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = msgspec.json.decode(run(folder, "thresholds", "--capacity", "5", "--json"))
    many = msgspec.json.decode(run(folder, "thresholds", "--capacity", "50", "--json"))
    strict = msgspec.json.decode(run(folder, "thresholds", "--capacity", "50", "--false-positives", "0.01", "--json"))
    assert few["thresholds"]["review"] > many["thresholds"]["review"]
    assert strict["thresholds"]["review"] > many["thresholds"]["review"]
    row = next(row for row in few["trade_offs"][0]["rows"] if "set" in row["marks"])
    assert row["alerts_per_day"] <= 5
    row = next(row for row in strict["trade_offs"][0]["rows"] if "set" in row["marks"])
    assert row["false_positive_rate"] <= 0.01
    monkeypatch.setattr(show.out, "width", 80)
    text = run(folder, "thresholds", "--by-costs", "--insult", "20", "--review-cost", "2", "--review-minutes", "10")
    assert max(map(len, text.splitlines())) <= 80
    assert "least cost" in text
