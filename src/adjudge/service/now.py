"""What a running service does now: its counters at a moment, and what happened between two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from adjudge.service.health import Health
from adjudge.service.stages import BOUNDS_S, STAGES

if TYPE_CHECKING:
    from adjudge.service.app import Service


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of a service at a moment.

    Parameters
    ----------
    at_us
        When, in microseconds since 1970 UTC.
    health
        How it is.
    made
        Decisions, by system and action.
    degraded
        Of them those that lacked a layer, by system, layer and how that came.
    stages
        How many batches took at most so long in each stage: counts by bound, as `BOUNDS_S` has them and one for above.
    seconds
        What each stage has taken, in seconds.
    waiting, waiting_changes
        Events that wait to be decided, and what was said of events that have not come.
    refused
        Refused events and bodies, by code.
    failures, failed_appends
        Batches that could not be decided together, and appends to the log that failed.
    log_entries, log_bytes
        How long the log is; bytes are None while they cannot be asked.
    snapshot
        Position of the newest snapshot; None if there is none.
    holder
        Who holds the right to append.
    breakers
        State of the breaker of each layer, by system and layer.
    """

    at_us: int
    health: Health
    made: Mapping[tuple[str, str], int]
    degraded: Mapping[tuple[str, str, str], int]
    stages: Mapping[str, Sequence[int]]
    seconds: Mapping[str, float]
    waiting: int
    waiting_changes: int
    refused: Mapping[str, int]
    failures: int
    failed_appends: int
    log_entries: int
    log_bytes: int | None
    snapshot: int | None
    holder: str
    breakers: Mapping[tuple[str, str], str]

    @property
    def decisions(self) -> int:
        """How many decisions were made since the service started."""
        return sum(self.made.values())


class Stage(msgspec.Struct, frozen=True):
    """One stage between two moments.

    Parameters
    ----------
    name
        Of `adjudge.service.stages.STAGES`.
    times
        How often something went through it.
    mean_ms
        What it took on average; None if nothing went through it.
    p99_ms
        The bound under which 99 of 100 stayed; None if nothing did, or if it is beyond every bound.
    """

    name: str
    times: int
    mean_ms: float | None
    p99_ms: float | None


def now(service: Service) -> Now:
    """Return the counters of a service."""
    decider, gauges = service.decider, service.gauges
    return Now(
        at_us=decider.clock(),
        health=gauges.health(),
        made=dict(decider.made),
        degraded=dict(decider.degraded),
        stages={name: list(seen.counts) for name, seen in decider.stages.seconds.items()},
        seconds={name: seen.sum for name, seen in decider.stages.seconds.items()},
        waiting=service.batcher.waiting,
        waiting_changes=decider.workspace.waiting,
        refused=dict(service.meter.refusals),
        failures=decider.failures,
        failed_appends=decider.writer.failures,
        log_entries=decider.writer.position,
        log_bytes=gauges.log_bytes,
        snapshot=gauges.snapshot_position,
        holder=gauges.holder,
        breakers={(system, layer): breaker.state for system, layer, breaker in decider.watches.breakers()},
    )


def rate_per_s(before: Now, after: Now) -> float | None:
    """Return how many decisions a second were made between two moments; None if no time has passed."""
    seconds = (after.at_us - before.at_us) / 1e6
    return (after.decisions - before.decisions) / seconds if seconds > 0 else None


def degraded_share(before: Now | None, after: Now) -> float | None:
    """Return the share of decisions that lacked a layer since a moment, or since the start; None if none were made."""
    started = Counter[tuple[str, str, str]]() if before is None else Counter(before.degraded)
    made = after.decisions - (0 if before is None else before.decisions)
    return sum((Counter(after.degraded) - started).values()) / made if made else None


def stages_between(before: Now | None, after: Now) -> list[Stage]:
    """Return where the time went since a moment, or since the start, in the order of the stages."""
    found = []
    for name in STAGES:
        old = [0] * len(after.stages[name]) if before is None else before.stages[name]
        counts = [b - a for a, b in zip(old, after.stages[name], strict=True)]
        times = sum(counts)
        seconds = after.seconds[name] - (0.0 if before is None else before.seconds[name])
        mean = 1e3 * seconds / times if times else None
        found.append(Stage(name, times, mean, quantile_ms(counts, 0.99)))
    return found


def quantile_ms(counts: Sequence[int], share: float) -> float | None:
    """Return the least bound of `BOUNDS_S` under which a share of what was counted lies, in milliseconds.

    Examples
    --------
    >>> quantile_ms([0, 98, 1, 1, *[0] * 15], 0.99)
    0.05
    """
    wanted, total = share * sum(counts), 0
    for bound, count in zip(BOUNDS_S, counts, strict=False):
        total += count
        if total and total >= wanted:
            return 1e3 * bound
    return None
