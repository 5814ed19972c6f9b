"""The served forest equals the library that trained it, on every kind of tree the libraries make."""

from __future__ import annotations

import json
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import BundleError
from adjudge.models.forest import Forest
from adjudge.models.native import below_float32, from_lightgbm, from_xgboost
from adjudge.typing import FloatArray

from .rows import Rows, draw

QUIET = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "seed": 1}


def grow(rows: Rows, trees: int = 12, **parameters: Any) -> lightgbm.Booster:
    categorical = parameters.pop("categorical", [])
    data = lightgbm.Dataset(rows.X, rows.y, categorical_feature=categorical, params={"verbose": -1} | parameters)
    return lightgbm.train(QUIET | parameters, data, trees)


def awkward(rows: Rows) -> FloatArray:
    """Return the rows with infinities, tiny numbers, negative and unknown categories sprinkled in."""
    X = rows.X.copy()
    random = np.random.default_rng(3)
    for value in (np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 1e-34, 1e300, -1.0, -0.5, 7.9, 1e6, np.nan):
        X[random.random(X.shape) < 0.02] = value
    return X


def margins(forest: Forest, X: FloatArray) -> FloatArray:
    return forest.raw(np.ascontiguousarray(X.T), np.arange(X.shape[1]), 0).margin


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_leaves": 31},
        {"num_leaves": 64, "max_depth": 6},
        {"num_leaves": 2},
        {"num_leaves": 400, "min_data_in_leaf": 1, "max_bin": 1000},
        {"use_missing": False},
        {"zero_as_missing": True},
        {"categorical": [3], "min_data_per_group": 5, "cat_smooth": 1.0},
        {"categorical": [3], "max_cat_to_onehot": 50},
        {"boosting": "dart", "drop_rate": 0.5},
        {"boosting": "goss"},
        {"min_data_in_leaf": 10_000},
        {"boost_from_average": False, "scale_pos_weight": 7.0},
    ],
    ids=lambda parameters: " ".join(f"{name}={value}" for name, value in parameters.items()),
)
def test_lightgbm_margins_are_met_to_the_last_bit(train: Rows, later: Rows, parameters: dict[str, Any]) -> None:
    booster = grow(train, **parameters)
    X = awkward(later)
    forest = from_lightgbm(booster.model_to_string())
    assert np.array_equal(margins(forest, X), np.asarray(booster.predict(X, raw_score=True)))


def test_lightgbm_random_forests_are_averaged_as_their_probabilities_are(train: Rows, later: Rows) -> None:
    booster = grow(train, boosting="rf", bagging_fraction=0.5, bagging_freq=1)
    X = awkward(later)
    margin = margins(from_lightgbm(booster.model_to_string()), X)
    assert np.array_equal(margin, np.asarray(booster.predict(X, raw_score=True)) / 12)
    np.testing.assert_allclose(1 / (1 + np.exp(-margin)), np.asarray(booster.predict(X)), rtol=1e-12)


@pytest.mark.parametrize("missing_left", [True, False])
def test_lightgbm_rows_without_missing_values_in_training(missing_left: bool, later: Rows) -> None:
    full = draw(800, seed=5)
    X = np.nan_to_num(full.X) * (1 if missing_left else -1)
    booster = grow(Rows(X, full.y))
    assert np.array_equal(
        margins(from_lightgbm(booster.model_to_string()), later.X),
        np.asarray(booster.predict(later.X, raw_score=True)),
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_depth": 6},
        {"max_depth": 1},
        {"max_depth": 0, "max_leaves": 400, "grow_policy": "lossguide", "min_child_weight": 0.0},
        {"tree_method": "exact"},
        {"booster": "dart", "rate_drop": 0.5},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"gamma": 1e9},
        {"base_score": 0.01},
    ],
    ids=lambda parameters: " ".join(f"{name}={value}" for name, value in parameters.items()),
)
def test_xgboost_margins_are_met_to_float_precision(train: Rows, later: Rows, parameters: dict[str, Any]) -> None:
    settings = {"objective": "binary:logistic", "nthread": 1, "seed": 1} | parameters
    booster = xgboost.train(settings, xgboost.DMatrix(train.X, train.y), 12)
    X = np.clip(awkward(later), -1e38, 1e38)
    trained = booster.predict(xgboost.DMatrix(X), output_margin=True)
    served = margins(from_xgboost(booster.save_raw("json")), X)
    assert np.max(np.abs(served - trained)) < 2e-6 * max(1.0, float(np.max(np.abs(trained))))


