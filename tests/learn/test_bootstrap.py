"""Intervals: seeded, by entity, and as wide as theory says."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.learn.bootstrap import Interval, draws, interval
from adjudge.learn.ranking import Ranking


def test_same_seed_same_interval() -> None:
    random = np.random.default_rng(1)
    y, score = (random.random(300) < 0.3).astype(float), random.random(300)
    ranking = Ranking.of(y, score)
    first = interval(lambda w: ranking.curve(w).auc(), 300, rounds=50, seed=3)
    assert first == interval(lambda w: ranking.curve(w).auc(), 300, rounds=50, seed=3)
    assert first != interval(lambda w: ranking.curve(w).auc(), 300, rounds=50, seed=4)
    assert first.low is not None
    assert first.high is not None
    assert first.value is not None
    assert first.low < first.value < first.high


def test_width_is_that_of_the_mean() -> None:
    """The 95 % interval of a mean is about 3.92 standard errors wide."""
    values = np.random.default_rng(0).normal(size=4000)
    found = interval(lambda w: float(np.average(values, weights=w)), 4000, rounds=800)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(3.92 / np.sqrt(4000), rel=0.15)


def test_events_of_one_entity_are_drawn_together() -> None:
    """Ten copies of each entity carry no more knowledge than one: the interval must not shrink."""
    values = np.repeat(np.random.default_rng(0).normal(size=200), 10)
    entity = np.repeat(np.arange(200), 10)

    def mean(w: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return float(np.average(values, weights=w))

    single, together = interval(mean, 2000), interval(mean, 2000, entity=entity)
    assert single.high is not None
    assert single.low is not None
    assert together.high is not None
    assert together.low is not None
    assert together.high - together.low > 2.5 * (single.high - single.low)


def test_weights_are_counts_of_as_many_draws_as_entities() -> None:
    for weight in draws(6, entity=np.array([9, 9, 4, 4, 4, 1]), rounds=5, seed=2):
        assert weight[0] == weight[1]
        assert weight[2] == weight[3] == weight[4]
        assert weight[0] + weight[2] + weight[5] == 3


def test_a_figure_that_does_not_exist_has_no_interval() -> None:
    assert interval(lambda w: float("nan"), 3) == Interval(None)
    assert interval(lambda w: 2.0, 3, rounds=0) == Interval(2.0)
