"""Calibrators: increasing, inside [0, 1], right on average, and the same after a round trip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from adjudge.errors import BundleError, ShapeError
from adjudge.models.calibrate import FITTED, Beta, Calibrator, Isotonic, Platt, calibrator_from, logistic
from adjudge.typing import FloatArray

MARGINS = st.floats(-60, 60)
PAIRS = st.lists(st.tuples(MARGINS, st.booleans()), min_size=1, max_size=60)


def arrays(pairs: list[tuple[float, bool]]) -> tuple[FloatArray, FloatArray]:
    return np.array([m for m, _ in pairs]), np.array([float(y) for _, y in pairs])


def shifted(n: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw margins that are twice too confident and shifted by one, with outcomes from the truth."""
    random = np.random.default_rng(seed)
    margin = random.normal(scale=3.0, size=n)
    return margin, (random.random(n) < 1 / (1 + np.exp(-(0.5 * margin - 1)))).astype(np.float64)


@pytest.mark.parametrize("kind", sorted(FITTED))
@given(pairs=PAIRS, asked=st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=50))
def test_increasing_and_inside_the_unit_interval(
    kind: str, pairs: list[tuple[float, bool]], asked: list[float]
) -> None:
    calibrator = FITTED[kind](*arrays(pairs))
    p = calibrator.apply(np.sort(np.array(asked)))
    assert np.all((p >= 0) & (p <= 1))
    assert np.all(np.diff(p) >= 0)


@pytest.mark.parametrize("kind", sorted(FITTED))
@given(pairs=PAIRS, asked=st.lists(st.integers(-3000, 3000), min_size=2, max_size=50, unique=True))
def test_no_two_margins_tie(kind: str, pairs: list[tuple[float, bool]], asked: list[int]) -> None:
    """Ranking survives: margins a hundredth apart keep their order wherever doubles can tell."""
    p = FITTED[kind](*arrays(pairs)).apply(np.sort(np.array(asked)) / 100.0)
    if kind in ("isotonic", "venn_abers"):
        assert np.all(np.diff(p) > 0)
    else:
        assert np.all(np.diff(p) >= 0)


@given(pairs=PAIRS)
def test_isotonic_never_calls_a_score_certain(pairs: list[tuple[float, bool]]) -> None:
    calibrator = Isotonic.fit(*arrays(pairs))
    assert 0 < calibrator.value[0] <= calibrator.value[-1] < 1


@given(pairs=st.lists(st.tuples(st.integers(-50, 50), st.booleans()), min_size=1, max_size=60))
def test_isotonic_blocks_are_those_of_pool_adjacent_violators(pairs: list[tuple[int, bool]]) -> None:
    """With the two extra rows written out, the block means are scikit-learn's fitted values."""
    margin, y = arrays([(float(m), outcome) for m, outcome in pairs])
    more = np.concatenate([[margin.min()], margin, [margin.max()]])
    fitted = IsotonicRegression().fit_transform(more, np.concatenate([[1.0], y, [0.0]]))
    values = np.unique(np.round(fitted, 12))
    np.testing.assert_allclose(np.unique(np.round(Isotonic.fit(margin, y).value, 12)), values, atol=1e-11)


@pytest.mark.parametrize("kind", sorted(FITTED))
def test_the_truth_is_found(kind: str) -> None:
    calibrator = FITTED[kind](*shifted(40_000, seed=1))
    margin, _ = shifted(5000, seed=2)
    truth = 1 / (1 + np.exp(-(0.5 * margin - 1)))
    assert np.max(np.abs(calibrator.apply(margin) - truth)) < (0.08 if kind in ("isotonic", "venn_abers") else 0.02)


def test_platt_is_logistic_regression() -> None:
    margin, y = shifted(5000, seed=3)
    library = LogisticRegression(C=np.inf, tol=1e-10).fit(margin[:, None], y)
    ours = Platt.fit(margin, y)
    assert ours.a == pytest.approx(library.coef_[0, 0], rel=5e-3)
    assert ours.b == pytest.approx(library.intercept_[0], rel=5e-3)


def test_beta_is_logistic_regression_on_two_logarithms() -> None:
    margin, y = shifted(5000, seed=4)
    p = 1 / (1 + np.exp(-margin))
    columns = np.stack([np.log(p), -np.log1p(-p)], axis=1)
    library = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(columns, y)
    ours = Beta.fit(margin, y)
    assert [ours.a, ours.b] == pytest.approx(library.coef_[0].tolist(), rel=5e-3)
    assert ours.c == pytest.approx(library.intercept_[0], rel=5e-3)


