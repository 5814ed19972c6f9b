"""One system as it runs in a workspace: its plan, and what the log has told it so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from adjudge.define import days, micros
from adjudge.define.label import Truth
from adjudge.engine.batch import Batch, State
from adjudge.engine.decision import Decisions
from adjudge.engine.layers import UNGUARDED, Guard
from adjudge.engine.panel import Panel, step_panel
from adjudge.engine.plan import Plan
from adjudge.engine.truth import said
from adjudge.service.again import Degraded
from adjudge.service.card import Card
from adjudge.service.challengers.seated import Seated, panel_of
from adjudge.service.changed import Change
from adjudge.service.index import Known, Span
from adjudge.service.record import Recorder
from adjudge.typing import FloatArray, IntArray

MEMORY = days(400)
"""How long ids are kept beyond the lateness where no history says so."""


T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """What one version of a system decided about some events of a stretch.

    Parameters
    ----------
    recorder
        Writes it down.
    events
        Which of them, rising, shape (m,).
    decisions
        What it decided.
    whole
        Whether these are all of them.
    """

    recorder: Recorder
    events: IntArray
    decisions: Decisions
    whole: bool

    def of(self, each: Sequence[T]) -> Sequence[T]:
        """Return its part of something that there is for each event of the stretch."""
        return each if self.whole else [each[i] for i in self.events.tolist()]


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
    seated
        The challengers that run beside it.
    panel
        Who decides which event; None where no challenger has a share.
    """

    plan: Plan
    state: State
    recorder: Recorder
    marks: Known
    degraded: Degraded = field(default_factory=Degraded)
    seated: tuple[Seated, ...] = ()
    panel: Panel | None = None

    @classmethod
    def start(cls, plan: Plan) -> Running:
        """Return a system that has seen nothing."""
        return cls(plan, plan.start(), Recorder(plan), Known(plan.system.marks))

    def become(self, plan: Plan) -> None:
        """Go on with another plan over the same state, which must fit it; see `Workspace.fits`."""
        if plan is not self.plan:
            self.plan, self.recorder = plan, Recorder(plan)
            self.sit(self.seated)

    def sit(self, seated: Sequence[Seated]) -> None:
        """Have challengers run beside it from here on, and no others."""
        self.seated = tuple(seated)
        self.panel = panel_of(self.plan, self.sharing)

    @property
    def sharing(self) -> list[Seated]:
        """The challengers that decide a share of the events."""
        return [one for one in self.seated if one.seat.share > 0]

    @property
    def shadowing(self) -> list[Seated]:
        """The challengers that decide without effect."""
        return [one for one in self.seated if one.seat.share == 0]

    @property
    def guarded(self) -> list[str]:
        """What the layers of whoever decides are watched as: the champion's, then each challenger's."""
        return [self.name, *(one.guard for one in self.sharing)]

    def recorder_of(self, card: Card) -> Recorder | None:
        """Return what writes down the decisions of a version that runs, by its card; None if none has it."""
        known = (self.recorder, *(one.recorder for one in self.seated))
        return next((recorder for recorder in known if recorder.card == card), None)

    def decide(self, batch: Batch, guards: Mapping[str, Guard], start: int, stop: int) -> list[Said]:
        """Fold a stretch and have it decided by whoever decides which event; nothing is said of a kept stream.

        Parameters
        ----------
        batch
            The stretch.
        guards
            How layers take part, by what they are watched as, for the events of the commit.
        start, stop
            Where the stretch lies in the commit.
        """
        if self.panel is None or batch.stream != self.plan.decides:
            guard = guards.get(self.name, UNGUARDED).part(start, stop)
            decisions = self.plan.step(self.state, batch, guard=guard)
            return [] if decisions is None else [Said(self.recorder, np.arange(len(batch)), decisions, True)]
        recorders = [self.recorder, *(one.recorder for one in self.sharing)]
        parts = step_panel(
            self.panel, self.state, batch, [guards.get(k, UNGUARDED).part(start, stop) for k in self.guarded]
        )
        return [Said(recorders[p.by], p.events, p.decisions, len(p.events) == len(batch)) for p in parts]

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
