"""A rekey changes every hash and nothing else: features and decisions are to the bit what they were going to be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.engine.plan import Plan
from adjudge.errors import DefinitionError, InputError, UnavailableError
from adjudge.log import Kind, Log, LogUnavailableError, MemoryLog
from adjudge.log.codec import Events, Note, blocks_of
from adjudge.service.activation import fingerprint, secret_of
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.follow import Follower
from adjudge.service.past import import_source
from adjudge.service.personal.keys import KeysError, MemoryKeys, Person
from adjudge.service.rekey.entry import Rekey
from adjudge.service.replay import replay
from adjudge.service.workspace import Change
from tests.service.personal.bank import USERS, Bank, bank, payment, random_life
from tests.service.shop import START, ManualClock, many_purchases, shop
from tests.service.test_past import END, source

OLD, NEW, NEWEST = (bytes([i]) * 16 for i in (1, 2, 3))
"""Secrets, in the order in which they are used."""


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    """Compile the bank once with each secret; no key has so many rows that they are merged."""
    return [bank(512, secret) for secret in (OLD, NEW, NEWEST)]


def earlier(*plans: Plan) -> dict[str, list[Plan]]:
    """Return plans by the fingerprint of their secret."""
    return {fingerprint(secret_of([plan])): [plan] for plan in plans}


def told(desk: Bank) -> dict[str, Any]:
    """Return everything that was decided, without what depends on positions and the clock; None if it is withheld."""
    found: dict[str, Any] = {}
    for commit in desk.log.read():
        for _, block in blocks_of(commit):
            for id_ in block.ids.texts() if isinstance(block, Events) and block.stream == "payment" else ():
                if desk.is_withheld(id_):
                    found[id_] = None
                    continue
                stored = desk.decider.decision(id_)
                answer = msgspec.json.decode(stored.record)
                del answer["seq"], answer["latency_ms"]
                found[id_] = answer, stored.features, stored.event, stored.words, stored.said, stored.retracted
    return found


def minute(desk: Bank) -> float:
    """Return the time of the clock as the bank's rows have it."""
    return (desk.clock.at - START).total_seconds() / 60


def copy_of(log: Log, stop: int | None = None) -> MemoryLog:
    """Return the beginning of a log."""
    made = MemoryLog()
    for commit in log.read(0, stop):
        made.append(commit)
    return made


def turn_of(desk: Bank, turn: Callable[[], None]) -> Callable[[], None]:
    """Return what happens in the middle of a life: `turn`, with something of everything before and after it."""

    def happens() -> None:
        assert desk.send(payment("zoe", "zoe", minute(desk))) == ["new"]
        desk.erase("zoe")  # for good, with a card that nobody else has
        back = [payment(f"back-{user}", user, minute(desk)) for user in USERS]
        assert desk.send(*back) == ["new"] * 4  # whoever was erased before has come back
        desk.decider.change([Change(Kind.LABEL, "payment", "pearly", "fraud", 1.0)])
        turn()
        assert desk.send(*back, back[0] | {"amount": "9.99"}) == ["repeated"] * 4 + ["conflict"]
        zoe = payment("zoe", "zoe", minute(desk))
        assert desk.send(zoe, zoe | {"amount": "1.00"}) == ["repeated", "conflict"]
        assert desk.send(payment("early", "cleo", minute(desk))) == ["new"]
        assert desk.decider.change([Change(Kind.LABEL, "payment", "pback-cleo", "fraud", 1.0)]) == ["set"]
        assert desk.decider.change([Change(Kind.RETRACTION, "payment", "pback-dan")]) == ["set"]

    return happens