@pytest.mark.parametrize("kind", sorted(FITTED))
def test_one_class_alone_can_be_fitted(kind: str) -> None:
    margin = np.linspace(-2, 2, 50)
    for outcome in (0.0, 1.0):
        p = FITTED[kind](margin, np.full(50, outcome)).apply(margin)
        assert np.all(np.isfinite(p))
        assert np.mean(np.abs(p - outcome)) < 0.2


def test_a_missing_margin_stays_missing() -> None:
    calibrators: tuple[Calibrator, ...] = (Platt(), Beta(), Isotonic(np.array([0.0]), np.array([0.5])))
    for calibrator in calibrators:
        assert np.isnan(calibrator.apply(np.array([np.nan]))).all()


def test_logistic_does_not_overflow() -> None:
    assert logistic(-1e9) == 0.0
    assert logistic(1e9) == 1.0
    assert logistic(0.0) == 0.5


@pytest.mark.parametrize("kind", sorted(FITTED))
def test_round_trip(kind: str) -> None:
    calibrator = FITTED[kind](*shifted(500, seed=5))
    again = calibrator_from(calibrator.meta(), calibrator.arrays())
    margin = np.linspace(-9, 9, 101)
    assert np.array_equal(again.apply(margin), calibrator.apply(margin))


def test_what_cannot_be_fitted_is_refused() -> None:
    for margin, y in (([], []), ([1.0], [0.5]), ([np.nan], [1.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ShapeError):
            Platt.fit(np.array(margin), np.array(y))


def test_what_is_no_calibrator_is_refused() -> None:
    with pytest.raises(BundleError, match="not known"):
        calibrator_from({"kind": "magic"}, {})
    with pytest.raises(BundleError, match="rising"):
        Isotonic(np.array([1.0, 0.0]), np.array([0.1, 0.2]))
    with pytest.raises(BundleError, match="rising"):
        Isotonic(np.array([0.0, 1.0]), np.array([0.2, 0.1]))
    with pytest.raises(BundleError, match="positive slope"):
        Platt(a=-1.0)
    with pytest.raises(BundleError, match="not negative"):
        Beta(a=-1.0)


@pytest.mark.parametrize("kind", sorted(FITTED))
def test_rows_that_stand_for_others_bring_back_what_they_stand_for(kind: str) -> None:
    """Nine in ten of the riskiest rows were declined, by something that the margin does not know."""
    random, n = np.random.default_rng(0), 200_000
    margin, unknown = random.normal(scale=1.5, size=n), random.normal(size=n)
    y = (random.random(n) < 1 / (1 + np.exp(-(margin + 1.5 * unknown - 2)))).astype(np.float64)
    chance = np.where(unknown > 0.8, 0.1, 1.0)
    seen = random.random(n) < chance
    at = np.array([-1.0, 0.0, 1.0, 2.0])
    truth, naive, weighted = (
        FITTED[kind](margin[rows], y[rows], weight).apply(at)
        for rows, weight in ((slice(None), None), (seen, None), (seen, 1 / chance[seen]))
    )
    assert (naive < 0.87 * truth).all()
    np.testing.assert_allclose(weighted, truth, rtol=0.12)


@pytest.mark.parametrize("kind", sorted(FITTED))
@given(pairs=PAIRS, data=st.data())
def test_weights_say_only_how_rows_count_beside_each_other(
    kind: str, pairs: list[tuple[float, bool]], data: st.DataObject
) -> None:
    """Equal ones are none; a row that weighs nothing is not there; any give a rising function."""
    margin, y = arrays(pairs)
    asked = np.linspace(-70, 70, 50)
    plain = FITTED[kind](margin, y).apply(asked)
    np.testing.assert_allclose(FITTED[kind](margin, y, np.full(len(y), 4.0)).apply(asked), plain, rtol=1e-9, atol=1e-12)
    more = FITTED[kind](np.append(margin, 3.0), np.append(y, 1.0), np.append(np.ones(len(y)), 0.0)).apply(asked)
    np.testing.assert_allclose(more, plain, rtol=1e-9, atol=1e-12)
    drawn = data.draw(st.lists(st.floats(0.05, 20), min_size=len(y), max_size=len(y)))
    p = FITTED[kind](margin, y, np.array(drawn)).apply(asked)
    assert np.all((p >= 0) & (p <= 1) & (np.diff(p, prepend=0.0) >= 0))
    for bad in (np.zeros(len(y)), np.full(len(y), -1.0), np.ones(len(y) + 1)):
        with pytest.raises(ShapeError, match="weights of at least 0"):
            FITTED[kind](margin, y, bad)
