"""Archiving a workspace: the rest of its log replays, recovers and answers as before, whatever crashed on the way."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from adjudge.errors import InputError, NotFoundError, UnavailableError
from adjudge.log import Commit, End, Log, LogError, chunks
from adjudge.log.audit import audit
from adjudge.log.postgres import PostgresLog
from adjudge.log.sqlite import SqliteLog
from adjudge.service import snapshot
from adjudge.service.access.offline import OfflineLedger
from adjudge.service.archive import files
from adjudge.service.archive.files import Archive, ArchiveError
from adjudge.service.archive.joined import Joined
from adjudge.service.archive.run import Archiver
from adjudge.service.explain import explain
from adjudge.service.export import export
from adjudge.service.follow import Follower
from adjudge.service.home import LOG_FILE
from adjudge.service.outbox.decisions import DecisionReader
from adjudge.service.outbox.ledger import FILE, Ledger, Owed
from adjudge.service.replay import replay
from tests.service.archive.old import CUT_US, LATER, Opener, archive, decider_on, fill, place_in, snapshot_of
from tests.service.shop import START, ManualClock, many_purchases, purchase, shop
from tests.service.test_decider import label
from tests.service.test_http import Client


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture(params=["sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Return what opens one log in a file, or in a database."""
    if request.param == "sqlite":
        return lambda: SqliteLog(tmp_path / LOG_FILE)
    url, schema = request.getfixturevalue("postgres_url"), uuid4().hex
    return lambda: PostgresLog(url, schema=schema)


