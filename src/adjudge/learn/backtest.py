"""Back-testing rules: what a draft would have caught, spoiled and cost on past events, and what it adds.

Every figure rests on events whose label is old enough, and it is said how many of them there are. Two sets of figures
stand side by side: of all that a rule fires for, and of what nobody had acted on, because the rules in force and the
model let it through. The second is what the rule adds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from adjudge.define import Rule, Rules
from adjudge.define.expression import parse
from adjudge.engine.compile import list_ends, lists_of
from adjudge.learn.bootstrap import Interval
from adjudge.learn.caught import Caught, Ledger, Lines, treatment
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.firing import Firing, Untested, firing
from adjudge.learn.past import FRAUD, UNLABELLED, Past, combining, reading
from adjudge.learn.tally import (
    ALERTS,
    FRAUDS,
    FRESH,
    FRESH_FRAUDS,
    HONESTS,
    OPEN,
    any_of,
    largest,
    pairs,
    spread,
    tally,
    together_of,
)
from adjudge.learn.tradeoff import BLOCK, PASS, REVIEW
from adjudge.typing import FloatArray, HashArray, IntArray

WEEK_US = 7 * DAY_US

MONDAY_US = 4 * DAY_US
"""The first Monday of 1970: weeks begin with Mondays, UTC."""

RUN = 1000
"""Events whose rules are combined at a time; no power of two, or all rules of an event want one place in the cache."""


class Week(msgspec.Struct, frozen=True):
    """The hits of one week.

    Parameters
    ----------
    begins
        Its Monday.
    alerts, frauds, honest
        All hits, and those known to be one or the other.
    """

    begins: str
    alerts: int
    frauds: int
    honest: int


class Overlap(msgspec.Struct, frozen=True):
    """How much of what a rule fires for another one fires for, too.

    Parameters
    ----------
    rule
        The other one, which is in force.
    events
        How many both fire for.
    share
        The same as a share of the rule's own hits.
    """

    rule: str
    events: int
    share: float


class RuleTest(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule, or all of them together, would have done.

    Parameters
    ----------
    rule
        Its id; empty for all together.
    action, treated
        What it asks for, and how that is reckoned: nothing, review or block; empty for all together.
    hits, labelled, unlabelled, young
        Events that it fires for: all; old ones with a label; old ones without; those whose label is not old enough.
    young_frauds
        Frauds that are known already among the young.
    acted, model_acted
        Share of its hits that was acted on already, and that the model alone would act on.
    caught, added
        Of all its hits, and of those that were not acted on.
    overlaps
        Rules in force that fire with it, those with most hits first.
    best, worst
        Ids of the frauds and of the honest events of most worth.
    weeks
        Hits by week.
    asks
        Named lists that it asks, as they are now: what was listed after an event is found by it all the same.
    """

    rule: str
    action: str
    treated: str
    hits: int
    labelled: int
    unlabelled: int
    young: int
    young_frauds: int
    acted: float | None
    model_acted: float | None
    caught: Caught
    added: Caught
    overlaps: tuple[Overlap, ...] = ()
    best: tuple[str, ...] = ()
    worst: tuple[str, ...] = ()
    weeks: tuple[Week, ...] = ()
    asks: tuple[str, ...] = ()


