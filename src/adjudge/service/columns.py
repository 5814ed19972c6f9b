"""The past of a system as its log has it: fields, features and decisions, block by block, as columns.

Nothing is folded and no model is asked: what is read is what was written down when the events were decided. Only what
rules read is unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adjudge.define import Policy
from adjudge.define.spec import from_spec
from adjudge.engine import Plan, compile
from adjudge.engine.vm import Slot
from adjudge.errors import InputError, did_you_mean
from adjudge.learn.past import (
    Past,
    Written,
    clock_of,
    derived_of,
    reading,
    width,
    words,
    written_past,
)
from adjudge.learn.table import NEVER
from adjudge.log import Kind, Log
from adjudge.log.codec import Changes, Events, Note
from adjudge.log.scan import scan
from adjudge.log.segment import Part, Stretch
from adjudge.service import snapshot
from adjudge.service.activation import Activation, FieldLayout, SystemActivation, fingerprint, rows_from, wrong_secret
from adjudge.service.card import Card
from adjudge.service.export.withheld import Withheld
from adjudge.service.personal.erased import erasures
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

READ: frozenset[Part] = frozenset(("fields", "records", "features"))
"""What is unpacked of events."""


Told = Callable[[int, int], None]
"""Told of progress: the position that has been reached, and the one where it ends."""


@dataclass
class _Group:
    """Decided events that are read alike: of one schema and one card."""

    positions: list[IntArray] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    fields: list[FloatArray] = field(default_factory=list)
    features: list[FloatArray] = field(default_factory=list)
    records: list[AnyArray] = field(default_factory=list)


def logged_past(
    log: Log,
    names: Collection[str],
    *,
    secret: bytes,
    system: str | None = None,
    snapshots: Path | None = None,
    told: Told = lambda position, stop: None,
) -> Past:
    """Return the past of a system from its log.

    Events that were taken back, and those of persons who were erased, are left out; so is what was hashed with an
    earlier secret, because texts of before and after cannot be compared.

    Parameters
    ----------
    log
        Only read; it may be appended to meanwhile.
    names
        Fields and features that are to be read.
    secret
        The workspace's 16 bytes.
    system
        Its name; None where there is only one.
    snapshots
        Folder of the log's snapshots: the one where an archived log begins says how to read it.
    told
        Told of progress.

    Raises
    ------
    InputError
        If there is no such system, or it has decided nothing, or what says how to read decisions was archived.
    DefinitionError
        If the log was made with another secret.
    """
    active, entries = active_of(log, secret, snapshots)
    name = named_system(active.systems, system)
    plan = plan_of(active.systems[name], secret)
    reader = Reader(log, plan, entries, names, told)
    laid = reader.laid()
    return written_past(
        plan,
        laid.slots,
        laid.X,
        laid.written,
        as_of=max(reader.last_received(), 0),
        modelled="model" in active.systems[name].card.versions,
        since=laid.since,
    )


def active_of(log: Log, secret: bytes, snapshots: Path | None) -> tuple[Activation, Entries]:
    """Return what decides at the end of a log, and how to read what is hashed with its secret.

    Parameters
    ----------
    log
        Only read.
    secret
        The workspace's 16 bytes.
    snapshots
        Folder of the log's snapshots.

    Raises
    ------
    InputError
        If nothing was ever decided.
    DefinitionError
        If the log was made with another secret.
    """
    entries, begin = Entries(), log.begin()
    facts = snapshot.facts_at(snapshots, begin) if begin.position else None
    if facts is not None:
        entries = Entries(dict(facts.cards), dict(facts.fields), 0, Activation(facts.active, {}, facts.secret))
    for stretch in scan(log, parts=()):
        if isinstance(stretch.block, Note):
            entries.note(stretch.first, stretch.block)
    if entries.last is None:
        message = "nothing was ever decided in this workspace"
        raise InputError(message, field="workspace")
    if entries.last.secret and entries.last.secret != fingerprint(secret):
        raise wrong_secret(entries.last.secret, fingerprint(secret))
    return entries.last, entries


@dataclass
class Entries:
    """What must be known to read events, as a log tells it.

    Parameters
    ----------
    cards, layouts
        How to read decisions and fields, by digest.
    start
        Position from which on the secret is that of today.
    last
        What decides at the end.
    """

    cards: dict[str, Card] = field(default_factory=dict)
    layouts: dict[str, FieldLayout] = field(default_factory=dict)
    start: int = 0
    last: Activation | None = None

    def note(self, position: int, block: Note) -> None:
        """Learn from an entry."""
        if block.kind == Kind.REKEY:
            self.start = position
        if block.kind == Kind.ACTIVATION:
            self.last = Activation.read(block)
            self.cards.update(self.last.cards)
            self.layouts.update({layout.digest: layout for layout in self.last.streams.values()})


def named_system(systems: Mapping[str, SystemActivation], system: str | None) -> str:
    """Return the name of the system that is meant; `InputError` where there is none, or it is not said which."""
    if system is None and len(systems) == 1:
        return next(iter(systems))
    if system is None:
        message = f"there are several systems in this workspace; name one of {', '.join(systems)}"
        raise InputError(message, field="system", code="unknown_system")
    if system not in systems:
        message = f"there is no system {system!r} in this workspace{did_you_mean(system, systems)}"
        raise InputError(message, field="system", code="unknown_system")
    return system


def plan_of(active: SystemActivation, secret: bytes) -> Plan:
    """Compile a system without its model: how its columns are laid out does not depend on that."""
    if active.spec is None:
        message = "the log is from before definitions were kept in it"
        raise InputError(message, field="workspace")
    return compile(from_spec(active.spec), secret=secret, thresholds=active.thresholds, lateness=active.lateness)


@dataclass(frozen=True)
class Laid:
    """Decided events of a system as columns, in the order of event time.

    Parameters
    ----------
    slots, X
        Where fields and features stand, and what they were, shape (rows, n); the first row is the event's time.
    written
        What else was written down.
    since
        Time of the first event that each rule was asked of.
    """

    slots: dict[str, Slot]
    X: FloatArray
    written: Written
    since: dict[str, int]


class Reader:
    """Reads the decided events of one system, and what became known about them.

    Parameters
    ----------
    log
        Only read.
    plan
        What decides now.
    entries
        How to read what was decided.
    names
        Fields and features that are to be read.
    told
        Told of progress.
    needed
        Fields and features without which a decision is left out, and counted; where absent, what some decisions lack is
        read of none.
    start, stop
        Positions between which the log is read; what became known of events is read up to `stop`, too.

    Attributes
    ----------
    lacking
        Decisions that were left out because they lack something that is needed.
    """

    def __init__(
        self,
        log: Log,
        plan: Plan,
        entries: Entries,
        names: Collection[str],
        told: Told,
        *,
        needed: Collection[str] = (),
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.log, self.plan, self.entries, self.told = log, plan, entries, told
        self.system = plan.system
        self.names = reading(names, derived_of(plan))
        self.kept: dict[str, dict[str, int]] = {}
        self.start = max(start, entries.start)
        self.stop = log.end().position if stop is None else stop
        self.groups: dict[tuple[str, str], _Group] = {}
        self.labels: dict[str, tuple[float, int]] = {}
        self.gone: set[str] = set()
        self.lacking = 0
        self._needed = self._rows_of(needed)

    def laid(self) -> Laid:
        """Read the log once, then lay columns out."""
        # a destroyed key is never used again, so no erasure of before concerns an event from here on
        keys = [erasure.key for erasure in erasures(self.log, self.start) if erasure.key]
        withheld = Withheld(self.log, keys)
        parts: frozenset[Part] = READ | {"bodies"} if keys else READ
        for stretch in scan(self.log, self.start, self.stop, parts):
            self._take(stretch, withheld)
            self.told(stretch.first, self.stop)
        if not self.groups:
            message = f"system {self.system.name!r} has decided nothing in this workspace"
            if self.lacking:
                message += f" by its present definitions; {self.lacking:,} decisions lack a feature of theirs"
            raise InputError(message, field="workspace")
        return self._laid_out()

    def _take(self, stretch: Stretch, withheld: Withheld) -> None:
        block = stretch.block
        if isinstance(block, Changes) and block.stream == self.plan.decides:
            self._change(block, stretch.received_at)
        if not isinstance(block, Events) or block.stream != self.plan.decides:
            return
        for made in block.made:
            card = self.entries.cards.get(made.card)
            if card is None:
                message = f"what says how decisions at position {stretch.first} are read was archived: give the archive"
                raise InputError(message, field="archive", code="archived")
            if card.system != self.system.name:
                continue
            if self._needed and not self._needed <= {*card.names}:
                self.lacking += len(block)
                continue
            told = np.flatnonzero(withheld.events(block))
            ids = block.ids.texts()
            group = self.groups.setdefault((block.schema, made.card), _Group())
            group.positions.append(stretch.first + told)
            group.ids += ids if len(told) == len(ids) else [ids[i] for i in told.tolist()]
            rows = np.array(list(self._kept_of(card).values()), np.int64)
            group.fields.append(block.matrix()[:, told])
            group.features.append(card.matrix(made.features, len(block))[np.ix_(rows, told)])
            group.records.append(card.records(made.records)[told])

    def _kept_of(self, card: Card) -> dict[str, int]:
        """Return the names that are read among the features that a card keeps, and their rows."""
        if card.digest not in self.kept:
            wanted = {*self.names, *(f"{name}.2" for name in self.names)}
            self.kept[card.digest] = {name: row for row, name in enumerate(card.names) if name in wanted}
        return self.kept[card.digest]

    def _rows_of(self, needed: Collection[str]) -> set[str]:
        """Return the rows of features that a decision needs; what is a field of the event is there anyway."""
        fields, slots = self.plan.schema(self.plan.decides).names, self.plan.slots
        rows = [[name, f"{name}.2"][: width(slots[name].type)] for name in needed if name not in fields]
        return {row for two in rows for row in two}

    def _change(self, block: Changes, received_at: int) -> None:
        label = self.system.label
        if block.kind == Kind.RETRACTION:
            self.gone.update(block.ids.texts())
        elif block.kind == Kind.LABEL and label is not None:
            values = np.frombuffer(block.values, "<f8").tolist()
            told = zip(block.ids.texts(), block.names, values, strict=True)
            self.labels.update({id_: (value, received_at) for id_, name, value in told if name == label.name})

    def _laid_out(self) -> Laid:
        """Return all groups as one, in the order of event time."""
        slots, read = self._slots()
        rules = tuple(dict.fromkeys(rule.id for key in self.groups for rule in self.entries.cards[key[1]].rules))
        parts = [self._part(key, group, read, rules) for key, group in self.groups.items()]
        ids = np.array([id_ for group in self.groups.values() for id_ in group.ids], object)
        X, fired = np.concatenate([p.X for p in parts], 1), np.concatenate([p.fired for p in parts], 1)
        action, p = np.concatenate([p.action for p in parts]), np.concatenate([p.p for p in parts])
        position = np.concatenate([np.concatenate(group.positions) for group in self.groups.values()])
        there = np.array([id_ not in self.gone for id_ in ids.tolist()], np.bool_)
        ts = X[0]
        order = np.lexsort((position, ts))
        order = order[there[order]]
        X, fired, action, p, ids = X[:, order], fired[:, order], action[order], p[order], ids[order]
        said = [self.labels.get(id_, (np.nan, NEVER)) for id_ in ids.tolist()]
        label, at = np.array([value for value, _ in said]), np.array([when for _, when in said], np.int64)
        written = Written(ids, position[order], label, action, p, rules, fired, at)
        return Laid(slots, X, written, self._since(parts, list(self.groups)))

    def _since(self, parts: Sequence[_Part], keys: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Return the time of the first event that each rule was asked of."""
        since: dict[str, int] = {}
        for part, (_, digest) in zip(parts, keys, strict=True):
            for rule in self.entries.cards[digest].rules:
                since[rule.id] = min(since.get(rule.id, 2**62), int(part.X[0].min(initial=2.0**62)))
        return since

    def last_received(self) -> int:
        """Return when the last entry that is read was received, in microseconds."""
        last = next(iter(self.log.read(self.stop - 1, self.stop)))
        return last.received_at

    def _slots(self) -> tuple[dict[str, Slot], list[str]]:
        """Return where names stand that all groups keep: the time of the event, then what costs and people need."""
        plan, system = self.plan, self.system
        cards = [self.entries.cards[card] for _, card in self.groups]
        first = [clock_of(plan), *(name for name in (system.amount, system.card) if name)]
        slots: dict[str, Slot] = {}
        read: list[str] = []
        for name in dict.fromkeys([*first, *sorted(self.names)]):
            slot = plan.slots.get(name)
            if slot is None:
                continue
            rows = [name, f"{name}.2"][: width(slot.type)]
            if name in plan.schema(plan.decides).names or all(set(rows) <= set(card.names) for card in cards):
                slots[name] = Slot(slot.type, len(read))
                read += rows
        return slots, read

    def _part(self, key: tuple[str, str], group: _Group, read: list[str], rules: tuple[str, ...]) -> _Part:
        """Return the columns of one group."""
        schema, card = key[0], self.entries.cards[key[1]]
        fields, features = np.concatenate(group.fields, 1), np.concatenate(group.features, 1)
        now = self.plan.schema(self.plan.decides)
        if schema != now.digest:
            fields = rows_from(fields, self.entries.layouts[schema], now)
        at, kept = self.plan.stream(self.plan.decides).encoder.row, list(self._kept_of(card))
        X = np.empty((len(read), fields.shape[1]))
        for i, name in enumerate(read):
            plain = name.removesuffix(".2")
            X[i] = fields[at[plain] + (plain != name)] if plain in at else features[kept.index(name)]
        records = np.frombuffer(b"".join(each.tobytes() for each in group.records), card.dtype)  # numpy joins by field
        return _Part(X, _fired(card, records, rules), _actions(card, self.system.policy, records), records["p"])


