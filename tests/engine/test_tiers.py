"""A scorer in layers: whatever set of them took part, the decision is that of its mix, says so, and can be replayed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from adjudge.engine import TAKEN, Budget, Guarded, Replayed, Watch
from adjudge.engine.layers import FAILED, LACKING, NOT_NEEDED, RAN, SKIPPED_LATE, SKIPPED_OPEN
from adjudge.models.stacked import StackScorer
from adjudge.service.settings import Settings
from adjudge.typing import CodeArray
from tests.engine.moody import OutOfOrderError, Timer, bets, columns, decide, plan_with
from tests.engine.tiers import Line, alone, tiers

AMOUNTS = [10.0, 666.0, 600.0, 11.0, 7.0, 2000.0, 500.0, None, 950.0, 333.0, 1200.0, 666.0, 20.0]


def silent(layer: str, error: Exception) -> None:
    """Hear nothing."""


def moody_tiers(needed: tuple[float, float] = (0.1, 0.98)) -> StackScorer:
    """Return three layers: the second raises at 666, the third says rubbish of 950 and 600."""
    return tiers(
        Line(1.0, 0.1),
        Line(2.0, bias=-0.5, raises=frozenset({666.0})),
        Line(0.5, 0.3, rubbish=frozenset({950.0, 600.0})),
        needed=needed,
    )


def codes_of(*events: tuple[int, ...]) -> CodeArray:
    """Return codes of events as layers by events."""
    return np.array(events, np.uint8).T.copy()


def test_records_keep_positions_so_codes_never_move() -> None:
    assert TAKEN == ("ran", "skipped_late", "skipped_open", "failed", "not_needed")
    assert [TAKEN[c] for c in sorted(LACKING)] == ["skipped_late", "skipped_open", "failed"]


def test_each_layer_has_a_code_and_a_name() -> None:
    plan = plan_with(tiers(Line(), Line(), Line()))
    assert [(layer.name, layer.at) for layer in plan.layers] == [("fast", 0), ("deep", 1), ("graph", 2)]
    assert decide(plan, bets(10, 20)).layers.tolist() == [[RAN, RAN]] * 3


@pytest.mark.parametrize("there", range(8))
def test_every_set_of_layers_has_its_own_mix_and_calibration(there: int) -> None:
    scorer = tiers(Line(1.0), Line(0.5, 0.2), Line(2.0, bias=-1.0))
    codes = [[RAN if there >> at & 1 else SKIPPED_LATE] * 3 for at in range(3)]
    events = bets(10, 400, 900)
    found = decide(plan_with(scorer), events, Replayed(np.array(codes, np.uint8), silent))
    assert found.scores is not None
    assert [found.degraded(i) for i in range(3)] == [there != 7] * 3
    if not there:
        assert [found.method(i) for i in range(3)] == ["fallback"] * 3
        assert np.isnan(found.probability).all()
        return
    expected = alone(scorer, np.ascontiguousarray(found.X[found.plan.scorer_rows]), there)
    assert found.probability.tobytes() == expected.p.tobytes()
    assert found.scores.margin.tobytes() == expected.margin.tobytes()
    assert [found.method(i) for i in range(3)] == ["model"] * 3
    here = [bool(there >> at & 1) for at in range(3)]
    assert [not math.isnan(p) for p in found[1].families.values()] == here


def test_contributions_add_up_to_the_margin_of_the_layers_that_were_there() -> None:
    scorer = tiers(Line(1.0, 0.1), Line(0.5, 0.2, bias=0.3), Line(2.0, 0.4, bias=-1.0))
    plan = plan_with(scorer)
    found = decide(plan, bets(10, 400, 900, user="u"))
    for there in range(1, 8):
        values, bias = scorer.contributions_with(found.X, plan.scorer_rows, there)
        margin = alone(scorer, np.ascontiguousarray(found.X[plan.scorer_rows]), there).margin
        np.testing.assert_allclose(bias + values.sum(axis=1), margin, rtol=1e-12)
    values, _ = scorer.contributions(found.X, plan.scorer_rows)
    assert found.scores is not None
    for i in range(3):
        pushed = [(f, v) for f, v in zip(found.scores.top[i], found.scores.top_value[i], strict=True) if f >= 0]
        wanted = sorted(((f, v) for f, v in enumerate(values[i]) if v > 0), key=lambda one: -one[1])[:2]
        assert [f for f, _ in pushed] == [f for f, _ in wanted]
        np.testing.assert_allclose([v for _, v in pushed], [v for _, v in wanted], rtol=1e-12)


def test_a_layer_is_asked_only_for_the_rows_that_need_it() -> None:
    """The first layer gives amount / 1000, so 0.018 and 0.98 are about where 0 and 1000 end up after calibration."""
    deep, graph = Line(), Line()
    plan = plan_with(tiers(Line(), deep, graph, needed=(0.05, 0.9)))
    found = decide(plan, bets(10, 600, 400, 20, 990))
    assert found.layers.tolist() == codes_of(
        (RAN, NOT_NEEDED, NOT_NEEDED), (RAN, RAN, NOT_NEEDED), (RAN, RAN, RAN), (RAN, NOT_NEEDED, NOT_NEEDED),
        (RAN, NOT_NEEDED, NOT_NEEDED),
    ).tolist()  # fmt: skip
    assert (deep.asked, graph.asked) == ([2], [1])
    assert not any(found.degraded(i) for i in range(5))
    assert [found.method(i) for i in range(5)] == ["model"] * 5


def test_a_layer_without_weight_is_asked_only_where_those_that_outweigh_it_fail() -> None:
    fast, deep = Line(raises=frozenset({20.0})), Line()
    weighed = tiers(fast, deep)
    mixes = {**weighed.mixes, 3: replace(weighed.mixes[3], weights=np.array([1.0, 0.0]))}
    plan = plan_with(StackScorer(weighed.members, mixes))
    found = decide(plan, bets(10, 20, 600), Guarded(silent))
    assert found.layers.tolist() == [[RAN, FAILED, RAN], [NOT_NEEDED, RAN, NOT_NEEDED]]
    assert [found.degraded(i) for i in range(3)] == [False, True, False]


@pytest.mark.parametrize(("amount", "asked"), [(7, False), (2000, False), (500, True)])
def test_a_rule_that_decides_needs_no_more_than_the_first_layer(amount: float, asked: bool) -> None:
    """7 is approved by a final rule, 2000 blocked by one that acts and than which nothing is more severe."""
    deep = Line()
    found = decide(plan_with(tiers(Line(), deep)), bets(amount))
    assert found.layers.tolist() == [[RAN], [RAN if asked else NOT_NEEDED]]
    assert bool(deep.asked) == asked
    assert (found.degraded(0), math.isnan(found.probability[0])) == (False, False)


def test_a_rule_that_only_advises_does_not_spare_a_layer() -> None:
    found = decide(plan_with(tiers(Line(), Line()), soft_rules="advise"), bets(2000, 7))
    assert found.layers.tolist() == [[RAN, RAN], [RAN, NOT_NEEDED]]


def test_where_the_first_layer_fails_a_clear_case_is_not_known_to_be_one() -> None:
    fast = Line(raises=frozenset({10.0}))
    found = decide(plan_with(tiers(fast, Line(), needed=(0.05, 0.9))), bets(10, 10.5), Guarded(silent))
    assert found.layers.tolist() == [[FAILED, RAN], [RAN, NOT_NEEDED]]
    assert [(found.degraded(i), found.method(i)) for i in range(2)] == [(True, "model"), (False, "model")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 13])
def test_batch_size_changes_no_bit(size: int) -> None:
    events = bets(*AMOUNTS)
    plan = plan_with(moody_tiers())
    whole = decide(plan, events, Guarded(silent))
    assert {TAKEN[c] for c in whole.layers.ravel()} == {"ran", "failed", "not_needed"}
    state = plan.start()
    parts = [
        decide(plan, events[i : i + size], Guarded(silent), state=state, first=i) for i in range(0, len(events), size)
    ]
    assert columns(*parts) == columns(whole)


def test_a_layer_that_fails_is_left_out_row_by_row() -> None:
    heard: list[tuple[str, str]] = []
    plan = plan_with(moody_tiers((0.0, 1.0)))
    found = decide(plan, bets(10, 666, 600, 20), Guarded(lambda layer, e: heard.append((layer, type(e).__name__))))
    assert found.layers.tolist() == [[RAN] * 4, [RAN, FAILED, RAN, RAN], [RAN, RAN, FAILED, RAN]]
    assert [found.degraded(i) for i in range(4)] == [False, True, True, False]
    assert set(heard) == {("deep", "OutOfOrderError"), ("graph", "ScoreError")}
    with pytest.raises(OutOfOrderError):
        decide(plan, bets(10, 666))


def test_late_layers_are_skipped_and_what_is_there_decides() -> None:
    timer = Timer()
    scorer = tiers(Line(timer=timer, takes_s=0.03), Line(timer=timer, takes_s=0.03), Line(timer=timer))
    budget = Budget(0.05, {"fast": 0.03, "deep": 0.01, "graph": 0.01})
    watch = Watch(timer, budget, on_failure=silent)
    found = decide(plan_with(scorer), bets(400), watch.over([timer.now]))
    assert found.layers.tolist() == [[RAN], [RAN], [SKIPPED_LATE]]  # the second took what the third had
    assert (found.degraded(0), found.method(0)) == (True, "model")
    waited = decide(plan_with(scorer), bets(400), watch.over([timer.now - 0.015]))
    assert waited.layers.tolist() == [[RAN], [SKIPPED_LATE], [SKIPPED_LATE]]
    assert [waited.degraded(0), found[0].probability == waited[0].probability] == [True, False]


@pytest.mark.parametrize(
    ("waited_ms", "took_part"),
    [
        (0, (RAN, RAN, RAN)),
        (29, (RAN, RAN, RAN)),
        (31, (RAN, SKIPPED_LATE, SKIPPED_LATE)),
        (39, (RAN, SKIPPED_LATE, SKIPPED_LATE)),
        (41, (SKIPPED_LATE, SKIPPED_LATE, SKIPPED_LATE)),
        (500, (SKIPPED_LATE, SKIPPED_LATE, SKIPPED_LATE)),
    ],
)
def test_of_fifty_milliseconds_the_dear_layers_are_lost_first_and_rules_never(
    waited_ms: int, took_part: tuple[int, int, int]
) -> None:
    """500 needs every layer; 7 is approved and 2000 blocked by a rule, for which no layer after the first is needed."""
    timer = Timer()
    watch = Watch(timer, Settings(budget_ms=50).budget, on_failure=silent)
    found = decide(
        plan_with(tiers(Line(), Line(), Line())), bets(500, 7, 2000), watch.over([timer.now - waited_ms / 1e3] * 3)
    )
    settled = (took_part[0], NOT_NEEDED, NOT_NEEDED)
    assert found.layers.tolist() == codes_of(took_part, settled, settled).tolist()
    assert found.action[1:] == ["approve", "block"]
    assert [found.rules(i) for i in (1, 2)] == [["trusted"], ["huge"]]
    assert [found.degraded(i) for i in range(3)] == [took_part != (RAN, RAN, RAN), *[took_part[0] != RAN] * 2]
    assert found.method(0) == ("model" if took_part[0] == RAN else "fallback")


def test_a_deadline_counts_the_events_that_still_need_the_layer() -> None:
    """The clear event has waited longest, and is none of the second layer's business."""
    timer = Timer()
    watch = Watch(timer, Budget(1.0, {"deep": 0.5}), on_failure=silent)
    plan = plan_with(tiers(Line(), Line(), needed=(0.05, 1.0)))
    found = decide(plan, bets(10, 400), watch.over([timer.now - 0.8, timer.now]))
    assert found.layers.tolist() == [[RAN, RAN], [NOT_NEEDED, RAN]]


