"""What a net sees of a row: scales from the training rows, marks for gaps, bins and categories as rows of a table."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from adjudge.errors import BundleError, ShapeError
from adjudge.models.inputs import LIMIT, Inputs
from adjudge.typing import FloatArray


def seen(inputs: Inputs, X: FloatArray) -> list[list[float]]:
    found: list[list[float]] = inputs.encode(np.ascontiguousarray(X.T), np.arange(X.shape[1])).tolist()
    return found


def test_numbers_are_measured_from_the_mean_in_deviations() -> None:
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [np.nan], [np.inf]])
    inputs = Inputs.fit(X, ("a",), texts={})
    expected = (X[:5] - 2) / np.sqrt(2)
    found = inputs.encode(np.ascontiguousarray(X.T), np.arange(1))
    np.testing.assert_allclose(found[:5, :1], expected, rtol=1e-6)
    assert found[5:].tolist() == [[0.0, 1.0], [LIMIT, 0.0]]


@pytest.mark.parametrize("X", [np.full((3, 1), np.nan), np.full((3, 1), 7.0), np.full((3, 1), np.inf)])
def test_columns_without_information_are_carried(X: FloatArray) -> None:
    inputs = Inputs.fit(X, ("a",), texts={}, bins=4, width=2)
    assert np.isfinite(seen(inputs, np.array([[np.nan], [7.0], [-np.inf], [np.inf]]))).all()


def test_only_features_with_gaps_in_training_have_a_mark() -> None:
    inputs = Inputs.fit(np.array([[1.0, 1.0], [2.0, np.nan]]), ("a", "b"), texts={})
    assert inputs.gap.tolist() == [False, True]
    assert inputs.owner.tolist() == [0, 1, 1]
    assert seen(inputs, np.array([[np.nan, np.nan]])) == [[0.0, 0.0, 1.0]]


def test_missing_and_unknown_categories_pick_the_first_row() -> None:
    inputs = Inputs.fit(np.array([[0.0], [1.0], [2.0]]), ("a",), texts={"a": 3}, width=1)
    inputs = inputs.with_tables([np.array([[9.0], [1.0], [2.0], [3.0]], np.float32)])
    assert seen(inputs, np.array([[np.nan], [0.0], [1.0], [2.0]])) == [[9.0], [1.0], [2.0], [3.0]]
    assert inputs.learned.tolist() == [True]


def test_bins_pick_the_rows_that_training_was_told() -> None:
    random = np.random.default_rng(0)
    X = np.round(random.normal(size=(300, 3)) * 3)
    X[random.random(X.shape) < 0.1] = np.nan
    inputs = Inputs.fit(X, ("a", "b", "c"), texts={"b": 2}, bins=5, width=2)
    tables = [random.normal(size=(cuts + 2, 2)).astype(np.float32) for cuts in np.diff(inputs.starts)]
    found = inputs.with_tables(tables).encode(np.ascontiguousarray(X.T), np.arange(3))
    expected = [table[rows] for table, rows in zip(tables, inputs.bins(X).T, strict=True)]
    assert np.array_equal(found[:, inputs.learned], np.concatenate(expected, axis=1))


def test_a_category_that_never_occurred_has_the_row_of_missing_and_one_more() -> None:
    inputs = Inputs.fit(np.array([[np.nan], [np.nan]]), ("a",), texts={"a": 0}, width=2)
    assert len(inputs.table) == 4
    assert seen(inputs, np.array([[np.nan]])) == [[0.0, 0.0]]


def test_names_and_columns_belong_together() -> None:
    with pytest.raises(ShapeError, match="2 names"):
        Inputs.fit(np.zeros((3, 1)), ("a", "b"), texts={})


@pytest.mark.parametrize(
    "change",
    [
        {"middle": np.array([np.nan])},
        {"scale": np.array([-1.0])},
        {"scale": np.array([np.inf])},
        {"starts": np.array([0, 2])},
        {"starts": np.array([1, 1])},
        {"edges": np.array([1.0, 1.0]), "starts": np.array([0, 2]), "table": np.zeros(4, np.float32)},
        {"edges": np.array([np.nan])},
        {"width": np.array([2])},
        {"width": np.array([-1])},
        {"table": np.full(3, np.nan, np.float32)},
        {"gap": np.zeros(2, np.bool_)},
    ],
)
def test_contradictory_arrays_are_refused(change: dict[str, Any]) -> None:
    good = Inputs(
        ("a",),
        np.zeros(1),
        np.ones(1),
        np.zeros(1, np.bool_),
        np.array([0, 1]),
        np.array([1.0]),
        np.array([1]),
        np.zeros(3, np.float32),
    )
    with pytest.raises(BundleError, match="contradict"):
        dataclasses.replace(good, **change)