@pytest.mark.parametrize("seed", range(6))
def test_a_life_with_a_rekey_is_the_life_without(plans: list[Plan], seed: int, tmp_path: Path) -> None:
    """Late events, labels, retractions, erasures and retries before and after: 0 differences, live and replayed."""
    desk, without = Bank(plans[0], MemoryLog()), Bank(plans[0], MemoryLog())
    gone = random_life(desk, seed, 120, meanwhile={60: turn_of(desk, lambda: desk.rekey(plans[1]))})
    assert gone == random_life(without, seed, 120, meanwhile={60: turn_of(without, lambda: None)})
    assert told(desk) == told(without)
    result = replay([plans[1]], desk.log, keys=desk.keys, earlier=earlier(plans[0]))
    assert (result.differences, result.equal) == ([], True)
    assert result.scores_compared == sum(decision is not None for decision in told(desk).values())
    # restart, standby and snapshot: each comes to the state of the one who decides
    state = desk.decider.workspace
    end = desk.log.end().position
    assert state.moved is not None
    early = Follower([plans[1]], copy_of(desk.log, (state.moved.position + end) // 2), say=pytest.fail, keys=desk.keys)
    early.catch_up()
    early.snapshot(tmp_path)
    late = Follower([plans[1]], desk.log, tmp_path, say=pytest.fail, keys=desk.keys)
    assert 0 < late.restored < end
    late.catch_up()
    for workspace in (late.workspace, desk.follower().workspace):
        assert workspace.digest() == state.digest()
        assert workspace.erased == state.erased
        assert workspace.waiting_changes == state.waiting_changes
        assert workspace.newest_us == state.newest_us
        assert (workspace.moved and workspace.moved.position) == state.moved.position
        zoe = workspace.ids["payment"].get("pzoe")
        assert zoe is not None
        assert workspace.fields_at("payment", [zoe]).tobytes() == state.fields_at("payment", [zoe]).tobytes()


@pytest.mark.parametrize("capacity", [8, 512])
def test_the_state_is_the_fold_of_everything_before_with_the_new_secret(capacity: int) -> None:
    """As if the log had begun with it: histories, profiles and ids, whatever was merged."""
    old, new = bank(capacity, OLD), bank(capacity, NEW)
    desk, fresh = Bank(old, MemoryLog()), Bank(new, MemoryLog())
    for one in (desk, fresh):
        random_life(one, 3, 80, erased=())
    assert desk.decider.workspace.digest() != fresh.decider.workspace.digest()
    desk.rekey(new)
    assert desk.decider.workspace.digest() == fresh.decider.workspace.digest()
    ids = [desk.decider.workspace.ids[s].arrays() for s in ("payment", "login", "account")]
    for a, b in zip(
        ids, [fresh.decider.workspace.ids[s].arrays() for s in ("payment", "login", "account")], strict=True
    ):
        assert {k: v.tolist() for k, v in a.items()} == {k: v.tolist() for k, v in b.items()}


def test_the_entry_tells_who_and_why_and_nothing_else(plans: list[Plan]) -> None:
    """Fingerprints stand in it; which hash became which cannot be read with the old secret."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1))
    desk.rekey(plans[1])
    *_, last = desk.log.read()
    ((_, note),) = blocks_of(last)
    assert isinstance(note, Note)
    assert (note.kind, note.who, note.why) == (Kind.REKEY, "officer", "every year")
    assert msgspec.json.decode(note.content) == {"earlier": [fingerprint(OLD)], "new": fingerprint(NEW)}
    assert OLD not in last.payload
    assert NEW not in last.payload
    for secret in (OLD, NEW):
        token = int(hash_texts(secret, TEXT_TAG, ["ada"])[0])
        assert token.to_bytes(8, "little") not in last.payload
    with pytest.raises(DefinitionError, match=fingerprint(NEW)):
        Rekey.read(note).open(OLD, note.data)


def test_nothing_is_decided_with_the_old_secret_any_more(plans: list[Plan]) -> None:
    """Neither by whoever replaced it nor by a standby or a service that starts; the error names the one needed."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1))
    standby = desk.follower()
    with pytest.raises(DefinitionError, match=f"fingerprint is {fingerprint(OLD)}, not {fingerprint(NEW)}"):
        Follower([plans[1]], desk.log, say=pytest.fail, keys=desk.keys).catch_up()
    before = desk.decider
    desk.rekey(plans[1])
    with pytest.raises(UnavailableError, match=fingerprint(NEW)):
        before.features("user", {"user": "ada"})
    with pytest.raises(UnavailableError, match=fingerprint(NEW)):
        before.erase("payment", "ada", who="officer", why="asked for it")
    for follower in (standby, Follower([plans[0]], desk.log, say=pytest.fail, keys=desk.keys)):
        with pytest.raises(DefinitionError, match=f"fingerprint is {fingerprint(NEW)}, not {fingerprint(OLD)}"):
            follower.catch_up()
    with pytest.raises(DefinitionError, match=f"fingerprint is {fingerprint(NEW)}, not {fingerprint(NEWEST)}"):
        Follower([plans[2]], desk.log, say=pytest.fail, keys=desk.keys)


def test_what_was_before_is_replayed_with_the_secret_of_then(plans: list[Plan]) -> None:
    """It is asked for by its fingerprint; what came after, and explaining, do without."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(*[payment(i) for i in range(5)])
    desk.rekey(plans[1])
    desk.send(payment(7))
    at = desk.decider.workspace.moved
    assert at is not None
    for start in (0, at.position - 1):
        with pytest.raises(DefinitionError, match=f"fingerprint is {fingerprint(OLD)}: give it with ADJUDGE_EARLIER"):
            replay([plans[1]], desk.log, start=start, keys=desk.keys)
    assert replay([plans[1]], desk.log, start=at.position, keys=desk.keys).events == 1
    assert replay([plans[0]], desk.log, stop=at.position, keys=desk.keys).events == 5
    assert replay([plans[1]], desk.log, keys=desk.keys, earlier=earlier(plans[0])).events == 6
    for id_, known, agrees in (("p4", {}, None), ("p4", earlier(plans[0]), True), ("p7", {}, True)):
        found = explain([plans[1]], desk.log, id_, keys=desk.keys, earlier=known)
        assert (found.agrees, found.event["user"]) == (agrees, "ada")
    rows = explain([plans[1]], desk.log, "p4", keys=desk.keys).entities
    assert len(rows[0].rows) == 4


@pytest.mark.parametrize("seed", range(3))
def test_secrets_are_replaced_again_and_again(plans: list[Plan], seed: int) -> None:
    """Persons are erased between and after; whoever folds needs the newest secret alone."""
    desk, without = Bank(plans[0], MemoryLog()), Bank(plans[0], MemoryLog())
    turns: list[list[Callable[[], None]]] = []
    for one in (desk, without):
        back = lambda n, one=one: one.send(*[payment(f"{n}-{u}", u, minute(one)) for u in USERS])  # noqa: E731
        turns.append([partial(back, n) for n in range(2)])

    def rekey(n: int) -> None:
        turns[0][n]()
        desk.rekey(plans[n + 1])

    gone = random_life(desk, seed, 120, meanwhile={40: lambda: rekey(0), 80: lambda: rekey(1)})
    assert gone == random_life(without, seed, 120, meanwhile={40: turns[1][0], 80: turns[1][1]})
    assert told(desk) == told(without)
    for user in USERS:  # nobody can be read any more, and still the fold comes to the same
        desk.erase(user)
    assert desk.follower().workspace.digest() == desk.decider.workspace.digest()
    result = replay([plans[2]], desk.log, keys=desk.keys, earlier=earlier(plans[0], plans[1]))
    assert (result.differences, result.scores_compared) == ([], 0)
    with pytest.raises(InputError, match="was hashed with before"):
        desk.decider.rekey(OLD, who="officer", why="back again")
    assert desk.send(payment("after", "cleo", minute(desk))) == ["new"]


def test_an_erasure_holds_across_a_rekey(plans: list[Plan]) -> None:
    """Who was erased stays so; who was not can be erased afterwards, with everything from before."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1), payment(2, "bob"))
    desk.erase("ada")
    desk.rekey(plans[1])
    assert desk.is_withheld("p1")
    assert desk.decider.decision("p2").event == payment(2, "bob")
    end = desk.log.end()
    assert not desk.erase("ada")
    assert desk.log.end() == end
    desk.send(payment(3, "bob"), payment(4))
    assert desk.erase("bob")
    assert [desk.is_withheld(f"p{i}") for i in (2, 3, 4)] == [True, True, False]
    assert desk.decider.features("user", {"user": "bob"})["user_count_30d"] == 0
    assert desk.decider.features("user_merchant", {"user": "bob", "merchant": "m1"})["user_merchant_is_new"] == 1
    assert desk.decider.features("merchant", {"merchant": "m1"})["merchant_count_30d"] == 4
    assert desk.follower().workspace.digest() == desk.decider.workspace.digest()
    assert len(desk.keys.persons()) == 1


def test_a_store_of_keys_that_was_left_behind_is_brought_up(plans: list[Plan]) -> None:
    """After a crash between the entry and the store, and with an older copy; one of a later log is refused."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1), payment(2, "bob"))
    desk.keys.make([Person("user", 77)])  # of somebody whose event never came to the log
    first = copy.deepcopy(desk.keys)
    desk.rekey(plans[1])
    desk.send(payment(3))
    second = copy.deepcopy(desk.keys)
    desk.rekey(plans[2])
    assert [first.secret_used(), second.secret_used()] == ["", fingerprint(NEW)]
    expected = {Person("user", int(hash_texts(NEWEST, TEXT_TAG, [user])[0])) for user in ("ada", "bob")}
    for keys in (first, second):
        again = Bank(plans[2], copy_of(desk.log), keys)
        assert (set(keys.persons()), keys.secret_used()) == (expected, fingerprint(NEWEST))
        assert again.decider.decision("p1").event == payment(1)
        assert again.erase("ada")
    with pytest.raises(KeysError, match="one of the two is an older copy"):
        Bank(plans[0], copy_of(desk.log, 1), desk.keys)


def test_a_rekey_that_cannot_be_logged_has_never_been(plans: list[Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    """The old secret goes on."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1))
    with monkeypatch.context() as patch:
        patch.setattr(desk.log, "append", full)
        with pytest.raises(UnavailableError, match="no space"):
            desk.decider.rekey(NEW, who="officer", why="every year")
    desk.decider.writer._retry_at = 0.0
    assert desk.send(payment(2)) == ["new"]
    assert desk.follower().workspace.digest() == desk.decider.workspace.digest()


def full(commit: object) -> None:
    """Fail as a full disk does."""
    message = "no space"
    raise LogUnavailableError(message)


def test_values_that_cannot_be_read_stop_a_rekey(plans: list[Plan]) -> None:
    """A lost key is not an erased one: moving would cut the person off for good."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1))
    lost = Decider([plans[0]], copy_of(desk.log), follower=Bank(plans[0], copy_of(desk.log), MemoryKeys()).follower())
    with pytest.raises(KeysError, match="not the keys of this log"):
        lost.rekey(NEW, who="officer", why="every year")


def test_an_archived_beginning_stops_a_rekey(plans: list[Plan]) -> None:
    """What cannot be read cannot be moved."""
    desk = Bank(plans[0], MemoryLog())
    desk.send(payment(1))
    desk.log.drop(1)
    with pytest.raises(InputError, match="archived"):
        desk.decider.rekey(NEW, who="officer", why="every year")


def test_tables_labels_and_the_texts_behind_decisions_are_moved() -> None:
    """History that was imported, labels of it afterwards, and what a decision read: all by the new secret."""
    old, new = (shop(model=False, rules=False, secret=secret) for secret in (OLD, NEW))
    log, fresh = MemoryLog(), MemoryLog()
    for plan, kept in ((old, log), (new, fresh)):
        decider = Decider([plan], kept, clock=ManualClock(END))
        import_source(decider, source(), "shop")
        rows = decider.workspace.door("purchase").rows(many_purchases(20, seed=2, at=END, step_s=1.0)).events
        decider.decide("purchase", rows)
        if plan is old:
            decider.rekey(NEW, who="officer", why="yearly")
    moved = Decider([new], log, clock=ManualClock(END), follower=Follower([new], log, say=pytest.fail))
    expected = Decider([new], fresh, clock=ManualClock(END), follower=Follower([new], fresh, say=pytest.fail))
    labels = [Change(Kind.LABEL, "purchase", id_, "fraud", 1.0) for id_ in ("p1-3", "p2-3", "p1-4")]
    for one in (moved, expected):
        assert set(one.change(labels)) <= {"set", "unchanged"}
    assert moved.workspace.digest() == expected.workspace.digest()
    position = moved.workspace.ids["purchase"].get("p2-3")
    assert position is not None
    first, block = moved.workspace.lookup.block(position)
    assert isinstance(block, Events)
    for decider in (moved, expected):
        recorded = decider.workspace.made_of(first, block, block.ids.texts())["shop"]
        row = recorded.features[recorded.card.names.index("method")].view("u8")
        assert set(row.tolist()) == {int(hash_texts(NEW if decider is moved else OLD, TEXT_TAG, ["card"])[0])}
