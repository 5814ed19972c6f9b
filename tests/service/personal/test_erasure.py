"""Erasing a person: the person's histories and readable values go, everybody else's decisions stay what they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adjudge.define import Rules, System, days
from adjudge.engine import compile as compile_system
from adjudge.errors import ErasedError, InputError, UnavailableError
from adjudge.log import Commit, Kind, MemoryLog
from adjudge.log.chain import ORIGIN
from adjudge.log.codec import CodecError, Events, Note, Texts, blocks_of, pack
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.follow import Follower
from adjudge.service.personal.keys import Key, KeysError, MemoryKeys, Person
from adjudge.service.replay import replay
from adjudge.service.workspace import Change
from tests.service.personal.bank import Bank, Payment, bank, payment, random_life


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


@pytest.fixture
def desk(plan: Any) -> Bank:
    """Return a decider for the bank."""
    return Bank(plan, MemoryLog())


def raw(desk: Bank) -> bytes:
    """Return everything that the log holds."""
    return b"".join(commit.payload for commit in desk.log.read())


def read(desk: Bank, entity: str, **key: str) -> dict[str, float | None]:
    """Return the features of an entity."""
    return desk.decider.features(entity, key)


def test_what_is_logged_is_unreadable_and_what_is_read_is_not(desk: Bank) -> None:
    """The log holds no personal value; whoever asks for the decision sees the event as it was sent."""
    rows = [payment(i) for i in range(3)]
    assert desk.send(*rows) == ["new"] * 3
    for value in (b'"ada"', b"card of", b"with love"):
        assert value not in raw(desk)
    assert b"m1" in raw(desk)
    stored = desk.decider.decision("p2")
    assert stored.event == rows[2]
    assert list(stored.event) == list(rows[2])  # canonical: in the order of the fields
    assert desk.send(rows[0], rows[1] | {"remark": "other"}) == ["repeated", "conflict"]


def test_an_erased_person_leaves_nothing_of_its_own_behind(desk: Bank) -> None:
    """The person's rows and values are gone; merchants and cards go on counting what was paid."""
    desk.send({"change_id": "a1", "at": payment(0)["at"], "user": "ada", "verified": True}, stream="account")
    desk.send({"login_id": "l1", "at": payment(0)["at"], "user": "ada"}, stream="login")
    desk.send(*[payment(i) for i in range(4)], payment("b", "bob"))
    assert read(desk, "user", user="ada")["user_count_30d"] == 4
    assert read(desk, "user", user="ada")["user_account_verified"] == 1
    assert desk.erase("ada")
    gone = read(desk, "user", user="ada")
    assert (gone["user_count_30d"], gone["user_login_count_1d"], gone["user_account_verified"]) == (0, 0, None)
    assert read(desk, "user_merchant", user="ada", merchant="m1")["user_merchant_is_new"] == 1
    assert read(desk, "merchant", merchant="m1")["merchant_count_30d"] == 5
    assert read(desk, "card", card="card of ada")["card_count_30d"] == 4
    assert read(desk, "user", user="bob")["user_count_30d"] == 1
    with pytest.raises(ErasedError, match="can no longer be read"):
        desk.decider.decision("p3")
    assert desk.decider.decision("pb").event == payment("b", "bob")


def test_a_decision_about_an_erased_person_is_not_made_again_to_explain_it(desk: Bank, plan: Any) -> None:
    """Nothing of it is shown or compared, as in a replay; decisions about others are."""
    desk.send(*[payment(i) for i in range(4)], payment("b", "bob"))
    before = explain([plan], desk.log, "p3", keys=desk.keys)
    assert before.agrees is True
    assert any(entity.rows for entity in before.entities)
    assert desk.erase("ada")
    with pytest.raises(ErasedError, match="can no longer be read"):
        explain([plan], desk.log, "p3", keys=desk.keys)
    assert explain([plan], desk.log, "pb", keys=desk.keys).agrees is True


def test_second_decisions_about_an_erased_person_are_not_replayed(desk: Bank, plan: Any) -> None:
    """They are counted as the first ones are; those about others are compared."""
    desk.send(payment(1), payment("b", "bob"))
    desk.decide_twice("p1", "pb")
    assert replay([plan], desk.log, keys=desk.keys).scores_compared == 4
    desk.erase("ada")
    found = replay([plan], desk.log, keys=desk.keys)
    assert (found.scores_compared, found.erased, found.equal) == (2, 2, True)


def test_a_replay_names_the_position_of_a_body_that_was_damaged(desk: Bank, plan: Any) -> None:
    """The chain over it is mended, so that only the body tells."""
    desk.send(*(payment(i) for i in range(3)))
    changed = MemoryLog()
    for commit in desk.log.read():
        blocks = [
            msgspec.structs.replace(b, bodies=Texts.pack([*b.bodies.all()[:2], b.bodies.all()[2][:-1]]))
            if isinstance(b, Events)
            else b
            for _, b in blocks_of(commit)
        ]
        end, payload = changed.end(), pack(blocks)
        changed.append(Commit.after(end.link, end.position, count=commit.count, received_at=0, payload=payload))
    with pytest.raises(CodecError, match=rf"position {len(desk.log) - 1}: .*stream 'payment' is not what was logged"):
        replay([plan], changed, keys=desk.keys)


