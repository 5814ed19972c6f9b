"""What is due and why: by schedule, because the world has moved, or because the champion does worse than it did.

Every question is answered, also with no; what makes a retrain due goes into the entry of what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from adjudge.define import micros
from adjudge.engine import Plan
from adjudge.errors import AdjudgeError
from adjudge.learn.bootstrap import interval
from adjudge.learn.bundle import Bundle
from adjudge.learn.evaluate import DAY_US, Evaluation
from adjudge.learn.goingon import can_go_on
from adjudge.learn.past import FRAUD, HONEST
from adjudge.learn.ranking import Ranking
from adjudge.log import Kind as EntryKind
from adjudge.log import Log
from adjudge.log.codec import Changes
from adjudge.log.scan import scan
from adjudge.service.columns import active_of, logged_past, named_system, plan_of
from adjudge.service.registry.entries import Release
from adjudge.service.retrain.position import position_at
from adjudge.service.retrain.recipe import Kind, recipe_of
from adjudge.service.retrain.run import Place, sliced
from adjudge.service.retrain.table import Logged, logged_table
from adjudge.service.retrain.texts import texts_of

if TYPE_CHECKING:
    import polars as pl

Trigger = Literal["schedule", "labels", "drift", "decay", "growth"]

HOUR_US = 3_600_000_000

LEAST_FRAUDS = 20
"""Frauds that have to be known before a champion is said to do worse."""


@dataclass(frozen=True)
class Schedule:
    """When something is due.

    Parameters
    ----------
    full_us, incremental_us
        Time between two retrains of a kind.
    reference_us, watched_us
        Span that is usual, and the days after it that are held against it.
    drifted_days
        Days of the watched ones on which the world must have moved.
    drift, decay
        Whether these are looked at.
    """

    full_us: int = 61 * DAY_US
    incremental_us: int = HOUR_US
    reference_us: int = 42 * DAY_US
    watched_us: int = 7 * DAY_US
    drifted_days: int = 2
    drift: bool = True
    decay: bool = True


class Reason(msgspec.Struct, frozen=True):
    """One question and its answer.

    Parameters
    ----------
    kind
        What would be due.
    trigger
        What was asked.
    due
        The answer.
    words
        Why, or why not.
    """

    kind: Kind
    trigger: Trigger
    due: bool
    words: str


def reasons(
    place: Place,
    releases: Iterable[Release],
    system: str | None,
    now_us: int,
    schedule: Schedule | None = None,
    *,
    estimator: object = None,
) -> list[Reason]:
    """Return every reason for and against retraining now.

    Parameters
    ----------
    place
        Where the workspace is; nothing in it is changed.
    releases
        What is registered.
    system
        Name of the system, where there are several.
    now_us
        The present, microseconds UTC.
    schedule
        When something is due; as usual where absent.
    estimator
        What the system trains, which no log says.

    Raises
    ------
    InputError
        If there is no such system.
    """
    asked = schedule or Schedule()
    secret = place.bundles.secret
    active, entries = active_of(place.log, secret, place.snapshots)
    name = named_system(active.systems, system)
    one = active.systems[name]
    plan, champion = plan_of(one, secret), place.bundles.read(one.bundle) if one.bundle else None
    mine = [release for release in releases if release.system == name and release.what == "bundle"]
    found = [_full(mine, now_us, asked), *_incremental(place.log, plan, mine, (champion, estimator), now_us, asked)]
    if asked.decay:
        found.append(_answered("decay", lambda: _decay(place, plan, champion, name)))
    if asked.drift:
        logged = lambda start: logged_table(place.log, plan, entries, start=start)  # noqa: E731
        texts = lambda start: texts_of(place.log, plan, entries.layouts, start=start)  # noqa: E731
        found.append(_answered("drift", lambda: _drift(place, plan, asked, now_us, logged, texts)))
    return found


def kind_due(found: list[Reason]) -> Kind | None:
    """Return what to do: a full retrain where anything asks for one, else an incremental one; None for nothing.

    Examples
    --------
    >>> kind_due([Reason("full", "schedule", False, "a day ago"), Reason("incremental", "schedule", True, "hourly")])
    'incremental'
    """
    due = {one.kind for one in found if one.due}
    return "full" if "full" in due else "incremental" if due else None


def _full(mine: list[Release], now_us: int, asked: Schedule) -> Reason:
    last = max((one.at_us for one in mine if one.how == "full"), default=None)
    if last is None:
        return Reason("full", "schedule", True, "no full retrain was registered yet")
    words = f"the last full retrain was {_ago(now_us - last)} ago; one is due every {_ago(asked.full_us)}"
    return Reason("full", "schedule", now_us - last >= asked.full_us, words)


def _incremental(
    log: Log, plan: Plan, mine: list[Release], models: tuple[Bundle | None, object], now_us: int, asked: Schedule
) -> list[Reason]:
    champion, estimator = models
    why = "no bundle decides here yet" if champion is None else can_go_on(champion.scorer, estimator)
    if why:
        grown = champion is not None and "trees already" in why
        return [
            Reason("incremental", "schedule", False, f"{why}, so there is nothing to go on from"),
            *([Reason("full", "growth", True, why)] if grown else []),
        ]
    own = [one for one in mine if one.how in ("full", "incremental")]
    last = max(own, key=lambda one: one.seq, default=None)
    if last is None:
        return [Reason("incremental", "schedule", True, "no retrain was registered yet")]
    if now_us - last.at_us < asked.incremental_us:
        words = f"the last retrain was {_ago(now_us - last.at_us)} ago; one is due every {_ago(asked.incremental_us)}"
        return [Reason("incremental", "schedule", False, words)]
    said = _labels_since(log, plan, last.seq)
    words = f"{said:,} labels have come since the last retrain {_ago(now_us - last.at_us)} ago"
    return [Reason("incremental", "labels", said > 0, words)]


def _labels_since(log: Log, plan: Plan, position: int) -> int:
    blocks = (stretch.block for stretch in scan(log, position, parts=()))
    return sum(
        len(block)
        for block in blocks
        if isinstance(block, Changes) and block.stream == plan.decides and block.kind == EntryKind.LABEL
    )


def _answered(trigger: Trigger, ask: Callable[[], Reason]) -> Reason:
    """Return an answer; where there is too little to give one, that is the answer."""
    try:
        return ask()
    except AdjudgeError as error:
        return Reason("full", trigger, False, f"cannot be told: {error}")


def _decay(place: Place, plan: Plan, champion: Bundle | None, system: str) -> Reason:
    """Hold what the champion has reached on labels that are old enough against what it reached when it was judged."""
    judged = None if champion is None else champion.evaluation()
    if champion is None or judged is None:
        return Reason("full", "decay", False, "nothing says what the champion reached when it was judged")
    then = msgspec.json.decode(judged, type=Evaluation).ranker("model").figures["average_precision"]
    recipe = recipe_of("full", 0 if plan.system.label is None else micros(plan.system.label.delay))
    past = logged_past(place.log, (), secret=place.bundles.secret, system=system, snapshots=place.snapshots)
    part = past.between(past.as_of - recipe.judged_us - recipe.window_us, past.as_of - recipe.judged_us)
    rows = np.isin(part.known, (HONEST, FRAUD)) & ~np.isnan(part.p)
    y = (part.known[rows] == FRAUD).astype(np.float64)
    if y.sum() < LEAST_FRAUDS or then.low is None:
        words = f"{int(y.sum())} frauds of the last weeks are known, and it takes {LEAST_FRAUDS} to say how it does"
        return Reason("full", "decay", False, words)
    ranking = Ranking.of(y, part.p[rows])
    now = interval(
        lambda weight: ranking.curve(weight).average_precision(), len(y), entity=part.entity[rows], rounds=100
    )
    assert now.value is not None  # there are frauds
    words = (
        f"its average precision is {now.value:.3f} by labels that are old enough; when it was judged it was "
        f"{then.value or 0:.3f} ({then.low:.3f} to {then.high or 0:.3f})"
    )
    return Reason("full", "decay", now.value < then.low, words)


def _drift(
    place: Place,
    plan: Plan,
    asked: Schedule,
    now_us: int,
    logged: Callable[[int], Logged],
    texts: Callable[[int], dict[str, list[str]]],
) -> Reason:
    """Watch the last days against those before; what a pipeline has broken is to be mended and not to be learnt."""
    from adjudge.monitor.watch import watch

    begin = now_us - asked.watched_us
    start = position_at(place.log, begin - asked.reference_us)
    frame = _frame(plan, logged(start), texts(start))
    end = now_us // DAY_US * DAY_US  # a day that has just begun looks like no other
    days = watch(frame, begin // DAY_US * DAY_US, time="at", until_us=end).days
    moved = [day.date for day in days if day.verdict is not None and day.verdict.cause == "world"]
    broken = [day.date for day in days if day.verdict is not None and day.verdict.cause == "pipeline"]
    words = f"the world has moved on {len(moved)} of the last {len(days)} days"
    words += f": {', '.join(moved)}" if moved else ""
    if broken:
        words += f"; a pipeline broke something on {', '.join(broken)}, which is to be mended first"
    return Reason("full", "drift", len(moved) >= asked.drifted_days and not broken, words)


def _frame(plan: Plan, logged: Logged, texts: dict[str, list[str]]) -> pl.DataFrame:
    """Return the fields of the decided events that a model reads, as the monitor reads them."""
    import polars as pl

    table, schema = logged.table, plan.schema(plan.decides)
    named = tuple(name for name in table.names if name in schema.names)
    columns = sliced(plan, table, texts, named) if named else {}
    made = {name: column.tolist() if column.dtype == object else column for name, column in columns.items()}
    frame = pl.DataFrame({"at": table.ts, **made}, nan_to_null=True)
    return frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))


def _ago(us: int) -> str:
    if us >= 2 * DAY_US:
        return f"{us / DAY_US:.0f} days"
    return f"{us / HOUR_US:.0f} hours" if us >= 2 * HOUR_US else f"{us / 60e6:.0f} minutes"
