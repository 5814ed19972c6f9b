"""The boosted estimator: both libraries, seeds, choice on validation, scikit-learn's manners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.base import clone
from sklearn.metrics import average_precision_score, roc_auc_score

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError, ShapeError, UnavailableError
from adjudge.models import trees as trees_module
from adjudge.models.categories import Categories
from adjudge.models.trees import Library, Trees

from .rows import Rows

SMALL: dict[str, Any] = {"n_trees": 30, "depth": 3, "threads": 1, "rate": 0.2}


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_both_libraries_learn_and_are_served_as_trained(library: Library, train: Rows, later: Rows) -> None:
    trees = Trees(library, **SMALL).fit(train.X, train.y, validation=(later.X, later.y))
    p = trees.predict_proba(later.X)
    assert roc_auc_score(later.y, p[:, 1]) > 0.75
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert trees.chosen_.difference <= (0.0 if library == "lightgbm" else 1e-5)
    assert abs(p[:, 1].mean() - later.y.mean()) < 0.02
    scores = trees.served().score(later.slots, later.places)
    assert np.array_equal(scores.p, p[:, 1])
    assert np.array_equal(scores.margin, trees.decision_function(later.X))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_the_same_seed_gives_the_same_model(library: Library, train: Rows) -> None:
    versions = [Trees(library, **SMALL, seed=seed).fit(train.X, train.y).served().version for seed in (3, 3, 4)]
    assert versions[0] == versions[1] != versions[2]


def test_best_is_the_better_on_validation(train: Rows, later: Rows) -> None:
    seen: list[tuple[int, int]] = []
    trees = Trees("best", **SMALL).fit(
        train.X,
        train.y,
        validation=(later.X, later.y),
        progress=lambda done, planned: seen.append((done, planned)),
    )
    assert {one.library for one in trees.trained_} == {"lightgbm", "xgboost"}
    assert trees.chosen_.ap == max(one.ap for one in trees.trained_)
    assert trees.chosen_.ap == average_precision_score(later.y, trees.decision_function(later.X))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {planned for _, planned in seen} == {60}
    with pytest.raises(DefinitionError, match="validation"):
        Trees("best", **SMALL).fit(train.X, train.y)


def test_unless_one_is_named_it_is_the_better_on_validation(
    train: Rows, later: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Trees(**SMALL).fit(train.X, train.y, validation=(later.X, later.y))
    best = Trees("best", **SMALL).fit(train.X, train.y, validation=(later.X, later.y))
    assert both.served().version == best.served().version
    assert [one.library for one in both.trained_] == ["lightgbm", "xgboost"]
    alone = Trees(**SMALL).fit(train.X, train.y)
    assert [one.library for one in alone.trained_] == ["lightgbm"]
    monkeypatch.setattr(trees_module, "find_spec", lambda name: None)
    without = Trees(**SMALL).fit(train.X, train.y, validation=(later.X, later.y))
    assert [one.library for one in without.trained_] == ["lightgbm"]


def test_a_device_that_the_build_cannot_use_is_refused(train: Rows) -> None:
    if xgboost.build_info().get("USE_CUDA"):
        pytest.skip("this build of XGBoost has CUDA")
    with pytest.raises(UnavailableError, match="CUDA"):
        Trees("xgboost", **SMALL, device="cuda").fit(train.X, train.y)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_training_stops_when_validation_does_not_improve(library: Library, train: Rows, later: Rows) -> None:
    trees = Trees(library, n_trees=300, depth=6, rate=0.5, patience=5, threads=1)
    trees.fit(train.X, train.y, validation=(later.X, later.y))
    assert trees.chosen_.rounds == trees.chosen_.forest.trees < 300


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_class_weights_raise_the_margin_and_calibration_undoes_it(library: Library, train: Rows, later: Rows) -> None:
    plain = Trees(library, **SMALL).fit(train.X, train.y, validation=(later.X, later.y))
    heavy = Trees(library, **SMALL, positive_weight="balanced").fit(train.X, train.y, validation=(later.X, later.y))
    assert heavy.decision_function(later.X).mean() > plain.decision_function(later.X).mean() + 0.5
    assert abs(heavy.predict_proba(later.X)[:, 1].mean() - later.y.mean()) < 0.02


def test_row_weights_are_used(train: Rows) -> None:
    only = np.where(train.X[:, 0] > 0, 1.0, 1e-9)
    weighted = Trees(**SMALL).fit(train.X, train.y, weight=only)
    plain = Trees(**SMALL).fit(train.X, train.y)
    assert weighted.served().version != plain.served().version


def test_infinities_are_trained_on(train: Rows) -> None:
    X = train.X.copy()
    X[::9, 0] = np.inf
    X[::11, 1] = -np.inf
    for library in ("lightgbm", "xgboost"):
        trees = Trees(library, **SMALL).fit(X, train.y)
        assert np.isfinite(trees.decision_function(X)).all()


def test_scikit_learn_can_clone_it() -> None:
    trees = Trees("xgboost", n_trees=7, positive_weight="balanced")
    assert clone(trees).get_params() == trees.get_params()
    assert trees.set_params(depth=2).depth == 2
    with pytest.raises(DefinitionError, match="did you mean 'depth'"):
        trees.set_params(dept=2)


def test_wrong_settings_and_shapes_are_named(train: Rows, later: Rows) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'lightgbm'"):
        Trees("lightgmb").fit(train.X, train.y)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="did you mean 'isotonic'"):
        Trees(**SMALL, calibration="isotonik").fit(train.X, train.y, validation=(later.X, later.y))
    with pytest.raises(ShapeError, match="both must occur"):
        Trees().fit(train.X, np.zeros(len(train.y)))
    with pytest.raises(ShapeError, match="do not belong together"):
        Trees().fit(train.X, train.y[:-1])
    with pytest.raises(ShapeError, match="do not belong together"):
        Trees().fit(train.X, train.y, names=["a"])
    with pytest.raises(ShapeError, match="weights"):
        Trees().fit(train.X, train.y, weight=np.ones(3))


def test_texts_are_read_through_categories(train: Rows, later: Rows) -> None:
    secret = bytes(range(16))
    names = [*(f"f{i}" for i in range(7)), "method"]
    random = np.random.default_rng(0)

    def with_texts(rows: Rows) -> Rows:
        words = np.where(rows.y + random.normal(scale=0.3, size=len(rows.y)) > 0.5, "wire", "card")
        X = rows.X.copy()
        X[:, 7] = hash_texts(secret, TEXT_TAG, words.tolist()).view(np.float64)
        return Rows(X, rows.y)

    past, future = with_texts(train), with_texts(later)
    categories = Categories.fit(past.X, past.y, names, {"method": ["card", "wire"]}, secret=secret)
    assert categories.texts == {"method": ("card", "wire")}
    trees = Trees(**SMALL).fit(past.X, past.y, names=names, categories=categories)
    scores = trees.served().score(future.slots, future.places)
    assert roc_auc_score(future.y, scores.p) > 0.9
    assert (scores.top[:, 0] == 7).mean() > 0.2
