"""Compiling the kernels before the first request, on a throwaway state and made-up events."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from adjudge.define import Field, Schema
from adjudge.engine.plan import Plan
from adjudge.service.decode import EventDecoder, EventStruct
from adjudge.service.index import Ids, Known
from adjudge.service.record import Recorder

PATIENCE_S = 1.0
"""How long compiling may take before it is announced: loading what was compiled before takes less."""

MESSAGE = "Compiling kernels, once on this machine; about {seconds} s. Later starts take a second or two."
ABOUT_S = 60
"""What a first compilation takes on two ordinary cores."""


def warm(plans: list[Plan], say: Callable[[str], None], stop: threading.Event | None = None) -> float:
    """Run every kernel that serving needs, so that no request waits for a compiler.

    Parameters
    ----------
    plans
        The systems that will decide.
    say
        Is told, once, if this takes longer than loading compiled kernels does.
    stop
        Ends it after the kernel that is being compiled, once it is set.

    Returns
    -------
    float
        Seconds that it took.
    """
    began = time.perf_counter()
    timer = threading.Timer(PATIENCE_S, say, (MESSAGE.format(seconds=ABOUT_S),))
    timer.daemon = True
    timer.start()
    try:
        for plan in plans:
            for _ in _exercise(plan):
                if stop is not None and stop.is_set():
                    return time.perf_counter() - began
        _admit()
    finally:
        timer.cancel()
    return time.perf_counter() - began


def _exercise(plan: Plan) -> Iterator[None]:
    """Run every kernel of a plan, and yield after each few, for whoever may want no more of them."""
    state, recorder = plan.start(), Recorder(plan)
    for name, stream in plan.streams.items():
        if name != plan.decides:
            plan.step(state, plan.encode(name, made_up(stream.schema, 2), np.arange(2)))
            yield
    events = made_up(plan.schema(plan.decides), 3)
    seqs = np.arange(2, 5)
    plan.step(state, plan.encode(plan.decides, events, seqs), append=False)
    yield
    for some in (slice(0, 1), slice(1, 3)):
        decisions = plan.step(state, plan.encode(plan.decides, events[some], seqs[some]))
        if decisions is not None:
            for layer in plan.layers:  # whether or not made-up events need it
                layer.attempt(decisions.X)
            _ = recorder.record(decisions, [0.0] * len(decisions), seqs[some].tolist()).answers
        yield
    first = plan.encode(plan.decides, events[:1], seqs[:1])
    for mark in plan.system.marks:
        plan.label(state, first, mark, np.full(1, np.nan), np.ones(1))
    plan.retract(state, first)


def _admit() -> None:
    """Enter ids and marks, look them up and take them out: a log that is folded need not have held any."""
    ids = Ids(bytes(16))
    ids.add(["a", "b"], 0)
    ids.find(["a", "c"])
    ids.remove(["a"])
    marks = Known(["known"])
    marks.set("known", [0], [1.0])
    marks.set("known", [0], [math.nan])


def made_up(schema: Schema, n: int) -> list[EventStruct]:
    """Return acceptable events of a stream that stand for nothing.

    Parameters
    ----------
    schema
        The stream.
    n
        How many; their ids differ and their times are a minute apart.

    Examples
    --------
    >>> login = Schema("login", (Field("login_id", "id"), Field("at", "time")), "login_id", "at")
    >>> [event.login_id for event in made_up(login, 2)]
    ['made-up-0', 'made-up-1']
    """
    rows = [{f.name: _value(f, i) for f in schema} for i in range(n)]
    decoded = EventDecoder(schema).rows(rows)
    if decoded.errors:
        raise decoded.errors[0]
    return decoded.events


def _value(f: Field, i: int) -> Any:
    low = max(1.0, f.minimum if f.minimum is not None else 1.0)
    low = low if f.maximum is None else min(low, f.maximum)
    match f.role:
        case "id":
            return f"made-up-{i}"
        case "time":
            return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=i)
        case "money":
            return Decimal(str(low)).quantize(Decimal(1))
        case "place":
            return {"lat": 1.0 + i, "lon": 1.0}
        case "number":
            return float(low)
        case "boolean":
            return True
        case _:
            return "x"[: f.max_length]
