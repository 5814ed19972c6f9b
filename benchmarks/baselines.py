"""Models beside the booster on the handbook's validation folds: baselines with labels, and one that uses none.

The isolation forest's trees, sample and features are chosen here, by validation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from adjudge.models.estimator import Estimator
from adjudge.models.isolation import Isolation
from adjudge.models.logistic import Logistic
from adjudge.models.randomforest import RandomForest
from adjudge.models.trees import Trees
from benchmarks._folds import Folds, words
from benchmarks._handbook import INPUTS
from benchmarks.imbalance import SETTING

PUBLISHED = {"isolation forest": 0.164, "autoencoder": 0.18}
"""The book's average precision on its validation set, of what is fitted without labels."""

AMOUNTS = ("amount", "ratio", "zscore", "log_ratio", "of_max")

SIGNS = (*AMOUNTS, "fraud_rate_28d", *(f"terminal_settled_fraud_count_{w}d" for w in (7, 14, 28)))

FEATURES: dict[str, tuple[str, ...]] = {"amounts": AMOUNTS, "amounts and terminals": SIGNS, "all": INPUTS}
"""What the isolation forest may look at."""

SUPERVISED: dict[str, Callable[[], Estimator]] = {
    "logistic regression on bins": lambda: Logistic(calibration=None, top=0),
    "random forest": lambda: RandomForest(n_trees=100, threads=1, calibration=None, top=0),
    "LightGBM": lambda: Trees("lightgbm", **SETTING),
    "XGBoost": lambda: Trees("xgboost", **SETTING),
}


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of all; `quick` takes one fold and one setting of the isolation forest."""
    folds = Folds.read(quick=quick, progress=progress)
    found = {}
    for name, make in SUPERVISED.items():
        found[name] = folds.judge(make)
        progress(f"{name}: {words(found[name])}")
    tried: list[dict[str, Any]] = []
    for features, sample, n_trees in product(FEATURES, (256, 2048), (100,)):
        if quick and (features, sample) != ("amounts and terminals", 2048):
            continue
        setting: dict[str, Any] = {"features": features, "sample": sample, "n_trees": n_trees}
        tried.append(setting | folds.judge(_isolation(FEATURES[features], sample, n_trees)))
        progress(f"isolation forest {setting}: {words(tried[-1])}")
    best = max(tried, key=lambda one: float(one["ap"]))
    for n_trees in () if quick else (300,):
        setting = {"features": best["features"], "sample": best["sample"], "n_trees": n_trees}
        tried.append(setting | folds.judge(_isolation(FEATURES[setting["features"]], setting["sample"], n_trees)))
        progress(f"isolation forest {setting}: {words(tried[-1])}")
    best = max(tried, key=lambda one: float(one["ap"]))
    return {"published_ap": PUBLISHED, "supervised": found, "isolation": best, "isolation_tried": tried}


def _isolation(features: tuple[str, ...], sample: int, n_trees: int) -> Callable[[], Estimator]:
    return lambda: Isolation(n_trees=n_trees, sample=sample, features=features, calibration=None, top=0)
