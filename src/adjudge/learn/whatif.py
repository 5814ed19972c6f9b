"""What if: the same events as they were decided and as something else decides them, both worlds in the same money.

Both are judged by the labels there are. A label is there where an event took place: what was stopped has none, so what
letting it through would have cost is in neither world's figures. That is counted and said, and where a random part of
it was let through all the same, the estimate from that part stands beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import Policy
from adjudge.errors import ShapeError
from adjudge.learn.backtest import CHANGES, moment_of, span_days
from adjudge.learn.bootstrap import Interval
from adjudge.learn.caught import Caught, Ledger, treatment
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.holdout import HoldOut, hold_out
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, YOUNG, YOUNG_FRAUD, Past, words
from adjudge.learn.tally import FRAUDS, HONESTS, any_of
from adjudge.learn.threshold import Treatment, cost_of
from adjudge.learn.tradeoff import BLOCK, PASS, REVIEW
from adjudge.typing import AnyArray, BoolArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    import polars as pl

KNOWN = {HONEST: "honest", FRAUD: "fraud", UNLABELLED: "unlabelled", YOUNG: "young", YOUNG_FRAUD: "young fraud"}
"""What is known of an event, in words."""

TREATED: dict[int, Treatment] = {PASS: "pass", REVIEW: "review", BLOCK: "block"}
"""How an action is reckoned, in words."""


@dataclass(frozen=True)
class World:
    """What was done, or would have been, about the events of a past.

    Parameters
    ----------
    policy
        Whose actions they are.
    action
        Position in the policy's actions, shape (n,).
    p
        Probability that the model gave; NaN where none did, shape (n,).
    rules, fired
        Ids of rules, and where each fired, as `Past` holds it.
    """

    policy: Policy
    action: IntArray
    p: FloatArray
    rules: tuple[str, ...]
    fired: HashArray

    @classmethod
    def of(cls, past: Past) -> World:
        """Return the world as it was."""
        return cls(past.system.policy, past.action, past.p, past.rules, past.fired)

    @property
    def treated(self) -> IntArray:
        """How each event is treated: `PASS`, `REVIEW` or `BLOCK`."""
        return treatment(self.policy, self.action)

    def names(self) -> AnyArray:
        """Return the action of each event by its name."""
        named: AnyArray = np.array(self.policy.actions, object)[self.action]
        return named

    def reasons(self, row: int) -> list[str]:
        """Return the ids of the rules that fired for one event."""
        return [rule for r, rule in enumerate(self.rules) if int(self.fired[r // 64, row]) >> (r % 64) & 1]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One world in figures.

    Parameters
    ----------
    versions
        What decided, by part.
    actions
        Events by action.
    passed, reviewed, stopped
        Events by how they are reckoned.
    caught
        What alerts and stops came to, a day, against letting everything pass.
    """

    versions: dict[str, str]
    actions: dict[str, int]
    passed: int
    reviewed: int
    stopped: int
    caught: Caught


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Events that one action was taken about in fact, and another one in the other world.

    Parameters
    ----------
    actual, other
        The two actions.
    events, amount
        How many, and what they are worth.
    frauds, honest
        Those whose label is old enough.
    unlabelled, young
        Those that were stopped in fact and never labelled, and those whose label is not old enough.
    saved
        Money a day that the change saves, by what is labelled; below 0 it costs.
    """

    actual: str
    other: str
    events: int
    amount: float
    frauds: int
    honest: int
    unlabelled: int
    young: int
    saved: Interval


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures cannot tell, because what was stopped has no label.

    Parameters
    ----------
    stopped, stopped_amount
        Events that were stopped in fact, and what they were worth.
    unlabelled, unlabelled_amount
        Those of them that are old and of which nobody ever said anything: in no figure of either world.
    freed, freed_amount
        Events that were stopped in fact and would not be in the other world.
    freed_unlabelled, freed_unlabelled_amount
        Those of them without a label: what letting them through would have cost nobody knows.
    words
        The same in a sentence.
    """

    stopped: int
    stopped_amount: float
    unlabelled: int
    unlabelled_amount: float
    freed: int
    freed_amount: float
    freed_unlabelled: int
    freed_unlabelled_amount: float
    words: str


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One event that is decided otherwise.

    Parameters
    ----------
    id, seq, ts
        The event, its position in the log, and its time.
    amount
        What it is worth; None where it has no amount.
    actual, other
        The two actions.
    actual_p, other_p
        The two probabilities; None where no model gave one.
    actual_rules, other_rules
        Ids of the rules that fired.
    known
        ``fraud``, ``honest``, ``unlabelled``, ``young``, or ``young fraud`` where that is said already.
    saved
        Money that the change saves, by the costs of the errors; None where there is no label.
    """

    id: str
    seq: int
    ts: str
    amount: float | None
    actual: str
    other: str
    actual_p: float | None
    other_p: float | None
    actual_rules: list[str]
    other_rules: list[str]
    known: str
    saved: float | None


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """Two worlds side by side.

    Parameters
    ----------
    system
        Its name.
    parts
        What is different in the other world: rules, policy, bundle, definitions, lists.
    events, days
        How many events both decided, and over how long.
    start, end, as_of
        Times of the first and the last event, and when all of it was looked at.
    matures_days, mature
        Age at which a label may be trusted, and the share of the events that are as old.
    frauds, fraud_amount
        What there was to catch among them, as far as it is known.
    rounds
        Resamples of customers behind the intervals; 0 for none.
    degraded
        Events that were decided without a layer then: the other world does without layers of the same names, too.
    actual, other
        The two worlds.
    differing
        Events about which another action is taken.
    moved
        The same by what was done and what would be, the most frequent first.
    saved
        Money a day that the other world saves; below 0 it costs.
    hidden
        What these figures cannot tell.
    holdout
        The estimate from what was let through by chance; None where nothing says what was.
    examples
        Events that are decided otherwise, those first about which it matters most in money.
    """

    system: str
    parts: tuple[str, ...]
    events: int
    days: float
    start: str
    end: str
    as_of: str
    matures_days: float
    mature: float
    frauds: int
    fraud_amount: float
    rounds: int
    degraded: int
    actual: Side
    other: Side
    differing: int
    moved: tuple[Moved, ...]
    saved: Interval
    hidden: Hidden
    holdout: HoldOut | None = None
    examples: tuple[Changed, ...] = ()


@dataclass(frozen=True)
class Asked:
    """How worlds are compared.

    Parameters
    ----------
    review_minutes
        Time that one case takes.
    rounds, seed
        Resamples of customers behind the intervals, 0 for none; same seed, same intervals.
    examples
        How many events that are decided otherwise are named.
    """

    review_minutes: float = 5.0
    rounds: int = 200
    seed: int = 0
    examples: int = 10


@dataclass(frozen=True)
class Worlds:
    """The same events in two worlds.

    Parameters
    ----------
    past
        The events, what was done about them in fact, and what is known of them.
    seq
        Position of each in the log, shape (n,).
    other
        What the other world does.
    versions
        What decides in fact, and in the other world, by part.
    parts
        What is different.
    degraded
        How many events were decided without a layer then.
    seen, chance
        Which events took place, and the chance of each, where some that would be stopped were let through by chance.

    Raises
    ------
    ShapeError
        If the worlds are not of the same events.
    """

    past: Past
    seq: IntArray
    other: World
    versions: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
    parts: tuple[str, ...] = ()
    degraded: int = 0
    seen: BoolArray | None = None
    chance: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.past)
        lengths = {len(self.seq), len(self.other.action), len(self.other.p), self.other.fired.shape[1]}
        if lengths != {n} or len(self.other.fired) != words(len(self.other.rules)):
            message = f"what if: the past has {n} events, the other world columns of {sorted(lengths)}"
            raise ShapeError(message)

    @property
    def actual(self) -> World:
        """The world as it was."""
        return World.of(self.past)

    @property
    def differing(self) -> IntArray:
        """Events about which another action is taken, shape (m,)."""
        return np.flatnonzero(self.actual.names() != self.other.names())

    def saved(self) -> FloatArray:
        """Return the money that the other world saves on each event; NaN where there is no label, shape (n,).

        An event that both treat alike saves nothing, whatever it was.
        """
        past, costs = self.past, self.past.system.policy.costs
        y = (past.known == FRAUD).astype(np.float64)
        each = [cost_of(y, past.worth, costs, how) for how in TREATED.values()]
        saved = np.choose(self.actual.treated, each) - np.choose(self.other.treated, each)
        known: FloatArray = np.where((past.known == FRAUD) | (past.known == HONEST), saved, np.nan)
        return known


def what_if(worlds: Worlds, asked: Asked | None = None) -> WhatIf:
    """Return two worlds side by side.

    Parameters
    ----------
    worlds
        The same events in both.
    asked
        How to compare; as usual where absent.

    Notes
    -----
    Money is reckoned as `adjudge.learn.caught` does it: fraud that is stopped or found, less what looking costs, less
    what stopping honest customers costs, against letting everything pass. Both worlds are reckoned by the costs of the
    policy that decides in fact, because what an error costs does not depend on who makes it.
    """
    how, past = asked or Asked(), worlds.past
    lines = _Lines(worlds)
    ledger = Ledger.of(
        past,
        lines.bits,
        any_of(lines.bits),
        days=(span_days(past.ts), span_days(past.ts[: past.old])),
        review_minutes=how.review_minutes,
        rounds=how.rounds,
        seed=how.seed,
    )
    caught = [ledger.caught({REVIEW: first, BLOCK: first + 1}, beyond=False) for first in (0, 2)]
    fraud = past.known == FRAUD
    return WhatIf(
        system=past.system.name,
        parts=worlds.parts,
        events=len(past),
        days=ledger.days,
        start=moment_of(int(past.ts[0])),
        end=moment_of(int(past.ts[-1])),
        as_of=moment_of(past.as_of),
        matures_days=past.matures_us / DAY_US,
        mature=past.old / len(past),
        frauds=int(np.count_nonzero(fraud)),
        fraud_amount=float(past.worth[fraud].sum()),
        rounds=how.rounds,
        degraded=worlds.degraded,
        actual=_side(worlds.actual, worlds.versions[0], caught[0]),
        other=_side(worlds.other, worlds.versions[1], caught[1]),
        differing=len(worlds.differing),
        moved=tuple(_moved(worlds, ledger, lines, i) for i in range(len(lines.pairs))),
        saved=ledger.change({change: FIRST_CHANGE + i for i, change in enumerate(CHANGES)}),
        hidden=_hidden(worlds),
        holdout=_holdout(worlds, how),
        examples=tuple(Changed(**row) for row in changed(worlds, how.examples)),
    )


FIRST_CHANGE = 4
"""Lines before it are those of the two worlds, looked at and stopped; then come the changes from one treatment to
another, then those from one action to another."""

FIRST_PAIR = FIRST_CHANGE + len(CHANGES)


class _Lines:
    """The bits that everything is summed by."""

    def __init__(self, worlds: Worlds) -> None:
        actual, other = worlds.actual, worlds.other
        then, now = actual.treated, other.treated
        rows = worlds.differing
        named = Counter(zip(actual.names()[rows].tolist(), other.names()[rows].tolist(), strict=True))
        self.pairs = [pair for pair, _ in named.most_common()]
        self.bits = np.zeros((words(FIRST_PAIR + len(self.pairs)), len(then)), np.uint64)
        for line, hit in enumerate((then == REVIEW, then == BLOCK, now == REVIEW, now == BLOCK)):
            self._set(line, hit)
        for line, (old, new) in enumerate(CHANGES, FIRST_CHANGE):
            self._set(line, (then == old) & (now == new))
        self.members = [(actual.names() == a) & (other.names() == b) for a, b in self.pairs]
        for line, hit in enumerate(self.members, FIRST_PAIR):
            self._set(line, hit)

    def _set(self, line: int, hit: AnyArray) -> None:
        self.bits[line // 64] |= hit.astype(np.uint64) << np.uint64(line % 64)


def _side(world: World, versions: Mapping[str, str], caught: Caught) -> Side:
    counts = np.bincount(world.action, minlength=len(world.policy.actions)).tolist()
    passed, reviewed, stopped = np.bincount(world.treated, minlength=3).tolist()
    return Side(
        versions=dict(versions),
        actions=dict(zip(world.policy.actions, counts, strict=True)),
        passed=passed,
        reviewed=reviewed,
        stopped=stopped,
        caught=caught,
    )


def _moved(worlds: Worlds, ledger: Ledger, lines: _Lines, i: int) -> Moved:
    (actual, other), hit, past = lines.pairs[i], lines.members[i], worlds.past
    row = int(np.argmax(hit))
    how = int(worlds.actual.treated[row]), int(worlds.other.treated[row])
    known = np.bincount(past.known[hit], minlength=len(KNOWN)).tolist()
    sums = ledger.sums[0, FIRST_PAIR + i, 0]
    return Moved(
        actual=actual,
        other=other,
        events=int(np.count_nonzero(hit)),
        amount=float(past.worth[hit].sum()),
        frauds=int(sums[FRAUDS]),
        honest=int(sums[HONESTS]),
        unlabelled=known[UNLABELLED],
        young=known[YOUNG] + known[YOUNG_FRAUD],
        saved=ledger.change({how: FIRST_PAIR + i}) if how[0] != how[1] else ledger.change({}),
    )


def _holdout(worlds: Worlds, how: Asked) -> HoldOut | None:
    """Return the estimate of the old events from what was let through by chance; None where nothing was."""
    past = worlds.past
    if worlds.seen is None or worlds.chance is None or not past.old:
        return None
    old = slice(past.old)
    return hold_out(
        (past.known[old] == FRAUD).astype(np.float64),
        past.worth[old],
        past.entity[old],
        seen=worlds.seen[old],
        chance=worlds.chance[old],
        actual=worlds.actual.treated[old],
        other=worlds.other.treated[old],
        costs=past.system.policy.costs,
        days=span_days(past.ts[old]),
        rounds=how.rounds,
        seed=how.seed,
    )


def _hidden(worlds: Worlds) -> Hidden:
    past, worth = worlds.past, worlds.past.worth
    stopped = worlds.actual.treated == BLOCK
    silent = past.known == UNLABELLED
    freed = stopped & (worlds.other.treated != BLOCK)
    dark = freed & silent

    def counted(rows: AnyArray) -> tuple[int, float]:
        return int(np.count_nonzero(rows)), float(worth[rows].sum())

    (n, money), (free, of_free), (unknown, of_unknown) = counted(stopped), counted(freed), counted(dark)
    if not n:
        told = "Nothing was stopped in fact, so every event could have a label."
    elif not silent.any():
        told = f"{n:,} events worth {money:,.0f} were stopped in fact; those that are old enough have a label all the same."
    else:
        told = (
            f"{n:,} events worth {money:,.0f} were stopped in fact, and what was stopped has no label unless somebody "
        )
        told += "gave it one. "
        if free:
            told += (
                f"{free:,} of them, worth {of_free:,.0f}, are not stopped in the other world; of {unknown:,}, worth "
            )
            told += (
                f"{of_unknown:,.0f}, nobody knows what they were: what they would have cost or earned is in no figure."
            )
        else:
            told += "The other world stops all of them, too, so no comparison depends on them."
    return Hidden(
        stopped=n,
        stopped_amount=money,
        unlabelled=counted(silent)[0],
        unlabelled_amount=counted(silent)[1],
        freed=free,
        freed_amount=of_free,
        freed_unlabelled=unknown,
        freed_unlabelled_amount=of_unknown,
        words=told,
    )


def changed(worlds: Worlds, most: int | None = None) -> list[dict[str, object]]:
    """Return the events that are decided otherwise, as `Changed` names their members.

    Parameters
    ----------
    worlds
        The same events in both.
    most
        So many at most, those first that matter most in money; None for all, in the order of their time.
    """
    past, rows, saved = worlds.past, worlds.differing, worlds.saved()
    if most is not None:
        weight = np.nan_to_num(np.abs(saved[rows]), nan=-1.0)
        rows = rows[np.lexsort((-past.worth[rows], -weight))[:most]]
    actual, other = worlds.actual, worlds.other
    names = actual.names()[rows].tolist(), other.names()[rows].tolist()
    return [
        {
            "id": str(past.ids[row]),
            "seq": int(worlds.seq[row]),
            "ts": moment_of(int(past.ts[row])),
            "amount": _plain(past.amount[row]),
            "actual": before,
            "other": after,
            "actual_p": _plain(actual.p[row]),
            "other_p": _plain(other.p[row]),
            "actual_rules": actual.reasons(row),
            "other_rules": other.reasons(row),
            "known": KNOWN[int(past.known[row])],
            "saved": _plain(saved[row]),
        }
        for row, before, after in zip(rows.tolist(), *names, strict=True)
    ]


def changed_frame(worlds: Worlds) -> pl.DataFrame:
    """Return every event that is decided otherwise as a table, in the order of time; columns as in `Changed`."""
    import polars as pl

    schema: dict[str, pl.DataType] = {
        "id": pl.String(),
        "seq": pl.Int64(),
        "ts": pl.String(),
        "amount": pl.Float64(),
        "actual": pl.String(),
        "other": pl.String(),
        "actual_p": pl.Float64(),
        "other_p": pl.Float64(),
        "actual_rules": pl.List(pl.String()),
        "other_rules": pl.List(pl.String()),
        "known": pl.String(),
        "saved": pl.Float64(),
    }
    frame = pl.DataFrame(changed(worlds), schema=schema, orient="row")
    return frame.with_columns(pl.col("ts").str.to_datetime(time_unit="us", time_zone="UTC"))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
