"""What all estimators are given: rows, outcomes and weights."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.errors import ShapeError
from adjudge.models.estimator import Task, prepare


@pytest.mark.parametrize("negative", [1.0, 4.0])
def test_balanced_classes_weigh_the_same_whatever_their_rows_weigh(negative: float) -> None:
    """Negatives that were drawn stand for several each, and all of those are to be balanced."""
    y = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    weight = Task(np.zeros((6, 1)), y, np.where(y == 1, 1.0, negative)).weights("balanced")
    assert weight is not None
    assert weight[y == 1].sum() == pytest.approx(weight[y == 0].sum())
    plain = Task(np.zeros((6, 1)), y, None).weights("balanced")
    assert plain is not None
    assert plain.tolist() == [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("weight", [[1.0, np.nan], [1.0, -1.0], [1.0, np.inf], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
def test_weights_that_are_none_are_refused_before_a_library_takes_them_for_something(weight: list[float]) -> None:
    with pytest.raises(ShapeError, match="weigh"):
        prepare(np.zeros((2, 1)), np.array([0.0, 1.0]), ["a"], None, np.array(weight))
