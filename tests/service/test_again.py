"""Second decisions: made once the model works again, logged beside the first, and known to everybody who reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adjudge.define import Rule, Rules, hours
from adjudge.engine import compile
from adjudge.log import Kind, MemoryLog, entries_of
from adjudge.service import snapshot
from adjudge.service.again import Degraded
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.follow import Follower
from adjudge.service.keeper import Keeper
from adjudge.service.outbox.decisions import DecisionReader
from adjudge.service.outbox.ledger import Ledger
from adjudge.service.replay import replay
from tests.engine.moody import Moody
from tests.service.shop import many_purchases, purchase, user
from tests.service.test_failing import Desk, plan_with
from tests.service.test_http import Client

AMOUNTS = [float(row["amount"]) for row in many_purchases(12, seed=6)]


def broken(rows: int = 12, raises: frozenset[float] = frozenset()) -> tuple[Desk, list[dict[str, Any]]]:
    """Return a desk whose model has failed all along, and works now, and what it answered."""
    scorer = Moody(down=True, raises=raises)
    desk = Desk(scorer)
    answers = desk.decide(*many_purchases(rows, seed=6))
    scorer.down = False
    desk.timer.now += 60.0
    return desk, answers


def degraded_of(desk: Desk) -> Degraded:
    """Return what is known of degraded decisions."""
    return desk.decider.workspace.system(None).degraded


def test_what_was_decided_without_the_model_is_decided_again_and_both_are_kept() -> None:
    desk, first = broken()
    digest = desk.decider.workspace.digest()
    assert desk.decider.decide_again() == 1  # the trial of the breaker
    assert desk.decider.decide_again() == 11
    assert desk.decider.decide_again() == 0
    assert desk.decider.workspace.digest() == digest
    for answer in first:
        stored = desk.decider.decision(answer["id"])
        assert json.loads(stored.record) == answer
        assert stored.again is not None
        again = json.loads(stored.again)
        assert (again["seq"], again["id"], again["degraded"]) == (answer["seq"], answer["id"], False)
        assert again["method"] in ("model", "rules")
        assert again["probability"] is not None
    assert replay([plan_with(Moody())], desk.decider.log).equal


def test_while_the_model_is_down_nothing_is_decided_again() -> None:
    desk = Desk(Moody(down=True))
    desk.decide(*many_purchases(8, seed=6))
    before = len(desk.decider.log)
    assert [desk.decider.decide_again() for _ in range(4)] == [0] * 4
    assert (len(desk.decider.log), degraded_of(desk).pending) == (before, 8)


def test_the_keeper_decides_again() -> None:
    desk, _ = broken()
    Keeper(desk.decider).keep()
    assert degraded_of(desk).pending == 0
    assert 'adjudge_decided_again_total{system="shop"} 12.0' in Client(desk).get("/metrics").text


def test_a_second_decision_that_keeps_failing_is_left_aside_and_holds_up_no_other() -> None:
    desk, _ = broken(raises=frozenset({AMOUNTS[1]}))
    made = [desk.decider.decide_again() for _ in range(8)]
    assert sum(made) == 11
    assert degraded_of(desk).pending == 1
    assert desk.decider.watches.well("shop")


@pytest.mark.parametrize("made", [False, True])
def test_who_starts_again_knows_what_was_decided_again(made: bool, tmp_path: Path) -> None:
    desk, first = broken()
    if made:
        desk.decider.decide_again()
        desk.decider.decide_again()
    log = desk.decider.log
    follower = Follower([desk.plan], log, say=pytest.fail)
    follower.catch_up()
    follower.snapshot(tmp_path)
    loaded, _ = snapshot.load([desk.plan], log, next(iter(snapshot.found(tmp_path))))
    for workspace in (follower.workspace, loaded):
        degraded = workspace.system(None).degraded
        assert degraded.pending == (0 if made else 12)
        assert (degraded.second(first[0]["seq"]) is not None) == made
        assert degraded.owed(100).tolist() == ([] if made else [a["seq"] for a in first])


def test_a_commit_that_fails_makes_no_second_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, _ = broken()
    log = desk.decider.log
    assert isinstance(log, MemoryLog)
    with monkeypatch.context() as patch:
        patch.setattr(log, "append", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(Exception, match=r"."):
            desk.decider.decide_again()
    assert degraded_of(desk).pending == 12
    assert desk.decider.decide_again() + desk.decider.decide_again() == 12


def test_readers_of_the_log_see_second_decisions(tmp_path: Path) -> None:
    desk, first = broken()
    desk.decider.decide_again()
    last = list(desk.decider.log.read())[-1]
    (entry,) = entries_of(last)
    assert (entry.kind, entry.stream, entry.id) == (Kind.DECISION, "purchase", first[0]["id"])
    assert json.loads(bytes(entry.content)) == {"decided": first[0]["seq"]}
    (told,) = DecisionReader(desk.decider.log, Ledger(tmp_path / "outbox.sqlite")).read(last)
    assert (told.seq, told.system, json.loads(told.body)["purchase_id"]) == (entry.seq, "shop", first[0]["id"])
    found = Client(desk).get(f"/v1/decisions/{first[0]['id']}").json()
    assert found["again"]["probability"] is not None
    assert found["decision"] == first[0]
    explained = explain([plan_with(Moody())], desk.decider.log, first[0]["id"])
    assert explained.again is not None
    assert json.loads(bytes(explained.again)) == found["again"]


def test_a_replay_finds_a_second_decision_that_was_changed_quietly() -> None:
    desk, _ = broken()
    assert desk.decider.decide_again() == 1
    whole = replay([plan_with(Moody())], desk.decider.log)
    assert (whole.scores_compared, whole.equal) == (13, True)
    other = replay([plan_with(Moody(gives=dict.fromkeys(AMOUNTS, 0.123)))], desk.decider.log)
    assert other.scores_differing == 1  # the model took no part in the first ones


def test_a_system_that_reads_more_by_now_leaves_earlier_decisions_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk, _ = broken()
    more = Rule("flood", "user_count_2h > 100", "block")
    system = replace(
        desk.plan.system,
        features=[*desk.plan.system.features, user.count(hours(2))],
        rules=Rules((*desk.plan.system.rules.rules, more), desk.plan.system.rules.lists),
    )
    decider = Decider([compile(system, scorer=Moody())], desk.decider.log, clock=desk.clock)
    assert [decider.decide_again(), decider.decide_again()] == [0, 0]
    assert "12 decisions cannot be made again" in caplog.text
    (verdict,) = decider.decide("purchase", decider.workspace.door("purchase").rows([purchase(99)]).events)
    assert json.loads(verdict.record)["degraded"] is False
