"""From a source to a trained and judged system: backfill, split by time, train, judge, bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from adjudge.define import System, micros
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import DefinitionError, InputError
from adjudge.learn import bundle
from adjudge.learn.aligned import seen_of, table_of
from adjudge.learn.beyond import beyond
from adjudge.learn.choices import trade_offs
from adjudge.learn.evaluate import Evaluation
from adjudge.learn.report import Report
from adjudge.learn.source import Source
from adjudge.learn.split import Split, split_by_share, without_known
from adjudge.learn.table import Table
from adjudge.learn.train import (
    FITTED_UNTIL,
    Trained,
    importance,
    judge,
    probabilities,
    sample,
    train,
    vocabulary_of,
)

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
    plan = compile(system if estimator is None else replace(system, model=estimator), secret=secret)
    table = table_of(plan, source, progress)
    split = split_by_share(int(table.ts.min()), int(table.ts.max()) + 1, gap_us=micros(system.label.delay))
    trained = train(
        plan,
        seen_of(table),
        split,
        vocabulary=vocabulary_of(plan, source.frames),
        estimator=estimator,
        seed=seed,
        queue_share=queue_share,
        past=table,
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


@dataclass(frozen=True)
class Asked:
    """What a report holds beyond the headline.

    Parameters
    ----------
    folds
        Rolling folds in which the system is trained and judged anew; 0 for none.
    slices
        Fields and features by which the test is cut up.
    leakage
        Whether every feature is tested for what it must not know.
    drop_known
        Leave entities out of the test from the moment on at which a fraud of theirs is known.
    review_minutes
        Time that one case takes.
    seed
        Of everything drawn.
    """

    folds: int = 0
    slices: tuple[str, ...] = ()
    leakage: bool = False
    drop_known: bool = False
    review_minutes: float = 5.0
    seed: int = 0


@dataclass(frozen=True)
class Loaded:
    """A bundle with data to judge it on, cut up by time.

    Parameters
    ----------
    found, plan
        The bundle, and the system that decides with it.
    table
        What each event of the source saw.
    trained
        The bundle's model and thresholds, and the parts of the table.
    split
        Where the parts lie.
    """

    found: bundle.Bundle
    plan: Plan
    table: Table
    trained: Trained
    split: Split

    @property
    def seen(self) -> str | None:
        """A sentence where the test reaches into the time that the bundle was fitted on; None where it does not."""
        noted, test = self.found.manifest.training.get(FITTED_UNTIL), self.trained.parts.test
        if not isinstance(noted, str) or not len(test):
            return None
        start, until = datetime.fromtimestamp(int(test.ts.min()) / 1e6, tz=UTC), datetime.fromisoformat(noted)
        if start >= until:
            return None
        return (
            f"The test begins at {start:%Y-%m-%d %H:%M} UTC, and the bundle was fitted on events until "
            f"{until:%Y-%m-%d %H:%M} UTC: if they are the same events, the figures flatter."
        )


def loaded(
    build: Callable[[Mapping[str, list[str | float]]], System],
    path: Path,
    source: Source,
    *,
    secret: bytes = SECRET,
    drop_known: bool = False,
    progress: Progress = lambda what, done, of: None,
) -> Loaded:
    """Return a bundle and the parts of a source that it may be judged on; see `judged` for the arguments.

    Raises
    ------
    DefinitionError
        If the system has no label.
    """
    found = bundle.read(path, secret)
    plan = with_bundle(build, path, secret)
    if plan.system.label is None:
        msg = f"system {plan.system.name!r} has no label, so there is nothing to judge by"
        raise DefinitionError(msg)
    table = table_of(plan, source, progress)
    gap_us = micros(plan.system.label.delay)
    split = split_by_share(int(table.ts.min()), int(table.ts.max()) + 1, gap_us=gap_us)
    seen = seen_of(table)
    parts = split.parts(seen, matures_us=gap_us)
    if drop_known:
        parts = replace(parts, test=without_known(parts.test, seen))
    facts = {name: said for name, said in found.manifest.training.items() if isinstance(said, str)}
    trained = Trained(found.scorer, None, found.manifest.thresholds, parts, found.manifest.metrics, facts)
    return Loaded(found, plan, table, trained, split)


def judged(
    build: Callable[[Mapping[str, list[str | float]]], System],
    path: Path,
    source: Source,
    *,
    secret: bytes = SECRET,
    asked: Asked | None = None,
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
    asked
        What the report holds beyond the headline.
    progress
        Told how far it is.
    """
    how = asked or Asked()
    made = loaded(build, path, source, secret=secret, drop_known=how.drop_known, progress=progress)
    progress("evaluate", 0, 1)
    evaluation = judge(made.plan, made.trained)
    progress("evaluate", 1, 1)
    report = report_of(Run(made.plan, made.table, made.split, made.trained, evaluation), made.found)
    if made.seen is not None:
        report = msgspec.structs.replace(report, notes=(*report.notes, made.seen))
    return beyond(report, made, source, how, progress)


def report_of(made: Run, written: bundle.Bundle) -> Report:
    """Return the report of a trained system, without what only a running service can tell."""
    name, test = made.plan.system.name, made.trained.parts.test
    p = probabilities(made.trained.scorer, test)
    return Report(
        title=f"{name.capitalize()}: rules alone, and rules with the model",
        subtitle=made.plan.system.meaning,
        evaluation=made.evaluation,
        importance=importance(made.trained.scorer, test),
        trade_offs=trade_offs(made.plan.policy, test, p, made.trained.thresholds),
        facts=dict(made.trained.facts),
        versions={**written.manifest.versions, "bundle": written.id[:16]},
    )
