"""Random forest: the baseline that needs no tuning, grown by scikit-learn and served by the forest kernel."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.models.averaged import Averaged
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.models.scikit import finite, forest_of
from adjudge.models.search import Trial
from adjudge.models.served import check_model
from adjudge.typing import AnyArray, FloatArray

CHECKED_ROWS = 5_000
"""Training rows on which the served form is held to the library."""


class RandomForest(Estimator):
    """A random forest for a binary outcome, in the manner of scikit-learn.

    Parameters
    ----------
    n_trees, depth
        How many trees, and how deep at most; None lets them grow.
    min_rows
        Least rows in a leaf.
    columns
        Share of features looked at for each cut; ``sqrt`` looks at their square root.
    positive_weight
        What one positive row weighs; ``balanced`` makes both classes weigh the same.
    calibration
        ``isotonic``, ``platt``, ``beta`` or ``venn_abers``, fitted on the validation rows; None, or no validation
        rows: none.
    threads
        Training threads; 0 takes all cores. The model is the same for any number.
    seed
        Seed of all draws.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    Trees give probabilities, which are averaged; the margin is their mean's log-odds with half a vote on either side
    (`adjudge.models.averaged`). A cut learns on which side missing values belong.

    Examples
    --------
    >>> X = np.arange(200.0)[:, None]
    >>> p = RandomForest(n_trees=20, threads=1).fit(X, X[:, 0] >= 100).predict_proba(np.array([[10.0], [190.0]]))
    >>> bool(p[0, 1] < 0.1 < 0.9 < p[1, 1])
    True
    """

    def __init__(
        self,
        *,
        n_trees: int = 200,
        depth: int | None = None,
        min_rows: int = 5,
        columns: float | Literal["sqrt"] = "sqrt",
        positive_weight: float | Literal["balanced"] = 1.0,
        calibration: str | None = "isotonic",
        threads: int = 0,
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.n_trees = n_trees
        self.depth = depth
        self.min_rows = min_rows
        self.columns = columns
        self.positive_weight = positive_weight
        self.calibration = calibration
        self.threads = threads
        self.seed = seed
        self.top = top

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial."""
        return {
            "n_trees": trial.suggest_int("n_trees", 100, 500, step=50),
            "depth": trial.suggest_int("depth", 4, 20),
            "min_rows": trial.suggest_int("min_rows", 1, 100, log=True),
            "columns": trial.suggest_float("columns", 0.05, 0.8, log=True),
        }

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Averaged:
        from sklearn.ensemble import RandomForestClassifier

        fitted = RandomForestClassifier(
            self.n_trees,
            max_depth=self.depth,
            min_samples_leaf=self.min_rows,
            max_features=self.columns,
            random_state=self.seed,
            n_jobs=self.threads or os.cpu_count() or 1,
        ).fit(finite(task.X), task.y, sample_weight=task.weights(self.positive_weight))
        trees = [one.tree_ for one in fitted.estimators_]
        served = Averaged(forest_of(trees, names, _positives, divisor=float(self.n_trees)))
        some = task.X[:CHECKED_ROWS]
        self.difference_ = check_model(served.forest, some, fitted.predict_proba(finite(some))[:, 1])
        report(self.n_trees, self.n_trees)
        return served


def _positives(tree: Any, leaves: AnyArray) -> FloatArray:
    """Return the share of positives in each leaf."""
    values = tree.value[leaves, 0, :]
    shares: FloatArray = values[:, 1] / values.sum(axis=1)
    return np.clip(shares, 0.0, 1.0)
