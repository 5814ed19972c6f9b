"""The texts behind the hashes: what the categories of a log's events were called, for a model that is to know them.

The log's columns hold hashes. One body is read for each hash that has not been seen before, so that millions of events
cost a few thousand bodies.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from adjudge.define import Schema
from adjudge.engine import Plan
from adjudge.log import Log
from adjudge.log.codec import Events, Table
from adjudge.log.scan import scan
from adjudge.log.segment import Part
from adjudge.service import table
from adjudge.service.activation import FieldLayout, rows_from

READ: frozenset[Part] = frozenset(("fields", "bodies"))
"""What is read of events."""


def texts_of(
    log: Log, plan: Plan, layouts: Mapping[str, FieldLayout], *, start: int = 0, stop: int | None = None
) -> dict[str, list[str]]:
    """Return the texts that each categorical feature of a system may hold.

    Parameters
    ----------
    log
        Only read.
    plan
        The compiled system.
    layouts
        How fields under earlier schemas are read, by digest.
    start, stop
        Positions between which it is read.
    """
    found: set[str] = set()
    seen: set[int] = {0}  # the hash of what is missing
    for stretch in scan(log, start, stop, READ):
        block = stretch.block
        if not isinstance(block, Events | Table) or block.stream not in plan.streams:
            continue
        schema = plan.schema(block.stream)
        names = [field.name for field in schema if field.role == "category"]
        if isinstance(block, Table):
            found |= _of_table(block, names)
        elif names:
            found |= _of_events(block, plan, schema, names, layouts, seen)
    return {name: sorted(found) for name in plan.names if name in plan.categorical}


def _of_table(block: Table, names: list[str]) -> set[str]:
    import polars as pl

    frame = table.decode(block.parquet)
    held = [name for name in names if name in frame.columns]
    return {text for name in held for text in frame[name].cast(pl.String).drop_nulls().unique().to_list()}


def _of_events(
    block: Events,
    plan: Plan,
    schema: Schema,
    names: list[str],
    layouts: Mapping[str, FieldLayout],
    seen: set[int],
) -> set[str]:
    """Return the texts of a block whose hashes have not been seen; notes the hashes."""
    fields = block.matrix()
    if block.schema != schema.digest:
        if block.schema not in layouts:
            return set()  # what says how to read it was archived, and with it what was decided
        fields = rows_from(fields, layouts[block.schema], schema)
    encoder, found = plan.stream(block.stream).encoder, set()
    for name in names:
        hashes, first = np.unique(fields[encoder.row[name]].view(np.uint64), return_index=True)
        for hashed, place in zip(hashes.tolist(), first.tolist(), strict=True):
            if hashed not in seen:
                seen.add(hashed)
                text = msgspec.json.decode(block.bodies[place], type=dict[str, msgspec.Raw]).get(name)
                if text is not None and isinstance(said := msgspec.json.decode(text), str):
                    found.add(said)
    return found
