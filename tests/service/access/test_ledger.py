"""Management actions in a workspace's log: written by the decider, folded by whoever reads the log again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adjudge.errors import InputError
from adjudge.log import CodecError, Kind, entries_of
from adjudge.log.codec import Note
from adjudge.service import snapshot
from adjudge.service.access.keys import create, revoke
from adjudge.service.access.ledger import Act, note_of
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.replay import replay
from tests.service.access.acts import BY, CHECKOUT
from tests.service.shop import Shop, purchase, shop


@pytest.fixture(scope="module")
def plan() -> Any:
    return shop()


def test_an_action_is_an_entry_with_who_and_why(plan: Any) -> None:
    desk = Shop(plan)
    made = create(desk.decider.workspace.management.keys, desk.decider, CHECKOUT, by=BY)
    entry = [entry for commit in desk.decider.log.read() for entry in entries_of(commit)][-1]
    assert (entry.kind, entry.who, entry.why) == (Kind.MANAGEMENT, "ada", "because")
    assert b'"action":"key_created"' in bytes(entry.content)
    assert made.text[-64:].encode() not in bytes(entry.content)


def test_a_restart_knows_the_keys_with_and_without_a_snapshot(plan: Any, tmp_path: Path) -> None:
    """And decisions between them replay to the same bits."""
    desk = Shop(plan)
    log, keys = desk.decider.log, desk.decider.workspace.management.keys
    desk.decide(purchase(1))
    first = create(keys, desk.decider, CHECKOUT, by=BY)
    desk.decide(purchase(2))
    told: list[str] = []
    follower = Follower([plan], log, say=told.append)
    follower.catch_up()
    follower.snapshot(tmp_path)
    second = create(keys, desk.decider, CHECKOUT, by=BY)
    revoke(keys, desk.decider, first.key.id, by=BY)
    desk.decide(purchase(3))
    for folder in (None, tmp_path):
        again = Follower([plan], log, folder, say=told.append)
        assert bool(again.restored) is (folder is not None)
        again.catch_up()
        found = again.workspace.management
        assert found.facts() == desk.decider.workspace.management.facts()
        assert found.keys.check(first.text, desk.clock()) is None
        assert found.keys.check(second.text, desk.clock()) is not None
        management, end = snapshot.management_of(log, folder)
        assert (end.position, len(management.keys)) == ((0, 0) if folder is None else (again.restored, 1))
    assert told == []
    compared = replay([plan], log)
    assert (compared.events, compared.differences) == (3, [])


def test_what_cannot_be_logged_has_not_happened(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from adjudge.errors import UnavailableError
    from adjudge.log import LogUnavailableError

    desk = Shop(plan)

    def full(commit: Any) -> None:
        message = "the disk is full"
        raise LogUnavailableError(message)

    monkeypatch.setattr(desk.decider.log, "append", full)
    keys = desk.decider.workspace.management.keys
    with pytest.raises(UnavailableError):
        create(keys, desk.decider, CHECKOUT, by=BY)
    assert len(keys) == 0
    assert not desk.decider.broken


def test_an_unsigned_action_never_reaches_the_log(plan: Any) -> None:
    desk = Shop(plan)
    before = len(desk.decider.log)
    with pytest.raises(InputError):
        desk.decider.record("key_revoked", "", "because", {"id": "x"})
    assert len(desk.decider.log) == before


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"action":1}', b"\xff"])
def test_an_entry_that_is_no_action_is_named(content: bytes) -> None:
    with pytest.raises(CodecError, match="entry at 7"):
        Act.read(7, 0, Note(Kind.MANAGEMENT, content))


def test_an_entry_reads_as_it_was_written() -> None:
    act = Act.read(3, 5, note_of("key_revoked", "ada", "lost", {"id": "k"}))
    assert act == Act(seq=3, at_us=5, action="key_revoked", who="ada", why="lost", content={"id": "k"})


def test_a_decider_is_a_ledger(plan: Any) -> None:
    from adjudge.service.access.ledger import Ledger

    decider: Ledger = Decider([plan])  # mypy is the test
    assert decider.record("tea_made", "ada", "thirst", {}) == 1
