"""Balanced bagging: seeded draws, one served model equal to the mean of its members, margins on the true scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adjudge.errors import BundleError, DefinitionError
from adjudge.models.bagging import BalancedBagging
from adjudge.models.estimator import Estimator, margins
from adjudge.models.forest import Forest
from adjudge.models.logistic import Logistic
from adjudge.models.mean import Mean, combine
from adjudge.models.native import from_lightgbm
from adjudge.models.randomforest import RandomForest
from adjudge.models.served import check_invariance, load, save
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray

from .rows import Rows

SMALL: dict[str, Any] = {"n_trees": 15, "depth": 3, "threads": 1, "rate": 0.2}

KINDS: dict[str, tuple[Estimator, type]] = {
    "lightgbm": (Trees("lightgbm", **SMALL), Forest),
    "xgboost": (Trees("xgboost", **SMALL), Forest),
    "logistic": (Logistic(bins=5), Mean),
    "random forest": (RandomForest(n_trees=10, threads=1), Mean),
}


def few_positives(rows: Rows) -> Rows:
    """Keep one positive in ten."""
    kept = (rows.y == 0) | (np.arange(len(rows.y)) % 10 == 0)
    return Rows(rows.X[kept], rows.y[kept])


@pytest.mark.parametrize("kind", KINDS)
def test_one_model_is_the_mean_of_all_members(kind: str, train: Rows, later: Rows, tmp_path: Path) -> None:
    estimator, served = KINDS[kind]
    rows = few_positives(train)
    bag = BalancedBagging(estimator, members=3).fit(rows.X, rows.y, validation=(later.X, later.y))
    assert isinstance(bag.model_, served)
    members = np.stack([margins(member, later.X) for member in bag.members_])
    shift = np.log((rows.y == 1).sum() / (rows.y == 0).sum())
    np.testing.assert_allclose(bag.decision_function(later.X), members.mean(axis=0) + shift, atol=1e-9)
    assert roc_auc_score(later.y, bag.decision_function(later.X)) > 0.65
    scorer = bag.served()
    every, bias = scorer.contributions(later.slots, later.places)
    scores = scorer.score(later.slots, later.places)
    np.testing.assert_allclose(every.sum(axis=1) + bias, scores.margin, atol=1e-9)
    assert np.array_equal(scores.top[:, 0], np.where(every.max(axis=1) > 0, every.argmax(axis=1), -1))
    assert check_invariance(scorer, later.slots, later.places) > 0
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    assert again.version == scorer.version
    assert np.array_equal(again.score(later.slots, later.places).p, scores.p)


def test_members_see_all_positives_and_other_negatives(train: Rows) -> None:
    rows = few_positives(train)
    seen: list[FloatArray] = []

    class Spy(Trees):
        def _train(self, task: Any, *rest: Any) -> Forest:
            assert task.y.sum() == rows.y.sum()
            assert (task.y == 0).sum() == round(2.5 * rows.y.sum())
            seen.append(task.X[task.y == 0])
            return super()._train(task, *rest)

    spy = Spy("lightgbm", **SMALL)
    first = BalancedBagging(spy, members=2, ratio=2.5).fit(rows.X, rows.y).served().version
    again = BalancedBagging(spy, members=2, ratio=2.5).fit(rows.X, rows.y).served().version
    other = BalancedBagging(spy, members=2, ratio=2.5, seed=1).fit(rows.X, rows.y).served().version
    assert first == again != other
    assert not np.array_equal(seen[0], seen[1], equal_nan=True)
    assert np.array_equal(seen[0], seen[2], equal_nan=True)


def test_margins_are_on_the_scale_of_all_rows(train: Rows) -> None:
    """What the draw added to the odds is taken back, weights of rows included."""
    rows = few_positives(train)
    p = 1 / (1 + np.exp(-BalancedBagging(Logistic(), members=5).fit(rows.X, rows.y).decision_function(rows.X)))
    assert p.mean() == pytest.approx(rows.y.mean(), rel=0.25)
    thinned = np.where(rows.y == 0, 4.0, 1.0)
    bag = BalancedBagging(Logistic(), members=5).fit(rows.X, rows.y, weight=thinned)
    p = 1 / (1 + np.exp(-bag.decision_function(rows.X)))
    assert p.mean() == pytest.approx(rows.y.sum() / (rows.y.sum() + 4 * (rows.y == 0).sum()), rel=0.4)


def test_forests_with_sets_of_categories_are_joined() -> None:
    import lightgbm

    random = np.random.default_rng(0)
    X = np.stack([random.integers(0, 40, 800).astype(float), random.normal(size=800)], axis=1)
    forests = []
    for seed in range(3):
        y = (np.isin(X[:, 0], random.choice(40, 15)) & (random.random(800) < 0.9)).astype(float)
        data = lightgbm.Dataset(X, y, categorical_feature=[0], params={"verbose": -1})
        options = {"objective": "binary", "num_leaves": 8, "verbose": -1, "seed": seed, "num_threads": 1}
        forests.append(from_lightgbm(lightgbm.train(options, data, 4).model_to_string()))
    assert all(len(forest.set_values) for forest in forests)
    joined = combine(forests, shift=0.25)
    assert isinstance(joined, Forest)
    expected = np.mean([margins(forest, X) for forest in forests], axis=0) + 0.25
    np.testing.assert_allclose(margins(joined, X), expected, atol=1e-12)
    assert joined.bias == pytest.approx(Mean(tuple(forests), 0.25).bias)


def test_forests_that_read_numbers_differently_stay_apart(train: Rows, later: Rows) -> None:
    models = [Trees(library, **SMALL).fit(train.X, train.y).model_ for library in ("lightgbm", "xgboost")]
    both = combine(models)
    assert isinstance(both, Mean)
    np.testing.assert_allclose(margins(both, later.X), np.mean([margins(m, later.X) for m in models], axis=0))


def test_what_cannot_be_averaged_is_refused(train: Rows) -> None:
    with pytest.raises(DefinitionError, match="needs a member"):
        BalancedBagging(members=0).fit(train.X, train.y)
    with pytest.raises(BundleError, match="same features"):
        Mean(())
    one = Trees("lightgbm", **SMALL).fit(train.X, train.y).model_
    other = Trees("lightgbm", **SMALL).fit(train.X[:, :3], train.y).model_
    with pytest.raises(BundleError, match="same features"):
        Mean((one, other))
