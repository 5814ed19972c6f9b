"""Balanced bagging: each member sees every positive and as few negatives, and together they see them all.

Rows are dropped, never made up: a member learns from what happened. That it saw more frauds among them than there
are is known exactly, and taken back from its log-odds.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError
from adjudge.models.estimator import Estimator, Parameters, Progress, Task
from adjudge.models.mean import combine
from adjudge.models.raw import Model
from adjudge.models.search import Trial, search_inside
from adjudge.models.trees import Trees
from adjudge.typing import IntArray


class BalancedBagging(Estimator):
    """Members that are each trained on all positives and a draw of negatives, averaged.

    Parameters
    ----------
    estimator
        What each member is trained with; its calibration is not used. None for 50 boosted trees of depth 4.
    members
        How many.
    ratio
        Negatives drawn for each positive.
    calibration
        ``isotonic``, ``platt``, ``beta`` or ``venn_abers``, fitted on the validation rows; None, or no validation
        rows: none.
    seed
        Seed of the draws; member i is trained with this seed and i more, where it takes one.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    Served is one model: members that are forests become one forest, others the mean of their margins. The log of how
    many times rarer negatives are drawn is taken from the margin (the correction of King and Zeng), so that it means
    what it does for one model on all rows.

    References
    ----------
    Wallace, Small, Brodley and Trikalinos (2011), Class imbalance, redux.

    Examples
    --------
    >>> X = np.arange(400.0)[:, None]
    >>> bag = BalancedBagging(Trees("lightgbm", n_trees=5, depth=2, min_rows=2, threads=1), members=3)
    >>> margin = bag.fit(X, X[:, 0] >= 380).decision_function(np.array([[10.0], [390.0]]))
    >>> bool(margin[0] < margin[1]), type(bag.model_).__name__
    (True, 'Forest')
    """

    def __init__(
        self,
        estimator: Estimator | None = None,
        *,
        members: int = 10,
        ratio: float = 1.0,
        calibration: str | None = "isotonic",
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.estimator = estimator
        self.members = members
        self.ratio = ratio
        self.calibration = calibration
        self.seed = seed
        self.top = top

    def _inside(self) -> dict[str, Parameters]:
        default = Trees("lightgbm", n_trees=50, depth=4, patience=0)
        return {"estimator": self.estimator if self.estimator is not None else default}

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial: of the draws, and of what each member is trained with."""
        return {
            "members": trial.suggest_int("members", 5, 30),
            "ratio": trial.suggest_float("ratio", 0.5, 10.0, log=True),
            **search_inside(self._inside(), trial),
        }

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Model:
        if self.members < 1 or not self.ratio > 0:
            msg = f"balanced bagging needs a member and negatives, not {self.members} members and ratio {self.ratio}"
            raise DefinitionError(msg)
        random = np.random.default_rng(self.seed)
        models, kept = [], []
        for i in range(self.members):
            rows = self._drawn(task, random)
            weight = None if task.weight is None else task.weight[rows]
            few = Task(task.X[rows], task.y[rows], weight)
            models.append(self._member(i)._train(few, held_out, names, _part(report, i, self.members)))
            kept.append(_negatives(few))
        self.members_ = tuple(models)
        return combine(models, shift=float(np.log(np.mean(kept) / _negatives(task))))

    def _member(self, i: int) -> Estimator:
        member = copy.deepcopy(self._inside()["estimator"])
        assert isinstance(member, Estimator)
        return member.set_params(seed=self.seed + i) if "seed" in member.get_params() else member

    def _drawn(self, task: Task, random: np.random.Generator) -> IntArray:
        """Return all positives and a draw of negatives, in the order of the rows."""
        positive, negative = np.flatnonzero(task.y == 1), np.flatnonzero(task.y == 0)
        few = min(len(negative), max(1, round(self.ratio * len(positive))))
        return np.sort(np.concatenate([positive, random.choice(negative, few, replace=False)]))


def _negatives(task: Task) -> float:
    """Return what all negatives weigh together."""
    return float(np.sum((task.y == 0) if task.weight is None else task.weight[task.y == 0]))


def _part(report: Progress, done: int, members: int) -> Progress:
    """Return a hook that counts one member's rounds as a part of all."""
    return lambda rounds, planned: report(done * planned + rounds, members * planned)
