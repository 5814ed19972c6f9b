"""The focal loss: its derivatives are those of finite differences, and both boosters learn by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from adjudge.errors import DefinitionError
from adjudge.models.focal import derivatives, loss, objective, start
from adjudge.models.trees import Library, Trees

from .rows import Rows

SMALL: dict[str, Any] = {"n_trees": 30, "depth": 3, "threads": 1, "rate": 0.2}

MARGINS = st.lists(st.floats(-15, 15), min_size=1, max_size=30)


@given(margins=MARGINS, y=st.sampled_from([0.0, 1.0]), gamma=st.floats(0, 5))
def test_derivatives_are_those_of_finite_differences(margins: list[float], y: float, gamma: float) -> None:
    margin = np.array(margins)
    outcome = np.full(len(margin), y)
    first, second = derivatives(margin, outcome, gamma)
    step = 1e-5
    rise = (loss(margin + step, outcome, gamma) - loss(margin - step, outcome, gamma)) / (2 * step)
    np.testing.assert_allclose(first, rise, rtol=1e-5, atol=1e-8)
    ahead, behind = derivatives(margin + step, outcome, gamma)[0], derivatives(margin - step, outcome, gamma)[0]
    np.testing.assert_allclose(second, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-8)


def test_gamma_0_is_the_log_loss() -> None:
    margin, y = np.linspace(-5, 5, 11), (np.arange(11) % 2).astype(np.float64)
    p = 1 / (1 + np.exp(-margin))
    np.testing.assert_allclose(loss(margin, y, 0.0), -np.where(y > 0, np.log(p), np.log(1 - p)), rtol=1e-12)
    first, second = objective(margin, y, 0.0, None)
    np.testing.assert_allclose(first, p - y, rtol=1e-12)
    np.testing.assert_allclose(second, p * (1 - p), rtol=1e-12)


def test_what_is_right_counts_for_less_the_larger_gamma_is() -> None:
    right, wrong = np.array([3.0]), np.array([-3.0])
    one = np.ones(1)
    shares = [float(loss(right, one, gamma)[0] / loss(wrong, one, gamma)[0]) for gamma in (0.0, 1.0, 3.0)]
    assert shares == sorted(shares, reverse=True)


def test_curvature_is_never_negative_and_weights_multiply() -> None:
    margin, y = np.linspace(-800, 800, 41), np.ones(41)
    first, bend = objective(margin, y, 2.0, None)
    assert (derivatives(margin, y, 2.0)[1] < 0).any()
    assert np.all(bend > 0)
    assert np.isfinite([first, bend]).all()
    twice = objective(margin, y, 2.0, np.full(41, 2.0))
    assert np.array_equal(twice, (2 * first, 2 * bend))


def test_boosting_starts_at_the_weighted_share() -> None:
    y = np.array([1.0, 0.0, 0.0, 0.0])
    assert start(y, None) == pytest.approx(np.log(1 / 3))
    assert start(y, np.array([3.0, 1.0, 1.0, 1.0])) == pytest.approx(0.0)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_both_libraries_learn_by_it_and_are_served_as_trained(library: Library, train: Rows, later: Rows) -> None:
    trees = Trees(library, **SMALL, focal=2.0).fit(train.X, train.y, validation=(later.X, later.y))
    assert trees.chosen_.difference <= 1e-5
    assert roc_auc_score(later.y, trees.decision_function(later.X)) > 0.75
    assert abs(trees.predict_proba(later.X)[:, 1].mean() - later.y.mean()) < 0.02


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_loss_of_ours_with_gamma_near_0_is_the_librarys_own(library: Library, train: Rows, later: Rows) -> None:
    """The same trees, up to rounding; without draws of features, which LightGBM makes otherwise for other losses."""
    plain, ours = (
        Trees(library, **SMALL, columns=1.0, focal=gamma).fit(train.X, train.y).decision_function(later.X)
        for gamma in (0.0, 1e-9)
    )
    np.testing.assert_allclose(ours, plain, atol=1e-6 if library == "lightgbm" else 1e-3)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_class_and_row_weights_are_felt(library: Library, train: Rows, later: Rows) -> None:
    plain = Trees(library, **SMALL, focal=1.0).fit(train.X, train.y)
    heavy = Trees(library, **SMALL, focal=1.0, positive_weight="balanced").fit(train.X, train.y)
    weighted = Trees(library, **SMALL, focal=1.0).fit(train.X, train.y, weight=np.where(train.y > 0, 3.0, 1.0))
    least = plain.decision_function(later.X).mean()
    assert heavy.decision_function(later.X).mean() > least + 0.2
    assert weighted.decision_function(later.X).mean() > least + 0.2


def test_a_negative_gamma_is_refused(train: Rows) -> None:
    with pytest.raises(DefinitionError, match="focal"):
        Trees(**SMALL, focal=-1.0).fit(train.X, train.y)
