"""What is unusual: chances are honest on days that nothing has happened to, and changes stand out by their size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.monitor.distances import jensen_shannon, psi
from adjudge.monitor.drift import benjamini_hochberg
from adjudge.monitor.shares import Shares, surprise


def made(rng: np.random.Generator, days: int, *, questions: int, clusters: int) -> Shares:
    """Return shares of independent questions, in clusters of equal answers; the last day is watched."""
    base = rng.uniform(0.02, 0.6, (questions, 1, 1))
    groups = rng.poisson(400 / clusters, (1, days, 6))
    hits = rng.binomial(np.broadcast_to(groups, (questions, days, 6)), base) * clusters
    return Shares(hits.astype(np.float64), np.broadcast_to(groups * clusters, hits.shape).astype(np.float64))


@pytest.mark.parametrize("clusters", [1, 5])
def test_chances_are_honest_however_rows_cluster(clusters: int) -> None:
    rng = np.random.default_rng(3)
    found = surprise(made(rng, 43, questions=4_000, clusters=clusters), np.arange(43) < 42)
    p = found.p[:, 42]
    assert (p < 0.01).mean() < 0.017
    assert (p < 0.001).mean() < 0.003
    assert 0.08 < (p < 0.1).mean() < 0.13


def test_a_cell_is_held_against_its_own() -> None:
    """Yes at night, no by day: a day of nights alone is no surprise."""
    hits, totals = np.zeros((1, 41, 2)), np.full((1, 41, 2), 100.0)
    hits[0, :, 1] = 95.0 + np.arange(41) % 3
    totals[0, 40, 0] = 0.0
    found = surprise(Shares(hits, totals), np.arange(41) < 40)
    assert found.seen[0, 40] > 0.9
    assert found.usual[0, 40] > 0.9
    assert abs(found.z[0, 40]) < 2


def test_what_was_never_seen_is_a_surprise_and_what_nobody_asked_is_none() -> None:
    hits, totals = np.zeros((1, 31, 1)), np.full((1, 31, 1), 1000.0)
    hits[0, 30, 0] = 30.0
    assert surprise(Shares(hits, totals), np.arange(31) < 30).p[0, 30] < 1e-8
    totals[0, 30, 0] = hits[0, 30, 0] = 0.0
    nothing = surprise(Shares(hits, totals), np.arange(31) < 30)
    assert np.isnan(nothing.seen[0, 30])
    assert nothing.p[0, 30] == 1.0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.floats(0.01, 0.5))
def test_the_limit_is_benjaminis_and_hochbergs(p: list[float], rate: float) -> None:
    """As many chances as lie within it, times the rate over the number of all, is at least the largest of them."""
    limit = benjamini_hochberg(np.array(p), rate)
    count = sum(one <= limit for one in p)
    if limit >= 0:
        assert limit <= rate * count / len(p) + 1e-12
    else:
        assert all(one > rate * (i + 1) / len(p) for i, one in enumerate(sorted(p)))


def test_distances_of_equal_mixes_are_nothing_and_grow() -> None:
    usual = np.array([0.2, 0.3, 0.5])
    near, far = np.array([0.22, 0.3, 0.48]), np.array([0.6, 0.3, 0.1])
    assert psi(usual, usual) == 0.0
    assert 0 < float(psi(usual, near)) < float(psi(usual, far))
    assert 0 < float(jensen_shannon(usual, near)) < float(jensen_shannon(usual, far)) < 1
    assert np.isfinite(psi(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
