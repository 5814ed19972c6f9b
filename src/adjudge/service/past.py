"""Bringing the past into a workspace before its first decision: events and labels, logged and folded, not decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from adjudge.define import Label
from adjudge.define.label import Truth
from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.learn.source import Source
from adjudge.log import Kind
from adjudge.service.decider import Decider
from adjudge.service.workspace import Change

if TYPE_CHECKING:
    import polars as pl

LABELS = 5_000
"""Labels that are logged at a time; never changes a result."""


def import_source(decider: Decider, source: Source, system: str, *, until: datetime | None = None) -> int:
    """Import a source's events up to a time and what was known about them by then.

    Parameters
    ----------
    decider
        A decider that has decided nothing yet.
    source
        The past.
    system
        Name of the system whose streams and labels they are.
    until
        Leave out events and labels from this time on; None takes all.

    Returns
    -------
    int
        How many events came in.

    Raises
    ------
    InputError
        If something was decided already or a table does not fit its stream.
    """
    import polars as pl

    running = decider.workspace.system(system)
    plan = running.plan
    count = 0
    for stream in sorted(source.frames, key=lambda s: s == plan.decides):
        at = plan.schema(stream).time_field
        frame = source.frames[stream].sort(at, maintain_order=True)
        if until is not None:
            frame = frame.filter(pl.col(at) < until)
        count += decider.import_table(stream, frame)
    for name, frame in source.labels.items():
        known = frame.sort("known_at", maintain_order=True)
        if until is not None:
            known = known.filter(pl.col("known_at") < until)
        changes = list(told_of(plan, plan.truth(name), known))
        for start in range(0, len(changes), LABELS):
            for result in decider.change(changes[start : start + LABELS]):
                if isinstance(result, InputError):
                    raise result
    return count


def told_of(plan: Plan, truth: Truth, known: pl.DataFrame) -> Iterator[Change]:
    """Yield what is known of decided events, in the order of a table.

    Parameters
    ----------
    plan
        The compiled system.
    truth
        The label or outcome that is told.
    known
        The events' ids, and ``value``.
    """
    kind = Kind.LABEL if isinstance(truth, Label) else Kind.OUTCOME
    ids = known[plan.schema(plan.decides).id_field].to_list()
    for id_, value in zip(ids, known["value"].to_list(), strict=True):
        yield Change.saying(kind, plan.decides, id_, truth.name, value if truth.values else bool(value))
