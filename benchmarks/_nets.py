"""The feed-forward net and the autoencoder on the handbook's cards, by the same protocol as the booster.

The net reads what the booster reads; settings were chosen on validation folds alone, and it is judged on the four
prequential test folds. The autoencoder reads what says something about being unusual, and is judged on the validation
folds, where the anchor for it is stated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adjudge.models.autoencoder import Autoencoder
from adjudge.models.estimator import Estimator
from adjudge.models.net import Net
from adjudge.models.scorers import ModelScorer
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb

PUBLISHED = {"auc": 0.876, "ap": 0.675, "cp100": 0.303}
"""The book's neural network over the four prequential folds."""

AUTOENCODER_AP = 0.18
"""Average precision that an autoencoder must reach on the validation folds before it may be called useless."""

NET: dict[str, Any] = {"epochs": 8}
"""What did best of the few settings tried on the first validation folds; all else is the default."""

UNUSUAL = (
    "amount",
    "ratio",
    "zscore",
    "log_ratio",
    "of_max",
    "max_1d_ratio",
    "max_3d_ratio",
    "max_7d_ratio",
    "terminal_settled_fraud_count_7d",
    "terminal_settled_fraud_count_14d",
    "terminal_settled_fraud_count_28d",
    "fraud_rate_28d",
)
"""What the autoencoder rebuilds: amounts beside the usual, and what is known of the terminal."""

AUTOENCODER: dict[str, Any] = {"hidden": (16, 2, 16), "features": UNUSUAL, "epochs": 8}
"""What did best of the settings tried on the first validation folds: narrow, and on few features."""

Progress = Callable[[str], None]


def net(**setting: Any) -> Net:
    """Return an untrained net."""
    return Net(calibration=None, **(NET | setting))


def autoencoder(**setting: Any) -> Autoencoder:
    """Return an untrained autoencoder."""
    return Autoencoder(calibration=None, **(AUTOENCODER | setting))


def figures(
    data: hb.Cards,
    X: FloatArray,
    progress: Progress,
    *,
    seeds: Sequence[int] = (0,),
    tests: Sequence[int] = hb.TESTS,
    validations: Sequence[int] = hb.VALIDATIONS,
) -> dict[str, Any]:
    """Return detection and speed of both.

    Parameters
    ----------
    data
        The transactions.
    X
        What the booster reads of them, see `benchmarks._handbook.inputs`.
    progress
        Told of every fold that is done.
    seeds
        The net is trained with each.
    tests, validations
        First days of the folds that the net and the autoencoder are judged on.
    """
    return {
        "net": {"published": PUBLISHED, **_over(data, X, net, "net", tests, seeds, progress)},
        "autoencoder": {
            "anchor": AUTOENCODER_AP,
            **_over(data, X, autoencoder, "autoencoder", validations, seeds[:1], progress),
        },
    }


def _over(
    data: hb.Cards,
    X: FloatArray,
    make: Callable[..., Estimator],
    name: str,
    starts: Sequence[int],
    seeds: Sequence[int],
    progress: Progress,
) -> dict[str, Any]:
    """Train on each fold with each seed, and return the mean over folds, for every seed, and the speed."""
    began = time.process_time()
    by_seed, model = [], None
    for seed in seeds:
        found = []
        for start in starts:
            fold = hb.fold(data, start)
            model = make(seed=seed).fit(X[fold.train], data.fraud[fold.train], names=hb.INPUTS)
            score = model.decision_function(X[fold.test])
            found.append(hb.Figures.of(data, fold.test, score)(np.ones(len(fold.test))))
            progress(f"{name}, seed {seed}, from day {start}: AP {found[-1]['ap']:.3f}")
        by_seed.append({"seed": seed, **_mean(found), "folds": found})
    assert model is not None
    seconds = (time.process_time() - began) / (len(seeds) * len(starts))
    mean = {figure: float(np.mean([one[figure] for one in by_seed])) for figure in PUBLISHED}
    return {**mean, "seeds": by_seed, "cpu_s_a_fold": seconds, **_speed(model, X)}


def _mean(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the mean over folds, with its deviation as the book gives it."""
    mean = {name: float(np.mean([one[name] for one in found])) for name in PUBLISHED}
    return mean | {"std": {name: float(np.std([one[name] for one in found])) for name in PUBLISHED}}


def _speed(model: Estimator, X: FloatArray, rows: int = 1024, turns: int = 15) -> dict[str, float]:
    """Return processor microseconds a row, best of several turns: in a batch, with contributions, and alone."""
    slots, places = np.ascontiguousarray(X[-rows:].T), np.arange(X.shape[1])
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
    """Return processor time, because others may be at work on the machine."""
    began = time.thread_time()
    call()
    return time.thread_time() - began
