"""Training of sequence nets: they find what only the order of events tells, the same each time, and stop in time."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from adjudge.errors import DefinitionError, UnavailableError
from adjudge.models.sequence import CELLS, SequenceModel
from adjudge.models.sequence_net import SequenceNet
from adjudge.models.served import check_invariance
from adjudge.models.training_torch import loss

from .rows import Rows

NAMES = ("amount", *(f"user_amount_last_4_{k}" for k in range(1, 5)))
SMALL: dict[str, Any] = {"hidden": 8, "head": 16, "epochs": 12, "batch": 128, "rate": 0.01, "seed": 3}


def rising(n: int, seed: int) -> Rows:
    """Draw amounts that are bad where each of the last three is above the one before: no single one tells."""
    random = np.random.default_rng(seed)
    X = random.lognormal(3.0, 1.0, size=(n, 5))
    X[random.random(n) < 0.2, 3:] = np.nan
    now, *past = X.T
    return Rows(X, ((now > past[0]) & (past[0] > past[1]) & ~np.isnan(past[3])).astype(np.float64))


@pytest.fixture(scope="module")
def train() -> Rows:
    return rising(3000, 1)


@pytest.fixture(scope="module")
def later() -> Rows:
    return rising(1500, 2)


@pytest.fixture(scope="module", params=CELLS)
def fitted(request: pytest.FixtureRequest, train: Rows, later: Rows) -> SequenceNet:
    return SequenceNet(cell=request.param, **SMALL).fit(*train, names=NAMES, validation=(later.X, later.y))


def test_it_finds_what_the_order_of_events_tells(fitted: SequenceNet, later: Rows) -> None:
    fresh = rising(1500, 4)
    p = fitted.predict_proba(fresh.X)[:, 1]
    assert roc_auc_score(fresh.y, p) > 0.9
    assert abs(p.mean() - fresh.y.mean()) < 0.03, "calibrated on the validation rows"


def test_the_served_form_is_torchs_and_is_servable(fitted: SequenceNet, later: Rows) -> None:
    assert isinstance(fitted.model_, SequenceModel)
    assert fitted.difference_ < 1e-5
    scorer = fitted.served()
    assert check_invariance(scorer, later.slots, later.places) == 7 * len(later.X)
    every, bias = scorer.contributions(later.slots, later.places)
    np.testing.assert_allclose(every.sum(axis=1) + bias, fitted.decision_function(later.X), atol=1e-12)


def test_the_best_epoch_on_the_validation_rows_is_kept(fitted: SequenceNet, later: Rows) -> None:
    assert fitted.history_[fitted.best_ - 1] == max(fitted.history_)
    served = average_precision_score(later.y, fitted.decision_function(later.X))
    assert served == pytest.approx(max(fitted.history_), abs=1e-6)


def test_training_ends_when_nothing_gets_better(train: Rows) -> None:
    """Outcomes of the validation rows are noise, so patience runs out."""
    noise = np.random.default_rng(0).permutation(train.y)
    seen: list[tuple[int, int]] = []
    setting = SMALL | {"epochs": 60, "patience": 2}
    net = SequenceNet(**setting).fit(
        *train, names=NAMES, validation=(train.X, noise), progress=lambda *done: seen.append(done)
    )
    assert len(net.history_) == net.best_ + 2 < 60
    assert seen == [(k + 1, 60) for k in range(len(net.history_))]


def test_the_same_seed_gives_the_same_bits(train: Rows) -> None:
    """Whatever was drawn before, and without a trace in torch's own state."""
    setting = SMALL | {"epochs": 2}
    once = SequenceNet(**setting).fit(*train, names=NAMES).served().version
    state = torch.get_rng_state()
    torch.rand(17)
    mine = torch.get_rng_state()
    again = copy.deepcopy(SequenceNet(**setting))
    assert again.fit(*train, names=NAMES).served().version == once
    assert torch.equal(torch.get_rng_state(), mine)
    assert not torch.equal(state, mine)
    assert SequenceNet(**setting).set_params(seed=4).fit(*train, names=NAMES).served().version != once


def test_without_validation_rows_it_goes_on_to_the_end(train: Rows) -> None:
    net = SequenceNet(**(SMALL | {"epochs": 3})).fit(*train, names=NAMES)
    assert (net.best_, net.history_, net.calibrator_) == (3, [], None)


def test_weights_and_the_weight_of_positives_move_the_margin(train: Rows) -> None:
    setting = SMALL | {"epochs": 2}
    plain = SequenceNet(**setting).fit(*train, names=NAMES)
    heavier = [
        SequenceNet(**setting, positive_weight="balanced").fit(*train, names=NAMES),
        SequenceNet(**setting).fit(*train, names=NAMES, weight=1.0 + 9.0 * train.y),
    ]
    for net in heavier:
        assert net.decision_function(train.X).mean() > plain.decision_function(train.X).mean() + 0.5


def test_focal_loss_is_the_formula() -> None:
    random = np.random.default_rng(0)
    margin = torch.from_numpy(random.normal(size=50) * 3)
    y = torch.from_numpy((random.random(50) < 0.3).astype(np.float64))
    weight = torch.from_numpy(random.random(50))
    p = torch.sigmoid(margin)
    truth = torch.where(y == 1, p, 1 - p)
    expected = (weight * (1 - truth) ** 2 * -truth.log()).sum() / weight.sum()
    torch.testing.assert_close(loss(margin, y, weight, 2.0), expected)
    plain = binary_cross_entropy_with_logits(margin, y, weight=weight, reduction="sum") / weight.sum()
    torch.testing.assert_close(loss(margin, y, weight, 0.0), plain)


def test_steps_may_be_named(train: Rows) -> None:
    """Two of the four steps; the others are then read beside them."""
    steps = [["user_amount_last_4_2"], ["user_amount_last_4_1"]]
    net = SequenceNet(steps, **(SMALL | {"epochs": 1})).fit(*train, names=NAMES)
    assert isinstance(net.model_, SequenceModel)
    assert net.model_.weights.steps.tolist() == [[2], [1]]
    assert net.model_.weights.beside.tolist() == [0, 3, 4]
    assert net.model_.weights.flags.tolist() == [-1, 3, 4], "the older two are missing in some rows"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"cell": "lstn"}, "did you mean 'lstm'"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
        ({"hidden": 0}, "needs units"),
        ({"loss": "focl"}, "did you mean 'focal'"),
        ({"loss": "focal", "alpha": 1.0}, r"alpha in \(0, 1\)"),
        ({"steps": [["amuont"]]}, "did you mean 'amount'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(train: Rows, setting: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        SequenceNet(**setting).fit(*train, names=NAMES)


def test_without_torch_it_says_what_to_install(train: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "adjudge.models.sequence_torch")
    monkeypatch.delattr("adjudge.models.sequence_torch")
    with pytest.raises(UnavailableError, match=r"adjudge\[deep\]"):
        SequenceNet().fit(*train, names=NAMES)
