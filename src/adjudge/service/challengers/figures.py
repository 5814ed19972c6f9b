"""What is known of a challenger by the log: money on labels that are old enough, a sequential verdict, time and parts.

Only what was decided since this very pair has run is looked at. An event of which nobody has said anything is honest
once it is old enough. What was stopped has no label unless somebody said so: beside a shadow it is left out, because
nobody knows what either of the two would have cost; between two sides of the traffic it is taken for honest, so that
whoever stops more pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from adjudge.define import Policy, micros
from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.learn import sequential
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, known_of
from adjudge.learn.sequential import Bound
from adjudge.learn.threshold import Treatment, cost_of
from adjudge.log import Kind, Log
from adjudge.log.codec import Note
from adjudge.log.scan import scan
from adjudge.service.activation import Seat
from adjudge.service.challengers.shadow import Shadowed
from adjudge.service.challengers.slices import SliceFigures, sliced
from adjudge.service.columns import Entries, Reader
from adjudge.typing import BoolArray, CodeArray, FloatArray, HashArray, IntArray

LEAST = 200
"""Least decisions of each before shares of them are told apart by a guard."""


class SideFigures(msgspec.Struct, frozen=True):
    """What one of the two came to.

    Parameters
    ----------
    decisions
        All that it made, in earnest or in the shadow.
    mature
        Those of them whose label is old enough and known.
    cost
        Money a decision on these; None without any.
    acting
        Share of its decisions that are stricter than the mildest.
    latency_ms
        Milliseconds at the 99th percentile: from arrival to decision, or to decide alone in the shadow; None where it
        has decided nothing.
    lacking
        Share of its decisions that lacked a part of it.
    """

    decisions: int
    mature: int
    cost: float | None
    acting: float
    latency_ms: float | None
    lacking: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a challenger.

    Parameters
    ----------
    system, name, stage
        Which one, and how it runs.
    as_of_us
        When the last entry that is looked at was received, microseconds UTC.
    champion, challenger
        What each came to.
    differ
        Events that both decided, and decided otherwise; None where they decided none together.
    unknown
        Events that were stopped and that nobody has labelled.
    frauds
        Mature events that are known to be fraud.
    bound
        What the challenger saves a decision, by a test that may be looked at every day; None where nothing settled how
        it is made.
    worse
        Whether the same test finds the champion better.
    slices
        The same by the values of guarded fields.
    missed
        Events that a shadow did not keep up with.
    """

    system: str
    name: str
    stage: str
    as_of_us: int
    champion: SideFigures
    challenger: SideFigures
    differ: int | None
    unknown: int
    frauds: int
    bound: Bound | None
    worse: bool
    slices: list[SliceFigures]
    missed: int = 0


@dataclass(frozen=True)
class Read:
    """Decided events since a position, in the order of their time.

    Parameters
    ----------
    positions, ts
        Of the events, shape (n,).
    known, amount
        What is known of each, see `adjudge.learn.past`, and its worth.
    entity
        To whom each belongs.
    action
        What was done, as a position in the champion's policy.
    latency_ms
        From arrival to decision.
    lacks
        Whether it lacked a part.
    by
        Who decided, as a position in `names`.
    names
        Of challengers; empty for the champion.
    X
        The fields that were asked for, by name: one row of numbers or hashes each.
    as_of_us
        When the last entry was received.
    """

    positions: IntArray
    ts: IntArray
    known: CodeArray
    amount: FloatArray
    entity: HashArray
    action: IntArray
    latency_ms: FloatArray
    lacks: BoolArray
    by: IntArray
    names: list[str]
    X: Mapping[str, FloatArray]
    as_of_us: int

    def made_by(self, name: str) -> BoolArray:
        """Return which decisions a challenger has made, or the champion where there is no name."""
        made: BoolArray = self.by == (self.names.index(name) if name in self.names else -1)
        return made


class Source(NamedTuple):
    """Where figures come from.

    Parameters
    ----------
    log
        Only read.
    plan
        The champion.
    entries
        How to read decisions.
    """

    log: Log
    plan: Plan
    entries: Entries


