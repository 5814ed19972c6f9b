"""Challengers with a share: the right plan decides each event, and replay, explaining and a restart know which."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjudge.define import days, hours
from adjudge.define.spec import to_spec
from adjudge.errors import ConflictError, InputError, NotFoundError
from adjudge.log import MemoryLog
from adjudge.log.codec import Note
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.ledger import By
from adjudge.service.challengers.asked import Challenge, Ending, Sharing
from adjudge.service.challengers.desk import ChallengersDesk
from adjudge.service.challengers.site import LiveSite
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.replay import replay
from adjudge.service.snapshot import save
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import ListRevision, Revision
from tests.service.shop import START, ManualClock, Shop, as_json, card, many_purchases, purchase, shop, shop_system

STRICT = {
    "version": 1,
    "lists": {"blocked": ["stolen"]},
    "rules": [
        {"id": "listed", "when": "card in blocked", "action": "block", "reason": "The card is listed.", "priority": 1},
        {"id": "large", "when": "amount > 250", "action": "block", "reason": "A large amount."},
    ],
}
ADA = By("ada", "to see whether it is better")


class House(Shop):
    """A shop with its desks."""

    def __init__(self, log: Any = None, snapshots: Path | None = None) -> None:
        self.clock = ManualClock(START + hours(6))
        self.decider = Decider([shop()], log, clock=self.clock)
        self.live = LiveDesk(self.decider, background=False)
        self.desk = ChallengersDesk(LiveSite(self.decider, self.live))

    def challenge(self, name: str = "strict", share: float = 0.5, **more: Any) -> None:
        """Seat a challenger with other rules."""
        self.desk.seat(Challenge("w", name, revision={"rules": STRICT}, share=share, **more), ADA)


def who(answers: list[dict[str, Any]]) -> list[str]:
    return [one.get("challenger", "") for one in answers]


def test_each_event_is_decided_by_the_plan_that_its_share_says() -> None:
    house = House()
    house.challenge()
    answers = house.decide(*many_purchases(300))
    counts = Counter(who(answers))
    assert 100 < counts["strict"] < 200
    for answer in answers:  # the rules of the one that decided, and no other's
        assert ("busy" in answer["rules"]) <= (answer.get("challenger", "") == "")
        assert ("large" in answer["rules"]) <= (answer.get("challenger", "") == "strict")
    assert any("large" in answer["rules"] for answer in answers)
    assert any("busy" in answer["rules"] for answer in answers)


def test_a_share_depends_on_the_event_alone_and_not_on_the_batch() -> None:
    rows = many_purchases(200)
    one, many = House(), House()
    one.challenge()
    many.challenge()
    alone = [answer for row in rows for answer in one.decide(row)]
    together = many.decide(*rows)
    drop = ("latency_ms",)
    assert [{k: v for k, v in a.items() if k not in drop} for a in alone] == [
        {k: v for k, v in a.items() if k not in drop} for a in together
    ]
    assert one.decider.workspace.digest() == many.decider.workspace.digest()


def test_by_an_entity_all_of_its_events_are_on_one_side() -> None:
    house = House()
    house.challenge(by="user")
    rows = many_purchases(300)
    sides: dict[str, set[str]] = {}
    for row, side in zip(rows, who(house.decide(*rows)), strict=True):
        sides.setdefault(row["user"], set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    assert len(set.union(*sides.values())) == 2


def test_a_share_that_grows_keeps_whom_it_has() -> None:
    house = House()
    house.challenge(share=0.2)
    rows = many_purchases(200)
    before = {r["purchase_id"]: s for r, s in zip(rows, who(house.decide(*rows)), strict=True)}
    house.desk.share(None, "strict", Sharing("w", 0.6), ADA)
    panel = house.decider.workspace.systems["shop"].panel
    assert panel is not None
    encoded = house.decider.workspace.doors["purchase"].many(as_json(rows)).events
    batch = house.decider.workspace.systems["shop"].plan.encode("purchase", encoded, np.arange(len(rows)))
    after = panel.choose(batch)
    assert all(k == 1 for row, k in zip(rows, after, strict=True) if before[row["purchase_id"]])
    assert 80 < int((after == 1).sum()) < 160


@pytest.mark.parametrize("batch", [1, 7, 2048])
def test_replay_knows_who_decided(batch: int) -> None:
    log = MemoryLog()
    house = House(log)
    house.decide(*many_purchases(40, seed=1))
    house.challenge()
    house.challenge("second", share=0.3, by="user")
    house.decide(*many_purchases(120, seed=2))
    house.live.revise(Revision("reported", lists={"blocked": ListRevision(add=["c3"])}), "bob")
    house.decide(*many_purchases(60, seed=3))
    house.desk.share(None, "strict", Sharing("w", 0.1), ADA)
    house.desk.retire(None, "second", ADA)
    house.decide(*many_purchases(60, seed=4))
    house.desk.promote(None, "strict", Ending("w"), ADA)
    answers = house.decide(*many_purchases(60, seed=5))
    assert not any(who(answers))
    assert not any("busy" in one["rules"] for one in answers)
    found = replay([shop()], log, batch=batch)
    assert (found.events, found.equal, found.other_versions, found.not_restored) == (340, True, 0, []), found


def test_replay_finds_a_decision_of_the_wrong_one() -> None:
    """Seats that say another share than was split by make another choice, and that is told."""
    log = MemoryLog()
    house = House(log)
    house.challenge()
    running = house.decider.workspace.systems["shop"]
    seated = running.seated
    running.sit(())  # nobody has said so in the log
    running.panel = None
    house.decide(*many_purchases(50))
    running.sit(seated)
    found = replay([shop()], log)
    assert not found.equal
    assert "decided by the champion then, by strict now" in found.differences[0]


def test_explaining_knows_who_decided() -> None:
    log = MemoryLog()
    house = House(log)
    house.challenge()
    rows = many_purchases(60)
    sides = who(house.decide(*rows))
    for side in ("", "strict"):
        told = explain([shop()], log, rows[sides.index(side)]["purchase_id"])
        assert told.same_versions
        assert told.agrees
        assert json.loads(bytes(told.answer)).get("challenger", "") == side


def test_a_repeated_event_gets_the_answer_of_the_one_that_decided() -> None:
    house = House()
    house.challenge()
    rows = many_purchases(40)
    first = house.decide(*rows)
    house.desk.retire(None, "strict", ADA)
    assert house.decide(*rows) == first


def test_a_restart_goes_on_with_the_same_challengers(tmp_path: Path) -> None:
    rows = many_purchases(60)
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        house = House(log)
        house.challenge()
        house.decide(*rows[:30])
        digest, end = house.decider.workspace.digest(), len(log)
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        again = House(log)
        assert len(log) == end  # a start alone writes nothing
        assert again.decider.workspace.digest() == digest
        both = House()
        both.challenge()
        assert who(again.decide(*rows[30:])) == who(both.decide(*rows))[30:]


def test_a_snapshot_has_the_seats(tmp_path: Path) -> None:
    from adjudge.service.follow import Follower

    log = MemoryLog()
    house = House(log)
    house.challenge()
    house.decide(*many_purchases(20))
    save(house.decider.workspace, log.end(), tmp_path)
    follower = Follower([shop()], log, tmp_path, say=print)
    assert follower.restored == len(log)
    assert follower.workspace.seats == house.decider.workspace.seats
    assert [one.name for one in follower.workspace.management.careers] == ["strict"]


def test_list_changes_flow_to_challengers() -> None:
    house = House()
    house.challenge(share=1.0)
    seat = house.decider.workspace.seats[0]
    house.live.revise(Revision("reported", lists={"blocked": ListRevision(add=["c3"])}), "bob")
    (answer,) = house.decide(purchase(1, card="c3"))
    assert (answer["challenger"], answer["rules"]) == ("strict", ["listed"])
    assert house.decider.workspace.seats[0].since == seat.since  # still the same pair


def test_whatever_else_changes_about_the_champion_begins_another_pair() -> None:
    house = House()
    house.challenge(share=1.0)
    seat = house.decider.workspace.seats[0]
    policy = {"thresholds": {"review": 0.4, "block": 0.95}}
    house.live.revise(Revision("fewer", policy=policy), "bob")
    after = house.decider.workspace.seats[0]
    assert after.since != seat.since
    assert after.active.card.versions["policy"] == house.decider.workspace.active["shop"].card.versions["policy"]
    assert replay([shop()], house.decider.log).equal


def test_a_champion_with_other_histories_takes_its_challengers_along() -> None:
    house = House()
    house.decide(*many_purchases(20))
    house.challenge()
    system = shop_system()
    wider = changed(system, features=[*system.features, card.count(days(7))])
    house.live.revise(Revision("new feature", definitions=to_spec(wider)), "bob")
    assert house.live.fold("shop")
    house.decide(*many_purchases(20, seed=2))
    (view,) = house.desk.challengers(everything=True).challengers
    assert (view.name, view.stage) == ("strict", "share")  # definitions over other histories, and it goes with them
    assert replay([shop()], house.decider.log).equal


def test_a_challenger_that_does_not_go_with_the_champion_any_more_is_retired() -> None:
    house = House()
    house.challenge()
    house.decide(*many_purchases(20))
    narrower = {**STRICT, "rules": [{"id": "new", "when": "above_usual > 3", "action": "review", "reason": "Much."}]}
    house.desk.seat(Challenge("w", "usual", revision={"rules": narrower}), ADA)
    system = shop_system()
    fewer = changed(system, features=system.features[:-1])  # without above_usual
    house.live.revise(Revision("nobody reads it", definitions=to_spec(fewer)), "bob")
    views = {one.name: one for one in house.desk.challengers(everything=True).challengers}
    assert views["usual"].stage == "retired"
    assert "the champion has changed" in views["usual"].steps[-1].why
    assert "above_usual" in views["usual"].steps[-1].why
    assert views["strict"].stage == "share"
    house.decide(*many_purchases(20, seed=2))
    assert replay([shop()], house.decider.log).equal


def test_what_needs_other_histories_is_refused() -> None:
    house, system = House(), shop_system()
    wider = to_spec(changed(system, features=[*system.features, card.count(days(7))]))
    with pytest.raises(InputError, match="other histories") as refused:
        house.desk.seat(Challenge("w", "wider", revision={"definitions": wider}), ADA)
    assert refused.value.code == "other_histories"


def test_wrong_asks_are_refused_and_name_the_field() -> None:
    house = House()
    house.challenge(share=0.7)
    rules = {"rules": STRICT}
    for asked, error, field in (
        (Challenge("w", "strict", revision=rules), ConflictError, "name"),
        (Challenge("w", "Strict!", revision=rules), InputError, "name"),
        (Challenge("w", "more", revision=rules, share=0.4), InputError, "share"),
        (Challenge("w", "more", revision=rules, share=1.5), InputError, "share"),
        (Challenge("w", "more", revision=rules, by="usr"), InputError, "by"),
        (Challenge("w", "more"), InputError, "release"),
        (Challenge("w", "more", revision={"ruels": STRICT}), InputError, "revision"),
        (Challenge("w", "more", revision=rules, system="shp"), InputError, "system"),
    ):
        with pytest.raises(error) as refused:
            house.desk.seat(asked, ADA)
        assert refused.value.field == field, asked
    with pytest.raises(NotFoundError, match="did you mean 'strict'"):
        house.desk.share(None, "strct", Sharing("w", 0.1), ADA)
    with pytest.raises(InputError):
        house.desk.retire(None, "strict", By("ada", " "))
    assert [one.seat.name for one in house.decider.workspace.systems["shop"].seated] == ["strict"]


def test_without_challengers_nothing_of_them_stands_in_the_log() -> None:
    house = House()
    (answer,) = house.decide(purchase(1))
    assert "challenger" not in answer
    _, note = house.decider.workspace.lookup.block(0)
    assert isinstance(note, Note)
    assert b"challenger" not in note.content
    assert b"variant" not in note.content
