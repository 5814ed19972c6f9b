"""Backup and restore, as the guide says it: taken under load, brought back after a loss, with the same answers."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.archive.files import Archive
from adjudge.service.archive.joined import Joined
from adjudge.service.backup import MANIFEST, backup, restore
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.home import LOG_FILE
from adjudge.service.outbox.ledger import FILE, Ledger
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from tests.documents import ROOT
from tests.service.archive.old import archive, fill
from tests.service.shop import Shop, many_purchases, purchase, shop


@pytest.fixture(scope="module")
def plan() -> Any:
    return shop()


@pytest.fixture
def desk(plan: Any, tmp_path: Path) -> Iterator[Shop]:
    """Return a shop with a workspace, a snapshot, an outbox and a file of its own."""
    folder = tmp_path / "shop"
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        made = Shop(plan)
        made.decider = Decider([plan], log, clock=made.clock)
        made.decide(*many_purchases(40, step_s=1.0))
        follower = Follower([plan], log, say=pytest.fail)
        follower.catch_up()
        follower.snapshot(folder / "snapshots")
        (folder / "outbox.yaml").write_text("endpoints: []\n")
        with closing(Ledger(folder / FILE)) as ledger:
            ledger.advance("bank", 7)
        yield made


def steps() -> list[list[str]]:
    """Return the commands that the guide gives for it, in order."""
    guide = (ROOT / "docs" / "guides" / "operate.md").read_text(encoding="utf-8")
    section = guide.split("## Back up and restore\n")[1].split("\n## ")[0]
    return [shlex.split(line)[1:] for line in re.findall(r"^\$ (adjudge .*)$", section, re.MULTILINE)]


def test_the_guide_brings_a_lost_workspace_back(
    desk: Shop, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer that was given before the backup, again; the chain whole; what came later, not."""
    monkeypatch.chdir(tmp_path)
    save, bring_back, prove = steps()
    rows = many_purchases(40, step_s=1.0)
    answered = {a["id"]: a for a in desk.decide(*rows)}
    stop, seen = threading.Event(), []

    def load() -> None:
        for i in range(100_000):
            if stop.is_set():
                return
            seen.extend(desk.decide(purchase(f"load-{i}")))

    busy = threading.Thread(target=load)
    busy.start()
    try:
        assert CliRunner().invoke(app, save).exit_code == 0
    finally:
        stop.set()
        busy.join()
    assert seen, "it was taken under load"
    desk.decider.log.close()
    shutil.rmtree("shop")
    said = CliRunner().invoke(app, bring_back)
    assert said.exit_code == 0, said.output
    assert CliRunner().invoke(app, prove).exit_code == 0
    with closing(SqliteLog(Path("shop") / LOG_FILE)) as log:
        kept = len(log)
        assert replay([plan], log).equal
        again = Shop(plan)
        follower = Follower([plan], log, Path("shop/snapshots"), say=pytest.fail)
        assert follower.restored == 41
        again.decider = Decider([plan], log, clock=again.clock, follower=follower)
        for answer in again.decide(*rows):
            assert answer == answered[answer["id"]]
        for answer in seen:
            if answer["seq"] < kept:
                (same,) = again.decide(purchase(answer["id"][1:]))
                assert same == answer
        assert len(log) == kept
    assert Path("shop/outbox.yaml").read_text() == "endpoints: []\n"
    with closing(Ledger(Path("shop") / FILE)) as ledger:
        assert ledger.position("bank") == 7


def test_an_archived_workspace_comes_back_with_its_archive(plan: Any, tmp_path: Path) -> None:
    """And with the snapshot where its log begins: without it nothing before the newest one could be replayed."""
    folder = tmp_path / "shop"
    fill(plan, lambda: SqliteLog(folder / LOG_FILE), folder)
    entries = archive(plan, lambda: SqliteLog(folder / LOG_FILE), folder)
    backup(Settings(workspace=str(folder)), tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "back")
    with closing(SqliteLog(tmp_path / "back" / LOG_FILE)) as log:
        assert log.begin().position == entries
        assert replay([plan], log, snapshots=tmp_path / "back" / "snapshots").events == 61
        assert replay([plan], Joined(Archive(tmp_path / "back" / "archive"), log)).equal


def test_a_damaged_backup_is_refused(desk: Shop, tmp_path: Path) -> None:
    made = backup(Settings(workspace=str(tmp_path / "shop")), tmp_path / "copy")
    assert (made.position, made.link) == (len(desk.decider.log), desk.decider.log.end().link.hex())
    assert not list((tmp_path / "copy").glob("*-wal"))
    with (tmp_path / "copy" / LOG_FILE).open("r+b") as file:
        file.seek(5_000)
        file.write(b"x")
    with pytest.raises(InputError, match=f"damaged: {LOG_FILE}"):
        restore(tmp_path / "copy", tmp_path / "back")
    (tmp_path / "copy" / MANIFEST).unlink()
    with pytest.raises(InputError, match="no whole backup"):
        restore(tmp_path / "copy", tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("name", ["../outside.txt", "snapshots/../../outside.txt", "{absolute}"])
def test_a_backup_writes_nothing_outside_of_the_workspace(desk: Shop, tmp_path: Path, name: str) -> None:
    """A manifest that was edited may name any file, with the right checksum; nothing is written at all."""
    backup(Settings(workspace=str(tmp_path / "shop")), tmp_path / "copies" / "monday")
    (tmp_path / "copies" / "outside.txt").write_text("mine")
    manifest = tmp_path / "copies" / "monday" / MANIFEST
    named = name.format(absolute=tmp_path / "copies" / "outside.txt")
    content = json.loads(manifest.read_bytes())
    content["files"][named] = hashlib.sha256(b"mine").hexdigest()
    manifest.write_text(json.dumps(content))
    with pytest.raises(InputError, match="names a file outside of it"):
        restore(tmp_path / "copies" / "monday", tmp_path / "homes" / "back")
    assert not (tmp_path / "homes").exists()


def test_nothing_is_written_over(desk: Shop, tmp_path: Path) -> None:
    settings = Settings(workspace=str(tmp_path / "shop"))
    backup(settings, tmp_path / "copy")
    with pytest.raises(InputError, match="holds something already"):
        backup(settings, tmp_path / "copy")
    with pytest.raises(InputError, match="holds something already"):
        restore(tmp_path / "copy", tmp_path / "shop")


@pytest.mark.parametrize("name", [".", "copy", "snapshots/copy", "../shop/copy"])
def test_a_backup_into_the_workspace_itself_is_refused(desk: Shop, tmp_path: Path, name: str) -> None:
    """And leaves nothing there."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="is in the workspace itself"):
        backup(Settings(workspace=str(tmp_path / "shop")), tmp_path / "shop" / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_workspace_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no workspace"):
        backup(Settings(workspace=str(tmp_path / "none")), tmp_path / "copy")
    with pytest.raises(InputError, match="in memory"):
        backup(Settings(log="memory"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
