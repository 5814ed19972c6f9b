"""The feed-forward net: torch's own output, seeds, imbalance, categories it never saw, and torch not there."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import average_precision_score, roc_auc_score

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError, UnavailableError
from adjudge.models.categories import Categories
from adjudge.models.dense import Dense, Layers
from adjudge.models.dense_torch import body, folded
from adjudge.models.inputs import Inputs
from adjudge.models.net import TOLERANCE, Net
from adjudge.models.served import check_invariance, load, save
from adjudge.typing import FloatArray

from .rows import Rows

SMALL: dict[str, Any] = {"hidden": (16, 8), "epochs": 8, "batch": 128, "rate": 0.01, "embedding": 2, "bins": 4}

SECRET = bytes(16)


@pytest.fixture(scope="module")
def net(train: Rows, later: Rows) -> Net:
    return Net(**SMALL).fit(train.X, train.y, validation=(later.X, later.y))


def test_it_learns_and_is_served_as_trained(net: Net, later: Rows) -> None:
    p = net.predict_proba(later.X)[:, 1]
    assert roc_auc_score(later.y, p) > 0.75
    assert net.difference_ < TOLERANCE / 10
    assert abs(p.mean() - later.y.mean()) < 0.02


def test_the_best_epoch_on_validation_is_kept(net: Net, later: Rows) -> None:
    assert net.history_[net.best_ - 1] == max(net.history_)
    again = average_precision_score(later.y, net.decision_function(later.X))
    assert again == pytest.approx(net.history_[net.best_ - 1], abs=1e-3)


def test_training_stops_when_validation_does_not_improve(train: Rows, later: Rows) -> None:
    seen: list[tuple[int, int]] = []
    small = SMALL | {"epochs": 200, "rate": 0.05, "patience": 2}
    net = Net(**small).fit(
        train.X, train.y, validation=(later.X, later.y), progress=lambda done, planned: seen.append((done, planned))
    )
    assert len(net.history_) == net.best_ + 2 < 200
    assert seen == [(i + 1, 200) for i in range(len(net.history_))]


def test_it_is_invariant_and_the_same_when_loaded(net: Net, later: Rows, tmp_path: Path) -> None:
    scorer = net.served()
    assert check_invariance(scorer, later.slots, later.places) > 0
    save(scorer, tmp_path)
    assert np.array_equal(
        load(tmp_path, SECRET).score(later.slots, later.places).p, scorer.score(later.slots, later.places).p
    )


def test_contributions_add_up_and_name_what_matters(net: Net, later: Rows) -> None:
    every, bias = net.served().contributions(later.slots, later.places)
    np.testing.assert_allclose(every.sum(axis=1) + bias, net.decision_function(later.X), rtol=1e-12, atol=1e-9)
    size = np.abs(every).mean(axis=0)
    assert size[:4].min() > size[4:].max() / 2
    assert size.argmax() in (0, 1, 2, 3)


def test_pushes_near_the_usual_row_are_gradient_times_distance() -> None:
    torch.manual_seed(1)
    layers = body(4, (6, 5), 1, 0.0).double().eval()
    weights = Layers.of(folded(layers))
    X = np.random.default_rng(2).normal(size=(300, 4))
    usual = np.array([0.3, -0.2, 0.5, 0.1])
    inputs = Inputs.fit(X, ("a", "b", "c", "d"), texts={})
    model = Dense(inputs, weights, usual.astype(np.float32))
    near = (usual + np.array([1e-3, -2e-3, 5e-4, 1e-3])) / inputs.scale + inputs.middle
    start = torch.tensor(usual, requires_grad=True)
    (gradient,) = torch.autograd.grad(layers(start[None])[0, 0], start)
    expected = gradient.numpy() * np.array([1e-3, -2e-3, 5e-4, 1e-3])
    np.testing.assert_allclose(model.contributions(near[:, None], np.arange(4))[0], expected, atol=1e-6)


def test_normalisation_is_multiplied_in() -> None:
    torch.manual_seed(3)
    layers = body(5, (7, 6), 2, 0.3)
    for _ in range(20):
        layers(torch.randn(32, 5) * 3 + 1)
    X = torch.randn(50, 5)
    with torch.no_grad():
        expected = layers.eval()(X).numpy()
    np.testing.assert_allclose(Layers.of(folded(layers)).outputs(X.numpy()), expected, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_model_and_leaves_torch_as_it_was(train: Rows) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    small = SMALL | {"epochs": 2}
    versions = [Net(**small, seed=seed).fit(train.X, train.y).served().version for seed in (3, 3, 4)]
    assert versions[0] == versions[1] != versions[2]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_class_weights_raise_the_margin_and_calibration_undoes_it(net: Net, train: Rows, later: Rows) -> None:
    heavy = Net(**SMALL, positive_weight="balanced").fit(train.X, train.y, validation=(later.X, later.y))
    assert heavy.decision_function(later.X).mean() > net.decision_function(later.X).mean() + 0.5
    assert abs(heavy.predict_proba(later.X)[:, 1].mean() - later.y.mean()) < 0.02


def test_focal_loss_flattens_margins_and_alpha_moves_them(net: Net, train: Rows, later: Rows) -> None:
    focal = Net(**SMALL, loss="focal").fit(train.X, train.y, validation=(later.X, later.y))
    heavy = Net(**SMALL, loss="focal", alpha=0.9).fit(train.X, train.y, validation=(later.X, later.y))
    margin = focal.decision_function(later.X)
    assert margin.std() < net.decision_function(later.X).std()
    assert heavy.decision_function(later.X).mean() > margin.mean() + 0.5
    assert roc_auc_score(later.y, margin) > 0.75


def test_row_weights_are_used(train: Rows) -> None:
    only = np.where(train.X[:, 0] > 0, 1.0, 1e-9)
    small = SMALL | {"epochs": 1}
    weighted = Net(**small).fit(train.X, train.y, weight=only)
    assert weighted.served().version != Net(**small).fit(train.X, train.y).served().version


def test_categories_pick_rows_and_unseen_ones_the_mean_of_all(train: Rows) -> None:
    words = np.array(["card", "wallet", "bank"])
    random = np.random.default_rng(0)
    kind = random.integers(0, 3, len(train.y))
    y = (kind + random.normal(size=len(kind)) > 1.8).astype(np.float64)
    X = np.stack([hash_texts(SECRET, TEXT_TAG, words[kind].tolist()).view(np.float64), train.X[:, 0]], axis=1)
    categories = Categories.fit(X, y, ("method", "a"), {"method": words.tolist()}, secret=SECRET)
    net = Net(**SMALL).fit(X, y, names=("method", "a"), categories=categories)
    asked = hash_texts(SECRET, TEXT_TAG, ["card", "wallet", "bank", "cash", None]).view(np.float64)
    p = net.predict_proba(np.stack([asked, np.zeros(5)], axis=1))[:, 1]
    assert p[0] < p[1] < p[2]
    assert p[0] < p[3] < p[2]
    assert p[3] == p[4]
    model = net.model_
    assert isinstance(model, Dense)
    tables = model.inputs.table[:8].reshape(4, 2)
    counts = np.bincount(np.searchsorted(np.arange(2) + 0.5, model_codes(categories, X)), minlength=3)
    np.testing.assert_allclose(tables[0], counts @ tables[1:] / len(X), rtol=1e-4, atol=1e-6)


def model_codes(categories: Categories, X: FloatArray) -> FloatArray:
    return categories.encode_table(X, ("method", "a"))[:, 0]


def test_infinities_and_missing_rows_are_scored(net: Net) -> None:
    X = np.stack([np.full(8, value) for value in (np.nan, np.inf, -np.inf, 1e300, 0.0)])
    assert np.isfinite(net.decision_function(X)).all()


def test_without_torch_the_extra_is_named(train: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "torch" or name.startswith("torch."):
            message = "No module named 'torch'"
            raise ModuleNotFoundError(message, name="torch")
        return real(name, *rest, **named)

    for module in [m for m in sys.modules if m.startswith("adjudge.models.dense_torch")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("adjudge.models.dense_torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnavailableError, match=r"adjudge\[deep\]"):
        Net(**SMALL).fit(train.X, train.y)


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ({"loss": "focul"}, "did you mean 'focal'"),
        ({"hidden": (8, 0)}, "a net needs"),
        ({"dropout": 1.0}, "a net needs"),
        ({"alpha": 1.0}, "a net needs"),
        ({"gamma": -1.0}, "a net needs"),
        ({"epochs": 0}, "a net needs"),
        ({"bins": -1}, "a net needs"),
    ],
)
def test_settings_without_meaning_are_refused(setting: dict[str, Any], what: str, train: Rows) -> None:
    with pytest.raises(DefinitionError, match=what):
        Net(**setting).fit(train.X, train.y)


def test_it_is_cloned_by_scikit_learn() -> None:
    assert clone(Net((8,), seed=7)).get_params() == Net((8,), seed=7).get_params()
