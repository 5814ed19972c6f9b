"""The past as columns: what events were, what was done about them, and what became known; rules are tried on it.

A past comes from a log, from its export or from a backfilled history, and all three are the same to whoever reads it.
What is not known stays not known: an event is a fraud or honest once its label is old enough, and one that was stopped
and of which nobody ever said anything is neither.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from adjudge.define import DerivedFeature, Rules, System, micros
from adjudge.define.expression import parse
from adjudge.define.functions import Type
from adjudge.engine.plan import Plan
from adjudge.engine.policy import Combine
from adjudge.engine.vm import Slot
from adjudge.errors import ShapeError
from adjudge.typing import AnyArray, BoolArray, CodeArray, FloatArray, HashArray, IntArray

HONEST, FRAUD, UNLABELLED, YOUNG, YOUNG_FRAUD = range(5)
"""What is known of an event: of an old one honest, fraud or nothing; of a young one nothing yet, or fraud already."""


@dataclass(frozen=True)
class Columns:
    """Fields and features of past events, by name.

    Parameters
    ----------
    slots
        Where each name stands; texts stand as hashes, times and places take two rows.
    X
        Values, shape (rows, n).
    types
        The type of every name that the system knows, whether it is held here or not.
    derived
        Expression of each derived feature, in order: such a feature need not be held where what it reads is.
    clock
        Name of the field that holds the event's time; empty where nothing that is asked ends by itself.
    """

    slots: Mapping[str, Slot]
    X: FloatArray
    types: Mapping[str, Type]
    derived: Mapping[str, str] = field(default_factory=dict)
    clock: str = ""

    def __post_init__(self) -> None:
        rows = max((slot.row + width(slot.type) for slot in self.slots.values()), default=0)
        if self.X.ndim != 2 or self.X.shape[0] < rows:
            message = f"columns: X has shape {self.X.shape}, the names need {rows} rows"
            raise ShapeError(message)


@dataclass(frozen=True)
class Past:
    """Past events of one system, in the order of their time.

    Parameters
    ----------
    columns
        What rules may read.
    ts
        Event times, microseconds UTC, shape (n,).
    known
        What is known of each: `HONEST` to `YOUNG_FRAUD`, shape (n,).
    amount
        What each is worth, shape (n,); missing counts as nothing.
    entity
        To whom each belongs, for intervals, shape (n,).
    ids
        Their ids, shape (n,).
    action
        What was done with each: position in the policy's actions, shape (n,).
    p
        Probability that the model gave, shape (n,); NaN where none did.
    model
        What the model alone asked for, shape (n,).
    rules
        Ids of the rules that were in force at some time.
    fired
        Which of them fired, as bits: shape (words, n), rule r is bit ``r % 64`` of word ``r // 64``.
    system
        Its definitions: actions, costs, amount.
    as_of
        When all of this was looked at, microseconds UTC.
    matures_us
        How old an event is before its label may be trusted to be known.
    thresholds
        Those that training found, where the policy leaves them to training.
    modelled
        Whether there is a model.
    since
        Of each of the rules the time of the first event that it was asked of, where that is not the first of all.
    """

    columns: Columns
    ts: IntArray
    known: CodeArray
    amount: FloatArray
    entity: AnyArray
    ids: AnyArray
    action: IntArray
    p: FloatArray
    model: IntArray
    rules: tuple[str, ...]
    fired: HashArray
    system: System
    as_of: int
    matures_us: int
    thresholds: Mapping[str, float] = field(default_factory=dict)
    modelled: bool = False
    since: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ts)
        for name in ("known", "amount", "entity", "ids", "action", "p", "model"):
            if len(getattr(self, name)) != n:
                message = f"past: {name} has {len(getattr(self, name))} rows, ts has {n}"
                raise ShapeError(message)
        if self.columns.X.shape[1] != n or self.fired.shape != (words(len(self.rules)), n):
            message = f"past: columns {self.columns.X.shape} and fired {self.fired.shape} do not fit {n} events"
            raise ShapeError(message)

    def __len__(self) -> int:
        return len(self.ts)

    @functools.cached_property
    def worth(self) -> FloatArray:
        """What each event is worth; nothing where that is missing."""
        return np.nan_to_num(self.amount)

    @functools.cached_property
    def acted(self) -> BoolArray:
        """Which events were not let through at once."""
        acted: BoolArray = self.action > 0
        return acted

    @functools.cached_property
    def old(self) -> int:
        """How many events are old enough for their label to be trusted; they come first."""
        return int(np.searchsorted(self.ts, self.as_of - self.matures_us, side="right"))

    def between(self, start: int, end: int) -> Past:
        """Return the events with ``start <= ts < end``, both in microseconds UTC, without copying them."""
        part = slice(*np.searchsorted(self.ts, (start, end)).tolist())
        return replace(
            self,
            columns=replace(self.columns, X=self.columns.X[:, part]),
            fired=self.fired[:, part],
            **{
                name: getattr(self, name)[part]
                for name in ("ts", "known", "amount", "entity", "ids", "action", "p", "model")
            },
        )


def known_of(
    label: FloatArray, ts: IntArray, *, as_of: int, matures_us: int, stopped: BoolArray | None = None
) -> CodeArray:
    """Return what is known of events, as codes.

    An event of which nobody has said anything is honest once it is old enough, because a complaint would have come. If
    it was stopped, nobody had anything to complain about: it stays without a label, however old.

    Parameters
    ----------
    label
        1.0 positive, 0.0 negative, NaN where nobody has said so by `as_of`, shape (n,).
    ts
        Event times.
    as_of, matures_us
        See `Past`.
    stopped
        Which events never took place; none where absent.

    Examples
    --------
    Of four events of time 0 one is known to be fraud, one is silent, one was stopped; the last is of time 90:

    >>> label, ts = np.array([1.0, np.nan, np.nan, np.nan]), np.array([0, 0, 0, 90])
    >>> known_of(label, ts, as_of=100, matures_us=60, stopped=np.array([False, False, True, False])).tolist()
    [1, 0, 2, 3]
    """
    young = ts > as_of - matures_us
    fraud, silent = label == 1.0, np.isnan(label)
    if stopped is None:
        stopped = np.zeros(len(ts), np.bool_)
    known = np.where(fraud, FRAUD, np.where(silent & stopped, UNLABELLED, HONEST))
    codes: CodeArray = np.where(young, np.where(fraud, YOUNG_FRAUD, YOUNG), known).astype(np.uint8)
    return codes


@dataclass(frozen=True)
class Written:
    """What was written down of events when they were decided, in the order of event time.

    Parameters
    ----------
    ids, seq
        Their ids and positions in the log, shape (n,).
    label
        The truth as far as it was told; NaN where nobody did.
    action, p
        What was done, by its place in the policy, and the model's probability; NaN where there was none.
    rules, fired
        Ids of rules, and where each fired, as `Past` holds it.
    label_at
        When each label was told, microseconds UTC, where that was asked; `adjudge.learn.table.NEVER` where nobody did.
    """

    ids: AnyArray
    seq: IntArray
    label: FloatArray
    action: IntArray
    p: FloatArray
    rules: tuple[str, ...]
    fired: HashArray
    label_at: IntArray | None = None


def written_past(
    plan: Plan,
    slots: Mapping[str, Slot],
    X: FloatArray,
    written: Written,
    *,
    as_of: int,
    modelled: bool,
    since: Mapping[str, int] | None = None,
) -> Past:
    """Return the past of a system from what was written down of it.

    Parameters
    ----------
    plan
        What decides now.
    slots, X
        Where fields and features stand, and what they were, shape (rows, n); the first row is the event's time.
    written
        What else was written down.
    as_of
        Microseconds UTC up to which labels are known.
    modelled
        Whether a model decides.
    since
        Time of the first event that each rule was asked of, where it is known.
    """
    system, ts, n = plan.system, X[0].astype(np.int64), X.shape[1]
    matures_us = 0 if system.label is None else micros(system.label.delay)
    amount = X[slots[system.amount].row] if system.amount else np.ones(n)
    entity = (
        X.view(np.uint64)[slots[system.card].row]
        if system.card is not None and system.card in slots
        else written.seq.astype(np.uint64)
    )
    stopped = written.action == len(system.policy.actions) - 1
    alone = combining(system, Rules(), plan.thresholds)
    return Past(
        Columns(dict(slots), X, types_of(plan), derived_of(plan), clock_of(plan)),
        ts,
        known_of(written.label, ts, as_of=as_of, matures_us=matures_us, stopped=stopped),
        amount,
        entity,
        written.ids,
        written.action,
        written.p,
        alone.run(amount[None], written.p, modelled=True).action if modelled else np.zeros(n, np.int64),
        written.rules,
        written.fired,
        system,
        as_of,
        matures_us,
        dict(plan.thresholds),
        modelled,
        dict(since or {}),
    )


def combining(system: System, rules: Rules, thresholds: Mapping[str, float]) -> Combine:
    """Return the policy of a system with other rules, over a matrix of amounts and then the rules' rows."""
    scope = {} if system.amount is None else {system.amount: Slot("money", 0)}
    return Combine(replace(system, rules=rules), scope, 1).with_thresholds(system, thresholds)


def reading(names: Collection[str], derived: Mapping[str, str]) -> set[str]:
    """Return names with all that derived ones among them are made of.

    Examples
    --------
    >>> sorted(reading(["z"], {"z": "(amount - mean) / std", "other": "mean > 1"}))
    ['amount', 'mean', 'std', 'z']
    """
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += parse(derived[name]).names if name in derived else ()
    return found


def types_of(plan: Plan) -> dict[str, Type]:
    """Return the type of every field and feature of a system."""
    return {name: slot.type for name, slot in plan.slots.items()}


def derived_of(plan: Plan) -> dict[str, str]:
    """Return the expression of every derived feature of a system, in the order in which they read each other."""
    return {name: f.expression for name, f in plan.features.items() if isinstance(f, DerivedFeature)}


def clock_of(plan: Plan) -> str:
    """Return the name of the field that holds the time of a system's events."""
    return plan.schema(plan.decides).time_field


def width(kind: Type) -> int:
    """Return how many rows a value takes: a time and a place have two."""
    return 2 if kind in ("time", "place") else 1


def words(rules: int) -> int:
    """Return how many words hold the bits of so many rules, at least one."""
    return max(-(-rules // 64), 1)
