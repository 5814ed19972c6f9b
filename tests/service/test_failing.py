"""Failing well: decisions go on without the model, say so, are logged with how it came, and replay to the same."""

from __future__ import annotations

import importlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adjudge.define import Fallback, Policy
from adjudge.engine import Budget, Plan, compile, decide_again
from adjudge.errors import InputError, ShapeError
from adjudge.log.codec import Events, blocks_of
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.logs import INSTANCE, facts_of
from adjudge.service.record import Recorded
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from adjudge.service.watches import Watches
from adjudge.typing import AnyArray
from tests.engine.moody import Moody
from tests.service.shop import Shop, many_purchases, purchase, shop
from tests.service.test_http import Client

POLICY = Policy(thresholds={"review": 0.5, "block": 0.9}, fallback=Fallback(above={"review": 100, "block": 400}))


def plan_with(scorer: Moody) -> Plan:
    """Return the shop with a model that may fail."""
    return compile(replace(shop().system, policy=POLICY), scorer=scorer)


stepping = importlib.import_module("adjudge.engine.step")  # the package's own `step` is the function


class Desk(Shop):
    """A shop whose model may fail, with a clock for budgets."""

    def __init__(self, scorer: Moody, budget: Budget = Budget()) -> None:  # noqa: B008  # frozen
        self.plan, self.timer = plan_with(scorer), scorer.timer
        super().__init__(self.plan)
        self.decider = Decider([self.plan], clock=self.clock, watches=Watches(budget, timer=self.timer))

    def decide_late(self, waited_s: float, *rows: dict[str, Any]) -> list[Any]:
        """Decide rows whose request arrived some time ago."""
        events = self.decider.workspace.door("purchase").rows(rows).events
        arrived = [self.timer.now - waited_s] * len(rows)
        return [json.loads(v.record) for v in self.decider.decide("purchase", events, arrived=arrived)]

    def codes(self) -> AnyArray:
        """Return how the model took part in every decision of the log."""
        return np.concatenate([recorded.records["layers"][:, 0] for recorded in self.recorded()])

    def recorded(self) -> Iterator[Recorded]:
        """Yield what the log keeps of every block of decisions."""
        for commit in self.decider.log.read():
            for first, block in blocks_of(commit):
                if isinstance(block, Events):
                    ids = [id_.decode() for id_ in block.ids.all()]
                    yield from self.decider.workspace.made_of(first, block, ids).values()


def test_a_late_decision_is_made_without_the_model_and_says_so() -> None:
    desk = Desk(Moody(), Budget(0.05))
    (early,) = desk.decide_late(0.01, purchase(1, amount="450.00"))
    (late,) = desk.decide_late(0.05, purchase(2, amount="450.00"))
    (stolen,) = desk.decide_late(0.05, purchase(3, card="stolen"))
    assert (early["method"], early["degraded"], early["decision"]) == ("model", False, "approve")
    assert (late["method"], late["degraded"], late["decision"]) == ("fallback", True, "block")
    assert (late["reason"], late["probability"], late["reasons"]) == ("fallback", None, [])
    assert (stolen["method"], stolen["degraded"], stolen["decision"]) == ("rules", True, "block")
    assert desk.decider.degraded == {("shop", "model", "skipped_late"): 2}


def test_how_a_decision_came_about_is_logged_and_is_an_input_to_its_replay() -> None:
    """Late, failing and rubbish: the replay is told what took part and comes to the same, with a model that is well."""
    amounts = {10.0: math.nan, 20.0: 7.0}
    desk = Desk(Moody(raises=frozenset({666.0}), gives=amounts), Budget(0.05))
    for i, row in enumerate(many_purchases(60, seed=3, step_s=1.0)):
        row["amount"] = ("666.00", "10.00", "20.00", "450.00", "950.00")[i % 5]
        desk.decide_late(0.1 if i % 7 == 0 else 0.0, row)
    late = many_purchases(60, seed=4, step_s=1.0)
    desk.decide_late(0.0, *late)
    codes = desk.codes()
    assert set(codes.tolist()) == {0, 1, 3}
    again = replay([plan_with(Moody())], desk.decider.log)
    assert again.equal
    assert again.scores_compared == 120
    first = [desk.decider.decision(row["purchase_id"]).record for row in late]
    desk.decider = Decider([plan_with(Moody())], desk.decider.log, clock=desk.clock)
    assert [desk.decider.decision(row["purchase_id"]).record for row in late] == first


