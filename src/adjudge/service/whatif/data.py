"""A system's own data as a log: decided in memory, event by event and label by label as they became known.

From there on it is a log like any other, so data is compared in the very way in which a workspace is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from adjudge.define import Label
from adjudge.engine.encode import micros_of
from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.learn.source import Source
from adjudge.log import Kind, Log
from adjudge.service.decider import Decider
from adjudge.service.resolver import Resolver
from adjudge.service.verify import Known, decided_events, script_of
from adjudge.service.workspace import Change

if TYPE_CHECKING:
    from adjudge.service.whatif.change import Beside

BATCH = 256
"""Events that are decided at a time; never changes a result."""


class _Clock:
    """Shows the time of the newest event."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


def lived(
    plan: Plan, source: Source, bundles: Beside, told: Callable[[int, int], None], *, log: Log | None = None
) -> tuple[Log, int]:
    """Return the log of a system that decided a source's events, and when the last of it became known.

    Parameters
    ----------
    plan
        What decides.
    source
        Its data.
    bundles
        Where its model is.
    told
        Told how many events are decided, and how many there are.
    log
        An empty one; None makes it in memory.

    Raises
    ------
    InputError
        If an event or a label is refused, or there is nothing to decide.
    """
    script = script_of(plan, source)
    total = decided_events(plan, script)
    if not total:
        message = f"there are no events of stream {plan.decides!r} to decide"
        raise InputError(message, field="data", code="missing_stream")
    clock, ids = _Clock(), list[str]()
    decider = Decider([plan], log, clock=clock, resolver=Resolver([plan], bundles))
    for step in script:
        if isinstance(step, Known):
            kind = Kind.LABEL if isinstance(plan.truth(step.name), Label) else Kind.OUTCOME
            said = step.told(plan, ids)
            _check(decider.change([Change.saying(kind, plan.decides, id_, step.name, value) for id_, value in said]))
            continue
        schema = plan.schema(step.stream)
        for start in range(0, len(step.events), BATCH):
            events = step.events[start : start + BATCH]
            clock.now_us = max(clock.now_us, *(micros_of(getattr(event, schema.time_field)) for event in events))
            _check([verdict.error for verdict in decider.decide(step.stream, events)])
            if step.stream == plan.decides:
                ids += [getattr(event, schema.id_field) for event in events]
                told(len(ids), total)
    return decider.log, max(clock.now_us, *(_last_known(source, name) for name in source.labels), 0)


def _check(results: Sequence[object]) -> None:
    refused = next((found for found in results if isinstance(found, InputError)), None)
    if refused is not None:
        raise refused


def _last_known(source: Source, name: str) -> int:
    """Return when the last value of a label became known, microseconds UTC."""
    last = source.labels[name]["known_at"].dt.epoch("us").max()
    return int(last) if isinstance(last, int) else 0
