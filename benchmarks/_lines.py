"""Rankings of several models on the same test folds: figures with intervals, and what each part of a stack adds.

A round draws customers, and every model is judged on the same draw, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjudge.learn.bootstrap import intervals
from adjudge.models.stacked import LAYERS
from adjudge.typing import FloatArray, IntArray
from benchmarks import _handbook as hb
from benchmarks.layers import FPR, LOOKED_AT

FIGURES = ("auc", "ap", "cp100", "recall", "value")
"""The book's three, the recall at few false positives, and the frauds' money among what is looked at."""

Ranked = dict[str, list[list[FloatArray]]]
"""For every line and fold the scores of the test rows, a ranking for each seed."""


def judged(data: hb.Cards, ranked: Ranked, folds: Sequence[hb.Fold], *, rounds: int) -> dict[str, Any]:
    """Return every line's figures with intervals over customers, and what each part adds to the rest of the stack.

    Parameters
    ----------
    data, ranked, folds
        The transactions, and the rankings of the test weeks.
    rounds
        Resamples.
    """
    judge = Judge.of(data, ranked, folds)
    found = intervals(judge, judge.customers, rounds=rounds)

    def rounded(name: str) -> list[float]:
        return [round(float(x), 4) for x in (found[name].value, found[name].low, found[name].high)]  # type: ignore[arg-type]

    def gain(name: str) -> dict[str, list[float]]:
        return {figure: rounded(f"{name}/{figure}") for figure in ("ap", "value")}

    parts = [name.removeprefix("without ") for name in ranked if name.startswith("without ")]
    lines = {
        name: {figure: rounded(f"{name}/{figure}") for figure in FIGURES} | {"seeds": judge.by_seed(name)}
        for name in ranked
    }
    gains = {name: gain(f"+{name}") for name in parts}
    return {
        "lines": lines,
        "gains": {name: one for name, one in gains.items() if name in LAYERS},
        "members": {name: one for name, one in gains.items() if name not in LAYERS},
        "over_trees": gain("+trees alone"),
        "pays": {name: one["ap"][1] > 0 or one["value"][1] > 0 for name, one in gains.items()},
    }


@dataclass(frozen=True)
class Judge:
    """The figures of all rankings, means over folds and seeds, as a function of weights per customer.

    Parameters
    ----------
    figures
        For every line and fold its rankings, one for each seed.
    rows
        For every fold the customers of its test rows, as positions.
    amount
        For every fold the amounts of its test rows.
    customers
        How many there are.
    """

    figures: dict[str, list[list[hb.Figures]]]
    rows: list[IntArray]
    amount: list[FloatArray]
    customers: int

    @classmethod
    def of(cls, data: hb.Cards, ranked: Ranked, folds: Sequence[hb.Fold]) -> Judge:
        """Sort every ranking once."""
        every, index = np.unique(data.customer, return_inverse=True)
        amounts = data.frame["TX_AMOUNT"].to_numpy().astype(np.float64)
        return cls(
            {
                name: [
                    [hb.Figures.of(data, fold.test, one) for one in seeds]
                    for fold, seeds in zip(folds, of_folds, strict=True)
                ]
                for name, of_folds in ranked.items()
            },
            [index[fold.test].astype(np.int64) for fold in folds],
            [amounts[fold.test] for fold in folds],
            len(every),
        )

    def __call__(self, weight: FloatArray) -> dict[str, float]:
        """Return the figures by line and name, and what each part adds."""
        found = {
            f"{name}/{figure}": value for name in self.figures for figure, value in self._mean(name, weight).items()
        }
        for figure in ("ap", "value"):
            whole = found[f"stack/{figure}"]
            found |= {
                f"+{name.removeprefix('without ')}/{figure}": whole - found[f"{name}/{figure}"]
                for name in self.figures
                if name.startswith("without ")
            }
            found[f"+trees alone/{figure}"] = whole - found[f"trees/{figure}"]
        return found

    def by_seed(self, name: str) -> list[float]:
        """Return the average precision of a line for each seed, a mean over folds."""
        return [
            round(float(np.mean([one.ranking.curve().average_precision() for one in folds])), 4)
            for folds in zip(*self.figures[name], strict=True)
        ]

    def _mean(self, name: str, weight: FloatArray) -> dict[str, float]:
        found = [
            _figures(one, weight[rows], amount)
            for seeds, rows, amount in zip(self.figures[name], self.rows, self.amount, strict=True)
            for one in seeds
        ]
        return {figure: float(np.mean([one[figure] for one in found])) for figure in FIGURES}


def _figures(one: hb.Figures, weight: FloatArray, amount: FloatArray) -> dict[str, float]:
    curve, money = one.ranking.curve(weight), one.ranking.curve(weight * amount)
    return {
        "auc": curve.auc(),
        "ap": curve.average_precision(),
        "cp100": one.cards.precision(100, weight[one.first]),
        "recall": curve.recall_at_fpr(FPR),
        "value": money.share_within(curve, LOOKED_AT * float(weight.sum())),
    }
