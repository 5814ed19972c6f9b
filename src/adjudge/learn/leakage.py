"""Does a feature peek? Four tests, each for a way in which the future gets into a training table.

What is computed by the engine cannot see what comes later, and the first two tests prove it on the data at hand; they
hold whatever else computes features to the same. What came with the data as a column was computed by somebody else and
cannot be computed again: there the last two look for the traces that peeking leaves.

``cut``
    Computed again from what was there before a moment, with nothing that came or was known later, a feature of an
    earlier event must have the same bits.
``delay``
    Computed again with every label known later by some days, a feature that reads no label must have the same bits.
``too_good``
    One feature alone ranks frauds almost without error, while its value at the same customer's event before says
    little. Real signals are seldom so good and seldom gone so soon.
``filled_later``
    A value that is rarely there is there for frauds, and much more rarely for events younger than the label delay: it
    is filled in when the truth comes out. Asked of columns that came with the data only.

The limits: the first two see only what is computed here; a rule that real fraud always breaks looks like ``too_good``
to the third; the fourth needs events of the last days, and takes a fraud wave that ended for a leak. The last two raise
questions for a person, the first two are proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import DerivedFeature, WindowFeature
from adjudge.define.expression import parse
from adjudge.engine import Plan
from adjudge.errors import DefinitionError, InputError
from adjudge.learn.backfill import backfill
from adjudge.learn.ranking import Ranking
from adjudge.learn.source import Source
from adjudge.learn.table import Table
from adjudge.typing import AnyArray, BoolArray, FloatArray

if TYPE_CHECKING:
    import polars as pl

Recompute = Callable[[Source], Table]
"""Computes the features of a source; a backfill unless said otherwise."""

Progress = Callable[[int, int], None]
"""Called with computations done and computations in all."""


@dataclass(frozen=True)
class Limits:
    """From where on something is suspicious.

    Parameters
    ----------
    cuts
        Shares of the span of time at which the past is cut off.
    delay_days
        How much later labels become known in the second test.
    auc, drop
        Area under the curve of one feature from which on it is too good, and how much less good it is one event
        earlier.
    lift, ratio
        How many times more often a value is there for frauds than for others, and how many times as often for young
        events as for older ones at most.
    """

    cuts: tuple[float, ...] = (0.5, 0.8)
    delay_days: float = 7.0
    auc: float = 0.9
    drop: float = 0.1
    lift: float = 5.0
    ratio: float = 0.6


class Suspicion(msgspec.Struct, frozen=True):
    """One feature that one test caught.

    Parameters
    ----------
    feature, test
        Which, and by which test.
    words
        What was seen.
    proof
        Whether nothing but peeking explains it; otherwise a person should look.
    """

    feature: str
    test: str
    words: str
    proof: bool


class Leakage(msgspec.Struct, frozen=True):
    """What the tests found.

    Parameters
    ----------
    events, features
        How many were looked at.
    tests
        What each test did, by name.
    readers
        Features that read the label, with the share of their values that changed when labels came later.
    found
        What is suspicious; empty where nothing is.
    """

    events: int
    features: int
    tests: dict[str, str]
    readers: tuple[tuple[str, float], ...]
    found: tuple[Suspicion, ...]

    @property
    def proven(self) -> bool:
        """Whether a feature peeks for certain."""
        return any(one.proof for one in self.found)


def leakage(
    plan: Plan,
    source: Source,
    table: Table | None = None,
    *,
    recompute: Recompute | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Leakage:
    """Test every feature of a system, or of whatever else computes a table from a source, for what it must not know.

    Parameters
    ----------
    plan
        The compiled system.
    source
        Its data.
    table
        What `recompute` gives for the source, where it is at hand.
    recompute
        What computes the features; a backfill of the plan unless said otherwise.
    limits
        From where on something is suspicious.
    progress
        Told after each computation.

    Raises
    ------
    DefinitionError
        If the system has no label.
    InputError
        If the source holds none.
    """
    how, label = limits or Limits(), plan.system.label
    if label is None:
        message = f"system {plan.system.name!r} has no label, so there is nothing that a feature could know too early"
        raise DefinitionError(message)
    if label.name not in source.labels:
        message = f"the data holds no labels {label.name!r}, so leakage cannot be tested"
        raise InputError(message, field=label.name, code="no_labels")
    compute = recompute or (lambda given: backfill(plan, given.frames, given.labels).table)
    steps = 1 + len(how.cuts)
    whole = compute(source) if table is None else table
    whole = whole.features(tuple(name for name in whole.names if name not in plan.asked))
    found: list[Suspicion] = []
    tests: dict[str, str] = {}
    moments = [int(whole.ts[0] + share * (whole.ts[-1] - whole.ts[0])) for share in how.cuts]
    for done, moment in enumerate(moments, 1):
        found += _cut(whole, compute(_before(plan, source, moment)), moment, found)
        if progress is not None:
            progress(done, steps)
    tests["cut"] = f"computed again from before {', '.join(map(_date, moments))}"
    changed = _changed(whole, compute(_later(source, label.name, how.delay_days)))
    if progress is not None:
        progress(steps, steps)
    reads = _readers(plan)
    found += [
        Suspicion(name, "delay", f"reads no label, but {share:.2%} of its values change when labels come later", True)
        for name, share in changed.items()
        if share > 0 and name not in reads
    ]
    tests["delay"] = f"computed again with labels known {how.delay_days:g} days later"
    y = whole.known(int(whole.ts[-1]), matures_us=round(label.delay.total_seconds() * 1e6))
    found += _too_good(plan, whole, y, how)
    tests["too_good"] = f"AUC of one feature at least {how.auc:g}, and {how.drop:g} more than at the event before"
    found += _filled_later(plan, whole, y, label.delay, how)
    tests["filled_later"] = (
        f"there {how.lift:g} times as often for frauds, and at most {how.ratio:g} times as often in the last "
        f"{label.delay.days} days"
    )
    readers = tuple((name, changed[name]) for name in whole.names if name in reads and name in changed)
    return Leakage(len(whole), len(whole.names), tests, readers, tuple(found))


def _before(plan: Plan, source: Source, moment: int) -> Source:
    """Return what was there and known before a moment."""
    import polars as pl

    at = datetime.fromtimestamp(moment / 1e6, tz=UTC)
    frames = {name: frame.filter(pl.col(plan.schema(name).time_field) < at) for name, frame in source.frames.items()}
    labels = {name: frame.filter(pl.col("known_at") < at) for name, frame in source.labels.items()}
    return replace(source, frames=frames, labels=labels)


def _later(source: Source, label: str, days: float) -> Source:
    """Return the source with its labels known so many days later."""
    import polars as pl

    frame: pl.DataFrame = source.labels[label]
    moved = frame.with_columns(pl.col("known_at") + timedelta(days=days))
    return replace(source, labels={**source.labels, label: moved})


def _cut(whole: Table, part: Table, moment: int, found: Sequence[Suspicion]) -> list[Suspicion]:
    """Return the features that differ where only the future was taken away, those found already left out."""
    known = {one.feature for one in found}
    changed = _changed(whole.between(int(whole.ts[0]), moment), part)
    return [
        Suspicion(
            name, "cut", f"{share:.2%} of its values change when what came after {_date(moment)} is taken away", True
        )
        for name, share in changed.items()
        if share > 0 and name not in known
    ]  # fmt: skip


def _changed(whole: Table, other: Table) -> dict[str, float]:
    """Return the share of values of each feature that differ in any bit, missing ones being equal."""
    if not np.array_equal(whole.ts, other.ts):
        message = f"leakage: {len(whole)} events became {len(other)}, or moved, when only what is known changed"
        raise DefinitionError(message)
    again = other.features(whole.names).X
    differ = (whole.X.view(np.int64) != again.view(np.int64)) & ~(np.isnan(whole.X) & np.isnan(again))
    return dict(zip(whole.names, differ.mean(axis=1).tolist(), strict=True))


def _readers(plan: Plan) -> set[str]:
    """Return the features that read the label, by themselves or through others."""
    label = plan.system.label
    marks = set() if label is None else {label.name, *label.marks}
    found = {name for name, one in plan.features.items() if isinstance(one, WindowFeature) and one.of in marks}
    derived = {
        name: parse(one.expression).names for name, one in plan.features.items() if isinstance(one, DerivedFeature)
    }
    while more := {name for name, names in derived.items() if name not in found and not found.isdisjoint(names)}:
        found |= more
    return found


def _too_good(plan: Plan, table: Table, y: FloatArray, how: Limits) -> list[Suspicion]:
    before, has = _event_before(table)
    known = ~np.isnan(y)
    found = []
    for row, name in enumerate(table.names):
        values, judged = table.X[row], known
        if name in plan.categorical:
            values, judged = _rates(values, y), known & (np.arange(len(y)) >= len(y) // 2)
        here = _auc(y, values, judged)
        if here < how.auc:
            continue
        shifted = _auc(y, values[before], judged & has)
        if here - shifted >= how.drop:
            words = (
                f"alone it has an AUC of {here:.3f}, and of {shifted:.3f} by its value at the customer's event before"
            )
            found.append(Suspicion(name, "too_good", words, False))
    return found


def _filled_later(plan: Plan, table: Table, y: FloatArray, delay: timedelta, how: Limits) -> list[Suspicion]:
    young = table.ts > table.ts[-1] - round(delay.total_seconds() * 1e6)
    fraud, honest = (~young) & (y == 1), (~young) & (y == 0)
    found = []
    for row, name in enumerate(table.names):
        if name in plan.categorical or name in plan.features:
            continue  # what the engine computes has been proven already, a wave that ended or not
        there = _uncommon(table.X[row])
        of_fraud, of_honest, now = (float(there[rows].mean()) if rows.any() else 0.0 for rows in (fraud, honest, young))
        then = float(there[~young].mean())
        spread = np.sqrt(max(then * (1 - then), 1e-300) / max(int(young.sum()), 1))
        rare = then < 0.5 and of_fraud > 0.1 and of_fraud >= how.lift * of_honest
        if rare and now <= how.ratio * then and now - then < -2.5 * spread:
            words = (
                f"there for {of_fraud:.1%} of the frauds and {of_honest:.2%} of the others, for {then:.3%} of older "
            )
            words += f"events and {now:.3%} of those of the last {delay.days} days"
            found.append(Suspicion(name, "filled_later", words, False))
    return found


def _uncommon(values: FloatArray) -> BoolArray:
    """Return where something stands that is not what mostly stands there, missing counting as a value."""
    missing = np.isnan(values)
    known = values[~missing]
    if not len(known):
        return ~missing
    distinct, count = np.unique(known, return_counts=True)
    usual = distinct[int(np.argmax(count))]
    if int(missing.sum()) >= int(count.max()):
        return ~missing
    different: BoolArray = missing | (values != usual)
    return different


def _event_before(table: Table) -> tuple[AnyArray, BoolArray]:
    """Return for each event the position of the one before of the same entity, and whether there is one."""
    order = np.argsort(table.entity, kind="stable")
    same = table.entity[order][1:] == table.entity[order][:-1]
    before, has = np.zeros(len(table), dtype=np.int64), np.zeros(len(table), dtype=np.bool_)
    before[order[1:]] = np.where(same, order[:-1], 0)
    has[order[1:]] = same
    return before, has


def _rates(values: FloatArray, y: FloatArray) -> FloatArray:
    """Return for each event the fraud rate that its category had in the earlier half; only later ones can be judged."""
    half = len(values) // 2
    _, code = np.unique(values.view(np.int64), return_inverse=True)
    known = ~np.isnan(y[:half])
    events = np.bincount(code[:half][known], minlength=int(code.max()) + 1)
    frauds = np.bincount(code[:half][known], weights=y[:half][known], minlength=int(code.max()) + 1)
    rate: FloatArray = (frauds / (events + 20.0))[code]
    return rate


def _auc(y: FloatArray, values: FloatArray, rows: BoolArray) -> float:
    """Return how well values rank frauds, whichever way round; missing ones are lowest, or highest."""
    truth, given = y[rows], values[rows]
    if not 0 < truth.sum() < len(truth):
        return 0.5
    given = np.clip(given, -1e300, 1e300)
    found = [
        Ranking.of(truth, sign * np.where(np.isnan(given), sign * missing, given)).curve().auc()
        for sign in (1.0, -1.0)
        for missing in (-1e301, 1e301)
    ]
    return float(max(found))


def _date(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M")
