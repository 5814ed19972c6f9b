"""Reading: the features of one entity as of a time, and the catalogue of what there is to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import DerivedFeature, Feature, WindowFeature, duration_text
from adjudge.engine.hashing import TEXT_TAG, hash_keys, hash_texts
from adjudge.errors import DefinitionError, did_you_mean
from adjudge.history import SCAN
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    from adjudge.engine.batch import State
    from adjudge.engine.plan import Plan


def read_entity(plan: Plan, state: State, entity: str, key: Mapping[str, str], as_of: int) -> dict[str, float | None]:
    """Return the features of one entity as of a time; see `Plan.read`."""
    known = {h.entity.name: h.entity.fields for h in plan.histories}
    known |= {p.entity.name: p.entity.fields for p in plan.profiles}
    if entity not in known:
        msg = f"system {plan.system.name!r} keeps nothing about {entity!r}{did_you_mean(entity, known)}"
        raise DefinitionError(msg)
    absent = [name for name in known[entity] if not key.get(name)]
    if absent:
        msg = f"entity {entity!r} needs a value of {absent[0]!r}"
        raise DefinitionError(msg)
    secret = plan.streams[plan.decides].encoder.secret
    fields = np.stack([hash_texts(secret, TEXT_TAG, [key[name]]) for name in known[entity]])
    keys = hash_keys(secret, entity, fields)
    X = np.full((plan.streams[plan.decides].height, 1), np.nan)
    kind, ts, seq = np.full(1, SCAN, np.int8), np.array([as_of], np.int64), np.array([2**62], np.int64)
    written: list[tuple[int, int]] = []
    for history, kept in zip(plan.histories, state.histories, strict=True):
        if history.entity.name == entity:
            values = np.full((history.layout.columns, 1), np.nan)
            if history.linked:
                values[0] = 0.0  # whoever is asked about, nobody asks
            kept.fold(kind, keys, ts, seq, values, X[slice(*history.outputs)])
            written.append(history.outputs)
    for profile, latest in zip(plan.profiles, state.profiles, strict=True):
        if profile.entity.name == entity:
            out = X[slice(*profile.outputs)]
            latest.fold(kind, keys, np.full_like(out, np.nan), out)
            written.append(profile.outputs)
    return {
        name: _plain(X, slot.row)
        for name, slot in plan.slots.items()
        if slot.type != "text" and any(first <= slot.row < last for first, last in written)
    }


def _plain(X: FloatArray, row: int) -> float | None:
    value = float(X[row, 0])
    return None if value != value else value


class CatalogueRow(msgspec.Struct, frozen=True):
    """One feature as people look it up.

    Parameters
    ----------
    name, type, unit, meaning, owner
        What it is called, what it holds, and who answers for it.
    stream, entity, aggregation, of, window
        What it is computed from; empty where that does not apply.
    expression
        Text of a derived feature.
    used_by
        Systems and rules that read it.
    """

    name: str
    type: str
    unit: str
    meaning: str
    owner: str
    stream: str = ""
    entity: str = ""
    aggregation: str = ""
    of: str = ""
    window: str = ""
    expression: str = ""
    used_by: list[str] = []


def catalogue(plan: Plan) -> list[CatalogueRow]:
    """Return every field and feature of a system with its meaning, window, owner and where it is used."""
    uses = _uses(plan)
    rows = []
    for own in plan.streams[plan.decides].schema:
        meaning, used = own.meaning or "field of the event", uses.get(own.name, [])
        rows.append(CatalogueRow(own.name, own.role, "", meaning, "", plan.decides, used_by=used))
    for name, f in plan.features.items():
        first = name if name in plan.slots else f"{name}_1"
        rows.append(_row(name, plan.slots[first].type, f, uses.get(name, [])))
    return rows


def _row(name: str, type_: str, f: Feature, used: list[str]) -> CatalogueRow:
    if isinstance(f, DerivedFeature):
        meaning = f.meaning or f.expression
        return CatalogueRow(name, type_, f.unit, meaning, f.owner, expression=f.expression, used_by=used)
    stream, entity = f.entity.schema.name, f.entity.name
    if isinstance(f, WindowFeature):
        window = "" if f.window is None else duration_text(f.window)
        meaning = f.meaning or _meaning(f, window)
        return CatalogueRow(
            name, type_, f.unit, meaning, f.owner, stream, entity, f.aggregation, f.of or "", window, used_by=used
        )
    meaning = f.meaning or f"{f.of} in the latest {stream} of the {entity}"
    return CatalogueRow(name, type_, f.unit, meaning, f.owner, stream, entity, "latest", f.of, used_by=used)


def _meaning(f: WindowFeature, window: str) -> str:
    of = f" of {f.of}" if f.of else ""
    other = f" and {f.other}" if f.other else ""
    over = f" over {window}" if window else ""
    condition = f" where {f.entity.condition}" if f.entity.condition else ""
    return f"{f.aggregation.replace('_', ' ')}{of}{other}{over}{condition}, by {f.entity.name.replace('_', ' and ')}"


def _uses(plan: Plan) -> dict[str, list[str]]:
    uses: dict[str, list[str]] = {name: [f"model of {plan.system.name}"] for name in plan.names}
    for rule in plan.rules:
        for name in rule.when.names:
            uses.setdefault(name, []).append(f"rule {rule.id}")
    return uses