def read(source: Source, since: int, by: str, fields: Sequence[str] = (), stop: int | None = None) -> Read | None:
    """Return what was decided since a position; None if nothing was.

    Parameters
    ----------
    source
        Where it is read.
    since
        Position.
    by
        Entity to whom events belong; empty for that of `System.card`, and for the event itself where there is none.
    fields
        Fields of the event to be read beside.
    stop
        Position before which it ends; None for all.
    """
    plan, system = source.plan, source.plan.system
    cards = source.entries.cards
    own = _fields_of(plan, by) or ([system.card] if system.card and not by else [])
    reader = Reader(source.log, plan, source.entries, [*own, *fields], _quiet, start=since, stop=stop)
    try:
        laid = reader.laid()
    except InputError:  # nothing was decided yet
        return None
    written, X, at = laid.written, laid.X, {name: slot.row for name, slot in laid.slots.items()}
    as_of = max(reader.last_received(), 0)
    ts = X[0].astype(np.int64)
    names = list(dict.fromkeys(cards[digest].variant for _, digest in reader.groups))
    groups = [(names.index(cards[digest].variant), group) for (_, digest), group in reader.groups.items()]
    at_all = np.concatenate([positions for _, group in groups for positions in group.positions])
    records = [(who, each) for who, group in groups for each in group.records]
    order = np.argsort(at_all, kind="stable")
    place = order[np.searchsorted(at_all[order], written.seq)]
    delay = 0 if system.label is None else micros(system.label.delay)
    stopped = written.action == len(system.policy.actions) - 1
    return Read(
        written.seq,
        ts,
        known_of(written.label, ts, as_of=as_of, matures_us=delay, stopped=stopped),
        np.nan_to_num(X[at[system.amount]]) if system.amount else np.ones(len(ts)),
        _entity(X, [at[name] for name in own], written.seq),
        written.action,
        np.concatenate([each["latency_ms"] for _, each in records])[place],
        np.concatenate([_lacking(each["layers"]) for _, each in records])[place],
        np.concatenate([np.full(len(each), who) for who, each in records])[place],
        names,
        {name: X[at[name]] for name in fields},
        as_of,
    )


def figures(source: Source, seat: Seat) -> Figures | None:
    """Return what is known of a challenger; None while nothing was decided since it runs.

    Parameters
    ----------
    source
        Where it is read.
    seat
        The challenger, as it runs.
    """
    seen = read(source, seat.since or 0, seat.by, seat.terms.slices)
    if seen is None:
        return None
    return _of_share(source, seat, seen) if seat.share else _of_shadow(source, seat, seen)


def test_of(seat: Seat) -> sequential.Terms | None:
    """Return how a challenger is tested; None where nothing settled it."""
    terms = seat.terms
    return sequential.Terms(cap=terms.cap, scale=terms.scale) if terms.cap > 0 and terms.scale > 0 else None


def costs_of(policy: Policy, action: IntArray, fraud: BoolArray, amount: FloatArray) -> FloatArray:
    """Return what each decision has cost, shape (n,).

    An action that is neither the hardest nor a review costs what letting the event pass does.

    Examples
    --------
    A fraud of 100 that passed, and an honest payment of 40 that was stopped:

    >>> policy = Policy(actions=("approve", "review", "block"))
    >>> costs_of(policy, np.array([0, 2]), np.array([True, False]), np.array([100.0, 40.0])).tolist()
    [100.0, 7.0]
    """
    treated: list[Treatment] = [
        "block" if i == len(policy.actions) - 1 else "review" if name in policy.review else "pass"
        for i, name in enumerate(policy.actions)
    ]
    each = np.stack([cost_of(fraud, amount, policy.costs, how) for how in treated])
    cost: FloatArray = each[action, np.arange(len(action))]
    return cost


def _of_share(source: Source, seat: Seat, seen: Read) -> Figures:
    mine = seen.made_by(seat.name)
    both = mine | seen.made_by("")  # what other challengers decided is nobody's here
    fraud, open_ = seen.known == FRAUD, seen.known == UNLABELLED
    mature = both & (fraud | open_ | (seen.known == HONEST))
    cost = costs_of(source.plan.system.policy, seen.action, fraud, seen.amount)
    test = test_of(seat)
    args = cost[mature], mine[mature], seen.entity[mature]
    return Figures(
        system=seat.system,
        name=seat.name,
        stage=seat.stage,
        as_of_us=seen.as_of_us,
        champion=_side(seen, both & ~mine, cost, mature),
        challenger=_side(seen, mine, cost, mature),
        differ=None,
        unknown=int((both & open_).sum()),
        frauds=int((mature & fraud).sum()),
        bound=None if test is None else sequential.split(*args, test),
        worse=test is not None and sequential.split(args[0], ~args[1], args[2], test).better_by(0.0),
        slices=sliced(
            source.log,
            source.plan,
            seen.positions[mature],
            {name: X[mature] for name, X in seen.X.items()},
            np.where(args[1], -cost[mature], cost[mature]),
            args[1],
            args[2],
        ),
    )


