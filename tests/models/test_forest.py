"""The served forest: contributions are true to the margin, and no row feels its neighbours."""

from __future__ import annotations

import dataclasses
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import BundleError, ShapeError
from adjudge.models import descent
from adjudge.models.forest import Forest
from adjudge.models.native import from_lightgbm, from_xgboost
from adjudge.models.raw import Raw

from .rows import Rows, draw


def stump() -> Forest:
    """One split of `a` at 1.5, missing right: -1 on 30 rows to the left, 2 on 10 rows to the right."""
    return Forest(
        names=("a", "b"),
        node_start=np.array([0, 1]),
        leaf_start=np.array([0, 2]),
        feature=np.array([0], dtype=np.int32),
        kind=np.array([descent.NAN_HIGH], dtype=np.uint8),
        threshold=np.array([1.5]),
        left=np.array([-1], dtype=np.int32),
        right=np.array([-2], dtype=np.int32),
        leaf_value=np.array([-1.0, 2.0]),
        leaf_cover=np.array([30.0, 10.0]),
        set_start=np.array([0]),
        set_values=np.array([], dtype=np.int64),
        base=0.5,
    )


@pytest.fixture(scope="module")
def forests() -> dict[str, Forest]:
    rows = draw(2000, seed=1)
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 3}
    grown = {
        name: from_lightgbm(lightgbm.train(settings | more, lightgbm.Dataset(rows.X, rows.y), 30).model_to_string())
        for name, more in {
            "shallow": {"num_leaves": 16},
            "deep": {"num_leaves": 400, "min_data_in_leaf": 1},
        }.items()
    }
    data = xgboost.DMatrix(rows.X, rows.y)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 30)
    return grown | {"xgboost": from_xgboost(booster.save_raw("json")), "stump": stump()}


def score(forest: Forest, rows: Rows, k: int = 5) -> Raw:
    return forest.raw(rows.slots[: len(forest.names)].copy(), np.arange(len(forest.names)), k)


def test_a_stump_by_hand() -> None:
    forest = stump()
    X = np.array([[1.5, np.nextafter(1.5, 2), np.nan, -np.inf], [0.0, 0.0, 0.0, 0.0]])
    raw = forest.raw(X, np.array([0, 1]), 2)
    assert raw.margin.tolist() == [-0.5, 2.5, 2.5, -0.5]
    # the mean of the training rows is (30 * -1 + 10 * 2) / 40 = -0.25; going right adds 2.25
    assert forest.bias == 0.25
    assert raw.top.tolist() == [[-1, -1], [0, -1], [0, -1], [-1, -1]]
    assert raw.top_value.tolist() == [[0, 0], [2.25, 0], [2.25, 0], [0, 0]]
    assert forest.contributions(X, np.array([0, 1])).tolist() == [
        [-0.75, 0],
        [2.25, 0],
        [2.25, 0],
        [-0.75, 0],
    ]


@pytest.mark.parametrize("name", ["shallow", "deep", "xgboost", "stump"])
def test_contributions_add_up_to_the_margin(forests: dict[str, Forest], later: Rows, name: str) -> None:
    forest = forests[name]
    every = forest.contributions(later.slots, np.arange(len(forest.names)))
    margin = score(forest, later).margin
    np.testing.assert_allclose(every.sum(axis=1) + forest.bias, margin, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["shallow", "deep", "xgboost", "stump"])
@pytest.mark.parametrize("k", [1, 5, 8])
def test_top_is_the_largest_of_all_contributions(forests: dict[str, Forest], later: Rows, name: str, k: int) -> None:
    forest = forests[name]
    every = forest.contributions(later.slots, np.arange(len(forest.names)))
    raw = score(forest, later, k)
    for row, top, value in zip(every, raw.top, raw.top_value, strict=True):
        order = [f for f in np.argsort(-row, kind="stable") if row[f] > 0][:k]
        assert top.tolist() == order + [-1] * (k - len(order))
        assert value.tolist() == [row[f] for f in order] + [0.0] * (k - len(order))