class _Part(NamedTuple):
    """The columns of one group of events."""

    X: FloatArray
    fired: HashArray
    action: IntArray
    p: FloatArray


def _fired(card: Card, records: AnyArray, rules: tuple[str, ...]) -> HashArray:
    """Return which rules fired, as bits in the order of all rules that ever decided."""
    bits = np.zeros((words(len(rules)), len(records)), np.uint64)
    if card.rules:
        fired = np.unpackbits(records["fired"], axis=1, bitorder="little", count=len(card.rules))
        for rule, column in zip(card.rules, fired.T, strict=True):
            at = rules.index(rule.id)
            bits[at // 64] |= column.astype(np.uint64) << np.uint64(at % 64)
    return bits


def _actions(card: Card, policy: Policy, records: AnyArray) -> IntArray:
    """Return what was done, as positions in the actions of today."""
    now = [action_of(name, card, policy) for name in card.actions]
    action: IntArray = np.array(now)[records["action"]]
    return action


def action_of(name: str, card: Card, policy: Policy) -> int:
    """Return the position of an action in a policy; of one that it does not have, by how hard it was when it decided.

    Parameters
    ----------
    name
        As a card has it.
    card
        Of then.
    policy
        Of today.
    """
    if name in policy.actions:
        return policy.actions.index(name)
    last = len(policy.actions) - 1
    return {card.actions[0]: 0, card.actions[-1]: last}.get(name, min(1, last))
