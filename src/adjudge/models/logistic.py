"""Binned logistic regression: the honest baseline that every booster must beat.

Each feature is cut at quantiles of the training rows, missing is a bin of its own, and the model is an
intercept plus one weight a bin. It is served as a sum of steps.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.models.search import Trial
from adjudge.models.steps import Steps
from adjudge.typing import FloatArray, IntArray


class Logistic(Estimator):
    """Logistic regression on binned features, in the manner of scikit-learn.

    Parameters
    ----------
    bins
        Quantile bins of each feature; values that occur often may make fewer.
    c
        Inverse strength of the penalty on squared weights.
    positive_weight
        What one positive row weighs; ``balanced`` makes both classes weigh the same.
    calibration
        ``isotonic``, ``platt``, ``beta`` or ``venn_abers``, fitted on the validation rows; None, or no validation
        rows: none.
    seed
        Seed of the solver.
    top
        How many contributions the served scorer returns a row.

    Examples
    --------
    >>> X = np.arange(200.0)[:, None]
    >>> p = Logistic(bins=4).fit(X, X[:, 0] >= 100).predict_proba(np.array([[10.0], [190.0]]))
    >>> bool(p[0, 1] < 0.5 < p[1, 1])
    True
    """

    def __init__(
        self,
        *,
        bins: int = 20,
        c: float = 0.1,
        positive_weight: float | Literal["balanced"] = 1.0,
        calibration: str | None = "isotonic",
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.bins = bins
        self.c = c
        self.positive_weight = positive_weight
        self.calibration = calibration
        self.seed = seed
        self.top = top

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial."""
        return {"bins": trial.suggest_int("bins", 5, 60), "c": trial.suggest_float("c", 1e-3, 10.0, log=True)}

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Steps:
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import LogisticRegression

        edges = [_edges(column, self.bins) for column in task.X.T]
        starts = np.concatenate([[0], np.cumsum([len(cuts) for cuts in edges])]).astype(np.int64)
        first = starts[:-1] + 2 * np.arange(len(names))
        bins = np.stack([_bins(column, cuts) for column, cuts in zip(task.X.T, edges, strict=True)], axis=1) + first
        n, width = bins.shape
        places = int(starts[-1]) + 2 * width
        ones = csr_matrix((np.ones(n * width), bins.ravel(), np.arange(n + 1) * width), shape=(n, places))
        fitted = LogisticRegression(C=self.c, max_iter=500, random_state=self.seed)
        fitted.fit(ones, task.y, sample_weight=task.weights(self.positive_weight))
        report(1, 1)
        return _centred(names, starts, edges, fitted.coef_[0], float(fitted.intercept_[0]), bins)


def _edges(column: FloatArray, bins: int) -> FloatArray:
    """Return cuts at quantiles of the values that are there; none where all are equal."""
    known = column[~np.isnan(column)]
    if not len(known):
        return np.empty(0)
    cuts = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="lower"))
    inner: FloatArray = cuts[cuts < known.max()]
    return inner


def _bins(column: FloatArray, cuts: FloatArray) -> IntArray:
    """Return for each value its bin as the kernel counts them."""
    return np.where(np.isnan(column), 0, np.searchsorted(cuts, column, side="left") + 1)


def _centred(
    names: tuple[str, ...],
    starts: IntArray,
    edges: list[FloatArray],
    weights: FloatArray,
    intercept: float,
    bins: IntArray,
) -> Steps:
    """Return the model with each feature's pushes counted from their mean over the training rows."""
    push = weights.copy()
    bias = intercept
    for f, low in enumerate(starts[:-1] + 2 * np.arange(len(names))):
        mean = float(weights[bins[:, f]].mean())
        push[low : low + len(edges[f]) + 2] -= mean
        bias += mean
    return Steps(names, starts, np.concatenate([np.empty(0), *edges]), push, bias)
