"""Detection on the Fraud Detection Handbook's simulated cards, by its protocol, beside its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.learn.bootstrap import intervals
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb
from benchmarks import _handbook_oracle as oracle

CHOSEN: dict[str, float] = {"n_trees": 200, "depth": 5, "rate": 0.015, "min_rows": 20, "columns": 0.5, "l2": 1.0}
"""The setting with the highest average precision on the validation folds; the full run chooses it again."""

GRID: dict[str, Sequence[float]] = {
    "n_trees": (200, 400),
    "depth": (3, 4, 5),
    "rate": (0.015, 0.03),
    "min_rows": (20,),
    "columns": (0.5,),
    "l2": (1.0,),
}
"""What the full run tries."""

LONG_SINCE = 40
"""First day of the long training: earlier ones have no month of history behind them."""

TARGETS = {
    "prequential": {"auc": 0.880, "ap": 0.725, "cp100": 0.307},
    "prequential_long": {"auc": 0.883, "ap": 0.745, "cp100": 0.309},
    "single": {"auc": 0.885, "ap": 0.72, "cp100": 0.295},
}
"""What each protocol is to reach: folds of seven training days, folds of all earlier days, the single split."""

ORACLES = {"prequential": "prequential_oracle", "prequential_long": "prequential_oracle", "single": "oracle"}
"""Whose figures stand beside: the ranker that knows the generator, on the same test rows."""

ORACLE_SHARE = 0.95
"""Least share of the oracle's average precision."""

PUBLISHED = {
    "logistic": {"auc": 0.871, "ap": 0.606, "cp100": 0.291},
    "forest": {"auc": 0.867, "ap": 0.658, "cp100": 0.287},
}
"""The book's figures on the single split."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of oracle, book and ours; `quick` leaves out folds, choice and forest."""
    cards = hb.read(hb.SINGLE + 3 * hb.WEEK - 1 if quick else max(hb.TESTS) + 3 * hb.WEEK - 1)
    progress(f"{len(cards.day):,} transactions read")
    single = hb.fold(cards, hb.SINGLE)
    result: dict[str, Any] = {
        "train_rows": len(single.train),
        "train_frauds": int(cards.fraud[single.train].sum()),
        "test_rows": len(single.test),
        "test_frauds": int(cards.fraud[single.test].sum()),
        "book": _book(cards, single, quick=quick),
    }
    progress("the book's baselines reproduced")
    filled = backfill(compile(hb.cards()), hb.streams(cards))
    X = hb.inputs(filled.table)
    progress(f"{X.shape[1]} features of every transaction backfilled")
    setting = CHOSEN
    if not quick:
        setting, tried = _choose(cards, X, progress)
        result["validation"] = tried
    result["setting"] = setting
    result["single"] = _judged(cards, X, single, setting)
    progress(f"single split: {_words(result['single'])}")
    result["oracle"] = _figures(cards, single, oracle.scores(cards, single.test))
    progress(f"oracle: {_words(result['oracle'])}")
    if not quick:
        folds = [hb.fold(cards, start) for start in hb.TESTS]
        result["prequential"] = _mean([_judged(cards, X, one, setting) for one in folds])
        progress(f"four folds: {_words(result['prequential'])}")
        result["prequential_oracle"] = _mean([_figures(cards, one, oracle.scores(cards, one.test)) for one in folds])
        long = [hb.fold(cards, start, since=LONG_SINCE) for start in hb.TESTS]
        judged = [_judged(cards, X, one, setting) for one in long]
        result["prequential_long"], result["single_long"] = _mean(judged), judged[hb.TESTS.index(hb.SINGLE)]
        progress(f"four folds, all earlier days: {_words(result['prequential_long'])}")
    result["targets"] = targets(result)
    for line in told(result["targets"]):
        progress(line)
    return result


