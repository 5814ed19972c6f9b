"""A changed layout on a live system: folded beside, takes over at one position, as if it had always been defined."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adjudge.define import Event, Id, Key, System, Time, days, hours
from adjudge.define.spec import to_spec
from adjudge.engine import Plan
from adjudge.engine import compile as compile_system
from adjudge.errors import ConflictError, InputError
from adjudge.log import Kind, Log, MemoryLog, entries_of
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.replay import replay
from adjudge.service.resolver import Resolver
from adjudge.service.versions.beside import Pace
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import ListRevision, Revision
from adjudge.service.workspace import Change
from tests.contracts.test_log import Opener
from tests.service import bundled
from tests.service.shop import START, Shop, Slope, many_purchases, purchase, shop, shop_system, user
from tests.service.test_decider import label
from tests.service.test_http import Client
from tests.service.versions.test_live import STRICT, Refusing, Site, log, opener

__all__ = ["log", "opener"]

NEW = ("user_amount_max_2d", "user_method_distinct_7d")
"""The features that are coming."""

Changed = Callable[[System], System]


def more(system: System) -> System:
    """Return the system with two windows more."""
    return replace(system, features=[*system.features, user.max("amount", days(2)), user.distinct("method", days(7))])


def plan_of(change: Changed = lambda system: system) -> Plan:
    """Return the plan of the shop, or of a changed one."""
    return compile_system(change(shop_system()), scorer=Slope())


def asked(change: Changed = more) -> Revision:
    """Return the revision to a changed shop."""
    return Revision("two features more", definitions=to_spec(change(shop_system())))


class Live:
    """A service that is changed step by step."""

    def __init__(self, log: Log | None = None) -> None:
        self.shop = Shop(plan_of())
        self.log = MemoryLog() if log is None else log
        self.hour = 0
        self.start(plan_of())

    def start(self, plan: Plan) -> None:
        """Start, or start again."""
        self.shop.decider = Decider([plan], self.log, clock=self.shop.clock)
        self.desk = LiveDesk(self.shop.decider, background=False)

    def go_on(self) -> list[dict[str, Any]]:
        """Decide purchases of an hour of their own, set labels and take some back; return the answers."""
        self.hour += 1
        self.shop.clock.at = START + timedelta(hours=self.hour)
        rows = many_purchases(30, seed=self.hour, at=START + timedelta(hours=self.hour - 1))
        answers = [answer for i in range(0, 30, 10) for answer in self.shop.decide(*rows[i : i + 10])]
        self.shop.decider.change([label(rows[3]["purchase_id"]), label(rows[4]["purchase_id"], False)])
        self.shop.decider.change([Change(Kind.RETRACTION, "purchase", rows[5]["purchase_id"])])
        return answers

    def features(self, id_: str) -> dict[str, float | None]:
        """Return the features that a decision was made from."""
        return self.shop.decider.decision(id_).features

    def check(self, events: int) -> None:
        """Compare with a replay, and the state with one that is folded anew."""
        running = self.shop.decider.workspace.systems["shop"]
        found = replay([shop(rules=False)], self.log)
        assert (found.events, found.other_versions, found.differences) == (events, 0, [])
        anew = Follower([running.plan], self.log, say=pytest.fail)
        anew.catch_up()
        assert anew.workspace.digest() == self.shop.decider.workspace.digest()
        assert anew.workspace.active == self.shop.decider.workspace.active


def test_new_features_are_folded_beside_and_take_over_at_one_position(log: Log) -> None:
    """Until then they are missing and announced; from then on they are what they would always have been."""
    live = Live(log)
    before = live.go_on()
    done = live.desk.revise(asked(), "ada")
    assert (done.status, done.seq) == ("folding", len(log) - 1)
    during = live.go_on()
    assert {json.dumps(a["versions"]) for a in (*before, *during)} == {json.dumps(before[0]["versions"])}
    assert not set(NEW) & set(live.features("p2-7"))
    assert live.desk.fold("shop")
    (active,) = live.desk.active().systems
    assert live.desk.active().coming == []
    after = live.go_on()
    assert {a["seq"] > active.seq for a in after} == {True}
    assert {json.dumps(a["versions"]) for a in after} == {json.dumps(done.versions)}
    live.check(90)
    always = Live()
    always.start(plan_of(more))
    for _ in range(3):
        always.go_on()
    for row in many_purchases(30, seed=3):
        assert live.features(row["purchase_id"]) == always.features(row["purchase_id"])
    assert live.features("p3-7")[NEW[0]] is not None


def test_what_is_coming_is_told(log: Log) -> None:
    """By the desk and by the catalogue: which features, how far, and how long it takes."""
    live = Live(log)
    live.go_on()
    client = Client(live.shop)
    client.service.desk._background = False
    answer = client.post("/v1/activations", {"why": "more", "definitions": to_spec(more(shop_system()))})
    assert (answer.status_code, answer.json()["status"]) == (202, "folding"), answer.text
    desk = client.service.desk
    desk._beside["shop"] = desk._folding(next(iter(live.shop.decider.workspace.management.coming)))
    (coming,) = client.get("/v1/catalogue").json()["coming"]
    assert (coming["features"], coming["folded"], coming["seconds_left"]) == ([*NEW], 0, None)
    assert client.get("/v1/activations").json()["coming"] == [coming]
    assert desk.fold("shop")
    catalogue = client.get("/v1/catalogue").json()
    assert catalogue["coming"] == []
    assert set(NEW) <= {row["name"] for row in catalogue["features"]}


@pytest.mark.parametrize("folded", [True, False])
def test_a_restart_in_between_begins_again_and_loses_nothing(folded: bool, log: Log, tmp_path: Path) -> None:
    """With the code of before; from the log or from a snapshot."""
    live = Live(log)
    live.go_on()
    live.desk.revise(asked(), "ada")
    if folded:
        live.desk._beside["shop"] = live.desk._folding(next(iter(live.shop.decider.workspace.management.coming)))
        live.desk._beside["shop"].near()
    live.go_on()
    follower = Follower([plan_of()], log, say=pytest.fail)
    follower.catch_up()
    follower.snapshot(tmp_path)
    restored = Follower([plan_of()], log, tmp_path, say=pytest.fail)
    assert restored.restored == len(log)
    live.shop.decider = Decider([plan_of()], log, clock=live.shop.clock, follower=restored)
    live.desk = LiveDesk(live.shop.decider, background=False)
    assert [one.system for one in live.desk.coming()] == ["shop"]
    assert live.desk.fold("shop")
    live.go_on()
    assert NEW[0] in live.features("p3-7")
    live.check(90)


def test_starts_after_the_take_over(log: Log) -> None:
    """With the code of before what was activated goes on, with the code of now as well; then going back is a wish."""
    live = Live(log)
    live.go_on()
    live.desk.revise(asked(), "ada")
    assert live.desk.fold("shop")
    position = len(log)
    live.start(plan_of())  # it crashed, say
    assert len(log) == position
    live.go_on()
    assert NEW[0] in live.features("p2-7")
    live.start(plan_of(more))  # there was a release
    assert live.go_on()[0]["versions"] == live.desk.active().systems[0].versions
    assert NEW[0] in live.features("p3-7")
    live.check(90)
    live.start(plan_of())  # it was rolled back
    live.go_on()
    assert not set(NEW) & set(live.features("p4-7"))
    live.check(120)


def test_what_is_changed_meanwhile_is_kept(log: Log) -> None:
    """A card that is listed while the state is folded; what would be undone is refused."""
    live = Live(log)
    live.go_on()
    live.desk.revise(asked(), "ada")
    live.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c9"])}), "bob")
    with pytest.raises(ConflictError, match="until it decides only lists can be changed"):
        live.desk.revise(Revision("strict", rules=STRICT), "bob")
    live.go_on()
    assert live.desk.fold("shop")
    (answer,) = live.shop.decide(purchase("x", live.shop.clock.at, card="c9", user="new"))
    assert answer["rules"] == ["listed"]
    assert NEW[0] in live.features("px")
    live.check(61)


def test_a_list_by_which_rows_are_counted_is_folded_again() -> None:
    """The change of such a list needs another state as well, and one that comes meanwhile makes it begin anew."""

    def odd(system: System) -> System:
        counted = user.where("card in blocked", called="listed").count(days(1))
        return replace(system, features=[*system.features, counted])

    live = Live()
    live.go_on()
    live.desk.revise(asked(odd), "ada")
    live.desk._beside["shop"] = live.desk._folding(next(iter(live.shop.decider.workspace.management.coming)))
    live.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c1"])}), "bob")
    assert not live.desk.fold("shop")
    assert live.desk.fold("shop")
    live.go_on()
    done = live.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c2", "c3"])}), "bob")
    assert done.status == "folding"
    assert live.desk.fold("shop")
    live.go_on()
    live.check(90)


def test_a_model_comes_with_the_features_that_it_was_trained_with(tmp_path: Path, log: Log) -> None:
    """One that was made before is refused; one that is gone when its turn comes is dropped, and the log says so."""
    site = Site(tmp_path, log)
    site.desk = LiveDesk(site.shop.decider, background=False)
    site.purchases(1)
    with pytest.raises(InputError, match="it now also has"):
        site.desk.revise(asked(), "ada")
    bundled.write(tmp_path / "trained", more(shop_system()), 5)
    both = replace_bundle(asked(), "trained")
    versions = site.desk.revise(both, "ada").versions
    assert site.desk.fold("shop")
    assert site.purchases(2)[0]["versions"] == versions
    assert site.replayed().differences == []
    bundled.write(tmp_path / "again", shop_system(), 6)
    site.desk.revise(replace_bundle(asked(lambda system: system), "again"), "ada")
    shutil.rmtree(tmp_path / "bundles" / site.bundles.find("again").id)
    assert site.desk.fold("shop")
    assert site.desk.coming() == []
    assert site.purchases(3)[0]["versions"] == versions
    last = [e for c in log.read(len(log) - 40) for e in entries_of(c) if e.kind == Kind.MANAGEMENT][-1]
    assert "is not in the workspace" in last.why
    assert site.replayed().differences == []


def replace_bundle(revision: Revision, bundle: str) -> Revision:
    """Return a revision with a model."""
    return Revision(revision.why, bundle=bundle, definitions=revision.definitions)


def test_a_take_over_whose_answer_is_lost() -> None:
    """The log has it, so it decides from there on; one that it has not is tried again."""
    for lose in (True, False):
        log = Refusing()
        live = Live(log)
        live.go_on()
        live.desk.revise(asked(), "ada")
        log.lose, log.refuse = lose, not lose
        assert not live.desk.fold("shop")
        log.lose = log.refuse = False
        live.shop.decider.writer.renew()
        live.go_on()
        assert (NEW[0] in live.features("p2-7")) is lose
        assert live.desk.fold("shop")
        live.go_on()
        assert NEW[0] in live.features("p3-7")
        live.check(90)


class Visit(Event):
    """A visit of the shop's pages."""

    visit_id: Id
    at: Time
    user: Key


