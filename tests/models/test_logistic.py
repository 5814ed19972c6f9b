"""The binned baseline: its served steps are scikit-learn's answer, and it finds what bins can show."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from adjudge.errors import BundleError
from adjudge.models.logistic import Logistic
from adjudge.models.served import check_invariance, load, save
from adjudge.models.steps import Steps

from .rows import Rows


def test_margins_are_those_of_logistic_regression_on_one_hot_bins(train: Rows, later: Rows) -> None:
    model = Logistic(bins=5, c=0.3).fit(train.X, train.y)
    steps = model.model_
    assert isinstance(steps, Steps)

    def bins(X: Any) -> Any:
        edges = [steps.edges[a:b] for a, b in zip(steps.starts[:-1], steps.starts[1:], strict=True)]
        columns = [np.where(np.isnan(x), -1, np.searchsorted(e, x)) for x, e in zip(X.T, edges, strict=True)]
        return np.stack(columns, axis=1)

    encoder = OneHotEncoder(handle_unknown="ignore").fit(bins(train.X))
    library = LogisticRegression(C=0.3, max_iter=500).fit(encoder.transform(bins(train.X)), train.y)
    expected = library.decision_function(encoder.transform(bins(later.X)))
    np.testing.assert_allclose(model.decision_function(later.X), expected, atol=0.02)


def test_it_learns_and_its_contributions_add_up(train: Rows, later: Rows, tmp_path: Path) -> None:
    model = Logistic().fit(train.X, train.y, validation=(later.X, later.y))
    assert roc_auc_score(later.y, model.predict_proba(later.X)[:, 1]) > 0.7
    scorer = model.served()
    every, bias = scorer.contributions(later.slots, later.places)
    scores = scorer.score(later.slots, later.places)
    np.testing.assert_allclose(every.sum(axis=1) + bias, scores.margin, atol=1e-12)
    first = np.where(every.max(axis=1) > 0, every.argmax(axis=1), -1)
    assert np.array_equal(scores.top[:, 0], first)
    assert check_invariance(scorer, later.slots, later.places) > 0
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    assert np.array_equal(again.score(later.slots, later.places).p, scores.p)


def test_pushes_are_counted_from_the_mean_of_the_training_rows(train: Rows) -> None:
    model = Logistic(bins=4).fit(train.X, train.y).model_
    every = model.contributions(train.slots, train.places)
    np.testing.assert_allclose(every.mean(axis=0), 0.0, atol=1e-12)


def test_columns_without_information_are_carried(train: Rows) -> None:
    X = train.X.copy()
    X[:, 4] = np.nan
    X[:, 5] = 7.0
    model = Logistic(bins=4).fit(X, train.y).model_
    assert isinstance(model, Steps)
    assert np.diff(model.starts)[[4, 5]].tolist() == [0, 0]
    assert np.isfinite(model.raw(np.full((8, 3), np.inf), np.arange(8), 0).margin).all()


@pytest.mark.parametrize(
    "change",
    [
        {"starts": np.array([0, 1, 1])},
        {"starts": np.array([1, 2])},
        {"edges": np.array([1.0, 1.0]), "starts": np.array([0, 2]), "push": np.zeros(4)},
        {"edges": np.array([np.nan])},
        {"push": np.array([0.0, np.inf, 0.0])},
        {"push": np.zeros(2)},
        {"bias": np.nan},
    ],
)
def test_contradictory_arrays_are_refused(change: dict[str, Any]) -> None:
    good = Steps(("a",), np.array([0, 1]), np.array([1.0]), np.zeros(3), 0.0)
    with pytest.raises(BundleError, match="contradict"):
        dataclasses.replace(good, **change)
