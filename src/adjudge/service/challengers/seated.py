"""Seated challengers: a plan for each seat of the last activation, and the choice of who decides which event.

The choice is a function of the event's keyed hash and of the seats, and of nothing else: whoever folds or replays the
log comes to the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adjudge.engine.batch import Batch
from adjudge.engine.panel import CHAMPION, UNITS, Panel, unit_of
from adjudge.engine.plan import Plan
from adjudge.errors import InputError, did_you_mean
from adjudge.service.activation import Seat
from adjudge.service.record import Recorder
from adjudge.typing import HashArray, IntArray

EVENT = "event"
"""What a share may be split by when it is by no entity."""


@dataclass(frozen=True)
class Seated:
    """A challenger that runs.

    Parameters
    ----------
    seat
        As the log has it.
    plan
        What it decides with; its own object, so that a decision tells whose it is.
    recorder
        Writes its decisions down.
    """

    seat: Seat
    plan: Plan
    recorder: Recorder

    @classmethod
    def of(cls, seat: Seat, plan: Plan) -> Seated:
        """Return the challenger of a seat with the plan of its version."""
        return cls(seat, replace(plan), Recorder(plan, seat.name))

    @property
    def guard(self) -> str:
        """What its layers are watched as."""
        return guard_of(self.seat.system, self.seat.name)


def guard_of(system: str, name: str) -> str:
    """Return what the layers of a challenger are watched as; those of the champion where there is no name.

    Examples
    --------
    >>> guard_of("shop", "may"), guard_of("shop", "")
    ('shop/may', 'shop')
    """
    return f"{system}/{name}" if name else system


def panel_of(champion: Plan, sharing: Sequence[Seated]) -> Panel | None:
    """Return who decides which event of a system; None where the champion decides all.

    A share of an event by its entity is decided by a hash of the entity's key that is salted by the challenger's name.
    So a share that grows keeps whom it has, and is independent of the next challenger's.
    """
    if not sharing:
        return None
    rules, left = [], 1.0
    for one in sharing:
        within = min(1.0, one.seat.share / left)  # of those that no challenger before it has
        rules.append((_keys_of(champion, one.seat.by), salt_of(one.seat), round(within * UNITS)))
        left = max(left - one.seat.share, 1e-12)

    def choose(batch: Batch) -> IntArray:
        who = np.full(len(batch), CHAMPION, np.int64)
        for k, (keys, salt, below) in enumerate(rules, CHAMPION + 1):
            who[(who == CHAMPION) & (unit_of(keys(batch), salt) < below)] = k
        return who

    return Panel((champion, *(one.plan for one in sharing)), choose)


def check_split(champion: Plan, by: str) -> str:
    """Return by what a share is split as seats have it.

    Raises
    ------
    InputError
        If there is no such entity.
    """
    known = {h.entity.name for h in champion.histories if champion.decides in h.key}
    if by in ("", EVENT):
        return ""
    if by not in known:
        message = f"a share is split by {EVENT} or by an entity, not {by[:80]!r}{did_you_mean(by[:80], known)}"
        raise InputError(message, field="by", code="unknown_entity")
    return by


def salt_of(seat: Seat) -> int:
    """Return what makes the share of a challenger another one than that of the next, whatever its size."""
    return int.from_bytes(hashlib.sha256(f"{seat.system}/{seat.name}".encode()).digest()[:8], "little")


def check_shares(seats: Iterable[Seat]) -> None:
    """Refuse challengers of one system that want more than there is."""
    total = sum(seat.share for seat in seats)
    if total > 1 + 1e-9:
        message = f"the shares of a system's challengers come to {100 * total:g} %: at most 100 % can be split"
        raise InputError(message, field="share", code="out_of_range")


def _keys_of(plan: Plan, by: str) -> Callable[[Batch], HashArray]:
    """Return what reads the hash that an event is split by; an event without that entity is split by itself."""
    row = plan.stream(plan.decides).encoder.row[plan.schema(plan.decides).id_field]
    key = next((h.key[plan.decides] for h in plan.histories if by and h.entity.name == by), None)

    def read(batch: Batch) -> HashArray:
        ids = np.ascontiguousarray(batch.matrix[row]).view(np.uint64)
        return ids if key is None else np.where(batch.keys[key] == 0, ids, batch.keys[key])

    return read