def test_the_entry_names_nobody_and_the_chain_stays_whole(desk: Bank) -> None:
    """Who was erased stands in the log as a keyed hash; every link holds."""
    desk.send(payment(1))
    desk.erase("ada")
    assert b'"ada"' not in raw(desk)
    link = ORIGIN
    for commit in desk.log.read():
        assert commit.follows(link)
        link = commit.link
    *_, (_, note) = blocks_of(commit)
    assert isinstance(note, Note)
    assert (note.kind, note.who, note.why) == (Kind.ERASURE, "officer", "asked for it")
    assert set(json.loads(note.content)) == {"field", "token", "key", "beside"}


def test_erasing_again_changes_nothing(desk: Bank) -> None:
    """Neither does erasing somebody who was never there; a person who came back is erased anew."""
    desk.send(payment(1))
    assert desk.erase("ada")
    end = desk.log.end()
    assert not desk.erase("ada")
    assert not desk.erase("nobody")
    assert desk.log.end() == end
    desk.send(payment(2))
    assert read(desk, "user", user="ada")["user_count_30d"] == 1
    assert desk.decider.decision("p2").event == payment(2)
    assert desk.is_withheld("p1")
    assert desk.erase("ada", "login")  # one person, whatever the stream that is named
    assert desk.is_withheld("p2")


def test_retries_of_erased_events_are_known(desk: Bank) -> None:
    """The encoded fields tell whether the content is the same; nothing new is decided or counted."""
    desk.send(payment(1), payment(2, remark=None))
    desk.erase("ada")
    end = desk.log.end()
    assert desk.send(payment(1), payment(2, remark=None)) == ["repeated", "repeated"]
    changed = [payment(1, remark="other"), payment(1, amount="11.00"), payment(1, "bob"), payment(2)]
    assert desk.send(*changed) == ["conflict"] * 4
    assert desk.log.end() == end


def test_what_is_said_about_erased_events_counts_for_the_others_only(desk: Bank) -> None:
    """A label reaches the merchant's row, a retraction takes it out, and the person has no history either way."""
    desk.send(payment(1), payment(2), payment(3, "bob"))
    desk.erase("ada")
    assert desk.decider.change([Change(Kind.LABEL, "payment", "p1", "fraud", 1.0)]) == ["set"]
    assert desk.decider.change([Change(Kind.RETRACTION, "payment", "p2")]) == ["set"]
    assert read(desk, "merchant", merchant="m1")["merchant_count_30d"] == 2
    assert read(desk, "user", user="ada")["user_count_30d"] == 0
    assert desk.follower().workspace.digest() == desk.decider.workspace.digest()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("capacity", [8, 512])
def test_everybody_else_replays_to_the_bit(seed: int, capacity: int, tmp_path: Path) -> None:
    """Random lives with labels, retractions, erasures and returns: live, fold, snapshot and replay agree."""
    desk = Bank(bank(capacity), MemoryLog())
    gone = random_life(desk, seed, 120)
    decided = desk.decider.workspace.decided
    result = replay([desk.plan], desk.log, keys=desk.keys)
    assert (result.differences, result.equal) == ([], True)
    assert (result.events, result.erased) == (decided - len(gone), len(gone) + erased_elsewhere(desk))
    state = desk.decider.workspace
    assert desk.follower().workspace.digest() == state.digest()
    commits = list(desk.log.read())
    cut = len(commits) // 2
    part = MemoryLog()
    for commit in commits[:cut]:
        part.append(commit)
    early = Follower([desk.plan], part, say=pytest.fail, keys=desk.keys)
    early.catch_up()
    early.snapshot(tmp_path)
    late = Follower([desk.plan], desk.log, tmp_path, say=pytest.fail, keys=desk.keys)
    assert late.restored == len(part)
    late.catch_up()
    assert late.workspace.digest() == state.digest()
    assert late.workspace.erased == state.erased


def erased_elsewhere(desk: Bank) -> int:
    """Count the erased events of the streams that are only kept."""
    vault, count = desk.decider.workspace.vault, 0
    for commit in desk.log.read():
        for _, block in blocks_of(commit):
            if isinstance(block, Events) and block.stream != "payment":
                pairs = zip(block.ids.all(), block.bodies.all(), strict=True)
                count += sum(vault.read(block.stream, id_.decode(), body).erased for id_, body in pairs)
    return count


