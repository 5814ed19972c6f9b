"""Two worlds against one event after the other, added up by hand; and the hold-out against every toss of its coin."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.define import Costs, Policy
from adjudge.errors import ShapeError
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, Past
from adjudge.learn.tradeoff import BLOCK, PASS, REVIEW
from adjudge.learn.whatif.compare import Asked, what_if
from adjudge.learn.whatif.holdout import hold_out
from adjudge.learn.whatif.worlds import World, Worlds, changed, changed_frame
from tests.learn.test_backtest import POLICY, ROWS, Row, past_of

OTHER = Policy(actions=("approve", "verify", "review", "block"), thresholds={"review": 0.5})
"""Another policy, with an action more."""


def other_of(past: Past, action: list[int]) -> Worlds:
    """Return another world of a past, in which some actions are taken."""
    n = len(past)
    fired = np.zeros((1, n), np.uint64)
    world = World(OTHER, np.array(action[:n]), np.full(n, np.nan), (), fired)
    return Worlds(past, np.arange(n), world)


def value(past: Past, i: int, how: int) -> float:
    """Return what treating an event in some way saves against letting it pass."""
    costs, worth = POLICY.costs, 0.0 if math.isnan(past.amount[i]) else float(past.amount[i])
    if past.known[i] == FRAUD:
        return {PASS: 0.0, REVIEW: 0.9 * 0.8 * worth - costs.review, BLOCK: 0.9 * worth}[how]
    return {PASS: 0.0, REVIEW: -costs.review, BLOCK: -costs.insult - costs.insult_share * worth}[how]


@given(ROWS, st.lists(st.integers(0, 3), min_size=40, max_size=40))
@settings(deadline=None)
def test_every_figure_is_a_sum_over_events(rows: list[Row], action: list[int]) -> None:
    past = past_of(rows)
    worlds = other_of(past, action)
    found = what_if(worlds, Asked(rounds=0))
    then, now = [int(a) for a in past.action], [(0, 1, 1, 2)[a] for a in action]
    names = [(POLICY.actions[past.action[i]], OTHER.actions[action[i]]) for i in range(len(past))]
    differing = [i for i, (a, b) in enumerate(names) if a != b]
    assert found.differing == len(differing) == sum(one.events for one in found.moved)
    labelled = [i for i in range(len(past)) if past.known[i] in (FRAUD, HONEST)]
    days = max((past.ts[past.old - 1] - past.ts[0] + 1) / 86_400_000_000, 1.0) if past.old else 1.0
    for side, how in ((found.actual, then), (found.other, now)):
        total = sum(value(past, i, how[i]) for i in labelled) / days
        assert side.caught.saved.value == pytest.approx(total)
        assert side.stopped == how[: len(past)].count(2)
    gain = sum(value(past, i, now[i]) - value(past, i, then[i]) for i in labelled) / days
    assert found.saved.value == pytest.approx(gain)
    assert sum(one.saved.value or 0.0 for one in found.moved) == pytest.approx(gain)
    stopped = [i for i in range(len(past)) if then[i] == 2]
    dark = [i for i in stopped if now[i] != 2 and past.known[i] == UNLABELLED]
    assert (found.hidden.stopped, found.hidden.freed_unlabelled) == (len(stopped), len(dark))
    assert found.hidden.freed_unlabelled_amount == pytest.approx(sum(past.worth[dark]))


@given(ROWS, st.lists(st.integers(0, 3), min_size=40, max_size=40))
@settings(deadline=None, max_examples=30)
def test_the_list_of_changes_adds_up_to_what_they_save(rows: list[Row], action: list[int]) -> None:
    worlds = other_of(past_of(rows), action)
    found, frame = what_if(worlds, Asked(rounds=5)), changed_frame(worlds)
    assert frame.height == found.differing
    days = found.days if worlds.past.old == len(worlds.past) else None
    if days is not None:
        assert sum(frame["saved"].drop_nulls().to_list()) / days == pytest.approx(found.saved.value)
    most = [abs(one.saved or 0.0) for one in found.examples]
    assert most == sorted(most, reverse=True)
    assert {one.id for one in changed(worlds)} >= {one.id for one in found.examples}


def test_the_same_world_saves_nothing() -> None:
    past = past_of([(60.0, 1.0, "a", 1.0, 0.7, 1, 0, 0), (20.0, 1.0, "a", math.nan, 0.95, 2, 1, 1)])
    found = what_if(Worlds(past, np.arange(2), World.of(past)), Asked(rounds=20))
    assert (found.differing, found.moved, found.examples) == (0, (), ())
    assert (found.saved.value, found.saved.low, found.saved.high) == (0.0, 0.0, 0.0)
    assert found.actual.caught == found.other.caught
    assert "no comparison depends on them" in found.hidden.words


def test_what_was_stopped_and_is_not_any_more_is_said_to_be_unknown() -> None:
    rows: list[Row] = [(200.0, 1.0, "a", math.nan, 0.95, 2, 0, 0), (60.0, 1.0, "a", math.nan, 0.1, 0, 0, 1)]
    found = what_if(other_of(past_of(rows), [0, 0]), Asked(rounds=0))
    assert found.hidden.freed_unlabelled_amount == 200.0
    assert "of 1, worth 200, nobody knows" in found.hidden.words
    (moved,) = found.moved
    assert (moved.actual, moved.other, moved.unlabelled, moved.saved.value) == ("block", "approve", 1, 0.0)
    (example,) = found.examples
    assert (example.known, example.saved) == ("unlabelled", None)


def test_worlds_of_different_events_are_refused() -> None:
    past = past_of([(60.0, 1.0, "a", 1.0, 0.7, 1, 0, 0)])
    with pytest.raises(ShapeError, match="the past has 1 events"):
        Worlds(past, np.arange(2), World.of(past))


def test_the_hold_out_is_right_on_average_over_every_toss() -> None:
    """Three events would be stopped, each let through with its own odds: the mean over all tosses is the truth."""
    y, amount = np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.array([50.0, 10.0, 120.0, 30.0, 80.0])
    chance = np.array([0.5, 0.25, 0.1, 1.0, 1.0])
    then, now = np.array([BLOCK, BLOCK, BLOCK, PASS, REVIEW]), np.array([PASS, REVIEW, BLOCK, PASS, BLOCK])
    costs = Costs()

    def estimate(seen: list[bool]) -> tuple[float, float]:
        made = hold_out(
            y, amount, np.arange(5), seen=np.array(seen), chance=chance, actual=then, other=now, costs=costs,
            days=2.0, truth=y, rounds=0,
        )  # fmt: skip
        saved = made.difference["saved"]
        assert saved.weighted.value is not None
        assert saved.truth is not None
        return saved.weighted.value, saved.truth

    mean = 0.0
    for tosses in itertools.product([True, False], repeat=3):
        odds = math.prod(c if toss else 1 - c for c, toss in zip(chance[:3], tosses, strict=True))
        weighted, truth = estimate([*tosses, True, True])
        mean += odds * weighted
    assert mean == pytest.approx(truth)


def test_what_had_no_chance_is_said_and_counts_for_neither() -> None:
    made = hold_out(
        np.array([1.0, 1.0]), np.array([100.0, 40.0]), np.arange(2), seen=np.array([True, False]),
        chance=np.array([1.0, 0.0]), actual=np.array([PASS, BLOCK]), other=np.array([BLOCK, PASS]), costs=Costs(),
        days=1.0, rounds=10,
    )  # fmt: skip
    assert (made.uncovered, made.uncovered_amount, made.declined) == (1, 40.0, 0)
    assert made.difference["saved"].weighted.value == 100.0
    with pytest.raises(ShapeError):
        hold_out(
            np.ones(1), np.ones(1), np.ones(1), seen=np.ones(1, np.bool_), chance=np.array([1.5]),
            actual=np.zeros(1, np.int64), other=np.zeros(1, np.int64), costs=Costs(), days=1.0,
        )  # fmt: skip
