"""Isolation forest: served as scikit-learn scores it, without labels, with contributions that add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from adjudge.errors import DefinitionError, ShapeError
from adjudge.models.isolation import Isolation, path_length
from adjudge.models.scikit import at_most_float32
from adjudge.models.served import check_invariance, load, save
from adjudge.models.trees import Trees

from .rows import Rows


def odd(n: int, seed: int) -> Rows:
    """Draw ordinary rows, and one in fifty that lies outside of them."""
    random = np.random.default_rng(seed)
    y = (np.arange(n) % 50 == 0).astype(np.float64)
    return Rows(random.normal(size=(n, 4)) + 5.0 * y[:, None] * random.choice([-1, 1], size=(n, 4)), y)


def test_the_served_score_is_the_librarys(later: Rows) -> None:
    """Without missing values the model is scikit-learn's own: 2 ** (margin - 1) is its score."""
    X = np.nan_to_num(later.X)
    library = IsolationForest(n_estimators=40, max_samples=128, random_state=3).fit(X)
    ours = Isolation(n_trees=40, sample=128, seed=3).fit(X)
    np.testing.assert_allclose(2.0 ** (ours.decision_function(X) - 1.0), -library.score_samples(X), rtol=1e-12)
    assert ours.difference_ < 1e-12


def test_missing_values_are_taken_for_the_median(later: Rows) -> None:
    ours = Isolation(n_trees=20).fit(later.X)
    medians = np.nanmedian(later.X, axis=0)
    filled = np.where(np.isnan(later.X), medians, later.X)
    assert np.isnan(later.X).any()
    assert np.array_equal(ours.decision_function(later.X), ours.decision_function(filled))


def test_what_is_unusual_is_found_without_labels_and_explained(tmp_path: Path) -> None:
    rows, later = odd(3000, 1), odd(1200, 2)
    model = Isolation(seed=5).fit(rows.X)
    assert roc_auc_score(later.y, model.decision_function(later.X)) > 0.99
    scorer = model.served()
    every, bias = scorer.contributions(later.slots, later.places)
    scores = scorer.score(later.slots, later.places)
    np.testing.assert_allclose(every.sum(axis=1) + bias, scores.margin, atol=1e-12)
    assert check_invariance(scorer, later.slots, later.places) > 0
    save(scorer, tmp_path)
    assert np.array_equal(load(tmp_path, bytes(16)).score(later.slots, later.places).p, scores.p)


def test_outcomes_change_the_calibration_and_nothing_else() -> None:
    rows, later = odd(2000, 1), odd(2000, 2)
    blind = Isolation(n_trees=20).fit(rows.X)
    told = Isolation(n_trees=20, calibration="platt").fit(rows.X, rows.y, validation=(later.X, later.y))
    assert np.array_equal(blind.decision_function(later.X), told.decision_function(later.X))
    assert told.predict_proba(later.X)[:, 1].mean() == pytest.approx(later.y.mean(), abs=0.01)


def test_the_seed_decides(later: Rows) -> None:
    versions = [Isolation(n_trees=5, seed=seed).fit(later.X).served().version for seed in (1, 1, 2)]
    assert versions[0] == versions[1] != versions[2]


def test_only_the_named_features_are_looked_at(later: Rows) -> None:
    names = [f"n{i}" for i in range(8)]
    model = Isolation(n_trees=10, columns=0.5, features=("n6", "n1")).fit(later.X, names=names)
    every = model.model_.contributions(later.slots, later.places)
    assert sorted(np.flatnonzero(np.abs(every).max(axis=0) > 0)) == [1, 6]
    with pytest.raises(DefinitionError, match="did you mean 'n6'"):
        Isolation(features=("n66",)).fit(later.X, names=names)


def test_rows_are_drawn_by_their_weights() -> None:
    """What weighs next to nothing is as if it were not there: the far cluster alone becomes the unusual one."""
    X = np.concatenate([np.random.default_rng(0).normal(size=(500, 1)), np.full((500, 1), 9.0)])
    weight = np.where(X[:, 0] == 9.0, 1e-9, 1.0)
    asked = np.array([[9.0]])
    assert (
        Isolation().fit(X, weight=weight).decision_function(asked) > Isolation().fit(X).decision_function(asked) + 0.2
    )


def test_outcomes_must_be_given_to_what_learns_from_them(later: Rows) -> None:
    with pytest.raises(ShapeError, match="none were given"):
        Trees(n_trees=2).fit(later.X)
    with pytest.raises(ShapeError, match="0 and 1"):
        Isolation().fit(later.X, np.full(len(later.X), 2.0))


def test_path_lengths_are_those_of_the_paper() -> None:
    harmonic = np.log(255.0) + np.euler_gamma
    assert path_length(np.array([0, 1, 2, 256])).tolist() == [0.0, 0.0, 1.0, 2 * harmonic - 2 * 255 / 256]


def test_thresholds_answer_without_rounding_as_with_it() -> None:
    for threshold in [*np.random.default_rng(0).normal(size=500), 0.0, 1e-40, float(np.float32(0.1))]:
        last = at_most_float32(threshold)
        assert float(np.float32(last)) <= threshold < float(np.float32(np.nextafter(last, np.inf)))


@pytest.mark.parametrize("wrong", [{"sample": 1}, {"n_trees": 0}, {"columns": 0.0}, {"columns": 1.5}])
def test_a_forest_that_cannot_be_grown_is_refused(wrong: dict[str, float], train: Rows) -> None:
    with pytest.raises(DefinitionError, match="isolation forest needs"):
        Isolation().set_params(**wrong).fit(train.X)
