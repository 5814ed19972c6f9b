"""Explaining a decision from the log, and replaying a part of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjudge.engine import compile
from adjudge.errors import NotFoundError
from adjudge.models.scorers import ModelScorer
from adjudge.models.venn import VennAbers
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.follow import Follower
from adjudge.service.replay import replay
from tests.service import bundled
from tests.service.shop import START, Shop, many_purchases, purchase, shop, shop_system
from tests.service.test_decider import busy_day, history, label


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture(scope="module")
def desk(plan: Any) -> Shop:
    """Return a decider after a busy day, and three purchases of one user in one batch."""
    made = Shop(plan)
    busy_day(made)
    made.clock.at += timedelta(days=1)
    rows = [purchase(f"-x{i}", START + timedelta(hours=20, minutes=i), user="ux", card="stolen") for i in range(3)]
    made.decide(*rows)
    made.decider.change([label("p-x1")])
    return made


def test_a_decision_is_explained_from_the_log(desk: Shop, plan: Any) -> None:
    """Event, features with the rows that made them, contributions, labels since; computed again it is the same."""
    found = explain([plan], desk.decider.log, "p-x2")
    assert bytes(found.answer) == desk.decider.decision("p-x2").record
    assert found.words == desk.decider.decision("p-x2").words
    assert found.event["user"] == "ux"
    assert (found.same_versions, found.agrees) == (True, True)
    count = next(f for f in found.features if f.name == "user_count_1h")
    first = desk.decider.workspace.ids["purchase"].get("p-x0")
    assert first is not None
    assert (count.value, count.entity, count.rows) == (2.0, "user", [first, first + 1])
    rows = next(e for e in found.entities if (e.entity, e.stream) == ("user", "purchase"))
    assert [r.seq for r in rows.rows] == [first, first + 1]
    assert explain([plan], desk.decider.log, "p-x1").labels["fraud"] is True
    assert found.retracted is False


def test_a_calibration_with_intervals_tells_that_of_a_decision() -> None:
    random = np.random.default_rng(0)
    margin = random.normal(size=200)
    sure = VennAbers.fit(margin, (random.random(200) < 0.3).astype(np.float64))
    plan = compile(shop_system(), scorer=ModelScorer(bundled.forest(1), sure))
    desk = Shop(plan)
    (answer,) = desk.decide(purchase(1))
    found = explain([plan], desk.decider.log, "p1")
    assert found.agrees is True
    assert found.interval is not None
    assert found.interval[0] <= answer["probability"] <= found.interval[1]
    assert found.interval[1] - found.interval[0] > 0.001
    plan = compile(shop_system(), scorer=ModelScorer(bundled.forest(1)))
    other = Shop(plan)
    other.decide(purchase(1))
    assert explain([plan], other.decider.log, "p1").interval is None


def test_every_decision_explained_agrees_with_the_one_made(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """From the beginning of the log, and from whatever snapshot lies before."""
    follower = Follower([plan], desk.decider.log, say=pytest.fail)
    follower.catch_up(stop=60)
    follower.snapshot(tmp_path)
    for row in many_purchases(120)[::17]:
        for snapshots in (None, tmp_path):
            found = explain([plan], desk.decider.log, row["purchase_id"], snapshots=snapshots)
            assert found.agrees is True, row["purchase_id"]


def test_a_decision_whose_model_is_gone_is_told_as_it_was(desk: Shop) -> None:
    """With the names of then; nothing is computed again."""
    found = explain([shop(rules=False, model=False)], desk.decider.log, "p-x2")
    assert (found.same_versions, found.agrees, found.contributions) == (False, None, {})
    assert bytes(found.answer) == desk.decider.decision("p-x2").record
    assert found.words == desk.decider.decision("p-x2").words


def test_what_was_never_decided_cannot_be_explained(plan: Any) -> None:
    """Unknown, or imported as history."""
    desk = Shop(plan)
    desk.decider.import_table("purchase", history(5))
    with pytest.raises(NotFoundError, match="no decision"):
        explain([plan], desk.decider.log, "nobody")
    with pytest.raises(NotFoundError, match="imported"):
        explain([plan], desk.decider.log, history(5)["purchase_id"][0])


def test_a_part_of_the_log_is_replayed(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """What lies before is folded and not compared, from a snapshot where there is one."""
    log = desk.decider.log
    whole = replay([plan], log)
    assert whole.equal
    end = len(log)
    positions: list[int] = []
    part = replay([plan], log, start=end - 4, told=lambda done, _: positions.append(done))
    assert (part.events, part.differences) == (3, [])
    assert positions[-1] == end
    follower = Follower([plan], log, say=pytest.fail)
    follower.catch_up(stop=60)
    follower.snapshot(tmp_path)
    for start in (0, 30, 61, 100):
        found = replay([plan], log, start=start, snapshots=tmp_path)
        assert found.equal
        assert 0 < found.events <= whole.events
        assert replay([plan], log, start=start).events == found.events


def test_decisions_whose_model_is_gone_are_counted_and_folded(plan: Any) -> None:
    """A log in which two versions decided, the model of one is in no bundle: what is told names it."""
    mixed = Shop(plan)
    mixed.clock.at += timedelta(days=1)
    mixed.decide(*many_purchases(20))
    other = shop(rules=False, model=False)
    mixed.decider = Decider([other], mixed.decider.log, clock=mixed.clock)
    mixed.decide(*[purchase(f"-y{i}") for i in range(5)])
    old, new = replay([plan], mixed.decider.log), replay([other], mixed.decider.log)
    assert (old.events, old.other_versions, old.differences, old.not_restored) == (25, 0, [], [])
    assert (new.events, new.other_versions, new.differences) == (5, 20, [])
    (why,) = new.not_restored
    assert "model slope-1" in why
    assert "the model slope-1 is in no bundle" in why
