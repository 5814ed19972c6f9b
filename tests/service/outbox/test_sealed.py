"""Order by a field that is sealed in the log: its hash tells who is who, and nobody needs the keys of persons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adjudge.log import MemoryLog
from adjudge.service.outbox.decisions import DecisionReader
from adjudge.service.outbox.ledger import FILE, Ledger
from tests.service.outbox.receiver import SECRET, Receiver
from tests.service.outbox.test_sender import Desk
from tests.service.personal.bank import Bank, bank, payment


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


@pytest.fixture
def desk(plan: Any) -> Bank:
    """Return a bank that has decided some payments, in commits of several and of one."""
    made = Bank(plan, MemoryLog())
    made.send(payment(0), payment(1, "bob"), payment(2, card=None))
    made.send(payment(3, "bob", card=None))
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return somebody who gets messages."""
    with Receiver() as one:
        yield one


def keys(desk: Bank, field: str, folder: Path, start: int = 0) -> list[bytes]:
    """Return what each decision from a position on is ordered by."""
    with closing(Ledger(folder / FILE)) as ledger:
        reader = DecisionReader(desk.log, ledger)
        return [reader.key(d, field, SECRET) for commit in desk.log.read(start) for d in reader.read(commit)]


def test_decisions_of_a_person_have_one_key(desk: Bank, tmp_path: Path) -> None:
    """And others another; what is missing is in nobody's order; a reader may begin anywhere."""
    ada, bob, again, other = keys(desk, "user", tmp_path)
    assert (ada, bob) == (again, other)
    assert ada != bob
    assert len(set(keys(desk, "card", tmp_path))) == 4
    assert len(set(keys(desk, "merchant", tmp_path))) == 1
    (tmp_path / "new").mkdir()
    assert keys(desk, "user", tmp_path / "new", start=len(desk.log) - 1) == [bob]
    desk.erase("ada")
    assert keys(desk, "user", tmp_path) == [ada, bob, ada, bob]


def sender_of(desk: Bank, receiver: Receiver, folder: Path) -> Desk:
    """Return what sends the bank's decisions, in order for each customer."""
    made = Desk(desk.log, folder, receiver.url)
    receiver.now = lambda: made.now / 1e6
    return made


def test_a_person_is_not_overtaken(desk: Bank, receiver: Receiver, tmp_path: Path) -> None:
    """While somebody's first decision is refused, others' go on and its own wait."""
    refused = True
    receiver.answer = lambda decisions: 500 if refused and decisions[0]["seq"] == 1 else 204
    with closing(sender_of(desk, receiver, tmp_path)) as sender:
        sender.rounds(until=lambda: len(receiver.seqs) == 2)
        assert receiver.seqs == [2, 4]
        refused = False
        sender.rounds()
        assert receiver.seqs == [2, 4, 1, 3]


def test_after_a_rekey_nothing_is_sent_before_what_was_owed(desk: Bank, receiver: Receiver, tmp_path: Path) -> None:
    """The same person has another key then, and must not overtake itself."""
    desk.rekey(bank(secret=bytes([5]) * 16))
    desk.send(payment(4))
    refused = True
    receiver.answer = lambda decisions: 500 if refused and decisions[0]["seq"] == 1 else 204
    with closing(sender_of(desk, receiver, tmp_path)) as sender:
        sender.rounds(until=lambda: len(receiver.seqs) == 2)
        sender.rounds(until=lambda: len(receiver.tried) > 5)
        assert (receiver.seqs, sender.ledger.counts("bank")[0]) == ([2, 4], 2)
        refused = False
        sender.rounds(until=lambda: len(receiver.seqs) == 5)
        assert receiver.seqs == [2, 4, 1, 3, 6]


def test_nothing_more_is_sent_about_who_was_erased(desk: Bank, receiver: Receiver, tmp_path: Path) -> None:
    """Neither what comes for the first time nor later; others get theirs, in order."""
    desk.erase("ada")
    desk.send(payment(4, "bob"))
    with closing(sender_of(desk, receiver, tmp_path)) as sender:
        sender.rounds(until=lambda: len(receiver.seqs) == 3)
        assert receiver.seqs == [2, 4, 6]
        assert (sender.sender.sent.withheld, sender.ledger.counts("bank")) == (2, (0, 0))
        desk.send(payment(5))  # came back, and is somebody new
        sender.rounds(until=lambda: len(receiver.seqs) == 4)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_owed_is_dropped_and_holds_nobody_up(
    desk: Bank, receiver: Receiver, tmp_path: Path, restarted: bool
) -> None:
    """A decision that waits for its next attempt, and one behind it in the same order, when its person is erased."""
    receiver.answer = lambda decisions: 500 if decisions[0]["seq"] == 1 else 204
    with closing(Desk(desk.log, tmp_path, receiver.url, key="merchant")) as sender:
        receiver.now = lambda: sender.now / 1e6
        sender.sender.round()
        assert (receiver.seqs, sender.ledger.counts("bank")) == ([], (4, 0))
        desk.erase("ada")
        if not restarted:
            sender.rounds()
            assert (receiver.seqs, sender.sender.sent.withheld) == ([2, 4], 2)
    if restarted:
        with closing(Desk(desk.log, tmp_path, receiver.url, key="merchant")) as sender:
            sender.rounds()
            assert (receiver.seqs, sender.sender.sent.withheld) == ([2, 4], 2)


def test_what_was_given_up_is_not_owed_again(desk: Bank, receiver: Receiver, tmp_path: Path) -> None:
    """A decision about an erased person that was put aside is gone for good."""
    receiver.answer = lambda decisions: 500 if decisions[0]["seq"] == 1 else 204
    with closing(Desk(desk.log, tmp_path, receiver.url, attempts=1)) as sender:
        receiver.now = lambda: sender.now / 1e6
        sender.rounds()
        assert [owed.seq for owed in sender.ledger.dead("bank")] == [1]
        desk.erase("ada")
        sender.sender.round()
        assert (sender.ledger.dead("bank"), sender.ledger.revive()) == ([], 0)


def test_second_decisions_about_who_was_erased_are_withheld_as_well(
    desk: Bank, receiver: Receiver, tmp_path: Path
) -> None:
    """Owed already or not; whose they are stands with their events."""
    desk.decide_twice("p0", "p1")
    away = True
    receiver.answer = lambda _: 500 if away else 204
    with closing(sender_of(desk, receiver, tmp_path)) as sender:
        sender.sender.round()
        assert sender.ledger.counts("bank") == (6, 0)
        desk.erase("ada")
        desk.decide_twice("p0")
        away = False
        sender.rounds(until=lambda: len(receiver.seqs) == 3)
        assert (receiver.seqs, sender.sender.sent.withheld) == ([2, 4, 2], 4)