def targets(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return for each protocol that was run its figures beside target and oracle, and whether all were reached.

    Parameters
    ----------
    found
        Figures of the protocols and of the oracle, by the names in `TARGETS` and `ORACLES`.

    Examples
    --------
    >>> ours, known = {"auc": 0.89, "ap": 0.735, "cp100": 0.3}, {"auc": 0.895, "ap": 0.77, "cp100": 0.303}
    >>> one = targets({"single": ours, "oracle": known})["single"]
    >>> round(one["ap_of_oracle"], 3), one["reached"]
    (0.955, True)
    """
    result: dict[str, dict[str, Any]] = {}
    for protocol, goal in TARGETS.items():
        if protocol not in found:
            continue
        ours, oracle_figures = found[protocol], found[ORACLES[protocol]]
        share = ours["ap"] / oracle_figures["ap"]
        result[protocol] = {
            name: {"value": ours[name], "target": goal[name], "oracle": oracle_figures[name]} for name in goal
        }
        reached = share >= ORACLE_SHARE and all(ours[name] >= goal[name] for name in goal)
        result[protocol] |= {"ap_of_oracle": share, "reached": reached}
    return result


def told(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each protocol: figure, target and oracle, and what was missed.

    Parameters
    ----------
    found
        What `targets` returned.
    """
    words = {"auc": "AUC", "ap": "AP", "cp100": "CP@100"}
    lines = []
    for protocol, one in found.items():
        parts = [
            "{} {value:.3f} (target {target:.3f}, oracle {oracle:.3f})".format(word, **one[name])
            for name, word in words.items()
        ]
        parts.append(f"AP {one['ap_of_oracle']:.1%} of the oracle's (target {ORACLE_SHARE:.0%})")
        lines.append(f"{protocol}: {', '.join(parts)}: {'reached' if one['reached'] else 'MISSED'}")
    return lines


def _figures(cards: hb.Cards, fold: hb.Fold, score: FloatArray) -> dict[str, Any]:
    """Return the three figures with their 95 % intervals over customers."""
    figures = hb.Figures.of(cards, fold.test, score)
    found = intervals(figures, len(fold.test), entity=cards.customer[fold.test], rounds=200)
    result: dict[str, Any] = {name: one.value for name, one in found.items()}
    return result | {"intervals": {name: [one.low, one.high] for name, one in found.items()}}


def _judged(cards: hb.Cards, X: FloatArray, fold: hb.Fold, setting: dict[str, float]) -> dict[str, Any]:
    """Train on the fold's first week and judge on its last."""
    result = _figures(cards, fold, _ranked(cards, X, fold, setting))
    return result | {"train_rows": len(fold.train), "train_frauds": int(cards.fraud[fold.train].sum())}


def _ranked(cards: hb.Cards, X: FloatArray, fold: hb.Fold, setting: dict[str, float]) -> FloatArray:
    """Train one booster and return its ranking of the test rows."""
    whole = {name: int(value) if name in ("n_trees", "depth", "min_rows") else value for name, value in setting.items()}
    trees = Trees(**whole, subsample=0.8, calibration=None, threads=1, top=0)  # type: ignore[arg-type]
    margin: FloatArray = trees.fit(X[fold.train], cards.fraud[fold.train]).decision_function(X[fold.test])
    return margin


def _choose(
    cards: hb.Cards, X: FloatArray, progress: Callable[[str], None]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return the setting with the highest mean average precision in validation, and all that were tried."""
    folds = [hb.fold(cards, start) for start in hb.VALIDATIONS]
    tried: list[dict[str, Any]] = []
    for values in product(*GRID.values()):
        setting = dict(zip(GRID, values, strict=True))
        found = [
            hb.Figures.of(cards, one.test, _ranked(cards, X, one, setting))(np.ones(len(one.test))) for one in folds
        ]
        tried.append({"setting": setting, **{name: float(np.mean([f[name] for f in found])) for name in found[0]}})
        progress(f"validation {setting}: {_words(tried[-1])}")
    best = max(tried, key=lambda one: float(one["ap"]))
    return best["setting"], tried


def _mean(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over folds, with its deviation as the book gives it."""
    names = ("auc", "ap", "cp100")
    result: dict[str, Any] = {name: float(np.mean([one[name] for one in found])) for name in names}
    return result | {
        "std": {name: float(np.std([one[name] for one in found])) for name in names},
        "folds": found,
    }


def _book(cards: hb.Cards, fold: hb.Fold, *, quick: bool) -> dict[str, Any]:
    """Return the book's logistic regression and, unless quick, random forest on the authors' own features."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    file = next(hb.folder().glob("features_*.parquet"))
    table = cards.frame.with_row_index("row").join(
        pl.read_parquet(file).drop("TX_TIME_DAYS"), on="TRANSACTION_ID", how="left", maintain_order="left"
    )
    X = table.select("TX_AMOUNT", *hb.BOOK_FEATURES).to_numpy().astype(np.float64)
    scaler = StandardScaler().fit(X[fold.train])
    models: dict[str, Any] = {"logistic": LogisticRegression(random_state=0)}
    if not quick:
        models["forest"] = RandomForestClassifier(random_state=0, n_jobs=-1)
    result = {}
    for name, model in models.items():
        model.fit(scaler.transform(X[fold.train]), cards.fraud[fold.train])
        score = model.predict_proba(scaler.transform(X[fold.test]))[:, 1]
        result[name] = _figures(cards, fold, score) | {"published": PUBLISHED[name]}
    return result


def _words(found: dict[str, Any]) -> str:
    return f"AUC {found['auc']:.3f}, AP {found['ap']:.3f}, CP@100 {found['cp100']:.3f}"
