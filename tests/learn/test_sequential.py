"""The sequential test: what it says of hand-made gains, what it refuses, and what it does not fall for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import InputError, ShapeError
from adjudge.learn.sequential import Terms, paired, split

TERMS = Terms(cap=100.0, scale=1.0)


def test_a_clear_improvement_is_found_and_a_loss_is_not() -> None:
    """A thousand entities that save one each, and the same the other way round."""
    rng = np.random.default_rng(1)
    gain, entity = 1.0 + rng.normal(0, 0.5, 1_000), np.arange(1_000)
    good, bad = paired(gain, entity, TERMS), paired(-gain, entity, TERMS)
    assert good.better_by(0.0)
    assert not good.better_by(2.0)
    assert not bad.better_by(0.0)
    assert good.decisions == good.entities == 1_000


def test_one_entity_is_one_chance() -> None:
    """The same gains by one entity, or by too few of them, say nothing."""
    gain = np.full(1_000, 5.0)
    assert paired(gain, np.zeros(1_000, np.int64), TERMS).low is None
    assert paired(gain, np.arange(1_000) % 29, TERMS).low is None


def test_many_small_gains_do_not_outweigh_a_loss_that_may_come() -> None:
    """Gains of five cents without a single loss are less sure than the same without any risk of one."""
    gain, entity = np.full(200, 0.05), np.arange(200)
    assert not paired(gain, entity, TERMS).better_by(0.0)
    assert paired(gain, entity, Terms(cap=0.06, scale=0.05)).better_by(0.0)


def looks(gain: np.ndarray, entity: np.ndarray, test: Terms) -> bool:
    """Return whether any of forty looks finds an improvement."""
    ends = range(len(gain) // 40, len(gain) + 1, len(gain) // 40)
    return any(paired(gain[:end], entity[:end], test).better_by(0.0) for end in ends)


@pytest.mark.parametrize("each", [1, 3])
def test_who_wins_a_little_from_many_and_loses_much_from_few_is_rarely_found_better(each: int) -> None:
    """Nothing is won on average; a customer who loses does so with all decisions."""
    found = 0
    for seed in range(200):
        lossy = np.random.default_rng(seed).random(2_000) < each / (100.0 + each)
        gain = np.where(np.repeat(lossy, each), -100.0 / each, 1.0)
        found += looks(gain, np.repeat(np.arange(2_000), each), TERMS)
    assert found <= 10


def test_a_challenger_that_loses_rarely_and_much_is_not_found_better_on_its_half() -> None:
    """It saves a half and loses six tenths; the champion never loses like that, so its side says nothing of it."""
    test, found = Terms(cap=1_000.0, scale=0.5), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        side = rng.random(4_000) < 0.5
        cost = np.where(side, 0.5 + np.where(rng.random(4_000) < 0.0006, 1_000.0, 0.0), rng.normal(1.0, 0.2, 4_000))
        ends = range(100, 4_001, 100)
        found += any(split(cost[:end], side[:end], np.arange(end), test).better_by(0.0) for end in ends)
    assert found <= 2


def test_an_entity_counts_for_no_more_than_the_cap() -> None:
    """However many decisions it comes in."""
    entity = np.repeat(np.arange(100), 10)
    assert paired(np.full(1_000, 50.0), entity, TERMS).gain == paired(np.full(1_000, 10.0), entity, TERMS).gain == 10.0


def test_a_small_share_that_has_seen_no_loss_yet_is_not_better() -> None:
    """Its own spread is nothing, but that of both sides counts."""
    cost, challenged = np.zeros(1_000), np.arange(1_000) < 40
    cost[500::50] = 80.0
    found = split(cost, challenged, np.arange(1_000), TERMS)
    assert found.gain > 0
    assert found.low is not None
    assert found.low < 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_money_is_refused(bad: float) -> None:
    """An amount that is not known is for the caller to decide about."""
    with pytest.raises(InputError, match="finite"):
        paired(np.array([bad]), np.array([1]), TERMS)


def test_wrong_shapes_sides_and_terms_are_refused() -> None:
    """By name."""
    with pytest.raises(ShapeError):
        paired(np.zeros(2), np.zeros(1, np.int64), TERMS)
    with pytest.raises(ShapeError):
        split(np.zeros(2), np.zeros(1, np.bool_), np.zeros(2, np.int64), TERMS)
    with pytest.raises(InputError, match="both sides"):
        split(np.zeros(2), np.array([True, False]), np.zeros(2, np.int64), TERMS)
    with pytest.raises(InputError, match="cap"):
        Terms(cap=0.0, scale=1.0)
    with pytest.raises(InputError, match="level"):
        Terms(cap=1.0, scale=1.0, level=0.7)


def test_nothing_says_nothing() -> None:
    """No decisions at all, and none on one side."""
    assert paired(np.empty(0), np.empty(0, np.int64), TERMS).low is None
    assert split(np.zeros(3), np.ones(3, np.bool_), np.arange(3), TERMS).low is None


@given(st.integers(0, 2**32 - 1))
def test_order_within_the_data_says_nothing(seed: int) -> None:
    """The bound is a function of what differs and of whom, not of the order in which it is given."""
    rng = np.random.default_rng(seed)
    gain, entity = rng.normal(0, 3, 300), rng.integers(0, 80, 300)
    order = rng.permutation(300)
    a, b = paired(gain, entity, TERMS), paired(gain[order], entity[order], TERMS)
    assert a.low is not None
    assert b.low is not None
    assert abs(a.low - b.low) < 1e-9


@given(st.integers(0, 2**32 - 1))
def test_what_entities_are_called_says_nothing(seed: int) -> None:
    """Small numbers take a shorter way than hashes, and come to the same."""
    rng = np.random.default_rng(seed)
    gain, entity = rng.normal(0, 3, 300), rng.integers(0, 80, 300)
    names = rng.integers(0, 2**63, 80).astype(np.uint64)
    names.sort()
    one, other = paired(gain, entity, TERMS), paired(gain, names[entity], TERMS)
    assert (one.entities, one.gain) == (other.entities, other.gain)
    assert abs(one.error - other.error) < 1e-9
    side = entity % 2 == 0
    a, b = split(gain, side, entity, TERMS), split(gain, side, names[entity], TERMS)
    assert (a.entities, a.decisions) == (b.entities, b.decisions)
    assert abs(a.gain - b.gain) + abs(a.error - b.error) < 1e-9
