"""The autoencoder: finds what breaks the rule of ordinary rows without being told, and says which feature does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.models.autoencoder import TOLERANCE, Autoencoder
from adjudge.models.categories import Categories
from adjudge.models.dense import Layers
from adjudge.models.inputs import Inputs
from adjudge.models.reconstruction import FLOOR, Reconstruction
from adjudge.models.served import check_invariance, load, save

from .rows import Rows, draw

SMALL: dict[str, Any] = {"hidden": (16, 2, 16), "epochs": 25, "batch": 128, "rate": 0.01}

NAMES = tuple(f"f{i}" for i in range(8))


def on_a_plane(n: int, seed: int) -> Rows:
    """Draw rows whose six features follow from two numbers; positives have one feature drawn on its own."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(n, 2))
    X = hidden @ np.array([[1.0, 0.0, 1.0, -1.0, 2.0, 0.5], [0.0, 1.0, 1.0, 1.0, -1.0, 2.0]])
    y = (random.random(n) < 0.1).astype(np.float64)
    X[y == 1, 3] = random.normal(size=int(y.sum())) * 3
    X[random.random(n) < 0.05, 0] = np.nan
    return Rows(X, y)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return on_a_plane(2000, seed=1)


@pytest.fixture(scope="module")
def fresh() -> Rows:
    return on_a_plane(1100, seed=2)


@pytest.fixture(scope="module")
def model(rows: Rows, fresh: Rows) -> Autoencoder:
    return Autoencoder(**SMALL).fit(rows.X, rows.y, validation=(fresh.X, fresh.y))


def test_it_finds_rows_that_break_the_rule_and_names_the_feature(model: Autoencoder, fresh: Rows) -> None:
    margin = model.decision_function(fresh.X)
    assert roc_auc_score(fresh.y, margin) > 0.85
    worst = np.argsort(-margin)[:50]
    every, _ = model.served().contributions(fresh.slots, fresh.places)
    assert (every[worst].argmax(axis=1) == 3).mean() > 0.5
    assert abs(model.predict_proba(fresh.X)[:, 1].mean() - fresh.y.mean()) < 0.02


def test_it_is_served_as_trained_invariant_and_the_same_when_loaded(
    model: Autoencoder, fresh: Rows, tmp_path: Path
) -> None:
    assert model.difference_ < TOLERANCE / 10
    scorer = model.served()
    assert check_invariance(scorer, fresh.slots, fresh.places) > 0
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    before, after = scorer.score(fresh.slots, fresh.places), again.score(fresh.slots, fresh.places)
    for field in ("margin", "p", "top", "top_value"):
        assert np.array_equal(getattr(before, field), getattr(after, field))


def test_positives_are_not_learned_from(rows: Rows) -> None:
    changed = rows.X.copy()
    changed[rows.y == 1] = 1e6
    small = SMALL | {"epochs": 2}
    versions = [Autoencoder(**small).fit(X, rows.y).served().version for X in (rows.X, changed)]
    assert versions[0] == versions[1]
    assert Autoencoder(**small).fit(changed).served().version != versions[0]


def test_the_same_seed_gives_the_same_model(rows: Rows) -> None:
    small = SMALL | {"epochs": 1}
    versions = [Autoencoder(**small, seed=seed).fit(rows.X).served().version for seed in (3, 3, 4)]
    assert versions[0] == versions[1] != versions[2]


def test_without_outcomes_the_margin_is_the_logarithm_of_the_error(rows: Rows) -> None:
    model = Autoencoder(**SMALL | {"epochs": 3}).fit(rows.X)
    assert model.calibrator_ is None
    assert isinstance(model.model_, Reconstruction)
    assert model.model_.bias == 0.0
    assert abs(model.decision_function(rows.X).mean()) < 1e-3


def test_the_best_epoch_on_validation_is_kept(rows: Rows, fresh: Rows) -> None:
    small = SMALL | {"epochs": 100, "rate": 0.05, "patience": 2}
    model = Autoencoder(**small).fit(rows.X, rows.y, validation=(fresh.X, fresh.y))
    assert model.history_[model.best_ - 1] == max(model.history_)
    assert len(model.history_) == model.best_ + 2 < 100


