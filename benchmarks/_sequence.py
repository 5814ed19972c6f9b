"""The sequence net on the handbook's cards: the last payments of a card as steps, by the same protocol as the others.

The steps are what the engine's ``last_n`` and ``since_last_n`` give: of each of the last payments its amount, how that
compares with the customer's usual one, and how long ago it was. Beside them stands what the booster reads. How long to
train, and with which setting, is chosen on validation folds alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from adjudge.define import System, feature
from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.models.scorers import ModelScorer
from adjudge.models.sequence import find_steps
from adjudge.models.sequence_net import SequenceNet
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb

LAST = 8
"""Steps of a row."""

STEMS = (f"customer_amount_last_{LAST}", f"usual_last_{LAST}", f"customer_since_last_s_{LAST}")
"""Features of a step: amount, amount over the usual one, seconds since."""

NAMES = (*hb.INPUTS, *chain.from_iterable(find_steps([f"{stem}_{k}" for stem in STEMS for k in range(1, LAST + 1)])))
"""What the net reads."""

PUBLISHED = {"auc": 0.876, "ap": 0.665, "cp100": 0.297}
"""The book's LSTM over the four prequential folds."""

CHOOSING = (80, 59)
"""The validation folds on which settings and epochs are chosen: two, for the sake of time."""

MOST = 12
"""Epochs that are tried."""

DROPOUTS = (0.1, 0.3)
"""What is tried of each cell."""

CHOSEN: dict[str, dict[str, Any]] = {
    "lstm": {"dropout": 0.1, "epochs": 12},
    "gru": {"dropout": 0.1, "epochs": 12},
    "attention": {"dropout": 0.1, "epochs": 11},
}
"""What did best on the folds of `CHOOSING`, of up to 12 epochs; the GRU takes over what the LSTM has."""

Progress = Callable[[str], None]


def cards(n: int = LAST) -> System:
    """Return the handbook's system with the last n payments of a card beside its other features."""
    plain, customer = hb.cards(), hb.Transaction.by("customer")
    usual = "customer_settled_amount_honest_mean_180d"
    ratios = [feature(f"usual_last_{n}_{k}", f"customer_amount_last_{n}_{k} / {usual}") for k in range(1, n + 1)]
    return replace(plain, features=[*plain.features, customer.last_n("amount", n), customer.since_last_n(n), *ratios])


def inputs(data: hb.Cards) -> FloatArray:
    """Return what the net reads, shape (n, F), the columns those of `NAMES`."""
    return backfill(compile(cards()), hb.streams(data)).table.features(NAMES).matrix()


def net(cell: str, **setting: Any) -> SequenceNet:
    """Return an untrained net of that cell."""
    return SequenceNet(cell=cell, calibration=None, **setting)  # type: ignore[arg-type]


def choose(data: hb.Cards, X: FloatArray, cell: str, progress: Progress) -> dict[str, Any]:
    """Return the setting of a cell with the highest mean average precision on the validation folds, and all tried."""
    folds = [hb.fold(data, start) for start in CHOOSING]
    tried = []
    for dropout in DROPOUTS:
        curves = []
        for one in folds:
            later = X[one.test], data.fraud[one.test]
            trained = net(cell, dropout=dropout, epochs=MOST, patience=MOST)
            trained.fit(X[one.train], data.fraud[one.train], names=NAMES, validation=later)
            curves.append(trained.history_)
        mean = np.mean(curves, axis=0)
        tried.append({"dropout": dropout, "epochs": int(mean.argmax()) + 1, "ap": float(mean.max())})
        progress(f"validation {cell}: {tried[-1]}")
    best = max(tried, key=lambda one: one["ap"])
    return {"setting": {name: best[name] for name in ("dropout", "epochs")}, "tried": tried}


def figures(
    data: hb.Cards,
    X: FloatArray,
    progress: Progress,
    *,
    settings: Mapping[str, Mapping[str, Any]] = CHOSEN,
    starts: Sequence[int] = hb.TESTS,
) -> dict[str, Any]:
    """Return detection over the prequential folds, and speed, of every cell.

    Parameters
    ----------
    data
        The transactions.
    X
        What `inputs` returned for them.
    progress
        Told of every cell that is done.
    settings
        For each cell how it is trained.
    starts
        First days of the folds.
    """
    folds = [hb.fold(data, start) for start in starts]
    result: dict[str, Any] = {"published": PUBLISHED, "steps": LAST}
    for cell, setting in settings.items():
        began = time.process_time()
        trained = [_trained(data, X, one, cell, setting) for one in folds]
        seconds = (time.process_time() - began) / len(folds)
        found = [_judged(data, X, one, model) for one, model in zip(folds, trained, strict=True)]
        result[cell] = {"setting": dict(setting), **_mean(found), "train_cpu_s": seconds, **_speed(trained[0], X)}
        progress(f"{cell}: AP {result[cell]['ap']:.3f}, {result[cell]['batched_us']:.1f} us a row")
    return result


def without(
    data: hb.Cards,
    X: FloatArray,
    progress: Progress,
    *,
    cell: str,
    setting: Mapping[str, Any],
    starts: Sequence[int] = hb.TESTS,
) -> dict[str, Any]:
    """Return what a net of one cell detects without steps, and with the amount alone beside them."""
    folds = [hb.fold(data, start) for start in starts]
    result: dict[str, Any] = {}
    for name, kept in (("beside_only", list(hb.INPUTS)), ("steps_only", ["amount", *NAMES[len(hb.INPUTS) :]])):
        masked = X.copy()
        masked[:, [i for i, one in enumerate(NAMES) if one not in kept]] = np.nan
        found = [_judged(data, masked, one, _trained(data, masked, one, cell, setting)) for one in folds]
        result[name] = {"cell": cell, **_mean(found)}
        progress(f"{name}: AP {result[name]['ap']:.3f}")
    return result


def _trained(data: hb.Cards, X: FloatArray, fold: hb.Fold, cell: str, setting: Mapping[str, Any]) -> SequenceNet:
    """Train on the fold's first week, for as many epochs as the setting says."""
    return net(cell, **setting).fit(X[fold.train], data.fraud[fold.train], names=NAMES)


def _judged(data: hb.Cards, X: FloatArray, fold: hb.Fold, model: SequenceNet) -> dict[str, float]:
    score = model.decision_function(X[fold.test])
    return hb.Figures.of(data, fold.test, score)(np.ones(len(fold.test)))


def _mean(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the mean over folds, with its deviation as the book gives it."""
    mean = {name: float(np.mean([one[name] for one in found])) for name in PUBLISHED}
    return mean | {"std": {name: float(np.std([one[name] for one in found])) for name in PUBLISHED}}


def _speed(model: SequenceNet, X: FloatArray, rows: int = 1024, turns: int = 15) -> dict[str, float]:
    """Return microseconds a row on one core, best of several turns: in a batch, with contributions, and alone."""
    slots, places = np.ascontiguousarray(X[-rows:].T), np.arange(len(NAMES))
    plain, explained = (ModelScorer(model.model_, top=top) for top in (0, 5))
    one = np.ascontiguousarray(slots[:, -1:])
    asked: dict[str, tuple[Callable[[], object], int]] = {
        "batched_us": (lambda: plain.score(slots, places), rows),
        "contributions_us": (lambda: explained.score(slots, places), rows),
        "single_us": (lambda: [plain.score(one, places) for _ in range(100)], 100),
        "single_contributions_us": (lambda: [explained.score(one, places) for _ in range(100)], 100),
    }
    return {name: min(_timed(call) for _ in range(turns)) / count * 1e6 for name, (call, count) in asked.items()}


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
