"""A layer that fails: only the rows that fail are decided without it, they say so, and a replay does the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from adjudge.define import Fallback
from adjudge.engine import TAKEN, Guarded, Replayed, Scores, compile
from adjudge.engine.layers import FAILED, RAN, SKIPPED_LATE, SKIPPED_OPEN
from adjudge.errors import ScoreError
from adjudge.typing import FloatArray, IntArray
from tests.engine.moody import BETS, Moody, OutOfOrderError, bets, columns, decide, plan_with

RUBBISH = {11.0: math.nan, 12.0: -0.01, 13.0: 1.01, 14.0: math.inf, 15.0: -math.inf}
AMOUNTS = [10.0, 666.0, 11.0, 600.0, 12.0, 13.0, 666.0, 666.0, 14.0, 950.0, 15.0, 20.0, None, 7.0, 666.0]


class Ear:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Exception]] = []

    def __call__(self, layer: str, error: Exception) -> None:
        self.heard.append((layer, error))


def moody() -> Moody:
    return Moody(raises=frozenset({666.0}), gives=RUBBISH)


def test_only_rows_that_fail_are_decided_without_the_model() -> None:
    ear = Ear()
    found = decide(plan_with(moody()), bets(10, 666, 600, 11, 950), Guarded(ear))
    assert [TAKEN[code] for code in found.layers[0]] == ["ran", "failed", "ran", "failed", "ran"]
    assert [found.method(i) for i in range(5)] == ["model", "fallback", "model", "fallback", "model"]
    assert found.action == ["approve", "block", "review", "approve", "block"]
    assert [found.degraded(i) for i in range(5)] == [False, True, False, True, False]
    assert [type(error) for _, error in ear.heard] == [OutOfOrderError, OutOfOrderError, ScoreError]
    assert {layer for layer, _ in ear.heard} == {"model"}


def test_a_degraded_decision_says_so_and_says_nothing_of_the_model() -> None:
    plain, degraded = decide(plan_with(moody()), bets(10, 11), Guarded(Ear()))
    assert (plain.method, plain.degraded, plain.reason) == ("model", False, "low_score")
    assert (degraded.method, degraded.degraded, degraded.reason) == ("fallback", True, "fallback")
    assert (degraded.probability, degraded.score, degraded.reasons) == (None, 0, [])
    assert math.isnan(degraded.families["half"])
    assert plain.reasons


@pytest.mark.parametrize("size", [1, 2, 3, 7, 15])
def test_batch_size_changes_no_bit_of_what_fails(size: int) -> None:
    events = bets(*AMOUNTS)
    plan = plan_with(moody())
    whole = columns(decide(plan, events, Guarded(Ear())))
    state = plan.start()
    parts = [
        decide(plan, events[i : i + size], Guarded(Ear()), state=state, first=i) for i in range(0, len(events), size)
    ]
    assert columns(*parts) == whole


def test_a_model_that_fails_only_on_batches_fails_no_row() -> None:
    @dataclass
    class Single(Moody):
        def score(self, X: FloatArray, rows: IntArray) -> Scores:
            if X.shape[1] > 1:
                raise MemoryError
            return super().score(X, rows)

    ear = Ear()
    found = decide(plan_with(Single()), bets(10, 20, 950), Guarded(ear))
    assert not found.layers.any()
    assert columns(found) == columns(decide(plan_with(Moody()), bets(10, 20, 950)))
    assert [type(error) for _, error in ear.heard] == [MemoryError]  # told all the same


def test_a_result_of_another_shape_is_a_failure() -> None:
    @dataclass
    class Short(Moody):
        def score(self, X: FloatArray, rows: IntArray) -> Scores:
            return super().score(X, rows).take(np.arange(X.shape[1] - 1))

    ear = Ear()
    found = decide(plan_with(Short()), bets(10, 20), Guarded(ear))
    assert found.layers.tolist() == [[FAILED, FAILED]]
    assert "asked for 2 scores" in str(ear.heard[0][1])


@pytest.mark.parametrize("spoil", ["family", "top"])
def test_a_row_with_any_unusable_part_is_a_failure(spoil: str) -> None:
    @dataclass
    class Spoilt(Moody):
        def score(self, X: FloatArray, rows: IntArray) -> Scores:
            scores = super().score(X, rows)
            column = scores.families["half"] if spoil == "family" else scores.top[:, 0]
            column[X[rows[0]] == 20.0] = 2  # no probability, and no feature's position
            return scores

    found = decide(plan_with(Spoilt()), bets(10, 20, 30), Guarded(Ear()))
    assert found.layers.tolist() == [[RAN, FAILED, RAN]]
    assert [bool(d.reasons) for d in found] == [True, False, True]


def test_without_a_guard_an_error_is_the_callers() -> None:
    plan = plan_with(moody())
    with pytest.raises(OutOfOrderError):
        decide(plan, bets(10, 666))
    assert decide(plan, bets(10, 11)).layers.tolist() == [[RAN, FAILED]]


@pytest.mark.parametrize(
    ("amount", "action"),
    [(None, "approve"), (50, "approve"), (50.01, "verify"), (200.01, "review"), (500, "review"), (500.01, "block")],
)
def test_the_fallback_goes_by_the_amount(amount: float | None, action: str) -> None:
    found = decide(plan_with(Moody(down=True)), bets(amount), Guarded(Ear()))
    assert (found.action, found.method(0)) == ([action], "fallback")


def test_unless_set_the_fallback_is_the_mildest_action() -> None:
    found = decide(plan_with(Moody(down=True), fallback=Fallback()), bets(999, None), Guarded(Ear()))
    assert found.action == ["approve", "approve"]
    closed = decide(plan_with(Moody(down=True), fallback=Fallback("block")), bets(1, None), Guarded(Ear()))
    assert closed.action == ["block", "block"]


@pytest.mark.parametrize(
    ("amount", "fallback", "action", "method"),
    [
        (2000, Fallback("review"), "block", "rules"),  # the rule is more severe
        (5, Fallback("review"), "review", "rules"),  # as severe: the rule gives the reason
        (5, Fallback("block"), "block", "fallback"),  # the fallback is more severe
        (7, Fallback("block"), "approve", "rules"),  # a final rule is not overruled by anything
    ],
)
def test_rules_act_beside_the_fallback(amount: float, fallback: Fallback, action: str, method: str) -> None:
    plan = plan_with(Moody(down=True), fallback=fallback, soft_rules="advise")
    found = decide(plan, bets(1, 2, amount, user="u"), Guarded(Ear()))
    assert (found.action[2], found.method(2), found.degraded(2)) == (action, method, True)


def test_a_system_without_a_model_has_no_layers() -> None:
    found = decide(compile(BETS), bets(999, 2000), Guarded(Ear()))
    assert found.layers.shape == (0, 2)
    assert [(d.decision, d.method, d.degraded) for d in found] == [
        ("approve", "rules", False),
        ("block", "rules", False),
    ]


@pytest.mark.parametrize("size", [1, 4, 15])
def test_a_replay_with_the_codes_is_the_original(size: int) -> None:
    """Whatever the model would say today of rows it took no part in."""
    events = bets(*AMOUNTS, user="u")  # one user, whose declined bets are features: decided in pieces
    first = decide(plan_with(moody()), events, Guarded(Ear()))
    assert len(set(first.layers[0].tolist())) == 2
    codes = first.layers.copy()
    codes[0, 3:5] = SKIPPED_LATE, SKIPPED_OPEN
    plan = plan_with(healthy := Moody())
    then = decide(plan, events, Replayed(codes, Ear()))
    assert then.layers.tolist() == codes.tolist()
    state, parts = plan.start(), []
    for i in range(0, len(events), size):
        guard = Replayed(codes, Ear()).part(i, i + size)
        parts.append(decide(plan, events[i : i + size], guard, state=state, first=i))
    assert columns(*parts) == columns(then)
    assert sum(healthy.asked) == 2 * np.count_nonzero(codes == RAN)
    codes[0, 3:5] = first.layers[0, 3:5]
    assert columns(decide(plan, events, Replayed(codes, Ear()))) == columns(first)


def test_a_replay_reports_what_ran_then_and_fails_now() -> None:
    ear = Ear()
    found = decide(plan_with(moody()), bets(10, 666), Replayed(np.zeros((1, 2), np.uint8), ear))
    assert found.layers.tolist() == [[RAN, FAILED]]
    assert ear.heard


def test_scores_of_chosen_rows_and_joined_scores_fit() -> None:
    plan = plan_with(Moody())
    (layer,) = plan.layers
    assert layer.name == "model"
    scores, bad = layer.attempt(decide(plan, bets(10, 20, 30)).X)
    assert bad is None
    picked = layer.part.spread(layer.part.take(scores, np.array([2])), np.array([1]), 3)
    assert picked.p.tolist()[1] == scores.p[2]
    assert np.isnan(picked.p[[0, 2]]).all()
    assert picked.top.tolist() == [[-1], [0], [-1]]
    assert layer.part.missing(2).families.keys() == {"half"}