class Instead(msgspec.Struct, frozen=True, kw_only=True):
    """What deciding by the draft in place of the rules in force changes, beside the same model.

    Parameters
    ----------
    changed
        Events that would be treated otherwise.
    by
        How many by what became of them and what would, such as ``review to block``.
    saved
        Money a day that it saves; below 0 it costs.
    """

    changed: int
    by: dict[str, int]
    saved: Interval


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft of rules would have done.

    Parameters
    ----------
    events, days
        How many events it was tried on, and over how long.
    start, end, as_of
        Times of the first and the last event, and when all of it was looked at.
    matures_days
        Age at which a label may be trusted.
    mature
        Share of the events that are as old.
    unlabelled
        Events among them of which nobody knows, because they were stopped.
    frauds, fraud_amount
        What there was to catch among them.
    rounds
        Resamples of customers behind the intervals; 0 for none.
    rules
        What each would have done, in the order in which they are asked.
    together
        What all of them would have done, alone.
    instead
        What they would have changed in place of the rules in force.
    untested
        Rules that cannot be tried, and why.
    """

    events: int
    days: float
    start: str
    end: str
    as_of: str
    matures_days: float
    mature: float
    unlabelled: int
    frauds: int
    fraud_amount: float
    rounds: int
    rules: tuple[RuleTest, ...]
    together: RuleTest
    instead: Instead
    untested: tuple[Untested, ...]


@dataclass(frozen=True)
class Asked:
    """How to test.

    Parameters
    ----------
    review_minutes
        Time that one case takes.
    rounds
        Resamples of customers behind the intervals; 0 for none.
    examples
        How many events of each kind are named.
    overlaps
        How many rules in force are named with each rule.
    seed
        Same seed, same intervals.
    """

    review_minutes: float = 5.0
    rounds: int = 200
    examples: int = 5
    overlaps: int = 3
    seed: int = 0


def backtest(
    past: Past,
    draft: Rules,
    *,
    hash_text: Callable[[str], int],
    asked: Asked | None = None,
) -> BackTest:
    """Return what a draft of rules would have done on past events.

    Parameters
    ----------
    past
        The events, what was done about them, and what is known of them.
    draft
        The rules.
    hash_text
        The hash under which texts stand in the past.
    asked
        How to test; as usual where absent.

    Raises
    ------
    DefinitionError
        If a rule makes no sense whatever the past holds, or asks for an action that there is not.
    """
    _check_actions(past, draft)
    known = {**lists_of(past.system), **draft.lists}
    made = firing(draft, past.columns, hash_text=hash_text, lists=known, ends=list_ends(past.system))
    return _Test(past, made, asked or Asked()).result()


CHANGES = tuple((old, new) for old in (PASS, REVIEW, BLOCK) for new in (PASS, REVIEW, BLOCK) if old != new)
"""From how an event was treated to how it would be."""

_ASKED = np.array([0, 1, 2], np.uint64)
"""Bit of what the rules together ask for, by treatment."""

_CHANGED = np.zeros((3, 3), np.uint64)
"""Bit of each change, by both treatments."""
for _place, _change in enumerate(CHANGES, start=2):
    _CHANGED[_change] = 1 << _place

_WORDS = {PASS: "nothing", REVIEW: "review", BLOCK: "block"}


@dataclass(frozen=True)
class _Told:
    """What every line is told from, besides its sums."""

    weekly: FloatArray
    overlap: IntArray
    by_model: FloatArray
    examples: IntArray
    first_week: int


class _Test:
    """Runs the rules, adds everything up in lines, and reads the figures off the sums.

    A line is a bit: first the rules, then in a word of their own the rules together, by treatment, and each change from
    one treatment to another.
    """

    def __init__(self, past: Past, made: Firing, asked: Asked) -> None:
        self.past, self.made, self.asked = past, made, asked
        self.policy = past.system.policy
        self.bits = made.run(past.columns.X, spare=1)
        self.extra = 64 * (len(self.bits) - 1)
        self._together(self.bits[:-1], self.bits[-1])
        self.rows = any_of(self.bits)
        days = span_days(past.ts), span_days(past.ts[: past.old])
        self.ledger = Ledger.of(
            past,
            self.bits,
            self.rows,
            days=days,
            review_minutes=asked.review_minutes,
            rounds=asked.rounds,
            seed=asked.seed,
        )

    def _together(self, fired: HashArray, line: HashArray) -> None:
        """Fill the lines of the rules together: what they ask for alone, and what they would change.

        Where none of them fires, what the model alone asks for is left, and that differs only where rules had acted.
        """
        past, rules = self.past, self.made.rules
        rows = np.flatnonzero((together_of(fired) != 0) | (past.action != past.model))
        combine = combining(past.system, Rules(rules), past.thresholds)
        for start in range(0, len(rows), RUN):
            part = rows[start : start + RUN]
            X = np.empty((1 + len(rules), len(part)))
            X[0] = past.amount[part]
            spread(fired, part, len(rules), X, 1)
            alone = combine.run(X, np.full(len(part), np.nan)).action
            beside = combine.run(X, past.p[part], modelled=past.modelled).action
            then, now = (treatment(self.policy, action) for action in (past.action[part], beside))
            line[part] = _ASKED[treatment(self.policy, alone)] | _CHANGED[then, now]

    def result(self) -> BackTest:
        past, frauds = self.past, self.past.known == FRAUD
        told = self._gathered()
        rules = tuple(
            self._told(rule.id, rule.action, {self._treated(rule): i}, told, self._asks(rule))
            for i, rule in enumerate(self.made.rules)
        )
        together = {REVIEW: self.extra, BLOCK: self.extra + 1}
        return BackTest(
            events=len(past),
            days=self.ledger.days,
            start=moment_of(int(past.ts[0])) if len(past) else "",
            end=moment_of(int(past.ts[-1])) if len(past) else "",
            as_of=moment_of(past.as_of),
            matures_days=past.matures_us / DAY_US,
            mature=past.old / len(past) if len(past) else 0.0,
            unlabelled=int(np.count_nonzero(past.known == UNLABELLED)),
            frauds=int(np.count_nonzero(frauds)),
            fraud_amount=float(past.worth[frauds].sum()),
            rounds=self.asked.rounds,
            rules=rules,
            together=self._told("", "", together, told),
            instead=self._instead(),
            untested=self.made.untested,
        )

    def _gathered(self) -> _Told:
        past, rows = self.past, self.rows
        week = (past.ts[rows] - MONDAY_US) // WEEK_US
        first = int(week[0]) if len(rows) else 0
        weeks = int(week[-1]) - first + 1 if len(rows) else 1
        weekly = tally(
            self.bits, rows, known=past.known, amount=past.worth, acted=past.acted, bucket=week - first, buckets=weeks
        )
        by_model = rows[past.model[rows] > 0]
        return _Told(
            weekly[:, :, 0],
            pairs(self.bits, past.fired, rows),
            tally(self.bits, by_model, known=past.known, amount=past.worth, acted=past.acted)[:, 0, 0, ALERTS],
            largest(self.bits, rows, known=past.known, amount=past.worth, most=self.asked.examples),
            first,
        )

    def _treated(self, rule: Rule) -> int:
        """Return how what a rule fires for would be treated."""
        if rule.action == "flag":
            return PASS
        return int(treatment(self.policy, np.array([self.policy.severity(rule.action)]))[0])

    def _asks(self, rule: Rule) -> tuple[str, ...]:
        """Return the lists that a rule asks, itself or by a derived feature."""
        derived = self.past.columns.derived
        read = [parse(derived[name]) for name in reading(rule.when.names, derived) if name in derived]
        return tuple(sorted({name for expression in (rule.when, *read) for name in expression.lists}))

    def _told(self, name: str, action: str, lines: Lines, told: _Told, asks: tuple[str, ...] = ()) -> RuleTest:
        at = list(lines.values())
        sums, beyond = self.ledger.sums[0][at].sum(axis=0)
        hits = float(sums[ALERTS])
        weekly = told.weekly[at].sum(axis=0)
        return RuleTest(
            rule=name,
            action=action,
            treated=_WORDS[next(iter(lines))] if len(lines) == 1 else "",
            hits=int(hits),
            labelled=int(sums[FRAUDS] + sums[HONESTS]),
            unlabelled=int(sums[OPEN]),
            young=int(sums[FRESH]),
            young_frauds=int(sums[FRESH_FRAUDS]),
            acted=1.0 - float(beyond[ALERTS]) / hits if hits else None,
            model_acted=float(told.by_model[at].sum()) / hits if hits and self.past.modelled else None,
            caught=self.ledger.caught(lines, beyond=False),
            added=self.ledger.caught(lines, beyond=True),
            overlaps=self._overlaps(told.overlap[at].sum(axis=0), int(hits)),
            best=self._ids(told.examples[at, 0]),
            worst=self._ids(told.examples[at, 1]),
            weeks=tuple(
                Week(day_of(told.first_week + i), int(week[ALERTS]), int(week[FRAUDS]), int(week[HONESTS]))
                for i, week in enumerate(weekly)
            ),
            asks=asks,
        )

    def _overlaps(self, counts: IntArray, hits: int) -> tuple[Overlap, ...]:
        """Return the rules in force that fire with a line, those with most hits first."""
        order = np.argsort(-counts, kind="stable")[: self.asked.overlaps].tolist()
        return tuple(Overlap(self.past.rules[r], int(counts[r]), counts[r] / hits) for r in order if counts[r] > 0)

    def _ids(self, found: IntArray) -> tuple[str, ...]:
        """Return the ids of the events of most worth."""
        rows = found[found >= 0]
        order = np.argsort(-self.past.worth[rows], kind="stable")[: self.asked.examples]
        return tuple(str(id_) for id_ in self.past.ids[rows[order]].tolist())

    def _instead(self) -> Instead:
        lines = {change: self.extra + 2 + i for i, change in enumerate(CHANGES)}
        counts = {change: int(self.ledger.sums[0, line, 0, ALERTS]) for change, line in lines.items()}
        by = {f"{_WORDS[old]} to {_WORDS[new]}": count for (old, new), count in counts.items() if count}
        return Instead(changed=sum(counts.values()), by=by, saved=self.ledger.change(lines))


def span_days(ts: IntArray) -> float:
    """Return the length of the span of some times in order, at least a day."""
    return max(float(ts[-1] - ts[0] + 1) / DAY_US, 1.0) if len(ts) else 1.0


def _check_actions(past: Past, draft: Rules) -> None:
    for rule in draft.rules:
        if rule.action != "flag":
            past.system.policy.severity(rule.action, place=f"rule {rule.id!r}")


def moment_of(micros: int) -> str:
    """Return a time in microseconds as it is told: ISO 8601, to the second, UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat(timespec="seconds")


def day_of(week: int) -> str:
    """Return the Monday of a week, counted from 1970."""
    return moment_of(week * WEEK_US + MONDAY_US)[:10]
