"""Slices: whether a challenger is worse for somebody, although it is better for all together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from adjudge.engine.plan import Plan
from adjudge.errors import NotFoundError
from adjudge.log import Log
from adjudge.log.codec import Events
from adjudge.service.lookup import Lookup
from adjudge.typing import BoolArray, FloatArray, HashArray, IntArray

MOST = 12
"""Values of a field that are looked at, the most frequent ones; all others are one more."""

BINS = 4
"""Parts that a field of numbers is cut into, with as many events each."""

LEAST = 30
"""Least entities of a slice before anything is said of it."""


class SliceFigures(msgspec.Struct, frozen=True):
    """What is known of a challenger for one value of a field.

    Parameters
    ----------
    field, value
        Which slice.
    decisions
        Mature decisions in it.
    gain
        Money that the challenger saves a decision there; negative where it costs more.
    error
        Standard error of that, an entity being one chance; None where too few are there to say.
    worse
        Whether it costs more there by more than its error: a guard that only certainty trips would guard nothing.
    """

    field: str
    value: str
    decisions: int
    gain: float
    error: float | None
    worse: bool


class _Slice(NamedTuple):
    """The events of one slice."""

    name: str
    there: BoolArray


def sliced(
    log: Log,
    plan: Plan,
    positions: IntArray,
    fields: Mapping[str, FloatArray],
    gain: FloatArray,
    challenged: BoolArray | None,
    entity: HashArray,
) -> list[SliceFigures]:
    """Return what is known by the values of some fields.

    Parameters
    ----------
    log
        Where the text of a value is looked up; only read.
    plan
        The champion.
    positions
        Of the events, shape (n,).
    fields
        Their values, by name.
    gain
        What each event says of the challenger's saving: the difference beside a shadow; the champion's cost and the
        negative cost of the challenger between sides of the traffic.
    challenged
        Which the challenger decided; None beside a shadow.
    entity
        To whom each belongs.
    """
    found = []
    for name, X in fields.items():
        for one in _parts(log, plan, name, X, positions):
            side = None if challenged is None else challenged[one.there]
            found.append(_figures(name, one, gain[one.there], side, entity[one.there]))
    return found


def _figures(
    field: str, one: _Slice, gain: FloatArray, challenged: BoolArray | None, entity: HashArray
) -> SliceFigures:
    n = len(gain)
    sides = [np.ones(n, np.bool_)] if challenged is None else [~challenged, challenged]
    means = [_mean(gain[side], entity[side]) for side in sides]
    mean = math.fsum(m for m, _, _ in means)
    error = math.sqrt(math.fsum(e**2 for _, e, _ in means))
    enough = min(count for _, _, count in means) >= LEAST
    return SliceFigures(field, one.name, n, mean, error if enough else None, enough and mean < -error)


def _mean(gain: FloatArray, entity: HashArray) -> tuple[float, float, int]:
    """Return the mean of a decision, its standard error, and how many entities it rests on."""
    if not len(gain):
        return 0.0, 0.0, 0
    _, place = np.unique(entity, return_inverse=True)
    sums, counts = np.bincount(place, gain), np.bincount(place)
    mean = float(gain.mean())
    return mean, float(np.sqrt(((sums - mean * counts) ** 2).sum()) / len(gain)), len(sums)


def _parts(log: Log, plan: Plan, name: str, X: FloatArray, positions: IntArray) -> list[_Slice]:
    if plan.slots[name].type == "text":
        hashes = np.ascontiguousarray(X).view(np.uint64)
        values, first, count = np.unique(hashes, return_index=True, return_counts=True)
        order = np.argsort(-count, kind="stable")[:MOST]
        parts = [_Slice(_text(log, plan, name, int(positions[first[i]])), hashes == values[i]) for i in order.tolist()]
        rest = ~np.isin(hashes, values[order])
        return [*parts, _Slice("other", rest)] if rest.any() else parts
    known = X[~np.isnan(X)]
    if not len(known):
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    code = np.where(np.isnan(X), -1, np.searchsorted(edges, X, side="left"))
    names = {-1: "missing", 0: f"up to {edges[0]:.6g}"} | {i + 1: f"above {edge:.6g}" for i, edge in enumerate(edges)}
    return [_Slice(names[i], code == i) for i in np.unique(code).tolist()]


def _text(log: Log, plan: Plan, name: str, position: int) -> str:
    """Return what an event says in a field, where that is nothing personal; else that it is not told."""
    if name in plan.schema(plan.decides).personal_fields:
        return f"(not told, as at position {position})"
    try:
        first, block = Lookup(log).block(position)
    except NotFoundError:
        return "(archived)"
    assert isinstance(block, Events)
    try:
        found = msgspec.json.decode(block.bodies[position - first], type=dict[str, object]).get(name)
    except msgspec.DecodeError:
        return f"(not told, as at position {position})"
    return "missing" if found is None else str(found)
