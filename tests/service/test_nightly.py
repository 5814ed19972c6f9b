"""A night's work: everything is decided once, however often it is interrupted, and what was decided at once stays."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.commands import bulk
from adjudge.errors import AdjudgeError, ConflictError, InputError, UnavailableError
from adjudge.log.sqlite import SqliteLog
from adjudge.service import nightly
from adjudge.service.home import LOG_FILE
from adjudge.service.nightly import Done, Manifest, Night, at_night


def payment(number: int, amount: str | None = None) -> dict[str, Any]:
    made = {
        "payment_id": f"p{number}",
        "at": f"2026-01-02T{10 + number // 60:02}:{number % 60:02}:00+01:00",
        "user": f"u{number % 7}",
        "merchant": "m1",
        "amount": amount or f"{10 * (number % 50)}.50",
    }
    return made


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [payment(i) for i in range(100)]
    rows[40] = rows[40] | {"amount": "-1"}
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def run(table: Path, *words: str, code: int = 0, to: str = "night") -> dict[str, Any]:
    home, folder = table.parent, table.parent / to
    arguments = ["nightly", str(table), "--to", str(folder), "-w", str(home / "w"), "--json", *words]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def decided(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "decisions.jsonl").read_bytes().splitlines()]


def test_a_table_is_decided_logged_and_bad_rows_are_named(table: Path) -> None:
    found = run(table, code=1)
    assert (found["rows"], found["refused"], found["repeated"], found["left"]) == (100, 1, 0, 0)
    ids = [one["id"] for one in decided(table.parent / "night")]
    assert ids == [f"p{i}" for i in range(100) if i != 40]
    refused = (table.parent / "night" / "refused.jsonl").read_text()
    assert json.loads(refused)["row"]["payment_id"] == "p40"
    with closing(SqliteLog(table.parent / "w" / LOG_FILE)) as log:
        end = len(log)
    assert run(table, code=1) == found  # once more is nothing more
    again = run(table, code=1, to="other")
    assert (again["repeated"], again["answers"]) == (99, found["answers"])
    assert decided(table.parent / "other") == [one | {"repeated": True} for one in decided(table.parent / "night")]
    with closing(SqliteLog(table.parent / "w" / LOG_FILE)) as log:
        assert len(log) == end


def test_what_is_decided_at_once_is_left_out_and_counted(table: Path) -> None:
    found = run(table, "--below", "100", code=1)
    assert found["left"] == 79  # the refused one says less than nothing
    assert sum(found["answers"].values()) == 20
    assert all(int(one["id"][1:]) % 50 < 10 for one in decided(table.parent / "night"))


def test_it_goes_on_where_it_was_interrupted(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(table, code=1, to="whole")
    real, calls = bulk.send, []

    async def failing(lines: Any, ask: Any, report: Any, progress: Any) -> None:
        calls.append(len(lines))
        if len(calls) == 3:
            message = "the service stays away"
            raise UnavailableError(message)
        await real(lines, ask, report, progress)

    monkeypatch.setattr(nightly, "PIECE", 30)
    monkeypatch.setattr(bulk, "send", failing)
    with pytest.raises(UnavailableError):
        run(table)
    folder = table.parent / "night"
    assert sorted(path.name for path in folder.glob("piece-*summary.json")) == [
        "piece-000000-summary.json",
        "piece-000001-summary.json",
    ]
    monkeypatch.setattr(bulk, "send", real)
    found = run(table, code=1)
    assert found["answers"] == whole["answers"]
    assert [one["id"] for one in decided(folder)] == [one["id"] for one in decided(table.parent / "whole")]
    assert sorted(path.name for path in folder.iterdir()) == [
        "decisions.jsonl",
        "manifest.json",
        "refused.jsonl",
        "summary.json",
    ]


def test_another_table_or_other_settings_need_another_folder(table: Path, tmp_path: Path) -> None:
    run(table, code=1)
    with pytest.raises(ConflictError, match="another table"):
        run(table, "--below", "5")
    table.write_text(json.dumps(payment(1)))
    with pytest.raises(ConflictError, match="another table"):
        run(table)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(ConflictError, match="something else"):
        Night(tmp_path / "full", Manifest("x"))


def test_an_empty_table_is_done_at_once(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    found = run(path)
    assert (found["rows"], found["answers"]) == (0, {})
    assert decided(tmp_path / "night") == []


def test_what_does_not_go_together_is_refused(table: Path) -> None:
    for words in (["--url", "http://127.0.0.1:1", "--bundle", "b"], ["--system", "a", "--system", "b"]):
        found = CliRunner().invoke(app, ["nightly", str(table), "--to", str(table.parent / "n"), *words]).exception
        assert isinstance(found, InputError)
    memory = ["nightly", str(table), "--to", str(table.parent / "n"), "--log", "memory"]
    found = CliRunner().invoke(app, memory).exception
    assert isinstance(found, AdjudgeError)


@given(st.one_of(st.none(), st.floats(), st.text(max_size=5), st.integers()), st.floats(0.01, 1e9))
def test_only_a_number_from_the_amount_on_is_left_out(value: float | str | None, below: float) -> None:
    """Whatever cannot be read is for the service to refuse, and what is no number is decided at night."""
    row = msgspec.json.encode({"amount": value})
    try:
        number = float(msgspec.json.decode(row)["amount"])
    except (TypeError, ValueError):
        number = 0.0
    assert at_night(row, "amount", below) == (not number >= below)


@given(st.lists(st.builds(Done, st.integers(0, 9), st.dictionaries(st.sampled_from("ab"), st.integers(1, 5)))))
def test_pieces_add_up(pieces: list[Done]) -> None:
    whole = Done()
    for one in pieces:
        whole = whole.plus(one)
    assert whole.rows == sum(one.rows for one in pieces)
    assert sum(whole.answers.values()) == sum(sum(one.answers.values()) for one in pieces)
