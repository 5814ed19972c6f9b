"""The served forest of 500 trees of depth 6 beside LightGBM and ONNX Runtime, each on one thread.

All three score the same rows of the same model in the same run, in turns, and the best turn of each counts, so
that a busy machine slows all alike. LightGBM's contributions are exact TreeSHAP values, ours follow the path:
what they cost and how they differ are both printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from adjudge.errors import UnavailableError
from adjudge.models.calibrate import Isotonic
from adjudge.models.native import from_lightgbm, from_xgboost
from adjudge.models.scorers import ModelScorer
from adjudge.typing import FloatArray
from benchmarks import _onnx_forest

FEATURES = 90
TREES = 500
DEPTH = 6
SHAP_ROWS = 100
"""Rows on which exact TreeSHAP is computed: it takes milliseconds a row."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure and compare."""
    progress(f"training {TREES} trees of depth {DEPTH} on {FEATURES} features")
    X, y = _rows(8_000 if quick else 100_000, seed=1)
    asked, _ = _rows(1_024, seed=2)
    booster = _lightgbm(X, y)
    forest = from_lightgbm(booster.model_to_string())
    scorer = ModelScorer(forest, Isotonic.fit(forest.raw(_slots(X), np.arange(FEATURES), 0).margin, y))
    slots, rows = _slots(asked), np.arange(FEATURES)
    peer = _onnx_forest.session(forest)
    narrow = asked.astype(np.float32)
    one, one_row, one_narrow = _slots(asked[:1]), asked[:1], narrow[:1]
    progress("scoring in turns")
    batched = _turns(
        {
            "ours": lambda: forest.raw(slots, rows, 0),
            "contributions": lambda: forest.raw(slots, rows, 5),
            "onnx": lambda: peer.run(None, {"x": narrow}),
            "library": lambda: booster.predict(asked, raw_score=True, num_threads=1),
        },
        turns=40 if quick else 200,
        calls=1,
    )
    single = _turns(
        {
            "ours": lambda: forest.raw(one, rows, 0),
            "whole": lambda: scorer.score(one, rows),
            "onnx": lambda: peer.run(None, {"x": one_narrow}),
            "library": lambda: booster.predict(one_row, raw_score=True, num_threads=1),
        },
        turns=200 if quick else 2_000,
        calls=5,
    )
    per_row = {name: seconds * 1e6 / len(asked) for name, seconds in batched.items()}
    alone = {name: seconds * 1e6 for name, seconds in single.items()}
    progress("comparing with the libraries' own answers")
    margin = forest.raw(slots, rows, 0).margin
    every = forest.contributions(slots, rows)
    return {
        "trees": forest.trees,
        "leaves_per_tree": round(len(forest.leaf_value) / forest.trees, 1),
        "features": FEATURES,
        "rows": len(asked),
        "us_per_row_batched": round(per_row["ours"], 3),
        "us_per_row_with_contributions": round(per_row["contributions"], 3),
        "us_single": round(alone["ours"], 2),
        "us_single_whole_scorer": round(alone["whole"], 2),
        "ratio_onnx": round(per_row["onnx"] / per_row["ours"], 2),
        "ratio_library": round(per_row["library"] / per_row["ours"], 2),
        "ratio_onnx_single": round(alone["onnx"] / alone["ours"], 2),
        "ratio_library_single": round(alone["library"] / alone["ours"], 2),
        "us_onnx": round(per_row["onnx"], 3),
        "us_library": round(per_row["library"], 3),
        "max_abs_diff": float(np.max(np.abs(margin - booster.predict(asked, raw_score=True)))),
        "max_abs_diff_onnx": float(np.max(np.abs(margin - peer.run(None, {"x": narrow})[0][:, 0]))),
        "max_abs_diff_xgboost": _xgboost_difference(X, y, asked),
        "contributions_sum_error": float(np.max(np.abs(every.sum(axis=1) + forest.bias - margin))),
        **_against_shap(booster, asked[:SHAP_ROWS], every[:SHAP_ROWS], per_row["contributions"]),
    }


def _rows(n: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw rows of counts, amounts and missing values, all exact in float32 as the ONNX peer needs them."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, FEATURES))
    X[:, 30:60] = np.round(np.exp(X[:, 30:60]))
    X[random.random(X.shape) < 0.1] = np.nan
    X = X.astype(np.float32).astype(np.float64)
    known = np.nan_to_num(X)
    slope = np.random.default_rng(0).normal(size=FEATURES) / 3
    risk = known @ slope + known[:, 0] * known[:, 1] + 2 * random.normal(size=n)
    return X, (risk > np.quantile(risk, 0.95)).astype(np.float64)


def _slots(X: FloatArray) -> FloatArray:
    return np.ascontiguousarray(X.T)


def _lightgbm(X: FloatArray, y: FloatArray) -> Any:
    import lightgbm

    settings = {
        "objective": "binary",
        "num_leaves": 2**DEPTH,
        "max_depth": DEPTH,
        "learning_rate": 0.05,
        "min_data_in_leaf": 5,
        "verbose": -1,
        "seed": 1,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
    }
    return lightgbm.train(settings, lightgbm.Dataset(X, y, params={"verbose": -1}), TREES)


def _xgboost_difference(X: FloatArray, y: FloatArray, asked: FloatArray) -> float:
    """Return how far the served form of a small XGBoost model is from the library, which adds floats."""
    try:
        import xgboost
    except ImportError as error:
        message = "XGBoost is one of the peers: install the extra 'xgboost'"
        raise UnavailableError(message) from error
    settings = {"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.05, "nthread": 1, "seed": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(X[:8_000], y[:8_000]), 100)
    forest = from_xgboost(booster.save_raw("json"))
    trained = booster.predict(xgboost.DMatrix(asked), output_margin=True)
    return float(np.max(np.abs(forest.raw(_slots(asked), np.arange(FEATURES), 0).margin - trained)))


def _turns(tasks: dict[str, Callable[[], object]], *, turns: int, calls: int) -> dict[str, float]:
    """Return the seconds of one call in each task's best turn; the tasks take turns."""
    best = dict.fromkeys(tasks, float("inf"))
    for name, task in tasks.items():
        task()
        best[name] = float("inf")
    for _ in range(turns):
        for name, task in tasks.items():
            began = time.perf_counter()
            for _ in range(calls):
                task()
            best[name] = min(best[name], (time.perf_counter() - began) / calls)
    return best


def _against_shap(booster: Any, asked: FloatArray, every: FloatArray, ours_us: float) -> dict[str, Any]:
    """Return what exact TreeSHAP costs, and how often both name the same first and the same five reasons."""
    began = time.perf_counter()
    exact = np.asarray(booster.predict(asked, pred_contrib=True, num_threads=1))[:, :-1]
    us = (time.perf_counter() - began) * 1e6 / len(asked)
    ours, theirs = np.argsort(-every, axis=1)[:, :5], np.argsort(-exact, axis=1)[:, :5]
    shared = [len(set(a) & set(b)) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)]
    return {
        "us_treeshap": round(us, 1),
        "ratio_treeshap": round(us / ours_us, 1),
        "same_first_reason_as_treeshap": round(float((ours[:, 0] == theirs[:, 0]).mean()), 3),
        "shared_of_five_with_treeshap": round(float(np.mean(shared)), 2),
        "mean_abs_difference_to_treeshap": float(np.mean(np.abs(every - exact))),
        "mean_abs_treeshap": float(np.mean(np.abs(exact))),
    }
