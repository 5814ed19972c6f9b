"""Isolation forest: what few random cuts set apart is unusual, whether a label has named it or not.

Each tree cuts a small sample at random until rows stand alone; an unusual row stands alone early. The margin is how
much shorter a row's mean path is than that of an ordinary one, so its contributions are those of any forest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, ShapeError
from adjudge.models.estimator import Estimator, Progress, Task, positions
from adjudge.models.forest import Forest
from adjudge.models.scikit import finite, forest_of
from adjudge.models.search import Trial
from adjudge.models.served import check_model
from adjudge.typing import AnyArray, FloatArray

CHECKED_ROWS = 5_000
"""Training rows on which the served form is held to the library."""


class Isolation(Estimator):
    """An isolation forest, fitted without labels, in the manner of scikit-learn.

    Parameters
    ----------
    n_trees
        How many trees.
    sample
        Rows drawn for each tree; the smaller, the less do unusual rows hide each other.
    columns
        Share of the features drawn for each tree.
    features
        The features to look at; None for all. What says nothing about being unusual only adds random cuts.
    calibration
        ``isotonic``, ``platt``, ``beta`` or ``venn_abers``, fitted on the validation rows, whose outcomes are
        looked at for this alone; None, or no validation rows: none.
    seed
        Seed of all draws.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    The margin is ``1 - E[h] / c``, where E[h] is the mean path length of the row and c that of an unsuccessful
    search in a tree of `sample` rows: 0 for a row that random cuts isolate no sooner than any other, 1 for one that
    the first cut isolates. The score of the paper is ``2 ** (margin - 1)``. Missing values are taken for the median
    of the training rows.

    References
    ----------
    Liu, Ting and Zhou (2008), Isolation forest.

    Examples
    --------
    >>> X = np.append(np.arange(200.0) % 20, 90.0)[:, None]
    >>> margin = Isolation(n_trees=20).fit(X).decision_function(np.array([[10.0], [90.0]]))
    >>> bool(margin[0] < 0.1 < 0.5 < margin[1])
    True
    """

    labelled = False

    def __init__(
        self,
        *,
        n_trees: int = 100,
        sample: int = 256,
        columns: float = 1.0,
        features: tuple[str, ...] | None = None,
        calibration: str | None = "isotonic",
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.n_trees = n_trees
        self.sample = sample
        self.columns = columns
        self.features = features
        self.calibration = calibration
        self.seed = seed
        self.top = top

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial."""
        return {
            "n_trees": trial.suggest_int("n_trees", 50, 400, step=50),
            "sample": trial.suggest_int("sample", 64, 8192, log=True),
            "columns": trial.suggest_float("columns", 0.3, 1.0),
        }

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Forest:
        from sklearn.ensemble import IsolationForest

        if self.sample < 2 or self.n_trees < 1 or not 0 < self.columns <= 1:
            msg = "an isolation forest needs a tree, two rows for each, and a share of the features, not "
            msg += f"n_trees {self.n_trees}, sample {self.sample} and columns {self.columns}"
            raise DefinitionError(msg)
        read = np.arange(len(names)) if self.features is None else positions(self.features, names)
        X = finite(_drawn(task, self.seed)[:, read])
        fill = _medians(X)
        X = np.where(np.isnan(X), fill, X)
        if len(X) < 2:
            msg = "an isolation forest sets rows apart from others: one alone is too few"
            raise ShapeError(msg)
        sample = min(self.sample, len(X))
        fitted = IsolationForest(
            n_estimators=self.n_trees, max_samples=sample, max_features=self.columns, random_state=self.seed, n_jobs=1
        ).fit(X)
        usual = float(path_length(np.array([sample]))[0])
        forest = forest_of(
            [one.tree_ for one in fitted.estimators_],
            names,
            lambda tree, leaves: 1.0 - _depths(tree)[leaves] / usual,
            divisor=float(self.n_trees),
            fill=_spread(fill, read, len(names)),
            columns=[read[drawn] for drawn in fitted.estimators_features_],
        )
        some = task.X[:CHECKED_ROWS]
        filled = finite(some[:, read])
        score = fitted.score_samples(np.where(np.isnan(filled), fill, filled))
        self.difference_ = check_model(forest, some, 1.0 + np.log2(-score))
        report(self.n_trees, self.n_trees)
        return forest


def path_length(rows: AnyArray) -> FloatArray:
    """Return the mean length of an unsuccessful search in a binary tree of so many rows: c(n) of the paper.

    Examples
    --------
    >>> path_length(np.array([1, 2])).tolist()
    [0.0, 1.0]
    """
    n = np.maximum(rows, 2).astype(np.float64)
    found = np.where(rows <= 2, 1.0, 2.0 * (np.log(np.maximum(n - 1.0, 1.0)) + np.euler_gamma) - 2.0 * (n - 1.0) / n)
    lengths: FloatArray = np.where(rows <= 1, 0.0, found)
    return lengths


def _depths(tree: Any) -> FloatArray:
    """Return each node's depth, and for leaves what their rows would have taken further on average."""
    depth = np.zeros(tree.node_count)
    for node in np.flatnonzero(tree.children_left >= 0):
        depth[tree.children_left[node]] = depth[tree.children_right[node]] = depth[node] + 1.0
    depths: FloatArray = depth + path_length(tree.n_node_samples)
    return depths


def _drawn(task: Task, seed: int) -> FloatArray:
    """Return as many rows as there are, drawn by their weights where they have any."""
    if task.weight is None:
        return task.X
    chosen = np.random.default_rng(seed).choice(len(task.X), len(task.X), p=task.weight / task.weight.sum())
    rows: FloatArray = task.X[chosen]
    return rows


def _medians(X: FloatArray) -> FloatArray:
    """Return each column's median over the values that are there; 0 for a column without any."""
    known = [column[~np.isnan(column)] for column in X.T]
    return np.array([float(np.median(column)) if len(column) else 0.0 for column in known])


def _spread(fill: FloatArray, read: AnyArray, features: int) -> FloatArray:
    """Return the fills at the positions of their features among all."""
    every = np.zeros(features)
    every[read] = fill
    return every
