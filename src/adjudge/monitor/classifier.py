"""Which fields tell two windows apart: a small classifier is trained to say from which of them a row comes.

Where it does no better than chance on rows it has not seen, the windows are alike in everything that it can read,
fields in company included; where it does better, its gains say by which fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.learn.bootstrap import Interval
from adjudge.monitor.fields import Kind
from adjudge.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    import polars as pl

ROWS = 6_000
"""Rows of each window that take part, at most."""

FOLDS = 3
"""Parts; each is scored by a classifier that has not seen it."""

SETTINGS = {
    "objective": "binary", "num_leaves": 8, "learning_rate": 0.15, "min_data_in_leaf": 40, "feature_fraction": 0.8,
    "bagging_freq": 1, "bagging_fraction": 0.8, "deterministic": True, "verbosity": -1, "num_threads": 1,
}  # fmt: skip
"""Of the trees: few and shallow."""

ROUNDS = 40


class Separation(msgspec.Struct, frozen=True):
    """How well two windows can be told apart.

    Parameters
    ----------
    auc
        Area under the curve on rows not seen, with its 95 % interval; 0.5 is chance.
    fields
        Field and its share of the classifier's gain, largest first.
    """

    auc: Interval
    fields: tuple[tuple[str, float], ...]


def separation(usual: pl.DataFrame, seen: pl.DataFrame, kinds: Mapping[str, Kind], *, seed: int = 0) -> Separation:
    """Return how well two windows can be told apart, and by which fields.

    Parameters
    ----------
    usual, seen
        Rows of both; as many of each are drawn.
    kinds
        Kind of each field; numbers and categories are read.
    seed
        Of the draws and the trees.

    References
    ----------
    Lopez-Paz, Oquab (2017), Revisiting Classifier Two-Sample Tests. Hanley, McNeil (1982), for the interval.
    """
    import lightgbm as lgb

    from adjudge.learn.ranking import Ranking

    names = [name for name, kind in kinds.items() if kind in ("number", "category")]
    random = np.random.default_rng(seed)
    size = min(len(usual), len(seen), ROWS)
    parts = [frame[np.sort(random.choice(len(frame), size, replace=False))] for frame in (usual, seen)]
    X, categorical = _matrix(parts, names, kinds)
    y = np.repeat([0.0, 1.0], size)
    fold = random.permutation(np.arange(2 * size) % FOLDS)
    score, gain = np.zeros(2 * size), np.zeros(len(names))
    for part in range(FOLDS):
        rows: BoolArray = fold != part
        data = lgb.Dataset(X[rows], y[rows], categorical_feature=categorical, params={"verbosity": -1})
        model = lgb.train({**SETTINGS, "seed": seed}, data, ROUNDS)
        score[~rows] = model.predict(X[~rows], num_threads=1)
        gain += model.feature_importance("gain")
    auc = Ranking.of(y, score).curve().auc()
    reach = 1.96 * _hanley(auc, size)
    shares = gain / max(gain.sum(), 1e-9)
    order = np.argsort(-shares, kind="stable")
    between = Interval(float(auc), float(max(0.0, auc - reach)), float(min(1.0, auc + reach)))
    return Separation(between, tuple((names[i], float(shares[i])) for i in order))


def _matrix(parts: list[pl.DataFrame], names: list[str], kinds: Mapping[str, Kind]) -> tuple[FloatArray, list[int]]:
    import polars as pl

    both = pl.concat([part.select(names) for part in parts])
    columns = []
    for name in names:
        if kinds[name] == "category":
            ranks = both[name].cast(pl.String).rank("dense").cast(pl.Float64) - 1
            columns.append(ranks.fill_null(np.nan).to_numpy())
        else:
            columns.append(both[name].cast(pl.Float64).fill_null(np.nan).to_numpy())
    return np.column_stack(columns), [i for i, name in enumerate(names) if kinds[name] == "category"]


def _hanley(auc: float, size: int) -> float:
    """Return the standard deviation of an area under the curve of two samples of one size."""
    one, other = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (size - 1) * (one - auc**2 + other - auc**2)
    return float(np.sqrt(max(spread, 0.0)) / size)
