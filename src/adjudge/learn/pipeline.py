"""From a source to a trained and judged system: backfill, split by time, train, judge, bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adjudge.define import System, micros
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import DefinitionError, InputError
from adjudge.learn import bundle
from adjudge.learn.backfill import backfill
from adjudge.learn.evaluate import Evaluation
from adjudge.learn.report import Report
from adjudge.learn.source import Source
from adjudge.learn.split import Split, split_by_share
from adjudge.learn.table import Table
from adjudge.learn.train import Trained, importance, judge, sample, train, vocabulary_of

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and how far it goes."""


@dataclass(frozen=True)
class Run:
    """A trained system with everything it was made from.

    Parameters
    ----------
    plan
        The system without a model.
    table
        What each event of the source saw.
    split
        Where training, validation and test lie.
    trained
        Model, baseline and thresholds.
    evaluation
        The figures on the test part.
    """

    plan: Plan
    table: Table
    split: Split
    trained: Trained
    evaluation: Evaluation

    def write(self, path: Path, created_at: datetime) -> bundle.Bundle:
        """Write the bundle of the trained system and return it as read back."""
        return bundle.write(
            path,
            plan=self.plan,
            scorer=self.trained.scorer,
            sample=sample(self.trained.scorer, self.trained.parts.test),
            created_at=created_at,
            thresholds=self.trained.thresholds,
            metrics=dict(self.trained.metrics),
            training=dict(self.trained.facts),
            evaluation=msgspec.json.encode(self.evaluation),
        )


def table_of(plan: Plan, source: Source, progress: Progress) -> Table:
    """Backfill a source; where the truth is known the pattern of each positive comes along.

    Parameters
    ----------
    plan
        The compiled system.
    source
        Its data.
    progress
        Told how far it is.
    """
    made = backfill(plan, source.frames, source.labels, progress=lambda done, of: progress("backfill", done, of))
    table = made.table
    if source.truth is None or "pattern" not in source.truth.columns:
        return table
    return replace(table, extra={**table.extra, "pattern": _patterns(plan, source, table)})


def _patterns(plan: Plan, source: Source, table: Table) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    import polars as pl

    assert source.truth is not None  # the caller has looked
    id_field = plan.schema(plan.decides).id_field
    ids = pl.DataFrame({id_field: table.ids})
    joined = ids.join(source.truth.select(id_field, "pattern"), on=id_field, how="left", maintain_order="left")
    patterns: np.ndarray[tuple[int], np.dtype[np.object_]] = joined["pattern"].fill_null("").to_numpy()
    return patterns


def run(
    system: System,
    source: Source,
    *,
    secret: bytes = SECRET,
    estimator: Any = None,
    rows: int | None = None,
    queue_share: float | None = None,
    seed: int = 0,
    progress: Progress = lambda what, done, of: None,
) -> Run:
    """Backfill a source, train on its first part, set thresholds on the second, judge on the last.

    Parameters
    ----------
    system
        The definitions.
    source
        Its data.
    secret
        The workspace's 16 bytes.
    estimator
        Instead of the system's own model.
    rows
        Most rows to fit on; the default of `train` where None.
    queue_share
        See `train`.
    seed
        Of everything drawn.
    progress
        Told how far it is.

    Raises
    ------
    DefinitionError
        If the system has no label.
    InputError
        If the source has no events or no labels.
    """
    if system.label is None:
        msg = f"system {system.name!r} has no label, so there is nothing to train for"
        raise DefinitionError(msg)
    if system.label.name not in source.labels:
        msg = f"the data holds no labels {system.label.name!r}, so there is nothing to train on"
        raise InputError(msg, field=system.label.name, code="no_labels")
    plan = compile(system, secret=secret)
    table = table_of(plan, source, progress)
    split = split_by_share(int(table.ts.min()), int(table.ts.max()) + 1, gap_us=micros(system.label.delay))
    trained = train(
        plan,
        table,
        split,
        vocabulary=vocabulary_of(plan, source.frames),
        estimator=estimator,
        seed=seed,
        queue_share=queue_share,
        progress=lambda done, of: progress("train", done, of),
        **({} if rows is None else {"rows": rows}),
    )
    progress("evaluate", 0, 1)
    evaluation = judge(plan, trained)
    progress("evaluate", 1, 1)
    return Run(plan, table, split, trained, evaluation)


def with_bundle(
    build: Callable[[Mapping[str, list[str | float]]], System],
    path: Path,
    secret: bytes,
    warn: Callable[[str], None] = lambda text: None,
) -> Plan:
    """Return the plan that a bundle decides with, after checking that it was made for this system.

    Parameters
    ----------
    build
        Returns the system with given lists.
    path
        The bundle's directory.
    secret
        The workspace's 16 bytes.
    warn
        Told if the bundle was made with other libraries or another processor: last bits may then differ.

    Raises
    ------
    BundleError
        If the bundle is damaged or was made for another system, schema or layout.
    """
    found = bundle.read(path, secret)
    plan = compile(
        build(found.manifest.lists), secret=secret, scorer=found.scorer, thresholds=found.manifest.thresholds
    )
    found.check(plan)
    for name, (then, now) in found.profile_differences().items():
        warn(f"the bundle was made with {name} {then or 'absent'}, here it is {now or 'absent'}: last bits may differ")
    return replace(plan, bundle=found.id)


def judged(
    build: Callable[[Mapping[str, list[str | float]]], System],
    path: Path,
    source: Source,
    *,
    secret: bytes = SECRET,
    progress: Progress = lambda what, done, of: None,
) -> Report:
    """Judge a bundle on the last part of a source, beside rules alone.

    Parameters
    ----------
    build
        Returns the system with given lists.
    path
        The bundle's directory.
    source
        The data; its first parts, where the bundle was trained on them, are only folded.
    secret
        The workspace's 16 bytes.
    progress
        Told how far it is.
    """
    found = bundle.read(path, secret)
    plan = with_bundle(build, path, secret)
    table = table_of(plan, source, progress)
    if plan.system.label is None:
        msg = f"system {plan.system.name!r} has no label, so there is nothing to judge by"
        raise DefinitionError(msg)
    split = split_by_share(int(table.ts.min()), int(table.ts.max()) + 1, gap_us=micros(plan.system.label.delay))
    parts = split.parts(table, matures_us=micros(plan.system.label.delay))
    trained = Trained(found.scorer, None, found.manifest.thresholds, parts, found.manifest.metrics, {})
    progress("evaluate", 0, 1)
    made = Run(plan, table, split, trained, judge(plan, trained))
    progress("evaluate", 1, 1)
    return report_of(made, found)


def report_of(made: Run, written: bundle.Bundle) -> Report:
    """Return the report of a trained system, without what only a running service can tell."""
    name = made.plan.system.name
    return Report(
        title=f"{name.capitalize()}: rules alone, and rules with the model",
        subtitle=made.plan.system.meaning,
        evaluation=made.evaluation,
        importance=importance(made.trained.scorer, made.trained.parts.test),
        facts=dict(made.trained.facts),
        versions={**written.manifest.versions, "bundle": written.id[:16]},
    )
