"""The protocol of the rings benchmark: splits by time, labels when they were known, and what nobody can find."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.learn.ranking import Ranking
from benchmarks import _rings, rings


@pytest.fixture(scope="module")
def small() -> _rings.Rings:
    return _rings.build(_rings.WORLDS["mostly_rings"], events=20_000)


def test_parts_follow_in_time_with_a_gap_and_labels_known_by_then(small: _rings.Rings) -> None:
    train, validation, test = _rings.parts(small)
    ts, known_at = small.table.ts, small.table.known_at
    gap = _rings.DELAY_DAYS * _rings.DAY_US
    assert ts[train.at].max() + gap < ts[validation.at].min()
    assert ts[validation.at].max() + gap < ts[test.at].min()
    start = _rings.split(small)
    assert start.validation is not None
    assert (known_at[train.at][train.y == 1] <= start.validation.start).all()
    assert (known_at[validation.at][validation.y == 1] <= start.test.start).all()
    assert small.ring[test.at].sum() > 0


def test_the_graph_knows_a_report_when_it_came_and_silence_after_the_delay(small: _rings.Rings) -> None:
    x = np.zeros((len(small.table), 1), np.float32)
    graph = _rings.graph_of(small, ("nothing",), x)
    reported = small.table.label == 1
    assert (graph.label == reported).all()
    assert (graph.known_at[reported] == small.table.known_at[reported]).all()
    assert (graph.known_at[~reported] >= small.table.ts[~reported] + _rings.DELAY_DAYS * _rings.DAY_US).all()


def test_columns_are_numbers_and_none_counts_other_people(small: _rings.Rings) -> None:
    train, _, _ = _rings.parts(small)
    assert not set(_rings.SCALARS) & set(_rings.SHARING)
    X = _rings.numbers(small, _rings.SCALARS + _rings.SHARING, train)
    assert np.nanmax(np.abs(X)) < 1e12
    assert (~np.isnan(X)).any(axis=0).all()


def test_thinned_rows_stand_for_all() -> None:
    rows = _rings.Rows(np.arange(1000), (np.arange(1000) < 10).astype(np.float64))
    thin, weight = _rings.thinned(rows, rows.y == 1, 99)
    assert weight.sum() == pytest.approx(1000)
    assert (thin.y.sum(), len(thin.at)) == (10, 109)
    assert (np.diff(thin.at) > 0).all()


def test_recall_is_that_of_the_loosest_cut_that_is_precise_enough() -> None:
    curve = Ranking.of([1, 0, 0, 0, 0, 1], [6, 5, 4, 3, 2, 1]).curve()
    assert _rings.recall_at(curve, 0.5) == 0.5
    assert _rings.recall_at(curve, 0.3) == 1.0
    assert _rings.recall_at(Ranking.of([0, 1], [2, 1]).curve(), 0.9) == 0.0


def test_no_ranking_that_is_blind_to_quiet_fraud_passes_the_limit() -> None:
    random = np.random.default_rng(0)
    y, ring = np.zeros(100_000), np.zeros(100_000, dtype=np.bool_)
    y[:1000] = 1.0
    ring[:400] = True
    limit = rings.limit_of(y, ring)
    drawn = [_rings.recall_at(Ranking.of(y, ring + random.random(len(y)) / 2).curve(), 0.15) for _ in range(20)]
    assert abs(np.mean(drawn) - limit) < 0.01