def test_a_replay_finds_a_code_that_was_changed_quietly() -> None:
    desk = Desk(Moody())
    desk.decide(purchase(1, amount="950.00"))
    other = replay([plan_with(Moody(down=True))], desk.decider.log)
    assert other.scores_differing == 1
    assert "decided block (0.95) then, block (nan) now" in other.differences[0]


def test_a_degraded_decision_is_explained_without_the_model_that_took_no_part() -> None:
    desk = Desk(Moody(), Budget(0.05))
    desk.decide_late(0.0, purchase(1))
    desk.decide_late(0.1, purchase(2))
    whole, late = (explain([desk.plan], desk.decider.log, id_) for id_ in ("p1", "p2"))
    assert (whole.agrees, late.agrees) == (True, True)
    assert late.contributions == {}


@pytest.mark.parametrize("size", [1, 7, 30])
def test_batch_size_changes_nothing_of_what_fails(size: int) -> None:
    rows = many_purchases(30, seed=5)
    for i, row in enumerate(rows):
        row["amount"] = ("666.00", "450.00", "10.00")[i % 3]
    desk, whole = (Desk(Moody(raises=frozenset({666.0}), gives={10.0: math.nan})) for _ in range(2))
    parts = [answer for i in range(0, 30, size) for answer in desk.decide(*rows[i : i + size])]
    assert parts == whole.decide(*rows)
    assert desk.decider.workspace.digest() == whole.decider.workspace.digest()
    assert desk.codes().tolist() == whole.codes().tolist()


def test_a_score_is_asked_of_a_failing_model_too() -> None:
    desk = Desk(Moody(down=True))
    events = desk.decider.workspace.door("purchase").rows([purchase(1, amount="450.00")]).events
    (answer,) = (json.loads(v.record) for v in desk.decider.score(events))
    assert (answer["method"], answer["degraded"], answer["decision"]) == ("fallback", True, "block")


