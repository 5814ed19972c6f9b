"""Detection on Sparkov's generated cards: each model alone on the last fifth by time, with intervals over customers.

Trained on the first three fifths, calibrated and stopped early on the fourth, a week left out before each part for its
labels; what a model is judged on is looked at once. Kaggle's files are of another edition: figures do not compare. In
this one honest transactions run through the categories by the calendar and frauds do not, which makes it far too easy:
it tells a model that is broken from one that is not, and no good model from a better one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adjudge.define import days, micros
from adjudge.engine import compile
from adjudge.errors import UnavailableError
from adjudge.learn.aligned import table_of
from adjudge.learn.bootstrap import intervals
from adjudge.learn.datasets import sparkov
from adjudge.learn.ranking import Ranking
from adjudge.learn.split import Parts, Span, Split
from adjudge.learn.table import Table
from adjudge.learn.train import margins, train, vocabulary_of
from adjudge.models.scorers import Served
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray

MODELS: dict[str, Callable[[], Any]] = {"trees": lambda: Trees(n_trees=400, depth=6, threads=1)}
"""What is trained; a logistic regression on the same features is always beside it."""

WEEK_US = micros(days(7))
"""What labels take, by the system's definition."""

QUICK = 300_000
"""Transactions of a quick run."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return average precision, recall at 1 % false positives and AUC of each model; `quick` takes a sixth."""
    source, system = sparkov.read(folder()), sparkov.system()
    if quick:
        source = source.head(system, QUICK)
    plan = compile(system)
    progress(f"{source.frames['transaction'].height:,} transactions read")
    table = table_of(plan, source, lambda what, done, of: None)
    progress(f"{len(table.names)} features of every transaction backfilled")
    split, vocabulary = split_of(table), vocabulary_of(plan, source.frames)
    result: dict[str, Any] = {"features": len(table.names)}
    for name, make in MODELS.items():
        trained = train(plan, table, split, vocabulary=vocabulary, estimator=make())
        assert trained.baseline is not None  # training always fits one
        result["parts"] = sizes(trained.parts)
        for called, scorer in ((name, trained.scorer), ("logistic", trained.baseline)):
            if called not in result:
                result[called] = judged(trained.parts.test, scorer)
                progress(f"{called}: {words(result[called])}")
    return result


def folder() -> Path:
    """Return where Sparkov's files are: ``fraud/sparkov_generated`` in the folder that ADJUDGE_DATA names.

    Raises
    ------
    UnavailableError
        If they are not there.
    """
    path = Path(os.environ.get("ADJUDGE_DATA", "")) / "fraud" / "sparkov_generated"
    if not os.environ.get("ADJUDGE_DATA") or not path.is_dir():
        message = "Sparkov's transactions are not there: ADJUDGE_DATA must name a folder that holds "
        raise UnavailableError(message + "fraud/sparkov_generated/transactions.parquet")
    return path


def split_of(table: Table) -> Split:
    """Return the split at three and four fifths of the transactions in order of time, a week left out before each."""
    first, second = (int(table.ts[int(len(table) * share)]) for share in (0.6, 0.8))
    return Split(
        train=Span(int(table.ts[0]), first - WEEK_US),
        validation=Span(first, second - WEEK_US),
        test=Span(second, int(table.ts[-1]) + 1),
        gap_us=WEEK_US,
    )


def sizes(parts: Parts) -> dict[str, dict[str, int]]:
    """Return how many transactions and frauds each part holds."""
    named = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    return {
        name: {"rows": len(part), "frauds": int(part.label.sum())} for name, part in named.items() if part is not None
    }


def judged(test: Table, scorer: Served) -> dict[str, Any]:
    """Return the figures of a model on the test part, with their 95 % intervals over customers."""
    ranking = Ranking.of(test.label, margins(scorer, test))

    def figures(weight: FloatArray) -> dict[str, float]:
        curve = ranking.curve(weight)
        return {
            "ap": curve.average_precision(),
            "recall_at_fpr_1pct": curve.recall_at_fpr(0.01),
            "auc": curve.auc(),
        }

    found = intervals(figures, len(test), entity=test.entity)
    result: dict[str, Any] = {name: one.value for name, one in found.items()}
    return result | {"intervals": {name: [one.low, one.high] for name, one in found.items()}}


def words(found: dict[str, Any]) -> str:
    """Return figures as people read them."""
    parts = []
    for name, (low, high) in found["intervals"].items():
        parts.append(f"{name} {found[name]:.4f} ({low:.4f} to {high:.4f})")
    return ", ".join(parts)
