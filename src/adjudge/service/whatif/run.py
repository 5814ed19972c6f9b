"""The whole of it: from a log and what is different in the other world to both worlds of the same events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.learn.past import Past, known_of, written_past
from adjudge.learn.whatif.worlds import Worlds
from adjudge.log import End, Log
from adjudge.log.scan import scan
from adjudge.service.columns import Reader, active_of, named_system, plan_of
from adjudge.service.follow import FOLDED, Follower, active_at, quiet
from adjudge.service.personal.keys import MemoryKeys
from adjudge.service.whatif.approvals import approvals_of
from adjudge.service.whatif.change import Beside, Change, Otherwise
from adjudge.service.whatif.fold import Deciding, Lived, Made, One
from adjudge.service.whatif.kept import Kept, named
from adjudge.service.workspace import Workspace
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

Told = Callable[[str, int, int], None]
"""Told of progress: what is being done, the position that has been reached, and the one where it ends."""

ALWAYS = (-(2**62), 2**62)


@dataclass(frozen=True)
class Span:
    """Which part of a log is looked at, and how.

    Parameters
    ----------
    system
        Name of the system; None where there is only one.
    between
        Bounds of the event time, microseconds UTC: the other world decides from the first such event on.
    as_of
        When all of it was looked at; when the last entry was received where absent.
    approvals
        What really took place: a table with the events' ids, ``approved`` and ``propensity``.
    complete
        Whether nothing was stopped but what `approvals` say, as in data that nobody decided.
    """

    system: str | None = None
    between: tuple[int, int] = ALWAYS
    as_of: int | None = None
    approvals: pl.DataFrame | None = None
    complete: bool = False


def counterfactual(
    log: Log,
    change: Change,
    bundles: Beside,
    *,
    span: Span | None = None,
    snapshots: Path | None = None,
    told: Told = lambda what, done, of: None,
) -> Worlds:
    """Return the events of a log as they were decided, and as they are decided where something is different.

    Nothing is written. What decides in the other world is what was active, with what is different put in its place, and
    from the first event of the span on its own decisions are what its histories see. Before that the past is as it was.

    Parameters
    ----------
    log
        Only read; it may be appended to meanwhile.
    change
        What is different.
    bundles
        Where models are.
    span
        Which part of the log; all of it where absent.
    snapshots
        Folder of the log's snapshots.
    told
        Told of progress.

    Raises
    ------
    InputError
        If there is no such system, it has decided nothing in this span, or what is different makes no sense.
    NotRestoredError
        If what stays as it was cannot be made again, as its bundle is gone.
    SnapshotError
        If the beginning of the log was archived and is needed.
    """
    span = span or Span()
    active, entries = active_of(log, bundles.secret, snapshots)
    name = named_system(active.systems, span.system)
    otherwise = Otherwise(change, bundles)
    otherwise.plan(active.systems[name])  # what makes no sense is told before anything is read
    plan = plan_of(active.systems[name], bundles.secret)
    reader = Reader(log, plan, entries, (), lambda done, of: told("read the log", done, of))
    past, seq, label = _past(reader, plan, span, modelled="model" in active.systems[name].card.versions)
    seen, chance = None, None
    if span.approvals is not None or span.complete:
        stops = past.action == len(past.system.policy.actions) - 1
        seen, chance = approvals_of(past.ids, span.approvals, np.zeros_like(stops) if span.complete else stops)
        known = known_of(label, past.ts, as_of=past.as_of, matures_us=past.matures_us, stopped=~seen)
        past = replace(past, known=known)
    made, last = _decided(log, name, otherwise, (int(seq.min()), int(seq.max()) + 1), snapshots, told)
    return Worlds(
        past,
        seq,
        made.world(seq),
        versions=(active.systems[name].card.versions, last.versions),
        parts=change.parts,
        degraded=made.degraded,
        seen=seen,
        chance=None if span.approvals is None else chance,
    )


def _past(reader: Reader, plan: Plan, span: Span, *, modelled: bool) -> tuple[Past, IntArray, FloatArray]:
    """Return the past in a span of time, and position and label of its events."""
    laid = reader.laid()
    as_of = max(reader.last_received(), 0) if span.as_of is None else span.as_of
    past = written_past(plan, laid.slots, laid.X, laid.written, as_of=as_of, modelled=modelled)
    part = slice(*np.searchsorted(past.ts, span.between).tolist())
    if part.start == part.stop:
        message = "there are no events in this span of time"
        raise InputError(message, field="since")
    return past.between(*span.between), laid.written.seq[part], laid.written.label[part]


def _decided(
    log: Log, name: str, otherwise: Otherwise, positions: tuple[int, int], snapshots: Path | None, told: Told
) -> tuple[Made, Plan]:
    """Return what the other world decides between two positions, and the plan that decides last."""
    first, stop = positions
    plan = otherwise.plan(active_at(log, snapshots, first)[name])
    workspace, end = _before(plan, log, snapshots, first, told)
    start = end.position

    def anew(plan: Plan, made: Made, position: int) -> Workspace:
        workspace, _ = _before(plan, log, snapshots, start, told)
        folder = Lived(workspace, name, made, start)
        for stretch in scan(log, start, None, FOLDED):
            if stretch.first >= position:
                break
            folder.block(stretch.first, stretch.block, stretch.received_at)
            told("fold anew", stretch.first, position)
        folder.finish()
        return folder.workspace

    kept = Kept(named(log, plan.decides, start, stop))
    folder = Deciding(workspace, name, otherwise.plan, anew, kept=kept)
    for stretch in scan(log, start, None, FOLDED, after=end.link):
        if stretch.first >= stop:
            break
        folder.block(stretch.first, stretch.block, stretch.received_at)
        told("decide otherwise", min(stretch.first, stop), stop)
    folder.finish()
    told("decide otherwise", stop, stop)
    return folder.made, folder.workspace.systems[name].plan


def _before(plan: Plan, log: Log, snapshots: Path | None, position: int, told: Told) -> tuple[Workspace, End]:
    """Return the state of a system before the commit that holds a position, as it really was, and where that ends."""
    # nothing personal is read here: what folding needs stands beside what is sealed
    follower = Follower([plan], log, snapshots, say=quiet, until=position, keys=MemoryKeys())
    folder, end = One(follower.workspace), follower.end
    for stretch in scan(log, end.position, position, FOLDED, after=end.link):
        folder.block(stretch.first, stretch.block, stretch.received_at)
        if stretch.end is not None:
            end = stretch.end
            told("fold what came before", end.position, position)
    folder.finish()
    return folder.workspace, end