def test_what_a_layer_raises_is_in_the_services_own_log(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(Moody(raises=frozenset({666.0}), gives={10.0: math.nan}))
    with caplog.at_level(logging.ERROR):
        desk.decide(purchase(1, amount="666.00"))
        desk.decide(purchase(2, amount="10.00"))
    told = [facts_of(record) for record in caplog.records]
    assert {(t["event"], t["system"], t["layer"]) for t in told} == {("layer_failed", "shop", "model")}
    assert [t["failure"] for t in told] == [
        "OutOfOrderError",  # and not what it says, for that may quote what was being worked on
        "ScoreError: the model gave no usable score for 1 of 1 events",
    ]


def test_a_breaker_leaves_a_broken_model_alone_and_tries_it_again() -> None:
    desk = Desk(scorer := Moody(down=True))
    for i in range(8):
        desk.decide(purchase(i, user=f"u{i}"))
    assert desk.codes().tolist() == [3] * 5 + [2] * 3
    text = Client(desk).get("/metrics").text
    assert 'adjudge_degraded_total{how="failed",layer="model",system="shop"} 5.0' in text
    assert 'adjudge_degraded_total{how="skipped_open",layer="model",system="shop"} 3.0' in text
    assert 'adjudge_breaker{layer="model",system="shop"} 2.0' in text
    scorer.down = False
    desk.timer.now += 5.0
    assert desk.decide(purchase(9))[0]["method"] == "model"
    assert 'adjudge_breaker{layer="model",system="shop"} 0.0' in Client(desk).get("/metrics").text
    assert replay([plan_with(Moody())], desk.decider.log).equal


def test_fallbacks_are_decided_again_from_what_the_log_keeps() -> None:
    """Fields and features of the first decision are enough; the state has moved on."""
    desk, well = Desk(Moody(down=True)), Desk(Moody())
    rows = many_purchases(12, seed=6)
    for row in rows:
        row["amount"] = "95.00"  # what fails decides as what works does, so that later features are the same
    degraded, whole = desk.decide(*rows), well.decide(*rows)
    assert {a["method"] for a in degraded} <= {"fallback", "rules"}
    assert all(a["degraded"] for a in degraded)
    plan, told = plan_with(Moody()), []
    for commit in desk.decider.log.read():
        for first, block in blocks_of(commit):
            if isinstance(block, Events):
                ids = [id_.decode() for id_ in block.ids.all()]
                (recorded,) = desk.decider.workspace.made_of(first, block, ids).values()
                kept = dict(zip(recorded.card.names, recorded.features, strict=True))
                told += list(decide_again(plan, block.matrix(), kept, np.arange(first, first + len(ids)), ids=ids))
    same = ("id", "seq", "decision", "probability", "method", "degraded", "score", "reason", "rules")
    assert [{k: getattr(d, k) for k in same} for d in told] == [{k: a[k] for k in same} for a in whole]


@pytest.mark.parametrize("error", [ZeroDivisionError, ShapeError])
@pytest.mark.parametrize("where", ["fold_batch", "decide"])
def test_only_the_event_that_breaks_a_kernel_is_refused(
    where: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are decided as if it had never come, whether or not something had been folded of it."""
    plan, real = shop(), getattr(stepping, where)
    amount = plan.slots["amount"].row

    def strict(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        batch = next(item for item in given if hasattr(item, "matrix"))
        if batch.stream == "purchase" and 13.13 in batch.matrix[amount]:
            raise error
        return found

    desk, calm = Shop(plan), Shop(plan)
    rows = many_purchases(9, seed=8)
    rows[3]["amount"] = rows[7]["amount"] = "13.13"
    good = [row for row in rows if row["amount"] != "13.13"]
    monkeypatch.setattr(stepping, where, strict)
    with caplog.at_level(logging.ERROR):
        answers = desk.decide(*rows)
    monkeypatch.undo()
    assert [i for i, a in enumerate(answers) if a == "failed"] == [3, 7]
    expected = [one for row in good for one in calm.decide(row)]
    for answer in (a for a in [*answers, *expected] if a != "failed"):
        answer.pop("latency_ms")
    assert [a for a in answers if a != "failed"] == expected
    assert desk.decider.workspace.digest() == calm.decider.workspace.digest()
    assert replay([plan], desk.decider.log).equal
    assert desk.decide(rows[3])[0]["seq"] == len(rows) - 1  # nothing was kept of it: it may be sent again


def test_a_refused_event_has_an_incident_that_the_services_log_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, real = Client(Shop(shop())), stepping.decide

    def strict(plan: Any, batch: Any, guard: Any) -> Any:
        if any(id_ == "p2" for id_ in batch.ids):
            raise ZeroDivisionError
        return real(plan, batch, guard)

    monkeypatch.setattr(stepping, "decide", strict)
    with caplog.at_level(logging.ERROR):
        one = client.post("/v1/decide", purchase(2))
    assert (one.status_code, one.headers["content-type"]) == (500, "application/problem+json")
    assert one.json()["type"] == "urn:adjudge:problem:failed"
    assert one.json()["instance"] == INSTANCE + facts_of(caplog.records[-1])["incident"]
    many = client.post("/v1/decide/many", [purchase(1), purchase(2), purchase(3)])
    assert many.status_code == 207
    (refused,) = many.json()["errors"]
    assert (refused["row"], refused["code"]) == (1, "failed")
    assert refused["instance"] not in ("", one.json()["instance"])
    assert [d and d["id"] for d in many.json()["decisions"]] == ["p1", None, "p3"]
    assert client.post("/v1/decide/many", [purchase(2), purchase(2)]).status_code == 500
    assert client.get("/readyz").status_code == 200


def test_budgets_are_settings() -> None:
    settings = Settings.read({"ADJUDGE_BUDGET_MS": "50", "ADJUDGE_MODEL_BUDGET_MS": "20"})
    assert settings.budget == Budget(0.05, {"model": 0.02, "fast": 0.01, "deep": 0.02, "graph": 0.02})
    short = Settings(budget_ms=15, graph_budget_ms=0).budget
    assert short == Budget(0.015, {"model": 0.0, "fast": 0.005, "deep": 0.01, "graph": 0.0})
    assert Settings().budget == Budget(0.0, {"model": 0.0})
    assert Settings(model_budget_ms=20).budget.whole_s == 0.0
    with pytest.raises(InputError, match="budget_ms must be at least 0"):
        Settings(budget_ms=-1)
    with pytest.raises(InputError, match="must leave room in budget_ms"):
        Settings(budget_ms=10, model_budget_ms=20)
