"""Comparing: both worlds in the same money, what changes and what that saves, and what nobody can know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.learn.backtest import CHANGES, MONDAY_US, WEEK_US, day_of, moment_of, span_days
from adjudge.learn.bootstrap import Interval
from adjudge.learn.caught import Caught, Ledger
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.past import FRAUD, UNLABELLED, YOUNG, YOUNG_FRAUD, words
from adjudge.learn.tally import FRAUDS, HONESTS, any_of
from adjudge.learn.tradeoff import BLOCK, REVIEW
from adjudge.learn.whatif.holdout import HoldOut, hold_out
from adjudge.learn.whatif.worlds import KNOWN, Changed, World, Worlds, changed
from adjudge.typing import AnyArray


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


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """One week in both worlds.

    Parameters
    ----------
    begins
        Its Monday.
    events, differing
        How many there were, and about how many another action is taken.
    labelled
        How many have a label that is old enough: the others are in no sum.
    actual, other
        Money that each world saves in the week, against letting everything pass.
    """

    begins: str
    events: int
    differing: int
    labelled: int
    actual: float
    other: float


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
    weeks
        The same week by week.
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
    weeks: tuple[Week, ...]
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
        weeks=_weeks(worlds),
        hidden=_hidden(worlds),
        holdout=_holdout(worlds, how),
        examples=tuple(changed(worlds, how.examples)),
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


def _weeks(worlds: Worlds) -> tuple[Week, ...]:
    past = worlds.past
    week = (past.ts - MONDAY_US) // WEEK_US
    first, n = int(week[0]), int(week[-1] - week[0]) + 1
    values = worlds.value(worlds.actual), worlds.value(worlds.other)
    differing = np.zeros(len(past))
    differing[worlds.differing] = 1.0
    columns = (np.ones(len(past)), differing, ~np.isnan(values[0]), *(np.nan_to_num(value) for value in values))
    sums = [np.bincount(week - first, column, minlength=n).tolist() for column in columns]
    return tuple(
        Week(
            begins=day_of(first + i),
            events=int(events),
            differing=int(changed_),
            labelled=int(labelled),
            actual=actual,
            other=other,
        )
        for i, (events, changed_, labelled, actual, other) in enumerate(zip(*sums, strict=True))
        if events
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
        told = f"{n:,} events worth {money:,.0f} were stopped in fact; those old enough have a label all the same."
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
