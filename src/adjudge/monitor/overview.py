"""Everything that watching came to, as one document for a person, a page or a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.monitor.alerts import Hysteresis, Incident, Notice, Signal, Silence, look
from adjudge.monitor.business import Business
from adjudge.monitor.classifier import Separation, separation
from adjudge.monitor.days import DAY_US
from adjudge.monitor.drift import Drift
from adjudge.monitor.levels import Level, Objective, overspent
from adjudge.monitor.performance import Performance
from adjudge.monitor.questions import Family
from adjudge.monitor.verdict import Cause, Evidence
from adjudge.monitor.watch import Watch, Watched

if TYPE_CHECKING:
    import polars as pl

SHOWN = 4
"""Courses of questions that an episode shows."""


class Course(msgspec.Struct, frozen=True):
    """One question over all days, of the reference and watched.

    Parameters
    ----------
    title
        The field and the question, in words.
    dates
        Of each day.
    seen, usual
        Shares; None where nothing was asked.
    spread
        What reference days differ by, as a share.
    """

    title: str
    dates: tuple[str, ...]
    seen: tuple[float | None, ...]
    usual: tuple[float | None, ...]
    spread: float


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms of days in a row that have the same cause.

    Parameters
    ----------
    cause
        Whose change it is.
    first, last
        Dates.
    evidence
        What speaks for it, of the last day.
    drifts
        What has drifted on the last day, the surest first.
    courses
        The surest questions over time.
    apart
        How well the last day can be told from the reference, and by which fields.
    """

    cause: Cause
    first: str
    last: str
    evidence: tuple[Evidence, ...]
    drifts: tuple[Drift, ...]
    courses: tuple[Course, ...]
    apart: Separation | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that watching came to.

    Parameters
    ----------
    title
        What was watched.
    reference
        First and last date of the reference.
    days
        The watched days.
    episodes
        Alarms in a row, the first one first.
    incidents
        What is the matter at the end.
    notices
        Who would have been told what on the way.
    performance, business, levels
        Empty where decisions were not given.
    objective
        What `levels` are held against.
    """

    title: str
    reference: tuple[str, str]
    days: tuple[Watched, ...]
    episodes: tuple[Episode, ...]
    incidents: tuple[Incident, ...]
    notices: tuple[Notice, ...]
    performance: tuple[Performance, ...] = ()
    business: tuple[Business, ...] = ()
    levels: tuple[Level, ...] = ()
    objective: Objective | None = None


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of decisions beside the data; see `Overview`."""

    performance: tuple[Performance, ...] = ()
    business: tuple[Business, ...] = ()
    levels: tuple[Level, ...] = ()
    objective: Objective | None = None


def overview(
    title: str,
    watch: Watch,
    frame: pl.DataFrame,
    *,
    decisions: Decisions | None = None,
    silences: Sequence[Silence] = (),
    hysteresis: Hysteresis | None = None,
) -> Overview:
    """Return everything that watching came to.

    Parameters
    ----------
    title
        What was watched.
    watch
        What came of it.
    frame
        The rows that were watched, in the same order.
    decisions
        What is told of decisions.
    silences, hysteresis
        Of the alerts; see `look`.
    """
    incidents, notices = alerts(watch.days, silences=silences, hysteresis=hysteresis)
    told = decisions or Decisions()
    return Overview(
        title=title,
        reference=(watch.span.date(0), watch.span.date(watch.span.watched - 1)),
        days=watch.days,
        episodes=tuple(_episode(run, watch, frame) for run in _runs(watch.days)),
        incidents=incidents,
        notices=notices,
        performance=told.performance,
        business=told.business,
        levels=told.levels,
        objective=told.objective,
    )


def alerts(
    days: Sequence[Watched], *, silences: Sequence[Silence] = (), hysteresis: Hysteresis | None = None
) -> tuple[tuple[Incident, ...], tuple[Notice, ...]]:
    """Return the incidents after the last day, and what would have been told at the end of each."""
    state: dict[str, Incident] = {}
    notices: list[Notice] = []
    for day in days:
        state, told = look(state, signals(day), day.start_us + DAY_US, hysteresis=hysteresis, silences=silences)
        notices += told
    return tuple(state.values()), tuple(notices)


def signals(day: Watched) -> list[Signal]:
    """Return what is the matter on a day, one signal for each field that something is the matter with."""
    if day.verdict is None:
        return []
    found: dict[str, Signal] = {}
    for one in day.verdict.evidence:
        key = f"{one.cause}:{one.field}"
        broken = one.cause == "pipeline"
        found.setdefault(key, Signal(key, one.words, one.cause, broken, "critical" if broken else "warning"))
    return list(found.values())


def spent(levels: Sequence[Level]) -> list[Signal]:
    """Return that the budget of errors is spent, where it is after the last day."""
    if not overspent(levels):
        return []
    last = levels[-1]
    words = f"the budget of slow or incomplete answers is spent: {last.good:.2%} were good on {last.date}"
    return [Signal("service:budget", words, "service", severity="critical")]


def _runs(days: Sequence[Watched]) -> list[list[Watched]]:
    """Return alarms of days in a row that have the same cause."""
    runs: list[list[Watched]] = []
    for before, day in zip([None, *days], days, strict=False):
        if day.verdict is None:
            continue
        if before is not None and before.verdict is not None and before.verdict.cause == day.verdict.cause:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _episode(run: Sequence[Watched], watch: Watch, frame: pl.DataFrame) -> Episode:
    last = run[-1]
    assert last.verdict is not None
    day = (last.start_us - watch.span.start_us(0)) // DAY_US
    usual, seen = watch.span.day < watch.span.watched, watch.span.day == day
    apart = None
    if min(usual.sum(), seen.sum()) >= 300:
        rows = [np.flatnonzero(mask) for mask in (usual, seen)]
        apart = separation(frame[rows[0]], frame[rows[1]], watch.kinds)
    return Episode(
        cause=last.verdict.cause,
        first=run[0].date,
        last=last.date,
        evidence=last.verdict.evidence,
        drifts=last.drifts,
        courses=tuple(_courses(last.drifts, watch)),
        apart=apart,
    )


def _courses(drifts: Sequence[Drift], watch: Watch) -> list[Course]:
    """Return the surest questions over all days, one of each field first."""
    chosen = list({drift.field: drift for drift in reversed(drifts)}.values())[::-1]
    by_name = {(family.field, family.within): family for family in watch.families}
    return [_course(drift, by_name[drift.field, drift.within], watch) for drift in chosen[:SHOWN]]


def _course(drift: Drift, family: Family, watch: Watch) -> Course:
    from adjudge.monitor.verdict import question_words

    row = next(
        i
        for i, question in enumerate(family.questions)
        if (question.kind, question.value, question.segment) == (drift.kind, drift.value, drift.segment)
    )
    seen, usual = family.found.seen[row], family.found.usual[row]
    known = slice(0, watch.span.watched)
    with np.errstate(invalid="ignore"):
        spread = float(np.sqrt(np.nanmean((seen[known] - usual[known]) ** 2)))
    return Course(
        f"{drift.name}: {question_words(drift)}",
        tuple(watch.span.date(day) for day in range(watch.span.count)),
        tuple(float(value) if np.isfinite(value) else None for value in seen),
        tuple(float(value) if np.isfinite(value) else None for value in usual),
        spread,
    )
