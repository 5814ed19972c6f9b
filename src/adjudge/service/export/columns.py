"""The past of a system as an export has it: the same columns as its log, from Parquet files alone.

What an export leaves out is not there: features that are texts inside, personal fields that are hidden, and the local
offset of times, which are UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adjudge.define import Schema
from adjudge.engine.encode import Encoder
from adjudge.engine.vm import Slot
from adjudge.errors import InputError
from adjudge.learn.past import (
    Past,
    Written,
    clock_of,
    derived_of,
    reading,
    width,
    words,
    written_past,
)
from adjudge.log import Kind
from adjudge.log.codec import Note
from adjudge.service.activation import Activation
from adjudge.service.columns import action_of, named_system, plan_of
from adjudge.service.export.rows import RESERVED
from adjudge.typing import FloatArray, HashArray

if TYPE_CHECKING:
    import polars as pl


def exported_past(folder: Path, names: Collection[str], *, secret: bytes, system: str | None = None) -> Past:
    """Return the past of a system from an export of its log.

    Parameters
    ----------
    folder
        What `export` has made.
    names
        Fields and features that are to be read.
    secret
        Any 16 bytes: texts are hashed with them, here and wherever they are compared.
    system
        Its name; None where there is only one.

    Raises
    ------
    InputError
        If there is no export, or no such system in it, or it has decided nothing.
    """
    return _Reader(folder, secret, system).past(names)


class _Reader:
    def __init__(self, folder: Path, secret: bytes, system: str | None) -> None:
        self.folder = folder
        notes = self._table("notes")
        if notes is None or not notes.filter(pl_kind("activation")).height:
            message = f"there is no export of decisions in {folder}"
            raise InputError(message, field="export")
        content: str = notes.filter(pl_kind("activation"))["content"][-1]
        active = Activation.read(Note(Kind.ACTIVATION, content.encode())).systems
        self.active = active[named_system(active, system)]
        self.plan = plan_of(self.active, secret)
        self.name, self.stream = self.plan.system.name, self.plan.decides

    def past(self, names: Collection[str]) -> Past:
        """Read events, decisions, features and labels, and lay their columns out."""
        decisions = self._table("decisions", f"system={self.name}")
        events = self._table("events", f"stream={self.stream}")
        if decisions is None or events is None:
            message = f"system {self.name!r} has decided nothing in {self.folder}"
            raise InputError(message, field="export")
        labels = self._table("labels", f"stream={self.stream}")
        frame = decisions.join(events, on="seq", how="inner", suffix="_event")
        if labels is not None:
            gone = labels.filter(pl_kind("retraction"))["id"]
            frame = frame.filter(~frame["id"].is_in(gone.implode()))
        features = self._table("features", f"system={self.name}")
        if features is not None:
            frame = frame.join(features, on="seq", how="left", suffix="_feature")
        frame = frame.sort("ts", "seq")
        return self._laid_out(frame, features, labels, names)

    def _laid_out(
        self, frame: pl.DataFrame, features: pl.DataFrame | None, labels: pl.DataFrame | None, names: Collection[str]
    ) -> Past:
        plan = self.plan
        slots, X = self._columns(frame, self._fields(frame), features, reading(names, derived_of(plan)))
        rules, fired = _fired(frame)
        card = self.active.card
        action = np.array([action_of(name, card, plan.system.policy) for name in frame["decision"]], np.int64)
        p = frame["probability"].cast(float).fill_null(np.nan).to_numpy()
        label = self._labels(frame, labels)
        written = Written(frame["id"].to_numpy(), frame["seq"].to_numpy(), label, action, p, rules, fired)
        as_of = _latest(frame, labels)
        return written_past(plan, slots, X, written, as_of=as_of, modelled="model" in card.versions)

    def _fields(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the fields of the events as an encoder takes them."""
        import polars as pl

        columns = []
        for f in self.plan.schema(self.stream):
            name = "ts" if f.name == "ts" else f"{f.name}_" if f.name in RESERVED else f.name
            name = f"{name}_event" if f"{name}_event" in frame.columns and f.name != "ts" else name
            if name not in frame.columns:
                continue
            if f.role == "place":
                part = pl.col(name).struct
                columns += [part.field("lat").alias(f"{f.name}_lat"), part.field("lon").alias(f"{f.name}_lon")]
            else:
                made = pl.col(name).cast(pl.Float64) if f.role == "money" else pl.col(name)
                columns.append(made.alias(f.name))
        return frame.select(columns)

    def _columns(
        self, frame: pl.DataFrame, fields: pl.DataFrame, features: pl.DataFrame | None, names: Collection[str]
    ) -> tuple[dict[str, Slot], FloatArray]:
        """Return where names stand that the export has, and their values; the time of the event comes first."""
        plan, system = self.plan, self.plan.system
        schema = plan.schema(self.stream)
        encoder = Encoder(_relaxed(schema), plan.stream(self.stream).encoder.secret)
        encoded = np.empty((encoder.width, frame.height))
        encoder.frame(fields, encoded)
        hidden = {f.name for f in schema if f.name in fields.columns and fields[f.name].null_count() == frame.height}
        slots: dict[str, Slot] = {}
        rows: list[FloatArray] = []
        first = [clock_of(plan), *(name for name in (system.amount, system.card) if name)]
        for name in dict.fromkeys([*first, *sorted(names)]):
            slot = plan.slots.get(name)
            if slot is None or name in hidden:
                continue
            if name in schema.names:
                at = encoder.row[name]
                found = [encoded[at + i] for i in range(width(slot.type))]
            else:
                found = _feature(frame, features, name) if slot.type in ("number", "boolean", "money") else []
            if found:
                slots[name] = Slot(slot.type, len(rows))
                rows += found
        return slots, np.ascontiguousarray(rows)

    def _labels(self, frame: pl.DataFrame, labels: pl.DataFrame | None) -> FloatArray:
        """Return what the last label of each event said."""
        label = self.plan.system.label
        if labels is None or label is None:
            return np.full(frame.height, np.nan)
        said = labels.filter((labels["kind"] == "label") & (labels["name"] == label.name)).sort("seq")
        known = dict(zip(said["id"].to_list(), said["value"].cast(float).to_list(), strict=True))
        return np.array([known.get(id_, np.nan) for id_ in frame["id"].to_list()])

    def _table(self, dataset: str, part: str = "") -> pl.DataFrame | None:
        """Return a table of the export in the order of the log, None where it has none."""
        import polars as pl

        files = sorted((self.folder / dataset / part).rglob("part-*.parquet"))
        if not files:
            return None
        parts = [pl.read_parquet(file, hive_partitioning=False) for file in files]
        return pl.concat(parts, how="diagonal_relaxed").sort("seq")


