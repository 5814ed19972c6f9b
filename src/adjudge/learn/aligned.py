"""Columns of a source in the order of its backfilled table: what is known about an event besides its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.engine import Plan
from adjudge.learn.backfill import backfill
from adjudge.learn.source import Source
from adjudge.learn.table import Table
from adjudge.learn.unseen import PROPENSITY, SEEN, checked
from adjudge.typing import AnyArray

if TYPE_CHECKING:
    import polars as pl

CHANCE = "chance"
"""Column of `Table.extra`: what an oracle says of each event, who knows how the data comes about, in [0, 1]."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and how far it goes."""


def table_of(plan: Plan, source: Source, progress: Progress) -> Table:
    """Backfill a source; what is known of the truth, an oracle's chances, and what was declined come along.

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
    table, extra = made.table, {}
    if source.truth is not None and "pattern" in source.truth.columns:
        extra["pattern"] = beside(plan, source.truth, "pattern", table, otherwise="")
    if source.truth is not None and CHANCE in source.truth.columns:
        extra[CHANCE] = beside(plan, source.truth, CHANCE, table, otherwise=0.0).astype(np.float64)
    if source.approvals is not None:
        extra[SEEN] = beside(plan, source.approvals, "approved", table, otherwise=True).astype(np.float64)
        extra[PROPENSITY] = beside(plan, source.approvals, "propensity", table, otherwise=1.0).astype(np.float64)
    return replace(table, extra={**table.extra, **extra})


def beside(plan: Plan, frame: pl.DataFrame, column: str, table: Table, *, otherwise: Any = None) -> AnyArray:
    """Return a column of a table with one row for each decided event, in the order of a backfilled table.

    Parameters
    ----------
    plan
        The compiled system.
    frame
        Holds the events' ids and the column.
    column
        Which one.
    table
        What a backfill gave.
    otherwise
        What stands where the frame says nothing.
    """
    import polars as pl

    id_field = plan.schema(plan.decides).id_field
    ids = pl.DataFrame({id_field: table.ids})
    joined = ids.join(frame.select(id_field, column), on=id_field, how="left", maintain_order="left")[column]
    values: AnyArray = (joined if otherwise is None else joined.fill_null(otherwise)).to_numpy()
    return values


def seen_of(table: Table) -> Table:
    """Return the events that were let through: only of those will it ever be known what they were."""
    return table.select(checked(table)[0]) if SEEN in table.extra else table
