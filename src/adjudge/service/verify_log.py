"""The part of the proof that goes through a log in a file, with restarts between the events.

Whoever starts again has nothing but the log and, by turns, a snapshot that was just made, an older one, or none at all.
What is compared in the end is what the log holds.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from adjudge.engine import Plan
from adjudge.engine.encode import micros_of
from adjudge.errors import InputError, ParityError
from adjudge.log import Kind, Log
from adjudge.log.codec import Events as EventBlock
from adjudge.log.codec import blocks_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.card import Card
from adjudge.service.decider import Decider
from adjudge.service.decode import EventStruct
from adjudge.service.follow import Follower
from adjudge.service.home import LOG_FILE
from adjudge.service.personal.keys import MemoryKeys
from adjudge.service.verify import EntryPoint, Events, Known, Outcome, Script, compared, decided_events
from adjudge.service.workspace import Change

SIZES = (1, 500, 7, 500)
"""Events of one batch, over and over."""

Turn = Literal["new", "old", "none"]
"""What a restart finds beside the log: a snapshot that was just made, an older one, or none that it may use."""


def logged(plan: Plan, log: Log, events: int) -> Outcome:
    """Return what was decided, as a log has it.

    Parameters
    ----------
    plan
        The system.
    log
        What was left behind.
    events
        How many decisions there may be.
    """
    outcome = Outcome.empty(plan, events)
    card = Card.of(plan)
    for commit in log.read():
        for _, block in blocks_of(commit):
            if isinstance(block, EventBlock) and block.stream == plan.decides:
                (made,) = block.made
                records, part = card.records(made.records), slice(outcome.done, outcome.done + len(block))
                outcome.features[part] = card.matrix(made.features, len(block))[: len(plan.names)].T.view(np.uint64)
                outcome.probability[part] = records["p"].view(np.uint64)
                outcome.action[part] = records["action"]
                outcome.done += len(block)
    return outcome


def with_restarts(
    plan: Plan,
    script: Script,
    reference: Outcome,
    *,
    restarts: int,
    seed: int = 0,
    told: Callable[[int], None],
) -> EntryPoint:
    """Decide a script on a log in a file, restarting between random events, and compare what the log then holds.

    Parameters
    ----------
    plan
        The compiled system.
    script
        What happened.
    reference
        What one event at a time in Python, without a log, came to.
    restarts
        How often to restart.
    seed
        Of the moments.
    told
        Told how many events are done.

    Raises
    ------
    ParityError
        If an event is refused, or is not known again after a restart.
    """
    began = time.perf_counter()
    total = decided_events(plan, script)
    due = moments(total, restarts=restarts, seed=seed)
    with tempfile.TemporaryDirectory(prefix="adjudge-verify-") as folder, closing(Desk(plan, Path(folder))) as desk:
        for step in _batches(plan, script, due):
            if isinstance(step, Known):
                desk.mark(step)
                continue
            desk.decide(step.stream, step.events)
            while due and due[0] == len(desk.ids):
                del due[0]
                desk.restart()
            told(len(desk.ids))
        found = logged(plan, desk.log, total)
    return compared(f"python, a log in a file, {restarts} restarts", reference, found, began)


def moments(events: int, *, restarts: int, seed: int) -> list[int]:
    """Return after how many events each restart comes, in order; two may come at once."""
    return sorted(random.Random(seed).choices(range(1, events + 1), k=restarts)) if events else []


def _batches(plan: Plan, script: Script, due: Sequence[int]) -> Iterator[Events | Known]:
    """Yield the script in batches; one of decided events ends where a restart is due."""
    sizes = itertools.cycle(SIZES)
    done = 0
    for step in script:
        if isinstance(step, Known):
            yield step
            continue
        decided, at = step.stream == plan.decides, 0
        while at < len(step.events):
            size = next(sizes)
            if decided and due:
                size = min(size, due[0] - done)
            yield Events(step.stream, step.events[at : at + size])
            done += len(step.events[at : at + size]) if decided else 0
            at += size


class Desk:
    """A decider on a log in a file that can be started again.

    Parameters
    ----------
    plan
        The compiled system.
    folder
        Where log and snapshots are.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.ids: list[str] = []
        self._plan = plan
        self._folder, self._snapshots = folder, folder / "snapshots"
        self._keys = MemoryKeys()  # outside the log, as they are in a workspace
        self._now = 0
        self._schemas = {name: stream.schema for name, stream in plan.streams.items()}
        self._label = plan.system.label.name if plan.system.label else ""
        self._turns: Iterator[Turn] = itertools.cycle(get_args(Turn))
        self._last: EventStruct | None = None
        self._start(self._snapshots)

    def close(self) -> None:
        """Release the log."""
        self.log.close()

    def decide(self, stream: str, events: Sequence[EventStruct]) -> None:
        """Decide events of one stream, or only log them."""
        time_field = self._schemas[stream].time_field
        self._now = max(self._now, *(micros_of(getattr(event, time_field)) for event in events))
        verdicts = self._decider.decide(stream, events)
        refused = next((verdict.error for verdict in verdicts if verdict.error is not None), None)
        if refused is not None:
            message = f"an event was refused by a decider with a log: {refused}"
            raise ParityError(message)
        if stream == self._plan.decides:
            self.ids += [getattr(event, self._schemas[stream].id_field) for event in events]
            self._last = events[-1]

    def mark(self, known: Known) -> None:
        """Say what became known about events that were decided."""
        kind = Kind.LABEL if known.name == self._label else Kind.OUTCOME
        told = known.told(self._plan, self.ids)
        said = [Change.saying(kind, self._plan.decides, id_, known.name, value) for id_, value in told]
        refused = next((error for error in self._decider.change(said) if isinstance(error, InputError)), None)
        if refused is not None:
            message = f"a label was refused by a decider with a log: {refused}"
            raise ParityError(message)

    def restart(self) -> int:
        """End, go on from what is in the folder, and return the position of the snapshot that was found."""
        turn = next(self._turns)
        if turn == "new":  # made as beside a service, by folding the log
            follower = self._follower(self._snapshots)
            follower.catch_up()
            follower.snapshot(self._snapshots)
        self.log.close()
        restored = self._start(None if turn == "none" else self._snapshots)
        assert self._last is not None  # a restart comes after an event
        (verdict,) = self._decider.decide(self._plan.decides, [self._last])
        if not verdict.repeated:
            message = f"event {self.ids[-1]!r} was not known again after a restart"
            raise ParityError(message)
        return restored

    def _start(self, snapshots: Path | None) -> int:
        self.log = SqliteLog(self._folder / LOG_FILE)
        follower = self._follower(snapshots)
        self._decider = Decider([self._plan], self.log, clock=lambda: self._now, follower=follower)
        return follower.restored

    def _follower(self, snapshots: Path | None) -> Follower:
        return Follower([self._plan], self.log, snapshots, say=_unexpected, keys=self._keys)


def _unexpected(text: str) -> None:
    message = f"a snapshot that was just made cannot be used: {text}"
    raise ParityError(message)
