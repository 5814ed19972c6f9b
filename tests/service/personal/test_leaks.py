"""What is nowhere: no file of a workspace, and no line of a verb, holds a personal value or what could open one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.log.sqlite import SqliteLog
from adjudge.service.home import KEYS_FILE, LOG_FILE
from adjudge.service.personal.keys import Wrap
from adjudge.service.personal.sqlite import SqliteKeys
from tests.service.personal.bank import Bank, bank, payment

SECRET = "zanzibar"
"""Stands in every personal value of one customer."""

MASTER, OLD, NEW = bytes(range(32, 64)), bytes([11]) * 16, bytes([12]) * 16
"""The master key and two secrets of the workspace."""

DEFINITION = """
from tests.service.personal.bank import bank_system


def system(lists):
    return bank_system()
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a system beside a workspace, whose log has segments, loose commits and imported events."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("SECRET", OLD), ("MASTER_KEY", MASTER), ("NEW_SECRET", NEW), ("EARLIER_SECRETS", OLD)):
        monkeypatch.setenv(f"ADJUDGE_{name}", value.hex())
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "definition.py").write_text(DEFINITION)
    with closing(SqliteLog(tmp_path / "w" / LOG_FILE)) as log, closing(store(tmp_path / "w")) as keys:
        desk = Bank(bank(secret=OLD), log, keys)
        past = pl.DataFrame([payment(f"-old-{i}", f"user {SECRET}", -60.0 - i) for i in range(3)])
        at = pl.col("at").str.to_datetime(time_zone="UTC").cast(pl.Datetime("us", "UTC"))
        desk.decider.import_table("payment", past.with_columns(at, pl.col("amount").cast(float)))
        for i in range(30):
            desk.send(payment(i, f"user {SECRET}" if i % 3 else "bob", i))
        log.maintain(keep=8)
    return tmp_path


def store(folder: Path) -> SqliteKeys:
    """Return the keys of a workspace."""
    return SqliteKeys(folder / KEYS_FILE, Wrap(MASTER))


def run(verb: str, *arguments: str, code: int = 0, told: bool = False, **more: str) -> str:
    """Run a verb in the workspace; nothing personal may be in what it says, unless it is asked for just that."""
    systems = ("-s", "bank") if verb in ("snapshot", "replay", "explain", "rekey", "erase") else ()
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [verb, *arguments, "-w", "w", *systems], **more)  # type: ignore[arg-type]
    assert done.exit_code == code, done.output
    assert told or SECRET not in done.output
    return done.output


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield what every file below a folder holds, unpacked where it is packed."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield path, path.read_bytes()
        if path.suffix == ".parquet":
            yield path, repr(pl.read_parquet(path).to_dicts()).encode()
        if path.name == LOG_FILE:
            with closing(SqliteLog(path)) as log:
                yield path, b"".join(commit.payload for commit in log.read())


def test_no_file_and_no_line_tells_who_somebody_is(workspace: Path) -> None:
    """Before an erasure and after it, with a rekey between; keys and secrets are in no file either."""
    assert SECRET in run("explain", "p1", told=True)
    for verb in (
        ("snapshot",),
        ("replay",),
        ("doctor",),
        ("audit",),
        ("export", "--personal", "sealed"),
        ("query", "select * from events"),
        ("backup", "backup"),
    ):
        run(*verb)
    run("rekey", "--who", "officer", "--why", "yearly")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADJUDGE_SECRET", NEW.hex())
        erase = ("erase", "--stream", "payment", "--person", "-", "--who", "officer", "--why", "asked for it")
        run(*erase, input=f"user {SECRET}\n")
        run(*erase, input=f"user {SECRET}\n", code=1)
        for verb in (("replay",), ("snapshot",), ("export",), ("query", "select * from decisions")):
            run(*verb)
        for id_ in ("p1", "p-old-1"):  # decided and withheld; imported and never decided
            run("explain", id_, code=1)
    searched = list(contents(workspace))
    assert {path.suffix for path, _ in searched} >= {".sqlite", ".npy", ".json", ".parquet"}
    for suffix in (".sqlite", ".parquet"):  # what is not personal is found, so what is would be
        assert any(b"m1" in content for path, content in searched if path.suffix == suffix)
    for path, content in searched:
        for secret in (SECRET.encode(), MASTER, OLD, NEW, *(s.hex().encode() for s in (MASTER, OLD, NEW))):
            assert secret not in content, path


def test_nothing_of_a_destroyed_key_is_left_in_the_folder(workspace: Path) -> None:
    """Not in the file of the keys, not in what SQLite keeps beside it, not in a snapshot; a backup keeps it."""
    with closing(sqlite3.connect(workspace / "w" / KEYS_FILE)) as db:
        before = {row[0]: row[1] for row in db.execute("SELECT id, wrapped FROM keys WHERE token IS NOT NULL")}
    assert len(before) == 2
    run("backup", "backup")
    erase = ("erase", "--stream", "payment", "--person", "-", "--who", "officer", "--why", "asked for it")
    run(*erase, input=f"user {SECRET}\n")
    with closing(sqlite3.connect(workspace / "w" / KEYS_FILE)) as db:
        after = {row[0] for row in db.execute("SELECT id FROM keys WHERE token IS NOT NULL")}
    (gone,) = before.keys() - after
    in_files = {path for path, content in contents(workspace) if before[gone] in content}
    assert in_files == {workspace / "backup" / KEYS_FILE}
    shutil.rmtree(workspace / "backup")
    assert not any(before[gone] in content for _, content in contents(workspace))
