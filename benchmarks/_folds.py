"""The handbook's validation folds with the features of ours, on which models are compared and settings chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.models.estimator import Estimator
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb

FOLDS = 4
"""The book validates on as many, and on the same weeks."""


@dataclass(frozen=True)
class Folds:
    """Transactions, what the model reads of them, and the folds.

    Parameters
    ----------
    cards
        The transactions.
    X
        The features, shape (n, F).
    folds
        Rows of training and validation weeks.
    """

    cards: hb.Cards
    X: FloatArray
    folds: tuple[hb.Fold, ...]

    @classmethod
    def read(cls, *, quick: bool, progress: Callable[[str], None]) -> Folds:
        """Read the data and backfill the features; `quick` takes the earliest fold alone."""
        starts = hb.VALIDATIONS[-1:] if quick else hb.VALIDATIONS[:FOLDS]
        cards = hb.read(max(starts) + 3 * hb.WEEK - 1)
        progress(f"{len(cards.day):,} transactions read")
        X = hb.inputs(backfill(compile(hb.cards()), hb.streams(cards)).table)
        progress(f"{X.shape[1]} features of every transaction backfilled")
        return cls(cards, X, tuple(hb.fold(cards, start) for start in starts))

    def judge(self, make: Callable[[], Estimator]) -> dict[str, Any]:
        """Return the mean of the book's figures over the folds, and how far raw probabilities are off.

        Parameters
        ----------
        make
            Returns an estimator that has not been fitted.
        """
        found, sizes, seconds = [], [], 0.0
        for fold in self.folds:
            began = time.process_time()
            fitted = make().fit(self.X[fold.train], self.cards.fraud[fold.train], names=hb.INPUTS)
            seconds += time.process_time() - began
            margin = fitted.decision_function(self.X[fold.test])
            found.append(hb.Figures.of(self.cards, fold.test, margin)(np.ones(len(fold.test))))
            p = fitted.predict_proba(self.X[fold.test])[:, 1]
            sizes.append(float(p.mean() / self.cards.fraud[fold.test].mean()))
        result = {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
        return result | {
            "expected_to_actual": round(float(np.mean(sizes)), 3),
            "ap_folds": [round(one["ap"], 4) for one in found],
            "training_s": round(seconds, 1),
        }


def words(found: dict[str, Any]) -> str:
    """Return the figures in one line."""
    return (
        f"AUC {found['auc']:.3f}, AP {found['ap']:.3f}, CP@100 {found['cp100']:.3f}, "
        f"expected frauds {found['expected_to_actual']:.2f} of actual"
    )
