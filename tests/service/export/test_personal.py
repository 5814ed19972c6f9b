"""Exports of streams with personal fields: hidden, sealed or readable, and what an erasure does to them."""

from __future__ import annotations

import base64
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adjudge.errors import InputError
from adjudge.log import MemoryLog
from adjudge.log.sqlite import SqliteLog
from adjudge.service.export import export, made_for, query
from adjudge.service.export.rows import Personal
from adjudge.service.personal.seal import VERSION
from tests.service.personal.bank import Bank, bank, payment


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


@pytest.fixture
def desk(plan: Any) -> Bank:
    """Return a bank with payments of two persons."""
    made = Bank(plan, MemoryLog())
    made.send(payment(1), payment(2, user="bob"), payment(3, minute=1))
    return made


def events(folder: Path) -> pl.DataFrame:
    """Return the events of an export in log order."""
    parts = [pl.read_parquet(file, hive_partitioning=True) for file in (folder / "events").rglob("*.parquet")]
    return pl.concat(parts, how="diagonal_relaxed").sort("seq")


def content(folder: Path) -> bytes:
    """Return everything that is readable in the files of an export."""
    return events(folder).write_json().encode()


def decided(folder: Path) -> list[tuple[str, list[str]]]:
    """Return whose decisions and features an export has."""
    return [
        (name, sorted(row[0] for row in query(folder, f"SELECT id FROM {name}").rows))
        for name in ("decisions", "features")
    ]


def test_personal_fields_are_hidden_unless_it_is_said_otherwise(desk: Bank, tmp_path: Path) -> None:
    export(desk.log, tmp_path, keys=desk.keys)
    assert made_for(tmp_path) == "hidden"
    found = events(tmp_path)
    for name in ("user", "card", "remark"):
        assert found[name].to_list() == [None] * 3
    assert found["merchant"].to_list() == ["m1"] * 3
    assert "sealed" not in found.columns
    assert b"ada" not in content(tmp_path)


def test_what_is_sealed_comes_along_where_it_is_wanted(desk: Bank, tmp_path: Path) -> None:
    """For whoever has the keys; without them it says nothing."""
    export(desk.log, tmp_path, personal="sealed")
    found = events(tmp_path)
    assert found["user"].to_list() == [None] * 3
    assert all(base64.b64decode(sealed).startswith(VERSION) for sealed in found["sealed"])
    assert b"of ada" not in content(tmp_path)


def test_readable_ones_need_the_keys(desk: Bank, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only be read with the keys"):
        export(desk.log, tmp_path, personal="readable")
    export(desk.log, tmp_path, personal="readable", keys=desk.keys)
    assert events(tmp_path)["user"].to_list() == ["ada", "bob", "ada"]
    assert query(tmp_path, "SELECT remark FROM payment WHERE user = 'bob'").rows == [("from bob with love",)]


def test_a_folder_keeps_to_what_it_was_made_for(desk: Bank, tmp_path: Path) -> None:
    export(desk.log, tmp_path, personal="sealed")
    with pytest.raises(InputError, match="was made with sealed personal fields; export into a new folder"):
        export(desk.log, tmp_path, personal="readable", keys=desk.keys)
    desk.send(payment(4, user="eve", minute=2))
    assert export(desk.log, tmp_path).rows["events"] == 1
    assert events(tmp_path)["sealed"].null_count() == 0


@pytest.fixture(params=["before it is exported", "after it was exported", "with its key still there"])
def erased(request: pytest.FixtureRequest, desk: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    """Return a bank in which somebody was erased whose values were exported, or were not."""
    if request.param != "before it is exported":
        export(desk.log, tmp_path, personal="readable", keys=desk.keys)
    with monkeypatch.context() as patch:
        if request.param == "with its key still there":  # it could not be destroyed yet
            patch.setattr(desk.decider.workspace.vault, "finish", lambda: None)
        assert desk.decider.erase("payment", "ada", who="officer", why="asked for it")
    return desk


def test_nothing_is_left_of_who_was_erased(erased: Bank, tmp_path: Path) -> None:
    """A folder with readable values is made anew; values of others stay readable."""
    made = export(erased.log, tmp_path, personal="readable", keys=erased.keys)
    assert made.rows["events"] == 3
    found = events(tmp_path)
    assert found["user"].to_list() == [None, "bob", None]
    assert found["remark"].to_list() == [None, "from bob with love", None]
    assert b"ada" not in content(tmp_path)
    assert export(erased.log, tmp_path, keys=erased.keys).files == 0


@pytest.mark.parametrize("personal", ["hidden", "sealed", "readable"])
@pytest.mark.parametrize("exported", [False, True])
def test_decisions_about_who_was_erased_are_left_out(
    desk: Bank, tmp_path: Path, personal: Personal, exported: bool
) -> None:
    """Whatever becomes of personal fields, and whether they were exported before; those of others are there."""
    if exported:
        export(desk.log, tmp_path, personal=personal, keys=desk.keys)
        assert decided(tmp_path) == [(name, ["p1", "p2", "p3"]) for name in ("decisions", "features")]
    desk.decide_twice("p1", "p2")
    desk.erase("ada")
    desk.send(payment(4, minute=2))  # came back
    made = export(desk.log, tmp_path, personal=personal, keys=desk.keys)
    assert (made.start, made.rows["events"], made.rows["decisions"], made.rows["features"]) == (0, 4, 2, 2)
    assert decided(tmp_path) == [(name, ["p2", "p4"]) for name in ("decisions", "features")]
    desk.send(payment(5, user="bob", minute=3))
    made = export(desk.log, tmp_path, personal=personal, keys=desk.keys)
    assert (made.start > 0, made.rows["decisions"]) == (True, 1)
    assert query(tmp_path, "SELECT id FROM second_decisions").rows == [("p2",)]


def test_what_was_archived_cannot_be_made_anew(plan: Any, tmp_path: Path) -> None:
    """Then it is said, and nothing is left as if it were in order."""
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        desk = Bank(plan, log, keys=Bank(plan, MemoryLog()).keys)
        desk.send(payment(1))
        desk.send(payment(2, user="bob"))
        export(log, tmp_path / "lake", personal="readable", keys=desk.keys)
        assert desk.decider.erase("payment", "ada", who="officer", why="asked for it")
        log.drop(2)
        with pytest.raises(InputError, match="remove it, and export anew with the archive"):
            export(log, tmp_path / "lake", keys=desk.keys)