def test_each_layer_has_a_breaker_of_its_own() -> None:
    timer = Timer()
    deep = Line(raises=frozenset({400.0}))
    plan = plan_with(tiers(Line(), deep))
    watch = Watch(timer, on_failure=silent, failures=2)
    for _ in range(3):
        found = decide(plan, bets(400), watch.over([timer.now]))
    assert found.layers.tolist() == [[RAN], [SKIPPED_OPEN]]
    assert {name: breaker.state for name, breaker in watch.breakers.items()} == {"fast": "closed", "deep": "open"}


@pytest.mark.parametrize("size", [1, 4, 13])
def test_a_replay_with_the_codes_is_the_original(size: int) -> None:
    events = bets(*AMOUNTS, user="u")  # one user, whose declined bets are features: decided in pieces
    first = decide(plan_with(moody_tiers()), events, Guarded(silent))
    codes = first.layers.copy()
    codes[0, 2], codes[1, 3], codes[2, 6] = SKIPPED_LATE, SKIPPED_OPEN, SKIPPED_LATE
    plan = plan_with(moody_tiers())
    then = decide(plan, events, Replayed(codes, silent))
    state, parts = plan.start(), []
    for i in range(0, len(events), size):
        guard = Replayed(then.layers, silent).part(i, i + size)
        parts.append(decide(plan, events[i : i + size], guard, state=state, first=i))
    assert columns(*parts) == columns(then)
    assert columns(decide(plan, events, Replayed(first.layers, silent))) == columns(first)


def test_a_replay_notices_that_a_layer_is_needed_now_and_was_not_then() -> None:
    found = decide(plan_with(tiers(Line(), Line())), bets(10), Replayed(codes_of((RAN, NOT_NEEDED)), silent))
    assert found.layers.tolist() == [[RAN], [RAN]]
