"""What a report holds beyond the headline: other thresholds, folds, slices, what was declined, and whether it leaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.engine import compile
from adjudge.errors import InputError, did_you_mean
from adjudge.learn.aligned import beside, seen_of
from adjudge.learn.choices import trade_offs
from adjudge.learn.folds import judged_in_folds
from adjudge.learn.leakage import leakage
from adjudge.learn.report import Report
from adjudge.learn.slices import slicings
from adjudge.learn.train import alerts, probabilities, vocabulary_of
from adjudge.learn.unseen import SEEN, unseen

if TYPE_CHECKING:
    from adjudge.learn.aligned import Progress
    from adjudge.learn.pipeline import Asked, Loaded
    from adjudge.learn.source import Source
    from adjudge.learn.table import Table
    from adjudge.learn.unseen import Unseen
    from adjudge.typing import AnyArray

KNOWN_LEFT_OUT = "Customers take no part in the test from the moment on at which a fraud of theirs is known."
"""Note of a report whose test is without them."""

DECLINED = (
    "Some events were declined. The headline is about those that were let through; training, calibration, thresholds "
    "and the trade-off give each of them the weight of those that it stands for. Figures of all events are in the "
    "section on declined traffic."
)
"""Note of a report on data with declines."""


def beyond(report: Report, made: Loaded, source: Source, asked: Asked, progress: Progress) -> Report:
    """Return a report with everything that was asked for.

    Parameters
    ----------
    report
        The headline.
    made
        The bundle and the parts of the data.
    source
        The data.
    asked
        What else to find out.
    progress
        Told how far it is.

    Raises
    ------
    InputError
        If there is no such field to cut by.
    """
    test, policy = made.trained.parts.test, made.plan.policy
    columns = columns_of(made, source, test, asked.slices)  # a wrong name is told before anything takes long
    p = probabilities(made.trained.scorer, test)
    notes = list(report.notes)
    parts: dict[str, object] = {
        "trade_offs": trade_offs(policy, test, p, made.trained.thresholds, review_minutes=asked.review_minutes)
    }
    if asked.drop_known:
        notes.append(KNOWN_LEFT_OUT)
    if columns:
        alert = alerts(policy, test, p, made.trained.thresholds)
        parts["slices"] = slicings(test, alert, columns, seed=asked.seed)
    if SEEN in made.table.extra:
        notes.append(DECLINED)
        parts["unseen"] = declined_in(made, source, asked)
    if asked.folds:
        parts["folds"] = judged_in_folds(
            compile(made.plan.system, secret=_secret(made)),
            seen_of(made.table),
            asked.folds,
            vocabulary=vocabulary_of(made.plan, source.frames),
            drop_known=asked.drop_known,
            progress=lambda done, of: progress("folds", done, of),
            seed=asked.seed,
            past=made.table,
        )
    if asked.leakage:
        parts["leakage"] = leakage(
            made.plan, source, made.table, progress=lambda done, of: progress("leakage", done, of)
        )  # fmt: skip
    return msgspec.structs.replace(report, notes=tuple(notes), **parts)


def declined_in(made: Loaded, source: Source, asked: Asked) -> Unseen:
    """Return naive and weighted figures of the whole test span, declined events included."""
    test = made.split.parts(made.table, matures_us=0).test
    p = probabilities(made.trained.scorer, test)
    truth = None
    if source.truth is not None and "fraud" in source.truth.columns:
        truth = beside(made.plan, source.truth, "fraud", test, otherwise=False).astype(np.float64)
    alert = alerts(made.plan.policy, test, p, made.trained.thresholds)
    return unseen(test, alert, p, truth=truth, seed=asked.seed)


def columns_of(made: Loaded, source: Source, test: Table, names: tuple[str, ...]) -> Mapping[str, AnyArray]:
    """Return fields of the decided event, or features, by name, for the events of the test.

    Parameters
    ----------
    made
        The system and its data.
    source
        Where the fields are.
    test
        The events.
    names
        Which ones.

    Raises
    ------
    InputError
        If there is no such field or feature.
    """
    frame = source.frames[made.plan.decides]
    found: dict[str, AnyArray] = {}
    for name in names:
        if name in frame.columns:
            found[name] = beside(made.plan, frame, name, test)
        elif name in test.names and name not in made.plan.categorical:
            found[name] = test.column(name)
        else:
            message = (
                f"there is no field or feature {name!r} to cut by{did_you_mean(name, [*frame.columns, *test.names])}"
            )
            raise InputError(message, field="by", code="unknown_field")
    return found


def _secret(made: Loaded) -> bytes:
    return made.plan.stream(made.plan.decides).encoder.secret