def test_what_cannot_be_folded_beside_is_refused() -> None:
    """Other streams, other fields, another system, something while something is coming; nothing is logged."""
    live = Live()
    live.go_on()
    position = len(live.log)

    def refused(revision: Revision, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            live.desk.revise(revision, "ada")
        assert caught.value.field == "definitions"
        assert len(live.log) == position

    refused(asked(lambda s: replace(s, features=[*s.features, Visit.by("user").count(hours(1))])), "streams and their")
    refused(Revision("x", definitions={"format": 1}), "schemas")
    refused(Revision("x", definitions={**to_spec(more(shop_system())), "name": "shoe"}), "of system 'shoe', not 'shop'")
    refused(Revision("x", definitions={**to_spec(shop_system()), "format": 99}), "format 99")
    live.desk.revise(asked(), "ada")
    position = len(live.log)
    with pytest.raises(ConflictError, match="something else is coming"):
        live.desk.revise(asked(lambda s: replace(s, features=[*s.features, user.min("amount", days(3))])), "ada")
    assert len(live.log) == position


def test_a_standby_that_follows_goes_on_with_it(log: Log) -> None:
    """It hears of the activation in the log, and folds what it needs."""
    live = Live(log)
    live.go_on()
    standby, resolver = Follower([plan_of()], log, say=pytest.fail), Resolver([plan_of()])
    standby.catch_up()
    live.desk.revise(asked(), "ada")
    assert live.desk.fold("shop")
    live.go_on()
    standby.catch_up()
    standby.become(resolver.starting(standby.workspace.active))
    assert standby.workspace.digest() == live.shop.decider.workspace.digest()
    position = len(log)
    live.shop.decider = Decider([plan_of()], log, clock=live.shop.clock, follower=standby, resolver=resolver)
    assert len(log) == position
    live.go_on()
    live.check(90)


def test_a_service_decides_while_it_is_folded(opener: Opener) -> None:
    """On a thread of its own, under load; every decision is of one version or of the other, and none is lost."""
    log = opener()
    live = Live(log)
    live.desk = LiveDesk(live.shop.decider)
    live.go_on()
    live.desk.revise(asked(), "ada")
    answers, at = [], live.shop.clock.at
    for i in range(20_000):
        answers += live.shop.decide(purchase(f"load{i}", at, user=f"u{i % 7}"))
        if not live.desk.coming():
            break
    answers += live.shop.decide(purchase("last", at))
    live.desk.stop()
    assert not any(thread.name == "beside" for thread in threading.enumerate())
    (active,) = live.desk.active().systems
    assert {(a["seq"] > active.seq, a["versions"] == active.versions) for a in answers} <= {
        (True, True),
        (False, False),
    }
    assert answers[-1]["versions"] == active.versions
    live.check(30 + len(answers))
    log.close()


def test_folding_rests_as_long_as_it_works() -> None:
    """So that deciding has its processor for half of the time at least."""
    now, rested = [0.0], list[float]()

    def rest(seconds: float) -> None:
        rested.append(seconds)
        now[0] += seconds

    pace = Pace(lambda: now[0], rest)
    for work in (0.001, 0.004, 0.001, 0.001, 0.5):
        now[0] += work
        pace.step()
    assert rested == pytest.approx([0.005, 0.002, 0.5])


def test_nothing_is_lost_if_it_is_stopped_while_it_folds() -> None:
    """The next process begins again."""
    live = Live()
    for _ in range(4):
        live.go_on()
    live.desk.revise(asked(), "ada")
    live.desk._beside["shop"] = live.desk._folding(next(iter(live.shop.decider.workspace.management.coming)))
    live.desk.stop()
    assert not live.desk.fold("shop")
    live.start(plan_of())
    live.desk.resume()
    assert live.desk.fold("shop")
    live.go_on()
    live.check(150)