def pl_kind(kind: str) -> pl.Expr:
    """Return the condition that an entry is of a kind."""
    import polars as pl

    return pl.col("kind") == kind


def _relaxed(schema: Schema) -> Schema:
    """Return a schema in which what an export may leave out is optional."""
    kept = (schema.id_field, schema.time_field)
    fields = tuple(f if f.name in kept else replace(f, optional=True) for f in schema.fields)
    return replace(schema, fields=fields)


def _feature(frame: pl.DataFrame, features: pl.DataFrame | None, name: str) -> list[FloatArray]:
    """Return the values of a feature, nothing where the export has it not or not always."""
    column = f"{name}_" if name in (*RESERVED, "id") else name
    if features is None or column not in features.columns:
        return []
    column = f"{column}_feature" if f"{column}_feature" in frame.columns else column
    return [frame[column].cast(float).fill_null(np.nan).to_numpy()]


def _fired(frame: pl.DataFrame) -> tuple[tuple[str, ...], HashArray]:
    """Return which rules have ever fired, and for which events, as bits."""
    fired = frame["rules"].to_list()
    rules = tuple(sorted({rule for each in fired for rule in each}))
    at = {rule: i for i, rule in enumerate(rules)}
    bits = np.zeros((words(len(rules)), len(fired)), np.uint64)
    for i, each in enumerate(fired):
        for rule in each:
            bits[at[rule] // 64, i] |= np.uint64(1 << at[rule] % 64)
    return rules, bits


def _latest(frame: pl.DataFrame, labels: pl.DataFrame | None) -> int:
    """Return when the last entry was received, in microseconds."""
    times = [frame["received_at"], *([] if labels is None else [labels["received_at"]])]
    return max(int(each.dt.epoch("us").max() or 0) for each in times)  # type: ignore[arg-type]
