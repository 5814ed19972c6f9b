"""Random forest: probabilities are scikit-learn's, margins their log-odds, contributions add up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from adjudge.errors import BundleError
from adjudge.models.averaged import Averaged
from adjudge.models.forest import Forest
from adjudge.models.randomforest import RandomForest
from adjudge.models.served import check_invariance, load, save

from .rows import Rows

TREES = 30


def small(rows: Rows) -> RandomForest:
    return RandomForest(n_trees=TREES, threads=1, calibration=None).fit(rows.X, rows.y)


def test_the_mean_is_the_librarys_and_the_margin_its_log_odds(train: Rows, later: Rows) -> None:
    library = RandomForestClassifier(TREES, min_samples_leaf=5, random_state=0).fit(train.X, train.y)
    p = library.predict_proba(later.X)[:, 1]
    ours = small(train)
    assert isinstance(ours.model_, Averaged)
    mean = ours.model_.forest.raw(later.slots, later.places, 0).margin
    np.testing.assert_allclose(mean, p, atol=1e-14)
    expected = np.log((p * TREES + 0.5) / ((1 - p) * TREES + 0.5))
    np.testing.assert_allclose(ours.decision_function(later.X), expected, atol=1e-10)
    assert roc_auc_score(later.y, ours.decision_function(later.X)) > 0.75


def test_contributions_add_up_and_keep_their_sign(train: Rows, later: Rows, tmp_path: Path) -> None:
    scorer = small(train).served()
    model = scorer.model
    assert isinstance(model, Averaged)
    every, bias = scorer.contributions(later.slots, later.places)
    scores = scorer.score(later.slots, later.places)
    np.testing.assert_allclose(every.sum(axis=1) + bias, scores.margin, atol=1e-9)
    assert np.array_equal(np.sign(every), np.sign(model.forest.contributions(later.slots, later.places)))
    first = np.where(every.max(axis=1) > 0, every.argmax(axis=1), -1)
    assert np.array_equal(scores.top[:, 0], first)
    assert check_invariance(scorer, later.slots, later.places) > 0
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    assert again.version == scorer.version
    assert np.array_equal(again.score(later.slots, later.places).margin, scores.margin)


def test_a_row_like_the_mean_of_all_is_stretched_by_the_slope(train: Rows) -> None:
    model = small(train).model_
    assert isinstance(model, Averaged)
    centre = model.forest.bias
    margin, factor = model._stretched(np.array([centre, centre + 2e-9, centre + 1e-4]))
    assert margin[0] == model.bias
    np.testing.assert_allclose(factor, factor[0], rtol=1e-3)


@given(p=st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_order_survives_even_where_all_trees_agree(p: list[float]) -> None:
    model = _leaves()
    margin, factor = model._stretched(np.sort(np.array(p)))
    assert np.isfinite(margin).all()
    assert np.all(np.diff(margin) >= 0)
    assert np.all(factor > 0)


def test_weights_and_infinities(train: Rows, later: Rows) -> None:
    X = train.X.copy()
    X[::9, 0] = np.inf
    heavy = RandomForest(n_trees=TREES, threads=1, positive_weight="balanced").fit(X, train.y)
    plain = RandomForest(n_trees=TREES, threads=1).fit(X, train.y, weight=np.ones(len(X)))
    assert heavy.decision_function(later.X).mean() > plain.decision_function(later.X).mean()
    assert np.isfinite(plain.decision_function(X)).all()


def test_what_is_no_average_of_probabilities_is_refused() -> None:
    good = _leaves().forest
    for change in ({"leaf_value": np.array([1.5])}, {"divisor": 2.0}, {"base": 0.1}):
        with pytest.raises(BundleError, match="probabilities"):
            Averaged(dataclasses.replace(good, **change))


def _leaves() -> Averaged:
    """Return a forest of one tree that is one leaf."""
    none, no_int = np.empty(0), np.empty(0, dtype=np.int32)
    return Averaged(
        Forest(
            ("a",),
            np.array([0, 0]),
            np.array([0, 1]),
            no_int,
            np.empty(0, dtype=np.uint8),
            none,
            no_int,
            no_int,
            np.array([0.3]),
            np.array([1.0]),
            np.array([0]),
            np.empty(0, dtype=np.int64),
        )
    )
