"""Definitions that change while a service decides."""

from __future__ import annotations

import pytest

from adjudge.log import Kind, entries_of
from adjudge.service.follow import Follower
from adjudge.service.replay import replay
from adjudge.service.versions.revision import ListRevision, Revision
from tests.service.shop import purchase, shop
from tests.service.versions.test_beside import NEW, Live, asked


def test_rule_30_new_features_of_a_running_service_take_over_at_one_position() -> None:
    """
    Missing from where they are accepted, as if they had always been there from where they take over.

        accepted      taken over
            |  missing    |  there
        ----+-------------+-----> position
    """
    live = Live()
    live.go_on()
    live.desk.revise(asked(), "ada")
    live.go_on()
    assert not set(NEW) & set(live.features("p2-1"))
    assert [one.system for one in live.desk.coming()] == ["shop"]
    live.desk.fold("shop")
    live.go_on()
    assert set(NEW) <= set(live.features("p3-1"))
    always = Follower([live.shop.decider.workspace.systems["shop"].plan], live.log, say=pytest.fail)
    always.catch_up()
    assert always.workspace.digest() == live.shop.decider.workspace.digest()
    live.check(90)


def test_rule_35_a_change_is_one_entry_and_decides_what_comes_after_it() -> None:
    """Nothing before it is different, and a replay decides each stretch by what was active in it."""
    live = Live()

    def rules_fired(number: int) -> list[str]:
        (answer,) = live.shop.decide(purchase(number, card="c9", user=f"u{number}"))
        return list(answer["rules"])

    assert rules_fired(1) == []
    done = live.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c9"])}), "ada")
    assert rules_fired(2) == ["listed"]
    (entry,) = (e for c in live.log.read(done.seq, done.seq + 1) for e in entries_of(c))
    assert (entry.kind, entry.who, entry.why) == (Kind.ACTIVATION, "ada", "stolen")
    assert live.shop.decide(purchase(1, card="c9", user="u1"))[0]["rules"] == []  # asked again, the first answer
    assert replay([shop(rules=False)], live.log).differences == []