def test_an_erased_life_is_as_if_there_had_been_none(plan: Any) -> None:
    """Of the person's own entities nothing remains: their arrays are those of a bank that never knew the person."""
    with_ada, without = Bank(plan, MemoryLog()), Bank(plan, MemoryLog())
    for i in range(30):
        with_ada.send(payment(i, "ada", i, merchant=f"m{i % 3}"), payment(f"b{i}", "bob", i))
        without.send(payment(f"b{i}", "bob", i))
    with_ada.erase("ada")
    for history, a, b in zip(
        plan.histories,
        with_ada.decider.workspace.systems["bank"].state.histories,
        without.decider.workspace.systems["bank"].state.histories,
        strict=True,
    ):
        if "user" in history.entity.fields:
            assert a.arrays()["keys"].tolist() == b.arrays()["keys"].tolist()
            assert a.stats().rows == b.stats().rows


def test_what_was_archived_is_needed_where_persons_stand_beside_others(desk: Bank) -> None:
    """The keys of a person and a merchant follow from the person's events alone; those of the person do without."""
    desk.send(payment(1))
    desk.log.drop(len(desk.log))
    end = desk.log.end()
    with pytest.raises(InputError, match="erase with the archive at hand") as refused:
        desk.erase("ada")
    assert "ada" not in str(refused.value)
    assert desk.log.end() == end
    alone = System("alone", decides=Payment, features=[Payment.by("user").count(days(30))], rules=Rules())
    lonely = Bank(compile_system(alone), MemoryLog())
    lonely.send(payment(1))
    lonely.log.drop(len(lonely.log))
    assert lonely.erase("ada")
    assert lonely.decider.features("user", {"user": "ada"})["user_count_30d"] == 0


class Stuck(MemoryKeys):
    """Keys that cannot be destroyed for the moment."""

    stuck = True

    def destroy(self, id_: bytes) -> None:
        """Fail, or destroy a key."""
        if self.stuck:
            message = "the keys of persons cannot be read or written: no space"
            raise KeysError(message)
        super().destroy(id_)


def test_a_key_that_cannot_be_destroyed_is_not_used_any_more(plan: Any) -> None:
    """The erasure holds from its entry on; the key goes when it can, at the latest when the next decider starts."""
    keys = Stuck()
    desk = Bank(plan, MemoryLog(), keys)
    desk.send(payment(1))
    with pytest.raises(UnavailableError, match="no space"):
        desk.erase("ada")
    (key,) = (k for k in keys._keys.values())
    assert desk.is_withheld("p1")
    assert desk.send(payment(1)) == ["repeated"]
    with pytest.raises(UnavailableError, match="no space"):
        desk.send(payment(2))  # a new key cannot be made before the old one is destroyed
    keys.stuck = False
    again = Decider([plan], desk.log, clock=desk.clock, follower=desk.follower())
    assert keys.secret(key.id) is None
    assert again.workspace.erased == desk.decider.workspace.erased
    assert desk.send(payment(2)) == ["new"]
    assert desk.decider.decision("p2").event == payment(2)


class Lost(MemoryKeys):
    """Keys that cannot be made for the moment."""

    lost = False

    def make(self, persons: Any) -> dict[Person, Key]:
        """Fail, or make keys."""
        if self.lost:
            message = "the keys of persons cannot be read or written: no space"
            raise KeysError(message)
        return super().make(persons)


def test_without_a_key_nothing_is_accepted_and_nothing_is_changed(plan: Any) -> None:
    """A batch whose persons get no key has never been, and may be sent again."""
    keys = Lost()
    desk = Bank(plan, MemoryLog(), keys)
    desk.send(payment(1))
    before, end = desk.decider.workspace.digest(), desk.log.end()
    keys.lost = True
    with pytest.raises(UnavailableError):
        desk.send(payment(2), payment(3, "bob"))
    assert (desk.decider.workspace.digest(), desk.log.end()) == (before, end)
    assert desk.send(payment(4)) == ["new"]  # whose person has a key
    keys.lost = False
    assert desk.send(payment(2), payment(3, "bob")) == ["new", "new"]


def test_keys_of_another_log_are_told_from_destroyed_ones(desk: Bank, plan: Any) -> None:
    """They make an error, not an erasure."""
    desk.send(payment(1))
    with pytest.raises(KeysError, match="not the keys of this log"):
        replay([plan], desk.log, keys=MemoryKeys())


def test_a_stream_without_persons_has_nobody_to_erase(desk: Bank) -> None:
    """An unknown stream is refused with a hint; no message repeats the value."""
    for stream in ("paymnt", "nothing"):
        with pytest.raises(InputError) as refused:
            desk.erase("ada lovelace", stream)
        assert "ada" not in str(refused.value)


def test_keys_without_a_history_are_passed_over(plan: Any) -> None:
    """Erasing hashes that no history knows changes no digest; missing ones (0) are nobody's."""
    desk = Bank(plan, MemoryLog())
    desk.send(payment(1))
    state = desk.decider.workspace.systems["bank"].state
    before = state.digest()
    plan.erase(state, "payment", "user", {"user": np.array([0, 12345], np.uint64)})
    assert state.digest() == before
