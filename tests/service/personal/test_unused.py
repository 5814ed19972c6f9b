"""Keys of persons of whom nothing is left: found by what the log and its archive are sealed with, and destroyed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError, UnavailableError
from adjudge.log import MemoryLog
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.ledger import MemoryLedger
from adjudge.service.archive.files import write
from adjudge.service.follow import Follower
from adjudge.service.home import KEYS_FILE, LOG_FILE
from adjudge.service.personal.keys import Person, Wrap
from adjudge.service.personal.seal import key_id_of
from adjudge.service.personal.sqlite import SqliteKeys
from adjudge.service.personal.unused import FORGOTTEN, Unused
from tests.service.personal.bank import Bank, bank, payment
from tests.service.shop import ManualClock

MASTER = bytes(range(32, 64))


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


@pytest.fixture
def desk(plan: Any) -> Bank:
    """Return a bank whose log has lost the only events of one customer."""
    made = Bank(plan, MemoryLog())
    made.send(payment(1))
    made.send(payment(2, user="bob"), payment(3, user="eve"))
    assert made.log.drop(2) == 2
    return made


def test_a_key_says_what_it_has_sealed(desk: Bank) -> None:
    """By the first bytes of what is sealed; what is not sealed names none."""
    ids = {key.id for key in desk.keys.find(desk.keys.persons()).values()}
    assert len(ids) == 3
    bodies = desk.decider.workspace.lookup.block(2)[1].bodies.all()  # type: ignore[union-attr]
    assert {key_id_of(body) for body in bodies} < ids
    assert key_id_of(b'{"payment_id":"p1"}') is None


def test_only_keys_of_which_nothing_is_left_are_destroyed(desk: Bank) -> None:
    """And that is said in the log first, with who and why."""
    unused, ledger = Unused(desk.log, desk.keys), MemoryLedger(desk.clock)
    (ada,) = unused.find()
    assert unused.destroy(ledger, who="ops", why="retention") == 1
    assert desk.keys.secret(ada) is None
    assert [(act.action, act.who, act.content) for act in ledger.acts] == [(FORGOTTEN, "ops", {"most": 1})]
    assert desk.decider.decision("p2").event["user"] == "bob"
    assert Unused(desk.log, desk.keys).destroy(ledger, who="ops", why="retention") == 0
    assert len(ledger.acts) == 1, "there was nothing to say"


def test_a_key_that_is_used_again_meanwhile_is_kept(desk: Bank) -> None:
    """Looking takes long; whoever comes back before nobody may decide any more keeps the key."""

    class Slow(MemoryLedger):
        def record(self, *arguments: Any) -> int:
            desk.send(payment(4))
            return super().record(*arguments)

    assert Unused(desk.log, desk.keys).destroy(Slow(desk.clock), who="ops", why="retention") == 0
    assert desk.decider.decision("p4").event["user"] == "ada"


def test_a_person_who_comes_back_gets_another_key(plan: Any, desk: Bank) -> None:
    """After the next start: a decider that goes on would seal with what it has at hand."""
    persons = set(desk.keys.persons())
    Unused(desk.log, desk.keys).destroy(MemoryLedger(desk.clock), who="ops", why="retention")
    assert len(persons - set(desk.keys.persons())) == 1
    again = Bank(plan, MemoryLog(), desk.keys)
    again.send(payment(9))
    assert set(desk.keys.persons()) == persons
    assert again.decider.decision("p9").event["user"] == "ada"


@pytest.fixture
def workspace(plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace whose first commit was archived, and a person of whom there has never been anything."""
    monkeypatch.setenv("ADJUDGE_MASTER_KEY", MASTER.hex())
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log, closing(store(tmp_path)) as keys:
        desk = Bank(plan, log, keys)
        desk.send(payment(1))
        desk.send(payment(2, user="bob"))
        keys.make([Person("user", 17)])
        write(log, tmp_path / "archive", 2)
        follower = Follower([plan], log, say=print, keys=keys)
        follower.catch_up()
        follower.snapshot(tmp_path / "snapshots")
        log.drop(2)
    return tmp_path


def store(folder: Path) -> SqliteKeys:
    """Return the keys of a workspace."""
    return SqliteKeys(folder / KEYS_FILE, Wrap(MASTER))


def forget(workspace: Path, *arguments: str) -> str:
    """Run the verb and return what it says, or raise what it is refused with."""
    command = ["forget", "--who", "ops", "--why", "retention", "-w", str(workspace), *arguments]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_verb_reads_the_archive_or_is_told_that_it_is_gone(workspace: Path) -> None:
    """What is archived keeps its keys as long as it is there."""
    with pytest.raises(InputError, match="part of the log was archived: give its folder"):
        forget(workspace)
    both = ("--archive", str(workspace / "archive"))
    assert forget(workspace, *both, "--dry-run") == "1 keys of persons would be destroyed\n"
    assert forget(workspace, *both) == "1 keys of persons were destroyed\n"
    assert forget(workspace, *both) == "0 keys of persons were destroyed\n"
    assert forget(workspace, "--archive-is-gone") == "1 keys of persons were destroyed\n"
    with closing(store(workspace)) as keys:
        assert len(keys.persons()) == 1


def test_nobody_may_decide_meanwhile(plan: Any, workspace: Path) -> None:
    """Who decides has keys at hand, and would go on sealing with one that was destroyed."""
    with closing(SqliteLog(workspace / LOG_FILE)) as log:
        assert log.acquire("service", now_us=ManualClock()(), ttl_us=2**60) is not None
        with pytest.raises(UnavailableError, match="decides on this log"):
            forget(workspace, "--archive-is-gone")
    with closing(store(workspace)) as keys:
        assert len(keys.persons()) == 3


def test_without_keys_there_is_nothing_to_forget(workspace: Path) -> None:
    (workspace / KEYS_FILE).unlink()
    with pytest.raises(InputError, match="no keys of persons"):
        forget(workspace, "--archive-is-gone")
    assert not (workspace / KEYS_FILE).exists()
