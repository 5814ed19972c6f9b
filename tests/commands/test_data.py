"""Public data sets from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.discover import find
from adjudge.errors import InputError
from adjudge.learn.datasets import DATASETS
from tests.commands.test_inspect import run
from tests.learn.datasets.shapes import write


def test_every_set_is_listed_with_licence_and_source() -> None:
    """For people within 80 columns, for programs with all columns that are read."""
    text = run("data", "list")
    assert max(map(len, text.splitlines())) <= 80
    listed = json.loads(run("data", "list", "--json"))
    assert [one["name"] for one in listed] == list(DATASETS)
    for one in listed:
        assert one["name"] in text
        assert one["licence"]
        assert one["obtain"]
        assert {"name", "rows", "frauds"} == set(one["editions"][0])
    assert listed[4]["columns"] == ["step", "type", "amount", "nameOrig", "nameDest", "isFraud"]


def test_a_copy_is_counted_and_an_altered_one_is_told(tmp_path: Path) -> None:
    folder = write("banksim", tmp_path)
    found = CliRunner().invoke(app, ["data", "check", "banksim", str(folder), "--json"])
    assert found.exit_code == 1
    facts = json.loads(found.stdout)
    assert (facts["rows"], facts["frauds"], facts["edition"]) == (2, 1, None)
    assert "2 rows, where 594,643 (Kaggle) were published" in " ".join(found.stderr.split())
    shown = CliRunner().invoke(app, ["data", "check", "banksim", str(folder)]).stdout
    assert "none that was published" in " ".join(shown.split())
    assert "- amounts are in EUR" in shown


def test_a_copy_without_rows_is_one_sentence(tmp_path: Path) -> None:
    """An interrupted download, say."""
    (file,) = (one for one in write("banksim", tmp_path).iterdir() if one.suffix == ".csv")
    file.write_text(file.read_text().splitlines()[0] + "\n")
    found = CliRunner().invoke(app, ["data", "check", "banksim", str(file)]).exception
    assert isinstance(found, InputError)
    assert "holds no events" in str(found)


def test_a_part_is_converted_when_one_says_that_it_is_one(tmp_path: Path) -> None:
    """What is written can be given to any verb, with the system of the same name."""
    folder = write("tabformer", tmp_path / "raw")
    wanted = ["data", "convert", "tabformer", str(folder), str(tmp_path / "cards")]
    refused = CliRunner().invoke(app, wanted).exception
    assert isinstance(refused, InputError)
    assert "--part" in str(refused)
    assert "transaction.parquet" in run(*wanted, "--part").replace("\n", "")
    source = find("tabformer").read(tmp_path / "cards")
    assert (source.frames["transaction"].height, source.labels["fraud"].height) == (3, 1)


def test_a_set_is_a_system_by_its_name() -> None:
    assert json.loads(run("check", "--system", "sparkov", "--json"))["decides"] == "transaction"
    with pytest.raises(InputError, match="did you mean 'sparkov'"):
        find("sparkof")
