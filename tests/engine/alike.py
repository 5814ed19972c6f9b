"""Whether two plans are the same plan: the same versions and layout, and the same bits about the same events."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np

from adjudge.define import Field, Schema
from adjudge.define.spec import meaning_of
from adjudge.engine import Batch, Plan
from adjudge.service.card import Card
from adjudge.service.decode import EventDecoder

START = datetime(2026, 1, 1, tzinfo=UTC)


def assert_alike(left: Plan, right: Plan, *, events: int = 120, seed: int = 0) -> None:
    """Compare two plans as they stand, then let both fold and decide the same random events."""
    assert left.versions == right.versions
    assert left.names == right.names
    assert left.slots == right.slots
    assert left.rows.tolist() == right.rows.tolist()
    assert list(map(meaning_of, left.features.values())) == list(map(meaning_of, right.features.values()))
    assert [h.layout.digest for h in left.histories] == [h.layout.digest for h in right.histories]
    assert [s.schema for s in left.streams.values()] == [s.schema for s in right.streams.values()]
    assert Card.of(left).digest == Card.of(right).digest
    assert (left.lateness_us, dict(left.thresholds)) == (right.lateness_us, dict(right.thresholds))
    for one, other in zip(decided(left, events, seed), decided(right, events, seed), strict=True):
        assert one == other


def decided(plan: Plan, events: int, seed: int) -> Iterator[tuple[bytes, ...]]:
    """Yield the bits of what a plan makes of random events of all its streams, with some labels in between."""
    state, position = plan.start(), 0
    for turn in range(3):
        for name, stream in plan.streams.items():
            known = random_events(stream.schema, events, seed + turn)
            batch = plan.encode(name, known, position + np.arange(events))
            position += events
            made = plan.step(state, batch)
            if made is None:
                yield (batch.matrix.tobytes(),)
                continue
            scores = () if made.scores is None else (made.scores.p.tobytes(), made.scores.top.tobytes())
            combined = made.combined
            yield (made.X.tobytes(), *(a.tobytes() for a in (combined.action, combined.rule, combined.score)), *scores)
            label = [plan.system.label.name] if plan.system.label else []
            for mark in [*label, *(m for o in plan.system.outcomes if not o.decided for m in o.marks)]:
                _label(plan, state, batch, mark)
        yield (state.digest().encode(),)


def _label(plan: Plan, state: Any, batch: Batch, name: str) -> None:
    unknown, positive = np.full(len(batch), np.nan), (np.arange(len(batch)) % 3 == 0).astype(np.float64)
    plan.label(state, batch, name, unknown, positive)


@functools.lru_cache(maxsize=16)
def random_events(schema: Schema, events: int, seed: int) -> list[Any]:
    """Return events that the door of a stream lets in, a few of them late, on a handful of keys."""
    draw = random.Random(f"{schema.name} {seed}")
    decoded = EventDecoder(schema).rows(_row(schema, number, seed, draw) for number in range(events))
    assert decoded.errors == []
    return decoded.events


def _row(schema: Schema, number: int, seed: int, draw: random.Random) -> dict[str, Any]:
    row = {f.name: _value(f, draw) for f in schema if not (f.optional and draw.random() < 0.2)}
    row[schema.id_field] = f"{seed}-{number}"
    minutes = 40 * 24 * 60 * (seed % 3) + 13 * number - (draw.randrange(300) if draw.random() < 0.2 else 0)
    row[schema.time_field] = (START + timedelta(minutes=minutes)).astimezone(timezone(timedelta(hours=2)))
    for f in schema:
        if f.rate_from in row:
            row[f.rate_from] = draw.uniform(0.5, 2.0)
        if f.currency_from in row:
            row[f.currency_from] = draw.choice(["EUR", "USD", "JPY"])
        if f.rate_from not in row:
            row.pop(f.currency_from or "", None)  # an amount in another currency needs a rate
    return row


def _value(f: Field, draw: random.Random) -> Any:
    low = -5.0 if f.minimum is None else f.minimum
    high = low + 300.0 if f.maximum is None else min(f.maximum, low + 300.0)
    match f.role:
        case "number":
            return draw.uniform(low, high)
        case "money":
            return str(draw.randint(math.ceil(low), math.floor(high)))
        case "boolean":
            return draw.random() < 0.5
        case "time":
            return START - timedelta(hours=draw.randrange(9000))
        case "place":
            return {"lat": draw.uniform(40, 50), "lon": draw.uniform(0, 10)}
        case _:
            return draw.choice(["DE", "FR", "AT", "x"])[: f.max_length]