def test_xgboost_values_next_to_a_threshold_go_the_library_s_way(train: Rows) -> None:
    """XGBoost rounds to float32 first: doubles around each threshold must not be told apart more finely."""
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, xgboost.DMatrix(train.X, train.y), 10
    )
    forest = from_xgboost(booster.save_raw("json"))
    edges = np.unique(forest.threshold)
    around = np.concatenate([edges, np.nextafter(edges, np.inf), edges.astype(np.float32).astype(np.float64)])
    X = np.repeat(around[:, None], len(forest.names), axis=1)
    trained = booster.predict(xgboost.DMatrix(X), output_margin=True)
    assert np.max(np.abs(margins(forest, X) - trained)) < 2e-6


def test_xgboost_categories(train: Rows, later: Rows) -> None:
    kinds = ["c" if i == 3 else "q" for i in range(train.X.shape[1])]
    settings = {"objective": "binary:logistic", "nthread": 1, "max_depth": 4, "max_cat_to_onehot": 1}
    data = xgboost.DMatrix(train.X, train.y, feature_types=kinds, enable_categorical=True)
    booster = xgboost.train(settings, data, 10)
    forest = from_xgboost(booster.save_raw("json"))
    assert len(forest.set_values) > 0
    seen = np.unique(train.X[~np.isnan(train.X[:, 3]), 3])
    X = later.X.copy()
    X[~np.isin(X[:, 3], seen), 3] = np.nan
    trained = booster.predict(xgboost.DMatrix(X, feature_types=kinds, enable_categorical=True), output_margin=True)
    assert np.max(np.abs(margins(forest, X) - trained)) < 2e-6


def test_early_stopped_models_are_read_up_to_the_best_round(train: Rows, later: Rows) -> None:
    data = lightgbm.Dataset(train.X, train.y)
    booster = lightgbm.train(
        QUIET | {"learning_rate": 0.5},
        data,
        100,
        valid_sets=[lightgbm.Dataset(later.X, later.y, reference=data)],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )
    assert booster.best_iteration < 100
    forest = from_lightgbm(booster.model_to_string())
    assert forest.trees == booster.best_iteration
    assert np.array_equal(margins(forest, later.X), np.asarray(booster.predict(later.X, raw_score=True)))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_below_float32_draws_the_border_where_rounding_does(threshold: float, value: float) -> None:
    border = below_float32(threshold)
    with np.errstate(over="ignore"):
        for x in (value, border, np.nextafter(border, np.inf), np.nextafter(border, -np.inf), threshold):
            assert bool(np.float32(x) < np.float32(threshold)) == bool(x <= border)


@pytest.mark.parametrize(
    "parameters",
    [{"objective": "multiclass", "num_class": 3}, {"objective": "regression", "linear_tree": True}],
)
def test_lightgbm_models_of_other_kinds_are_refused(train: Rows, parameters: dict[str, Any]) -> None:
    booster = grow(Rows(np.nan_to_num(train.X), train.y), trees=2, **parameters)
    with pytest.raises(BundleError, match="cannot be served"):
        from_lightgbm(booster.model_to_string())


def test_xgboost_models_of_other_kinds_are_refused(train: Rows) -> None:
    data = xgboost.DMatrix(train.X, train.y)
    several = xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, data, 2)
    with pytest.raises(BundleError, match="several outputs"):
        from_xgboost(several.save_raw("json"))
    linear = xgboost.train({"booster": "gblinear", "objective": "binary:logistic", "nthread": 1}, data, 2)
    with pytest.raises(BundleError, match="gblinear"):
        from_xgboost(linear.save_raw("json"))


@pytest.mark.parametrize("text", ["", "tree", "no model at all", "{}", '{"learner": {}}', "[]"])
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(BundleError):
        from_lightgbm(text)
    with pytest.raises(BundleError):
        from_xgboost(text)


def test_a_mangled_model_is_refused_and_never_read_past_its_end(train: Rows) -> None:
    text = grow(train, trees=2).model_to_string()
    for field in ("left_child", "right_child", "split_feature", "threshold", "leaf_value"):
        for wrong in ("99 ", "-99 ", "x ", ""):
            lines = [
                f"{field}={wrong}{line.split(' ', 1)[1]}" if line.startswith(field) else line
                for line in text.splitlines()
            ]
            if field in ("threshold", "leaf_value") and wrong in ("99 ", "-99 "):
                continue
            with pytest.raises(BundleError):
                from_lightgbm("\n".join(lines))


def test_a_circle_in_xgboost_json_is_refused(train: Rows) -> None:
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(train.X, train.y), 1)
    model = json.loads(bytes(booster.save_raw("json")))
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["left_children"] = [0 if child == 1 else child for child in tree["left_children"]]
    with pytest.raises(BundleError, match="circle"):
        from_xgboost(json.dumps(model))


def test_names_can_be_given_and_must_fit(train: Rows) -> None:
    text = grow(train, trees=1).model_to_string()
    names = tuple("abcdefgh")
    assert from_lightgbm(text, names).names == names
    with pytest.raises(BundleError, match="8 features, but 2 names"):
        from_lightgbm(text, ["a", "b"])
