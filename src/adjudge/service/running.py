"""One system as it runs in a workspace: its plan, and what the log has told it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.define import days, micros
from adjudge.define.label import Truth
from adjudge.engine.batch import Batch, State
from adjudge.engine.plan import Plan
from adjudge.engine.truth import said
from adjudge.service.again import Degraded
from adjudge.service.card import Card
from adjudge.service.changed import Change
from adjudge.service.index import Known, Span
from adjudge.service.record import Recorder
from adjudge.typing import FloatArray, IntArray

MEMORY = days(400)
"""How long ids are kept beyond the lateness where no history says so."""


@dataclass
class Running:
    """One system of the workspace: its plan, its state, and what writes its decisions down.

    Parameters
    ----------
    plan
        The compiled system.
    state
        What the log has built up for it.
    recorder
        Writes its decisions down.
    marks
        The labels and outcomes that are set on its decided events.
    degraded
        Its decisions that lacked a part of it.
    """

    plan: Plan
    state: State
    recorder: Recorder
    marks: Known
    degraded: Degraded = field(default_factory=Degraded)

    @classmethod
    def start(cls, plan: Plan) -> Running:
        """Return a system that has seen nothing."""
        return cls(plan, plan.start(), Recorder(plan), Known(plan.system.marks))

    def become(self, plan: Plan) -> None:
        """Go on with another plan over the same state, which must fit it; see `Workspace.fits`."""
        if plan is not self.plan:
            self.plan, self.recorder = plan, Recorder(plan)

    @property
    def name(self) -> str:
        """Name of the system."""
        return self.plan.system.name

    @property
    def card(self) -> Card:
        """How to read its decisions."""
        return self.recorder.card

    def truth(self, change: Change) -> Truth | None:
        """Return the label or outcome that a change sets; None if the system has none that could be set so."""
        truth = self.plan.system.truths.get(change.name)
        return truth if truth is not None and bool(truth.values) == bool(change.text) else None

    def said_of(self, position: int) -> dict[str, bool | str]:
        """Return the labels and outcomes that are known of the event at a position, by name."""
        marks = self.marks.of(position)
        found = {name: said(truth, marks) for name, truth in self.plan.system.truths.items()}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Prepared:
    """Events that are ready to be folded.

    Parameters
    ----------
    stream, ids
        What they are.
    first
        Position of the first in the log.
    fields
        Their encoded fields, one row a slot.
    stretches
        First event and one past the last of each stretch that is folded in one go, and the stretch as each system
        reads it.
    """

    stream: str
    ids: list[str]
    first: int
    fields: FloatArray
    stretches: list[tuple[int, int, list[tuple[Running, Batch]]]]

    @property
    def ts(self) -> IntArray:
        """The events' times."""
        parts = [batches[0][1].ts for _, _, batches in self.stretches]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def span_of(plans: Sequence[Plan]) -> Span:
    """Return how long events can be spoken of by their ids: at least as long as their rows can change a value."""
    layouts = [history.layout for plan in plans for history in plan.histories]
    reach = [max(layout.horizon_us, layout.memory_us + layout.lateness_us) for layout in layouts]
    return Span(max(reach, default=micros(MEMORY) + max(plan.lateness_us for plan in plans)))
