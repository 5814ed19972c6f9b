"""What to do about few frauds: nothing, weights, focal loss, balanced bagging, and made-up frauds, side by side.

One booster with one setting each time, on the handbook's validation folds; nothing is calibrated, so that it is seen
what each does to probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjudge.models.bagging import BalancedBagging
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.models.forest import Forest
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray
from benchmarks._folds import Folds, words
from benchmarks.handbook import CHOSEN

SETTING: dict[str, Any] = {**CHOSEN, "subsample": 0.8, "calibration": None, "patience": 0, "threads": 1, "top": 0}
"""The booster of the handbook's benchmark."""


def trees(**change: Any) -> Trees:
    """Return the booster with something changed."""
    return Trees("lightgbm", **{**SETTING, **change})


class MadeUp(Trees):
    """Boosted trees on SMOTE's rows: frauds made up between frauds and their nearest neighbours.

    Until one row in ten is a fraud, as in the book; missing values are taken for the median, because nothing lies
    between a number and none.

    References
    ----------
    Chawla, Bowyer, Hall and Kegelmeyer (2002), SMOTE.
    """

    share = 0.1
    neighbours = 5

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Forest:
        from sklearn.neighbors import NearestNeighbors

        random = np.random.default_rng(self.seed)
        X = np.where(np.isnan(task.X), np.nanmedian(task.X, axis=0), task.X)
        frauds = X[task.y == 1]
        wanted = round(self.share / (1 - self.share) * float((task.y == 0).sum())) - len(frauds)
        scale = X.std(axis=0) + 1e-12
        near = NearestNeighbors(n_neighbors=self.neighbours).fit(frauds / scale).kneighbors(return_distance=False)
        one = random.integers(len(frauds), size=wanted)
        other = near[one, random.integers(self.neighbours, size=wanted)]
        made: FloatArray = frauds[one] + random.random((wanted, 1)) * (frauds[other] - frauds[one])
        more = Task(np.concatenate([X, made]), np.concatenate([task.y, np.ones(wanted)]), None)
        return super()._train(more, held_out, names, report)


WAYS: dict[str, Callable[[], Estimator]] = {
    "plain": trees,
    "weights, 10 to 1": lambda: trees(positive_weight=10.0),
    "weights, balanced": lambda: trees(positive_weight="balanced"),
    "focal loss, gamma 1": lambda: trees(focal=1.0),
    "focal loss, gamma 2": lambda: trees(focal=2.0),
    "balanced bagging, 10 negatives": lambda: BalancedBagging(trees(), members=10, ratio=10.0, calibration=None, top=0),
    "balanced bagging, 1 negative": lambda: BalancedBagging(
        trees(min_rows=5), members=20, ratio=1.0, calibration=None, top=0
    ),
    "SMOTE to 10 %": lambda: MadeUp("lightgbm", **SETTING),
}
"""What is compared, by name."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of every way; `quick` takes one fold."""
    folds = Folds.read(quick=quick, progress=progress)
    found = {}
    for name, make in WAYS.items():
        found[name] = folds.judge(make)
        progress(f"{name}: {words(found[name])}")
    return {"setting": SETTING, "ways": found}
