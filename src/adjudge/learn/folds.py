"""Rolling folds: train, wait for the labels, decide, and again some time later, as a team that retrains would have.

One split is one draw of luck. Each fold trains anew on what was known at its time, on nothing that became known later,
and is judged on events that no other fold is judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from adjudge.define import micros
from adjudge.engine import Plan
from adjudge.errors import DefinitionError
from adjudge.learn.evaluate import Ranker, Settings
from adjudge.learn.split import rolling, without_known
from adjudge.learn.table import Table
from adjudge.learn.train import Trained, judge, train

OPERATING = ("loss", "queue", "false_positives", "recall", "value")
"""Lines of an evaluation that are told of each fold."""

Progress = Callable[[int, int], None]
"""Called with folds done and folds in all."""


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """One round of training and judging.

    Parameters
    ----------
    start_us, end_us
        Its test.
    train_events, train_frauds, test_events, test_frauds
        How many.
    rankers
        As in an evaluation: rules, baselines and model.
    operating
        Of rules and model together at the thresholds of this fold, by name in `OPERATING`.
    """

    start_us: int
    end_us: int
    train_events: int
    train_frauds: int
    test_events: int
    test_frauds: int
    rankers: tuple[Ranker, ...]
    operating: dict[str, float | None]


class Mean(msgspec.Struct, frozen=True):
    """A figure over the folds.

    Parameters
    ----------
    value, std
        Mean and standard deviation; None where no fold has the figure.
    low, high
        The lowest and the highest fold.
    """

    value: float | None
    std: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Mean:
        """Return the mean of the folds that have the figure.

        Examples
        --------
        >>> Mean.of([1.0, 3.0, None])
        Mean(value=2.0, std=1.0, low=1.0, high=3.0)
        """
        known = [value for value in values if value is not None]
        if not known:
            return cls(None)
        return cls(float(np.mean(known)), float(np.std(known)), min(known), max(known))


class Folds(msgspec.Struct, frozen=True, kw_only=True):
    """All folds and their means.

    Parameters
    ----------
    folds
        From the earliest test to the latest.
    means
        By ranking and figure; operating points under ``operating``.
    without_known
        Whether entities that were known as defrauded took no part in the tests.
    """

    folds: tuple[Fold, ...]
    means: dict[str, dict[str, Mean]]
    without_known: bool = False


def judged_in_folds(
    plan: Plan,
    table: Table,
    folds: int,
    *,
    vocabulary: Mapping[str, Sequence[str]] | None = None,
    drop_known: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
    **training: Any,
) -> Folds:
    """Train and judge a system in rolling folds.

    Parameters
    ----------
    plan
        The compiled system, without a model.
    table
        What a backfill gave.
    folds
        How many.
    vocabulary
        Texts that the categorical features may hold.
    drop_known
        Leave entities out of a test from the moment on at which a fraud of theirs is known.
    settings
        How to judge.
    progress
        Told after each fold.
    training
        Further arguments of `train`.

    Raises
    ------
    DefinitionError
        If the system has no label, or the events span too little time for so many folds.
    """
    if plan.system.label is None:
        message = f"system {plan.system.name!r} has no label, so there is nothing to judge by"
        raise DefinitionError(message)
    splits = rolling(
        int(table.ts.min()), int(table.ts.max()) + 1, gap_us=micros(plan.system.label.delay), folds=folds
    )  # fmt: skip
    found = []
    for split in splits:
        trained = train(plan, table, split, vocabulary=vocabulary, **training)
        if drop_known:
            parts = replace(trained.parts, test=without_known(trained.parts.test, table))
            trained = replace(trained, parts=parts)
        found.append(_fold(plan, trained, settings))
        if progress is not None:
            progress(len(found), folds)
    return Folds(folds=tuple(found), means=_means(found), without_known=drop_known)


def _fold(plan: Plan, trained: Trained, settings: Settings | None) -> Fold:
    found = judge(plan, trained, settings=settings)
    first = trained.parts.train
    return Fold(
        start_us=found.start_us,
        end_us=found.end_us,
        train_events=len(first),
        train_frauds=int(first.label.sum()),
        test_events=found.events,
        test_frauds=found.frauds,
        rankers=found.rankers,
        operating={name: found.line(name).compared.value for name in OPERATING},
    )


def _means(folds: Sequence[Fold]) -> dict[str, dict[str, Mean]]:
    result: dict[str, dict[str, Mean]] = {}
    for place, ranker in enumerate(folds[0].rankers):
        result[ranker.name] = {
            figure: Mean.of([fold.rankers[place].figures[figure].value for fold in folds]) for figure in ranker.figures
        }
    result["operating"] = {name: Mean.of([fold.operating[name] for fold in folds]) for name in OPERATING}
    return result
