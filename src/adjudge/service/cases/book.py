"""The book of a system's cases: it follows the log, and everything in it is a fold over the log.

It is made when somebody first asks, on the thread that asks, and grows by what the log has more each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import Policy
from adjudge.define.spec import from_spec
from adjudge.log import Kind
from adjudge.log.codec import Block, Changes, Events, Note
from adjudge.log.scan import scan
from adjudge.log.segment import Part
from adjudge.service.access.approval import apart
from adjudge.service.access.ledger import Act
from adjudge.service.activation import Activation
from adjudge.service.cases.case import Case, Given, Lot, Said
from adjudge.service.cases.draw import drawn, uniform
from adjudge.service.cases.entries import (
    ASSIGNED,
    DECIDED,
    DEFERRED,
    DUE,
    ESCALATED,
    NOTED,
    RELEASED,
    UNDONE,
    WORKED,
    About,
    Routine,
    Worked,
)
from adjudge.service.cases.times import Times
from adjudge.service.fold import changes_of
from adjudge.service.logged import fields_of
from adjudge.service.paced import STRETCH_S, Paced
from adjudge.service.versions.beside import Pace

if TYPE_CHECKING:
    from adjudge.service.decider import Decider
    from adjudge.service.workspace import Workspace

READ: frozenset[Part] = frozenset(("fields", "records"))
"""What is read of an event, beside its id."""

HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000

LOTS: tuple[Lot, ...] = ("", "random", "learn")
"""Draws by their code."""


class Book:
    """The cases of one system.

    Parameters
    ----------
    decider
        Whose log is followed.
    system
        Its name; None for the only one.

    Attributes
    ----------
    cases
        Every case by the id of its event, in the order in which they were opened.
    waiting
        Those in which a person has something to do.
    links
        Ids of the cases that share the hash of a key field.
    routine
        How cases are worked now.
    times
        How long cases of each kind take.
    picked
        How many cases were given out from each draw.
    decisions
        How many decisions were looked at since the routine in force.
    since
        Position of the entry of that routine; -1 where there is none.
    """

    def __init__(self, decider: Decider, system: str | None = None) -> None:
        running = decider.workspace.system(system)
        self.system, self.stream = running.name, running.plan.decides
        definition = running.plan.system
        self.label = "" if definition.label is None else definition.label.name
        self._decider = decider
        self._keys = [f.name for f in decider.workspace.doors[self.stream].schema if f.role == "key"]
        self._amount = definition.amount
        self._review = frozenset(definition.policy.review)
        self._position = 0
        self._salt = bytes(16)
        self.cases: dict[str, Case] = {}
        self.waiting: dict[str, Case] = {}
        self.links: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        self.routine = Routine()
        self.times = Times()
        self.picked: dict[str, int] = dict.fromkeys(("", "random", "learn"), 0)
        self.decisions = 0
        self.since = -1
        self._acts: dict[str, Callable[[Case, Act, About], None]] = {
            ASSIGNED: self._assign,
            RELEASED: _release,
            NOTED: _note,
            DECIDED: self._decide,
            UNDONE: self._undo,
            DEFERRED: _defer,
            ESCALATED: _escalate,
            DUE: _due,
        }

    @property
    def policy(self) -> Policy:
        """Of the system as it decides now."""
        return self._decider.workspace.systems[self.system].plan.system.policy

    def catch_up(self) -> None:
        """Fold what the log has more by now, with rests: the first time that may be a million decisions."""
        log = Paced(self._decider.log, Pace(stretch_s=STRETCH_S))
        for stretch in scan(log, self._position, parts=READ):
            self._fold(stretch.first, stretch.block, stretch.received_at)
            self._position = stretch.first + len(stretch.block)

    def _fold(self, first: int, block: Block, received_at: int) -> None:
        if isinstance(block, Events):
            if block.stream == self.stream:
                self._open(self._decider.workspace, first, block)
        elif isinstance(block, Changes):
            if block.stream == self.stream:
                self._learn(block)
        elif isinstance(block, Note) and block.kind == Kind.MANAGEMENT:
            self._act(Act.read(first, received_at, block))
        elif isinstance(block, Note) and block.kind == Kind.ACTIVATION:
            found = Activation.read(block).systems.get(self.system)
            if found is not None and found.spec is not None:
                self._review = frozenset(from_spec(found.spec).policy.review)

    def _open(self, workspace: Workspace, first: int, block: Events) -> None:
        """Open the cases of a block of decisions."""
        made = next((m for m in block.made if workspace.cards[m.card].system == self.system), None)
        if made is None:
            return
        card = workspace.cards[made.card]
        records = card.records(made.records)
        self.decisions += len(records)
        codes = [i for i, name in enumerate(card.actions) if name in self._review]
        wanted = np.isin(records["action"], codes)
        lots, chances = np.zeros(len(records), np.int64), np.ones(len(records))
        routine, ids = self.routine, None
        if routine.random or routine.learn:
            ids = block.ids.texts()
            lots, chances = drawn(uniform(self._salt, ids), records["p"], routine.random, routine.learn)
        rows = np.flatnonzero(wanted | (lots > 0)).tolist()
        if not rows:
            return
        ids = ids or block.ids.texts()
        fields, encoder = fields_of(workspace, first, block), workspace.encoder(self.stream)
        ts = encoder.times(fields)
        amounts = fields[encoder.row[self._amount]] if self._amount else np.full(len(records), np.nan)
        hashes = {name: np.ascontiguousarray(fields[encoder.row[name]]).view(np.uint64) for name in self._keys}
        second = uniform(self._salt[::-1], [ids[i] for i in rows]) < routine.second
        for i, twice in zip(rows, second.tolist(), strict=True):
            record, at = records[i], int(ts[i])
            rule = int(record["rule"])
            case = Case(
                id=ids[i],
                seq=first + i,
                ts_us=at,
                kind=card.rules[rule].id if rule >= 0 else "score",
                action=card.actions[int(record["action"])],
                score=int(record["score"]),
                p=float(record["p"]),
                amount=float(amounts[i]),
                keys={name: int(column[i]) for name, column in hashes.items() if column[i]},
                lot=LOTS[int(lots[i])],
                chance=float(chances[i]) if lots[i] else 1.0,
                second=twice,
                due_us=None if routine.due_hours is None else at + round(routine.due_hours * HOUR_US),
            )
            self.cases[case.id] = self.waiting[case.id] = case
            for link in case.keys.items():
                self.links[link].append(case.id)

    def _learn(self, block: Changes) -> None:
        """Fold what became known of events: a label closes what nobody has decided yet."""
        for change in changes_of(block):
            case = self.cases.get(change.id)
            if case is None:
                continue
            if change.kind == Kind.RETRACTION:
                case.state = "retracted"
            elif change.kind == Kind.LABEL and change.name == self.label:
                case.truth = change.value == 1.0
                if not case.verdicts:
                    case.state = "closed"
            self._settle(case)

    def _act(self, act: Act) -> None:
        if act.action == WORKED:
            said = msgspec.convert(act.content, Worked)
            if said.system == self.system:
                self.routine, self._salt, self.decisions = said.routine, bytes.fromhex(said.salt), 0
                self.since = act.seq
            return
        fold = self._acts.get(act.action)
        if fold is None:
            return
        about = msgspec.convert(act.content, About)
        case = self.cases.get(about.id) if about.system == self.system else None
        if case is not None:
            fold(case, act, about)
            self._settle(case)

    def _assign(self, case: Case, act: Act, about: About) -> None:
        if case.waits:
            if not case.assigned and not case.verdicts:
                self.picked[case.lot] += 1
            case.assigned, case.assigned_us, case.until_us = about.to, act.at_us, None

    def _decide(self, case: Case, act: Act, about: About) -> None:
        """Fold a verdict: the first by somebody else asks or answers for a second one, a third settles it."""
        if not case.waits:
            return
        minutes = about.minutes
        if minutes is None and case.assigned == act.who and case.assigned_us is not None:
            minutes = (act.at_us - case.assigned_us) / MINUTE_US
        given = Given(act.who, about.holders, act.at_us, act.why, about.value, minutes)
        others = [one for one in case.verdicts if apart(one.holders, given.holders)]
        if len(others) < len(case.verdicts):  # somebody corrects a verdict of their own
            if len(case.verdicts) > 1 or case.state != "second":
                return
            case.verdicts = [given]
            return
        case.verdicts = [*case.verdicts, given]
        self.times.add(case.kind, minutes)
        values = [one.value for one in case.verdicts]
        if len(values) == 1:
            case.state = "second" if case.second else "closed"
        else:
            case.state = "disputed" if len(values) == 2 and values[0] != values[1] else "closed"
        case.assigned, case.assigned_us, case.until_us = "", None, None

    def _undo(self, case: Case, act: Act, about: About) -> None:
        """Fold that somebody takes their own verdict back, as long as it is the last one."""
        if not case.verdicts or apart(case.verdicts[-1].holders, about.holders) or case.state == "retracted":
            return
        case.verdicts = case.verdicts[:-1]
        if not case.verdicts and case.truth:  # somebody else has labelled it since
            case.state = "closed"
            return
        case.state = ("open", "second", "disputed")[len(case.verdicts)]
        self.waiting[case.id] = case
        case.assigned, case.assigned_us = act.who, act.at_us

    def _settle(self, case: Case) -> None:
        if not case.waits:
            self.waiting.pop(case.id, None)
            case.assigned, case.assigned_us, case.until_us = "", None, None


def _release(case: Case, act: Act, about: About) -> None:
    if case.assigned:
        case.passed = [*case.passed, case.assigned]
        case.assigned, case.assigned_us, case.until_us = "", None, None


def _defer(case: Case, act: Act, about: About) -> None:
    """Fold that whoever writes has the case in hand and waits to hear more about it."""
    if case.waits:
        case.assigned, case.assigned_us, case.until_us = act.who, act.at_us, about.until_us


def _escalate(case: Case, act: Act, about: About) -> None:
    """Fold that somebody who knows more is to look at a case."""
    if case.waits:
        case.escalated = [*case.escalated, act.who]
        case.assigned, case.assigned_us, case.until_us = "", None, None


def _note(case: Case, act: Act, about: About) -> None:
    case.notes = [*case.notes, Said(act.who, act.at_us, about.text)]


def _due(case: Case, act: Act, about: About) -> None:
    case.due_us = about.due_us
