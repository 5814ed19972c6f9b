"""Searching settings from the command line, and training with what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from tests.commands.test_inspect import run
from tests.learn.orders import history

DEFINITION = "from tests.learn.orders import orders\n\n\ndef system(lists):\n    return orders()\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small system with its data."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "definition.py").write_text(DEFINITION)
    history().write(folder / "data")
    return folder


def test_what_was_found_is_shown_kept_and_trained_with(shop: Path, tmp_path: Path) -> None:
    """Within 80 columns; the second run has nothing left to do; the trials stand beside the result."""
    words = ["--system", str(shop), "--data", str(shop / "data")]
    asked = ["tune", str(tmp_path / "t.json"), *words, "--trials", "2", "--folds", "2", "--only", "depth"]
    text = run(*asked)
    assert max(map(len, text.splitlines()[:-3])) <= 80
    assert "average_precision with the settings as they were" in text
    assert (tmp_path / "t.sqlite").is_file()
    found = json.loads(run(*asked, "--json"))
    assert found == json.loads((tmp_path / "t.json").read_text())
    assert [t["number"] for t in found["trials"]] == [0, 1]
    trained = json.loads(run("train", str(tmp_path / "b"), *words, "--tuned", str(tmp_path / "t.json"), "--json"))
    assert trained["test_events"] > 100


def test_a_mistake_is_one_sentence(shop: Path, tmp_path: Path) -> None:
    words = ["--system", str(shop), "--data", str(shop / "data")]
    for wrong, message in (
        (["tune", str(tmp_path / "t.json"), *words, "--metric", "acu"], "did you mean 'auc'"),
        (["tune", str(tmp_path / "t.json"), *words, "--only", "dept"], "did you mean 'depth'"),
        (["tune", str(tmp_path / "t.sqlite"), *words], "cannot hold both"),
        (["tune", str(tmp_path), *words], "is a folder"),
        (["train", str(tmp_path / "b"), *words, "--tuned", str(tmp_path / "no.json")], "no file 'no.json'"),
    ):
        found = CliRunner().invoke(app, wrong).exception
        assert isinstance(found, InputError)
        assert message in str(found)
    assert list(tmp_path.iterdir()) == []