def test_only_the_features_named_are_looked_at(rows: Rows, fresh: Rows) -> None:
    model = Autoencoder(**SMALL | {"epochs": 2}, features=("f1", "f2")).fit(rows.X)
    X = fresh.X.copy()
    X[:, [0, 3, 4, 5]] = 1e9
    assert np.array_equal(model.decision_function(X), model.decision_function(fresh.X))
    every, _ = model.served().contributions(fresh.slots, fresh.places)
    assert np.all(every[:, [0, 3, 4, 5]] == 0.0)
    with pytest.raises(DefinitionError, match="'f9'"):
        Autoencoder(features=("f9",)).fit(rows.X)


def test_unseen_texts_are_unusual() -> None:
    secret = bytes(16)
    random = np.random.default_rng(0)
    words = ["card", "wallet", "bank"]
    chosen = random.integers(0, 3, 600)
    a = np.where(chosen == 2, 4.0, 0.0) + random.normal(size=600) * 0.1
    X = np.stack([hash_texts(secret, TEXT_TAG, [words[i] for i in chosen]).view(np.float64), a], axis=1)
    categories = Categories.fit(X, np.zeros(600), ("m", "a"), {"m": words}, secret=secret)
    model = Autoencoder(**SMALL).fit(X, names=("m", "a"), categories=categories)
    asked = hash_texts(secret, TEXT_TAG, ["card", "bank", "card", "cash"]).view(np.float64)
    margin = model.decision_function(np.stack([asked, np.array([0.0, 4.0, 4.0, 0.0])], axis=1))
    assert max(margin[0], margin[1]) + 1.0 < min(margin[2], margin[3])


def drawn(rows: Rows, seed: int) -> Reconstruction:
    random = np.random.default_rng(seed)
    inputs = Inputs.fit(rows.X, NAMES, texts={})
    n = len(inputs.owner)
    layers = Layers.of([(random.normal(size=(n, 3)), random.normal(size=3)), (random.normal(size=(3, n)), np.zeros(n))])
    return Reconstruction(inputs, layers, random.random(n), 1.5, 0.7, -3.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20))
def test_contributions_are_shares_of_the_error_and_add_up(seed: int) -> None:
    rows = draw(50, seed)
    rows.X[0], rows.X[1] = np.nan, np.inf
    model = drawn(rows, seed)
    seen = model.inputs.encode(rows.slots, rows.places)
    squares = (seen - model.layers.outputs(seen).astype(np.float64)) ** 2 * model.strictness
    errors = np.stack([squares[:, model.inputs.owner == f].sum(axis=1) for f in range(8)], axis=1)
    total = errors.sum(axis=1)
    margin = -3.0 + 0.7 * (np.log(total + FLOOR) - 1.5)
    raw = model.raw(rows.slots, rows.places, 2)
    every = model.contributions(rows.slots, rows.places)
    np.testing.assert_allclose(raw.margin, margin, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(every, (margin + 3.0)[:, None] * errors / total[:, None], atol=1e-9)
    np.testing.assert_allclose(every.sum(axis=1) + model.bias, raw.margin, rtol=1e-12, atol=1e-12)


def test_a_row_that_is_rebuilt_exactly_has_a_margin() -> None:
    inputs = dataclasses.replace(Inputs.fit(np.zeros((2, 1)), ("a",), texts={}), scale=np.ones(1))
    model = Reconstruction(inputs, Layers.of([(np.eye(1), np.zeros(1))]), np.ones(1), 0.0, 1.0, 0.0)
    margin = model.raw(np.array([[2.0]]), np.arange(1), 1).margin
    assert margin[0] == np.log(FLOOR)
    assert model.contributions(np.array([[2.0]]), np.arange(1))[0, 0] == margin[0]


@pytest.mark.parametrize(
    "change", [{"slope": 0.0}, {"usual": np.nan}, {"strictness": np.ones(2)}, {"strictness": -np.ones(12)}]
)
def test_contradictory_parts_are_refused(change: dict[str, Any], later: Rows) -> None:
    with pytest.raises(BundleError, match="contradict"):
        dataclasses.replace(drawn(later, 0), **change)


def test_settings_and_rows_without_meaning_are_refused(rows: Rows) -> None:
    with pytest.raises(DefinitionError, match="an autoencoder needs"):
        Autoencoder(()).fit(rows.X)
    with pytest.raises(DefinitionError, match="an autoencoder needs"):
        Autoencoder(rate=0.0).fit(rows.X)
    with pytest.raises(ShapeError, match="there are 0"):
        Autoencoder().fit(rows.X, np.ones(len(rows.X)))


def test_it_is_cloned_by_scikit_learn() -> None:
    assert clone(Autoencoder((8,), seed=7)).get_params() == Autoencoder((8,), seed=7).get_params()
