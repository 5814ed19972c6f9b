"""Models on the handbook's cards: what each reads, how it is made, and the choice of its settings on validation folds.

A net that learns outcomes is trained for `MOST` epochs with the validation week looked at after each, so one training
gives the figure of every number of epochs; everything else is trained once for each setting that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from adjudge.define import System, feature
from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.learn.ranking import Ranking
from adjudge.models import Autoencoder, Isolation, Logistic, Net, SequenceNet, Trees
from adjudge.models.descended import OutcomeNet
from adjudge.models.estimator import Estimator, margins
from adjudge.models.sequence import CELLS, find_steps
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb
from benchmarks.baselines import AMOUNTS, SIGNS
from benchmarks.handbook import CHOSEN

LAST = 8
"""Steps of a row: the last payments of a card."""

STEMS = (f"customer_amount_last_{LAST}", f"usual_last_{LAST}", f"customer_since_last_s_{LAST}")
"""Features of a step: amount, amount over the usual one, seconds since."""

NAMES = (*hb.INPUTS, *chain.from_iterable(find_steps([f"{stem}_{k}" for stem in STEMS for k in range(1, LAST + 1)])))
"""What a sequence net reads; a net and the trees read the inputs alone."""

UNUSUAL = (*SIGNS, "max_1d_ratio", "max_3d_ratio", "max_7d_ratio")
"""What the autoencoder rebuilds: amounts beside the usual, and what is known of the terminal."""

MOST = 10
"""Epochs that are tried."""

Setting = Mapping[str, Any]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Contender:
    """A model on the handbook's cards.

    Parameters
    ----------
    make
        Returns it untrained, with some settings.
    features
        What it reads.
    chosen
        What did best on the validation folds.
    tried
        What is tried there; nothing where it was chosen elsewhere.
    """

    make: Callable[..., Estimator]
    features: tuple[str, ...]
    chosen: Setting
    tried: Sequence[Setting] = ()

    def fit(
        self, X: FloatArray, y: FloatArray, setting: Setting, *, later: tuple[FloatArray, FloatArray] | None = None
    ) -> Estimator:
        """Train on rows of all of `NAMES`."""
        held_out = None if later is None else (later[0][:, self.columns], later[1])
        return self.make(**setting).fit(X[:, self.columns], y, names=self.features, validation=held_out)

    @property
    def columns(self) -> list[int]:
        """Where its features are among `NAMES`."""
        return [NAMES.index(name) for name in self.features]

    def scores(self, fitted: Estimator, X: FloatArray) -> FloatArray:
        """Return the margins of rows of all of `NAMES`."""
        return margins(fitted.model_, X[:, self.columns])


def _trees(**setting: Any) -> Trees:
    return Trees("lightgbm", **setting, subsample=0.8, calibration=None, threads=1)


def _sequence(cell: str) -> Callable[..., SequenceNet]:
    return lambda **setting: SequenceNet(cell=cell, calibration=None, **setting)  # type: ignore[arg-type]


CONTENDERS: dict[str, Contender] = {
    "trees": Contender(_trees, hb.INPUTS, CHOSEN),
    "logistic": Contender(lambda **setting: Logistic(calibration=None, **setting), hb.INPUTS, {}),
    "isolation": Contender(
        lambda **setting: Isolation(calibration=None, **setting),
        hb.INPUTS,
        {"features": SIGNS, "sample": 2048},
        [{"features": features, "sample": sample} for features in (AMOUNTS, SIGNS) for sample in (256, 2048)],
    ),
    "autoencoder": Contender(
        lambda **setting: Autoencoder(calibration=None, **setting),
        UNUSUAL,
        {"hidden": (16, 2, 16), "epochs": 8},
        [{"hidden": (16, narrow, 16), "epochs": epochs} for narrow in (2, 4) for epochs in (4, 8)],
    ),
    "net": Contender(
        lambda **setting: Net(calibration=None, **setting), hb.INPUTS, {"dropout": 0.2, "epochs": 8}, [{"dropout": 0.2}]
    ),
    **{cell: Contender(_sequence(cell), NAMES, {"dropout": 0.1, "epochs": MOST}, [{"dropout": 0.1}]) for cell in CELLS},
}
"""Every model by its name; the settings are those that the full run chose."""


def cards(n: int = LAST) -> System:
    """Return the handbook's system with the last n payments of a card beside its other features."""
    plain, customer = hb.cards(), hb.Transaction.by("customer")
    usual = "customer_settled_amount_honest_mean_180d"
    ratios = [feature(f"usual_last_{n}_{k}", f"customer_amount_last_{n}_{k} / {usual}") for k in range(1, n + 1)]
    return replace(plain, features=[*plain.features, customer.last_n("amount", n), customer.since_last_n(n), *ratios])


def inputs(data: hb.Cards) -> FloatArray:
    """Return what is read of every transaction, shape (n, F), the columns those of `NAMES`."""
    return backfill(compile(cards()), hb.streams(data)).table.features(NAMES).matrix()


def choose(
    data: hb.Cards, X: FloatArray, contender: Contender, folds: Sequence[hb.Fold], progress: Progress
) -> dict[str, Any]:
    """Return the setting with the highest mean average precision on validation folds, and what each reached.

    Parameters
    ----------
    data, X
        The transactions, and what is read of them.
    contender
        The model.
    folds
        Training and validation weeks; none of them reaches into a test.
    progress
        Told of every setting that was tried.
    """
    tried = []
    for setting in contender.tried:
        tried.append(_tried(data, X, contender, setting, folds))
        progress(f"validation: AP {tried[-1]['ap']:.3f} with {tried[-1]['setting']}")
    best = max(tried, key=lambda one: float(one["ap"]))
    return {**best, "tried": tried}


def _tried(
    data: hb.Cards, X: FloatArray, contender: Contender, setting: Setting, folds: Sequence[hb.Fold]
) -> dict[str, Any]:
    curves = []
    for fold in folds:
        train, later = (X[fold.train], data.fraud[fold.train]), (X[fold.test], data.fraud[fold.test])
        if isinstance(contender.make(), OutcomeNet):
            looking = {**setting, "epochs": MOST, "patience": MOST}
            fitted = contender.fit(*train, looking, later=later)
            assert isinstance(fitted, OutcomeNet)
            curves.append(fitted.history_)
        else:
            margin = contender.scores(contender.fit(*train, setting), later[0])
            curves.append([Ranking.of(later[1], margin).curve().average_precision()])
    mean = np.mean(curves, axis=0)
    epochs = {"epochs": int(mean.argmax()) + 1} if len(mean) > 1 else {}
    return {"setting": {**setting, **epochs}, "ap": float(mean.max()), "folds": np.max(curves, axis=1).tolist()}