def _of_shadow(source: Source, seat: Seat, seen: Read) -> Figures:
    made = _shadowed(source, seat)
    place = np.searchsorted(made.positions, seen.positions)
    place = np.minimum(place, max(len(made.positions) - 1, 0))
    there = made.positions[place] == seen.positions if len(made.positions) else np.zeros(len(seen.ts), np.bool_)
    there &= seen.made_by("")
    at = place[there]
    policy, action = source.plan.system.policy, seen.action[there]
    known, amount, entity = seen.known[there], seen.amount[there], seen.entity[there]
    mature, fraud = (known == FRAUD) | (known == HONEST), known == FRAUD
    theirs = made.action[at] if len(at) else np.empty(0, np.int64)
    cost, other = costs_of(policy, action, fraud, amount), costs_of(policy, theirs, fraud, amount)
    gain, test = (cost - other)[mature], test_of(seat)
    chosen = np.zeros(len(seen.ts), np.bool_)
    chosen[np.flatnonzero(there)] = True
    whole = np.zeros(len(seen.ts))
    whole[there] = cost
    old = np.zeros(len(seen.ts), np.bool_)
    old[np.flatnonzero(there)[mature]] = True
    return Figures(
        system=seat.system,
        name=seat.name,
        stage=seat.stage,
        as_of_us=seen.as_of_us,
        champion=_side(seen, chosen, whole, old),
        challenger=SideFigures(
            len(made.positions),
            int(mature.sum()),
            float(other[mature].mean()) if mature.any() else None,
            float((made.action > 0).mean()) if len(made.action) else 0.0,
            float(np.quantile(made.took_us, 0.99)) / 1e3 if len(made.took_us) else None,
            float(made.lacks.mean()) if len(made.lacks) else 0.0,
        ),
        differ=int((theirs != action).sum()),
        unknown=int((known == UNLABELLED).sum()),
        frauds=int((mature & fraud).sum()),
        bound=None if test is None else sequential.paired(gain, entity[mature], test),
        worse=test is not None and sequential.paired(-gain, entity[mature], test).better_by(0.0),
        slices=sliced(
            source.log,
            source.plan,
            seen.positions[there][mature],
            {name: X[there][mature] for name, X in seen.X.items()},
            gain,
            None,
            entity[mature],
        ),
        missed=made.missed,
    )


class _Made(NamedTuple):
    """What a shadow decided, by rising position."""

    positions: IntArray
    action: IntArray
    took_us: FloatArray
    lacks: BoolArray
    missed: int


def _shadowed(source: Source, seat: Seat) -> _Made:
    """Return what a shadow decided since it runs so; of what was written twice the last counts."""
    positions, action, took, lacks = (
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
        [np.empty(0)],
        [np.empty(0, bool)],
    )
    missed, since = 0, seat.since or 0
    actions = source.plan.system.policy.actions
    for stretch in scan(source.log, since, parts=()):
        block = stretch.block
        if not isinstance(block, Note) or block.kind != Kind.SHADOW:
            continue
        made = Shadowed.read(block)
        if (made.head.system, made.head.name) != (seat.system, seat.name) or made.head.card not in source.entries.cards:
            continue
        card = source.entries.cards[made.head.card]
        now = np.array([actions.index(name) if name in actions else len(actions) - 1 for name in card.actions])
        positions.append(made.positions)
        action.append(now[made.records["action"]])
        took.append(made.records["took_us"].astype(np.float64))
        lacks.append(made.records["lacks"] > 0)
        missed += made.head.missed
    at, what = np.concatenate(positions), np.concatenate(action)
    _, last = np.unique(at[::-1], return_index=True)
    order = len(at) - 1 - last
    order = order[at[order] >= since]  # what was decided before the pair began may be written down after
    return _Made(at[order], what[order], np.concatenate(took)[order], np.concatenate(lacks)[order], missed)


def _side(seen: Read, mine: BoolArray, cost: FloatArray, mature: BoolArray) -> SideFigures:
    both = mine & mature
    return SideFigures(
        int(mine.sum()),
        int(both.sum()),
        float(cost[both].mean()) if both.any() else None,
        float((seen.action[mine] > 0).mean()) if mine.any() else 0.0,
        float(np.quantile(seen.latency_ms[mine], 0.99)) if mine.any() else None,
        float(seen.lacks[mine].mean()) if mine.any() else 0.0,
    )


def _fields_of(plan: Plan, by: str) -> list[str]:
    """Return the fields that name an entity of the decided stream."""
    return next((list(h.entity.fields) for h in plan.histories if by and h.entity.name == by), [])


def _entity(X: FloatArray, rows: list[int], positions: IntArray) -> HashArray:
    """Return a number for each event that is equal for events of one entity; an event without is its own."""
    if not rows:
        return positions.astype(np.uint64)
    hashes = np.ascontiguousarray(X[rows]).view(np.uint64)
    _, place = np.unique(hashes, axis=1, return_inverse=True)
    missing = (hashes == 0).any(axis=0)
    found: HashArray = np.where(missing, positions + len(positions) + 1, place.ravel()).astype(np.uint64)
    return found


def _lacking(codes: CodeArray) -> BoolArray:
    from adjudge.engine.layers import lacking

    found: BoolArray = np.logical_or.reduce(lacking(codes), axis=1)
    return found


def _quiet(position: int, stop: int) -> None:
    """Say nothing of progress."""