@pytest.mark.parametrize("name", ["shallow", "deep", "xgboost"])
@given(size=st.integers(1, 300), start=st.integers(0, 800), k=st.sampled_from([0, 3]))
def test_a_row_has_the_same_bits_in_any_batch(
    forests: dict[str, Forest], later: Rows, name: str, size: int, start: int, k: int
) -> None:
    forest = forests[name]
    part = Rows(later.X[start : start + size], later.y[start : start + size])
    whole, alone = score(forest, later, k), score(forest, part, k)
    for field in ("margin", "top", "top_value"):
        assert np.array_equal(getattr(alone, field), getattr(whole, field)[start : start + size])


def test_rows_says_where_the_features_are(forests: dict[str, Forest], later: Rows) -> None:
    forest = forests["shallow"]
    order = np.array([5, 3, 0, 7, 1, 2, 6, 4])
    X = np.full((10, len(later.y)), 99.0)
    X[order] = later.slots
    assert np.array_equal(forest.raw(X, order, 0).margin, score(forest, later).margin)


def test_no_rows_give_no_scores(forests: dict[str, Forest]) -> None:
    raw = forests["shallow"].raw(np.empty((8, 0)), np.arange(8), 5)
    assert raw.margin.shape == (0,)
    assert raw.top.shape == (0, 5)


def test_what_the_kernel_cannot_read_is_refused() -> None:
    forest = stump()
    with pytest.raises(ShapeError, match="C-contiguous float64"):
        forest.raw(np.zeros((4, 2)).T, np.array([0, 1]), 0)
    with pytest.raises(ShapeError, match="reads 2 features"):
        forest.raw(np.zeros((2, 4)), np.array([0]), 0)
    with pytest.raises(ShapeError, match=r"0\.\.1"):
        forest.raw(np.zeros((2, 4)), np.array([0, 2]), 0)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"left": np.array([0], dtype=np.int32)}, "child is off"),
        ({"left": np.array([-9], dtype=np.int32)}, "child is off"),
        ({"left": np.array([-2], dtype=np.int32)}, "exactly once"),
        ({"feature": np.array([2], dtype=np.int32)}, "unknown feature"),
        ({"kind": np.array([9], dtype=np.uint8)}, "unknown kind"),
        ({"kind": np.array([descent.SET_IN], dtype=np.uint8)}, "unknown set"),
        ({"threshold": np.array([np.nan])}, "NaN"),
        ({"threshold": np.array([])}, "one entry a node"),
        ({"leaf_value": np.array([np.inf, 0.0])}, "finite"),
        ({"leaf_cover": np.array([-1.0, 0.0])}, "finite"),
        ({"node_start": np.array([0, 2])}, "node_start"),
        ({"leaf_start": np.array([1, 2])}, "leaf_start"),
        ({"leaf_start": np.array([0])}, "one entry more"),
        ({"divisor": 0.0}, "divisor"),
        ({"set_start": np.array([1])}, "set_start"),
    ],
)
def test_contradictory_arrays_are_refused(change: dict[str, Any], what: str) -> None:
    with pytest.raises(BundleError, match=what):
        dataclasses.replace(stump(), **change)


def test_arrays_make_the_same_forest_again(forests: dict[str, Forest], later: Rows) -> None:
    for forest in forests.values():
        again = Forest.from_arrays(forest.meta(), forest.arrays())
        assert np.array_equal(score(again, later).margin, score(forest, later).margin)
        assert again.bias == forest.bias


def test_more_thresholds_than_one_byte_can_tell_apart() -> None:
    """600 stumps on one feature: the feature is spread over three columns of codes."""
    edges = np.arange(600.0)
    one = stump()
    forest = dataclasses.replace(
        one,
        node_start=np.arange(601),
        leaf_start=2 * np.arange(601),
        feature=np.zeros(600, dtype=np.int32),
        kind=np.repeat(one.kind, 600),
        threshold=edges,
        left=np.repeat(one.left, 600),
        right=np.repeat(one.right, 600),
        leaf_value=np.tile([0.0, 1.0], 600),
        leaf_cover=np.ones(1200),
        base=0.0,
    )
    a = np.concatenate([edges, edges + 0.5, [-np.inf, np.inf, np.nan]])
    expected = [float((edges < value).sum()) if not np.isnan(value) else 600.0 for value in a]
    X = np.stack([a, a])
    assert forest.raw(X, np.array([0, 1]), 0).margin.tolist() == expected