@pytest.fixture(scope="module")
def filled(plan: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a workspace with a past in a file, and the digest of its state."""
    folder = tmp_path_factory.mktemp("filled")
    return folder, fill(plan, lambda: SqliteLog(folder / LOG_FILE), folder)


@pytest.fixture
def workspace(filled: tuple[Path, str], tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(filled[0], tmp_path / "copy")


def in_file(workspace: Path) -> Opener:
    return lambda: SqliteLog(workspace / LOG_FILE)


def commits_of(opener: Opener) -> list[Commit]:
    with closing(opener()) as log:
        return list(log.read())


def joined(workspace: Path, log: Log) -> Joined:
    return Joined(Archive(workspace / "archive"), log)


def follow(plan: Any, log: Log, workspace: Path) -> Follower:
    follower = Follower([plan], log, workspace / "snapshots", say=pytest.fail)
    follower.catch_up()
    return follower


def test_what_is_left_replays_and_recovers(plan: Any, opener: Opener, tmp_path: Path) -> None:
    """From the newest snapshot, and from the one where the log begins, which needs what remains of the archived."""
    digest = fill(plan, opener, tmp_path)
    before = commits_of(opener)
    entries = archive(plan, opener, tmp_path)
    assert entries > 120
    with closing(opener()) as log:
        assert log.begin().position == entries
        assert list(log.read())[:-1] == [c for c in before if c.first >= entries]
        assert follow(plan, log, tmp_path).workspace.digest() == digest
        assert follow(plan, log, tmp_path).restored == before[-1].stop + 1
        found = replay([plan], log, snapshots=tmp_path / "snapshots")
        assert (found.equal, found.events, found.differences) == (True, 61, [])
        pinned, newest = sorted(snapshot.found(tmp_path / "snapshots"))
        assert (snapshot.position_of(pinned), snapshot.is_pinned(pinned)) == (entries, True)
        shutil.rmtree(newest)
        again = follow(plan, log, tmp_path)
        assert (again.restored, again.workspace.digest()) == (entries, digest)
        assert again.workspace.management.archives.last is not None
        assert again.workspace.management.archives.last.who == "ops"
        assert [c.id for c in again.workspace.waiting_changes] == ["not there yet"]


def test_archive_and_log_are_the_log_that_was(plan: Any, opener: Opener, tmp_path: Path) -> None:
    """Commit by commit, proven by one audit; and all of it replays."""
    fill(plan, opener, tmp_path)
    before = commits_of(opener)
    entries = archive(plan, opener, tmp_path)
    with closing(opener()) as log:
        whole = joined(tmp_path, log)
        assert list(whole.read())[: len(before)] == before
        for start in range(0, len(log), 17):
            there = [c for c in whole.read() if c.stop > start and c.first < start + 9]
            assert list(whole.read(start, start + 9)) == there
        proof = audit(whole)
        assert (proof.whole, proof.begin, proof.commits) == (True, (0, bytes(32).hex()), len(before) + 1)
        assert audit(log).begin == (entries, log.begin().link.hex())
        found = replay([plan], whole)
        assert (found.equal, found.events) == (True, 181)


def test_old_ids_are_known(plan: Any, workspace: Path) -> None:
    """As too late, or as used before; nothing new counts for them, and where they are is said."""
    archive(plan, in_file(workspace), workspace)
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        desk = decider_on(plan, log, workspace, ManualClock(LATER + timedelta(days=1)))
        old, young = many_purchases(120)[4], many_purchases(60, seed=2, at=LATER)[4]
        assert desk.decide(old, old | {"at": LATER.isoformat()}) == ["too_late", "conflict"]
        (again,) = desk.decide(young)
        assert again["id"] == young["purchase_id"]
        (refused, unchanged) = desk.decider.change(
            [label(old["purchase_id"]), label(many_purchases(120)[7]["purchase_id"])]
        )
        assert isinstance(refused, InputError)
        assert refused.code == "archived"
        assert unchanged == "unchanged"
        with pytest.raises(NotFoundError, match="was archived: the log begins at"):
            desk.decider.decision(old["purchase_id"])
        assert desk.decider.decision(young["purchase_id"]).record
        with pytest.raises(NotFoundError, match="was archived: say where the archive is"):
            explain([plan], log, old["purchase_id"], snapshots=workspace / "snapshots")
        told = explain([plan], joined(workspace, log), old["purchase_id"], snapshots=workspace / "snapshots")
        assert told.agrees


def test_deciding_goes_on_and_the_next_archiving_too(plan: Any, workspace: Path) -> None:
    """Files follow each other; only the newest cut is pinned; the oldest files may be deleted."""
    archive(plan, in_file(workspace), workspace)
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        clock = ManualClock(LATER + timedelta(days=30))
        desk = decider_on(plan, log, workspace, clock)
        assert desk.decide(purchase("much later", clock.at))[0]["id"] == "pmuch later"
        snapshot_of(plan, log, workspace)
    digest, before = desk.decider.workspace.digest(), commits_of(in_file(workspace))
    assert archive(plan, in_file(workspace), workspace, round((LATER + timedelta(days=9)).timestamp() * 1e6)) > 60
    pinned = [p for p in snapshot.found(workspace / "snapshots") if snapshot.is_pinned(p)]
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        assert [snapshot.position_of(p) for p in pinned] == [log.begin().position]
        assert follow(plan, log, workspace).workspace.digest() == digest
        assert replay([plan], log, snapshots=workspace / "snapshots").equal
        assert replay([plan], joined(workspace, log)).events == 182
        Archive(workspace / "archive").files[0].path.unlink()
        rest = joined(workspace, log)
        assert audit(rest).whole
        assert list(rest.read())[: len(before)] == before


class KilledError(BaseException):
    """The process is gone: nothing that it would have done still happens."""


def killed_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, *, after: bool) -> None:
    """Have the process end at some call of a function, before or after it does what it does."""
    real, calls = getattr(owner, name), iter(range(1, 1_000))

    def gone(*arguments: Any, **named: Any) -> Any:
        this = next(calls)
        if this == call and not after:
            raise KilledError
        done = real(*arguments, **named)
        if this == call:
            raise KilledError
        return done

    monkeypatch.setattr(owner, name, gone)


STEPS = {
    "while a file is written": (Path, "replace", 1, False),
    "after the first file": (files, "_write", 1, True),
    "before it is said in the log": (OfflineLedger, "record", 1, False),
    "after it was said in the log": (OfflineLedger, "record", 1, True),
    "before the snapshot of the cut": (snapshot, "save", 1, False),
    "after the snapshot of the cut": (snapshot, "save", 1, True),
    "after the snapshot of the end": (snapshot, "save", 2, True),
    "before anything is dropped": (SqliteLog, "_drop", 1, False),
    "in the middle of dropping": (SqliteLog, "_drop", 2, True),
    "after all was dropped": (SqliteLog, "drop", 1, True),
}


@pytest.mark.parametrize("step", list(STEPS))
def test_a_kill_between_any_two_steps_loses_nothing(
    plan: Any, filled: tuple[Path, str], workspace: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Archive and log hold every commit, the log is served from, and doing it again ends as if nothing had been."""
    monkeypatch.setattr(files, "SEGMENT", 16)
    monkeypatch.setattr(files, "FILE_BYTES", 16_384)
    monkeypatch.setattr(chunks, "SLICE", 40)
    opener, before = in_file(workspace), commits_of(in_file(workspace))
    owner, name, call, after = STEPS[step]
    with monkeypatch.context() as patch:
        killed_at(patch, owner, name, call, after=after)
        with pytest.raises(KilledError):
            archive(plan, opener, workspace)
    with closing(opener()) as log:
        archived = Archive(workspace / "archive")
        whole = joined(workspace, log) if archived.files else log
        assert [c for c in whole.read() if c.stop <= before[-1].stop] == before
        assert follow(plan, log, workspace).workspace.digest() == filled[1]
    archive(plan, opener, workspace)
    assert archive(plan, opener, workspace) == 0
    with closing(opener()) as log:
        assert [c for c in joined(workspace, log).read() if c.stop <= before[-1].stop] == before
        assert len(log) == before[-1].stop + 1, "it was said once"
        assert log.begin().position == Archive(workspace / "archive").files[-1].header.stop
        assert len(Archive(workspace / "archive").files) > 2
        assert replay([plan], log, snapshots=workspace / "snapshots").equal
        assert replay([plan], joined(workspace, log)).equal


def refusing(plan: Any, workspace: Path, before_us: int = CUT_US) -> str:
    """Return why archiving is refused, after seeing that nothing has changed."""
    with pytest.raises((InputError, UnavailableError, LogError)) as refused:
        archive(plan, in_file(workspace), workspace, before_us)
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        assert log.begin().position == 0
    return str(refused.value)


def test_what_was_not_delivered_stays(plan: Any, workspace: Path) -> None:
    """An endpoint that is behind, or owed a single old decision, holds it up; one that is not in the file does not."""
    (workspace / "outbox.yaml").write_text(
        "endpoints: [{id: bank, url: 'https://bank.example/in', secret_variable: BANK}]\n"
    )
    with closing(Ledger(workspace / FILE)) as ledger:
        ledger.advance("gone", 3)
        ledger.advance("bank", 50)
        assert "'bank' has got what it is owed up to position 50 only" in refusing(plan, workspace)
        ledger.advance("bank", 200, [Owed("bank", 60, "shop", b"")])
        assert "up to position 60 only" in refusing(plan, workspace)
        ledger.strike_out(ledger.living("bank", 1))
    assert archive(plan, in_file(workspace), workspace) > 0


def test_what_may_come_again_stays(plan: Any, workspace: Path) -> None:
    """Retries are told from new events by their ids, or by being too late: never neither."""
    after = round((LATER + timedelta(hours=2)).timestamp() * 1e6)
    assert "not 7 days, 0:00:00 older than the newest one" in refusing(plan, workspace, after)


def test_nobody_else_may_decide_meanwhile(plan: Any, workspace: Path) -> None:
    """The files are written by then, so that stopping the service takes but a moment."""
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        decider_on(plan, log, workspace, ManualClock(LATER + timedelta(days=1)))
        assert "decides on this log" in refusing(plan, workspace)
    assert Archive(workspace / "archive").files
    assert archive(plan, in_file(workspace), workspace) > 0


def test_nothing_old_is_nothing_to_do(plan: Any, workspace: Path) -> None:
    assert archive(plan, in_file(workspace), workspace, round(START.timestamp() * 1e6) - 1) == 0
    assert not (workspace / "archive").exists()


def test_a_log_that_is_not_in_the_archive_is_not_dropped(plan: Any, workspace: Path) -> None:
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        archiver = Archiver([plan], log, place_in(workspace))
        cut = archiver.cut(CUT_US)
        with pytest.raises(ArchiveError, match="does not reach position"):
            archiver.drop(cut, who="ops", why="retention")
        archiver.write(cut)
        with pytest.raises(InputError, match="needs why"):
            archiver.drop(cut, who="ops", why="")
        assert log.begin().position == 0


def test_a_snapshot_where_the_log_begins_is_never_removed(plan: Any, workspace: Path) -> None:
    """However many are made after it."""
    entries = archive(plan, in_file(workspace), workspace)
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        desk = decider_on(plan, log, workspace, ManualClock(LATER))
        for i in range(5):
            desk.decide(purchase(f"more-{i}", LATER))
            snapshot_of(plan, log, workspace)
    kept = [snapshot.position_of(p) for p in snapshot.found(workspace / "snapshots")]
    assert len(kept) == snapshot.KEEP + 1
    assert kept[-1] == entries


def test_pages_of_the_log_begin_where_it_does(plan: Any, workspace: Path) -> None:
    """Whoever reads it from 0 gets what there is, and not nothing."""
    entries = archive(plan, in_file(workspace), workspace)
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        desk = decider_on(plan, log, workspace, ManualClock(LATER + timedelta(days=1)))
        client = Client(desk)
        page = client.get("/v1/log?start=0&limit=5").json()
        assert [entry["seq"] for entry in page["entries"]][:2] == [entries, entries + 1]
        assert page["next"] > entries
        assert client.get("/v1/log/commits?limit=5").json()["commits"][0]["first"] == entries
        assert client.get(f"/v1/decisions/{many_purchases(120)[4]['purchase_id']}").status_code == 404


def test_readers_without_a_state_know_how_to_read(plan: Any, workspace: Path) -> None:
    """The entry that says it was archived: the snapshot where the log begins has it."""
    archive(plan, in_file(workspace), workspace)
    with closing(SqliteLog(workspace / LOG_FILE)) as log, closing(Ledger(workspace / "new.sqlite")) as ledger:
        facts = snapshot.facts_at(workspace / "snapshots", log.begin())
        assert facts is not None
        reader = DecisionReader(log, ledger, facts.cards)
        seqs = [decided.seq for commit in log.read() for decided in reader.read(commit)]
        assert len(seqs) == 61
        assert b'"decision"' in reader.answer(seqs[0], "shop")
        with pytest.raises(NotFoundError, match="was archived"):
            DecisionReader(log, ledger).answer(seqs[0], "shop")
        exported = export(log, workspace / "export", snapshots=workspace / "snapshots")
        assert exported.rows["decisions"] == 61
        assert snapshot.facts_at(workspace / "snapshots", End(log.begin().position, bytes(32))) is None, "another log"
