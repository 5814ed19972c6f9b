"""A model in layers behind the service: what took part is answered, logged, counted, made up for, and replayed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from adjudge.engine import compile
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from adjudge.service.watches import Watches
from tests.engine.moody import Timer
from tests.engine.tiers import Line, tiers
from tests.service.shop import Shop, many_purchases, purchase, shop
from tests.service.test_failing import POLICY, Desk
from tests.service.test_http import Client


class Tower(Desk):
    """A shop whose model has three layers, of which the second may be slow."""

    def __init__(self, *, slow_s: float = 0.0, needed: tuple[float, float] = (0.05, 1.0)) -> None:
        self.timer = Timer()
        self.fast, self.deep, self.graph = Line(), Line(0.5, 0.1, timer=self.timer, takes_s=slow_s), Line(0.3)
        scorer = tiers(self.fast, self.deep, self.graph, needed=needed)
        self.plan = compile(replace(shop().system, policy=POLICY), scorer=scorer)
        Shop.__init__(self, self.plan)
        budget = Settings(budget_ms=50).budget
        self.decider = Decider([self.plan], clock=self.clock, watches=Watches(budget, timer=self.timer))


def answers(tower: Tower, waited_s: float, *rows: dict[str, Any]) -> list[Any]:
    """Return the answers to rows that came some time ago."""
    return tower.decide_late(waited_s, *rows)


def test_a_clear_case_is_not_degraded_and_says_which_models_it_did_without() -> None:
    tower = Tower()
    (answer,) = answers(tower, 0.0, purchase(1, amount="10.00"))
    assert (answer["method"], answer["degraded"], tower.deep.asked) == ("model", False, [])
    assert answer["families"]["fast_line"] > 0
    assert (answer["families"]["deep_line"], answer["families"]["graph_line"]) == (None, None)
    assert not tower.decider.degraded
    assert tower.decider.workspace.system(None).degraded.pending == 0


def test_a_late_layer_is_counted_left_out_and_made_up_for() -> None:
    tower = Tower()
    (whole,) = answers(tower, 0.0, purchase(1, amount="300.00"))
    (late,) = answers(tower, 0.042, purchase(2, amount="300.00"))  # 8 of 50 ms are left: too late for every layer
    (part,) = answers(tower, 0.035, purchase(3, amount="300.00"))  # 15 ms: enough for the first, which takes 10 at most
    assert [a["degraded"] for a in (whole, late, part)] == [False, True, True]
    assert [a["method"] for a in (whole, late, part)] == ["model", "fallback", "model"]
    assert late["probability"] is None
    assert (part["families"]["fast_line"] is None, part["families"]["deep_line"] is None) == (False, True)
    counts = {"fast": 1, "deep": 2, "graph": 2}
    assert tower.decider.degraded == {("shop", name, "skipped_late"): n for name, n in counts.items()}
    text = Client(tower).get("/metrics").text
    assert 'adjudge_degraded_total{how="skipped_late",layer="deep",system="shop"} 2.0' in text
    assert tower.decider.decide_again() == 2
    for answer in (late, part):
        stored = tower.decider.decision(answer["id"])
        assert stored.again is not None
        again = json.loads(stored.again)
        assert (again["degraded"], again["method"]) == (False, "model")
        assert None not in again["families"].values()


def test_whatever_took_part_a_replay_comes_to_the_same() -> None:
    tower = Tower(slow_s=0.012)
    for i, row in enumerate(many_purchases(40, seed=3, step_s=1.0)):
        row["amount"] = ("300.00", "10.00", "450.00", "950.00")[i % 4]
        answers(tower, 0.035 if i % 7 == 0 else 0.0, row)
        tower.timer.now += 20.0
    answers(tower, 0.0, *many_purchases(40, seed=4, step_s=1.0))
    seen = {code for part in tower.recorded() for code in part.records["layers"].ravel().tolist()}
    assert {0, 1, 4} <= seen
    found = replay([tower.plan], tower.decider.log)
    assert (found.events, found.equal) == (80, True)


@pytest.mark.parametrize(("amount", "waited_s"), [("300.00", 0.0), ("10.00", 0.0), ("300.00", 0.035)])
def test_an_explanation_adds_up_to_the_margin_that_decided(amount: str, waited_s: float) -> None:
    tower = Tower()
    answers(tower, waited_s, purchase(1, amount=amount))
    found = explain([tower.plan], tower.decider.log, "p1")
    assert found.agrees
    scorer = tower.plan.scorer
    assert scorer is not None
    pushes = {r["code"]: r["weight"] for r in json.loads(bytes(found.answer))["reasons"] if r["kind"] == "model"}
    assert pushes == {name: pytest.approx(found.contributions[name]) for name in pushes}
    assert pushes
