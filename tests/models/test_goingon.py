"""A warm start: trees behind trees are the model that the library would have gone on to by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost

from adjudge.errors import DefinitionError
from adjudge.models.estimator import margins
from adjudge.models.forest import Forest
from adjudge.models.native import from_lightgbm, from_xgboost
from adjudge.models.trees import Library, Trees
from adjudge.typing import FloatArray

NAMES = ("a", "b", "c")


def rows(n: int = 2_000) -> tuple[FloatArray, FloatArray]:
    """Return two numbers and a category of forty, a tenth of everything missing, and what they come to."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    X[:, 2] = rng.integers(0, 40, n)
    chance = 1 / (1 + np.exp(1 - 3.0 * np.isin(X[:, 2], [1, 5, 9, 17, 33]) - X[:, 0]))
    X[rng.random((n, 3)) < 0.1] = np.nan
    return X, (rng.random(n) < chance).astype(np.float64)


def strange(X: FloatArray) -> FloatArray:
    """Return the rows, and the same ones with categories that nobody has seen."""
    more = X.copy()
    more[:, 2] = np.random.default_rng(1).integers(40, 90, len(X))
    return np.concatenate([X, more])


def by_lightgbm(X: FloatArray, y: FloatArray) -> tuple[Forest, Forest, Forest, FloatArray]:
    """Return the first half of a booster's trees, the second, all of them, and the library's margins."""
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(X, y, categorical_feature=[2]), 20)
    texts = [booster.model_to_string(num_iteration=n, start_iteration=at) for at, n in ((0, 10), (10, 10), (0, 20))]
    first, second, both = (from_lightgbm(text, NAMES) for text in texts)
    return first, second, both, np.asarray(booster.predict(strange(X), raw_score=True))


def by_xgboost(X: FloatArray, y: FloatArray) -> tuple[Forest, Forest, Forest, FloatArray]:
    """Return the same of the other library, over numbers."""
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, y), 20)
    first, second, both = (from_xgboost(part.save_raw("json"), NAMES) for part in (booster[:10], booster[10:], booster))
    told = booster.predict(xgboost.DMatrix(strange(X)), output_margin=True)
    return first, replace(second, base=0.0), both, np.asarray(told, np.float64)


@pytest.mark.parametrize("made_by", [by_lightgbm, by_xgboost])
def test_joined_halves_are_the_librarys_own_model(made_by: Any) -> None:
    X, y = rows()
    first, second, both, told = made_by(X, y)
    joined = first.joined(second)
    assert (first.trees, second.trees, joined.trees) == (10, 10, 20)
    np.testing.assert_array_equal(margins(joined, strange(X)), margins(both, strange(X)))
    np.testing.assert_allclose(margins(joined, strange(X)), told, atol=1e-5)


def test_sets_of_categories_are_those_of_each_part() -> None:
    """Thrice over, so that sets are moved behind others that were moved before."""
    X, y = rows()
    first, other = by_lightgbm(X, y)[2], by_lightgbm(X, 1 - y)[2]
    assert len(first.set_start) > 1
    assert len(other.set_start) > 1
    joined = first.joined(other).joined(first)
    Z = strange(X)
    np.testing.assert_allclose(margins(joined, Z), 2 * margins(first, Z) + margins(other, Z), atol=1e-9)
    again = Forest.from_arrays(joined.meta(), joined.arrays())
    np.testing.assert_array_equal(margins(again, Z), margins(joined, Z))


def test_only_alike_sums_are_joined() -> None:
    X, y = rows(500)
    one, other = by_lightgbm(X, y)[0], by_xgboost(X, y)[0]
    for left, right in (
        (one, other),
        (one, replace(one, names=("b", "a", "c"))),
        (one, replace(one, divisor=2.0)),
        (replace(one, divisor=2.0), one),
    ):
        with pytest.raises(DefinitionError, match="two forests are joined only where"):
            left.joined(right)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_going_on_leads_to_what_one_fit_would_have(library: Library) -> None:
    X, y = rows()
    settings: dict[str, Any] = {"depth": 3, "threads": 1, "rate": 0.2, "patience": 0, "subsample": 1.0, "columns": 1.0}
    whole = Trees(library, n_trees=20, **settings).fit(X, y).model_
    half = Trees(library, n_trees=10, **settings).fit(X, y).model_
    assert isinstance(half, Forest)
    gone = Trees(library, n_trees=10, **settings).going_on(half).fit(X, y).model_
    assert isinstance(gone, Forest)
    assert gone.trees == 20
    np.testing.assert_array_equal(gone.leaf_value[: len(half.leaf_value)], half.leaf_value)
    np.testing.assert_allclose(margins(gone, X), margins(whole, X), atol=1e-4)


def test_trees_go_on_over_the_same_features_with_the_log_loss() -> None:
    X, y = rows(500)
    start = Trees("lightgbm", n_trees=2, threads=1).fit(X, y).model_
    assert isinstance(start, Forest)
    for focal, columns in ((2.0, 3), (0.0, 2)):
        trees = Trees("lightgbm", n_trees=2, threads=1, focal=focal).going_on(start)
        with pytest.raises(DefinitionError, match="go on from a forest over the same features"):
            trees.fit(X[:, :columns], y)
