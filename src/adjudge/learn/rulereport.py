"""How rules live: what each of them still does, which are dead, which say what another one says, and whose they are.

Everything is told from data: a rule is redundant if it has fired only where another one fired that asks for at least as
much, and how often that was is said with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from adjudge.define import Rule
from adjudge.define.moment import moment_text, moment_us
from adjudge.engine.policy import FLAG
from adjudge.learn.backtest import MONDAY_US, WEEK_US, Week, day_of, moment_of, span_days
from adjudge.learn.caught import Caught, Ledger, treatment
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.past import Past
from adjudge.learn.tally import ALERTS, FRAUDS, HONESTS, any_of, pairs, tally
from adjudge.typing import FloatArray, IntArray


class RuleLife(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule in force has done.

    Parameters
    ----------
    rule, action, owner, tags
        As its file says.
    created, expires
        As its file says; None where it says nothing.
    since
        Time of the first event that it was asked of.
    hits, last_hit
        How often it has fired, and for which time last; None if never.
    caught
        What that means a day, over the whole past.
    weeks
        Hits by week.
    notes
        What somebody should look at: ``dead``, ``never fired``, ``expired``, ``expires soon``, ``no owner``.
    """

    rule: str
    action: str
    owner: str
    tags: tuple[str, ...]
    created: str | None
    expires: str | None
    since: str
    hits: int
    last_hit: str | None
    caught: Caught
    weeks: tuple[Week, ...]
    notes: tuple[str, ...]


class Redundant(msgspec.Struct, frozen=True):
    """A rule that fires only with another one.

    Parameters
    ----------
    rule, by
        The rule, and the one that fires whenever it does and asks for at least as much.
    events
        How often both have fired.
    share
        The same as a share of the rule's hits.
    same
        Whether the other one fires as rarely: both say the same.
    """

    rule: str
    by: str
    events: int
    share: float
    same: bool


class RuleReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the rules of a system live.

    Parameters
    ----------
    events, start, end, as_of
        What it was told from.
    mature
        Share of the events whose label is old enough.
    dead_days, soon_days
        Days without a hit after which a rule is dead; days before its end from which on a rule expires soon.
    rules
        The rules in force, in the order in which they are asked.
    redundant
        Which of them another one makes superfluous.
    """

    events: int
    start: str
    end: str
    as_of: str
    mature: float
    dead_days: float
    soon_days: float
    rules: tuple[RuleLife, ...]
    redundant: tuple[Redundant, ...]


@dataclass(frozen=True)
class Limits:
    """From when on something is worth a note.

    Parameters
    ----------
    dead
        Time without a hit after which a rule is dead.
    soon
        Time before its end from which on a rule expires soon.
    share
        Least share of a rule's hits for which another one fires, so that it is redundant.
    hits
        Least hits of a rule that this can be said of.
    review_minutes
        Time that one case takes.
    rounds, seed
        Resamples of customers behind the intervals, and their seed.
    """

    dead: timedelta = timedelta(days=30)
    soon: timedelta = timedelta(days=14)
    share: float = 1.0
    hits: int = 10
    review_minutes: float = 5.0
    rounds: int = 200
    seed: int = 0


def rule_report(past: Past, limits: Limits | None = None) -> RuleReport:
    """Return how the rules in force have lived.

    Parameters
    ----------
    past
        What they were asked of, and what they did.
    limits
        From when on something is worth a note; as usual where absent.
    """
    return _Report(past, limits or Limits()).result()


class _Report:
    def __init__(self, past: Past, limits: Limits) -> None:
        self.past, self.limits = past, limits
        self.rows = any_of(past.fired)
        self.at = {rule: i for i, rule in enumerate(past.rules)}
        days = span_days(past.ts), span_days(past.ts[: past.old])
        self.ledger = Ledger.of(
            past,
            past.fired,
            self.rows,
            days=days,
            review_minutes=limits.review_minutes,
            rounds=limits.rounds,
            seed=limits.seed,
        )
        week = (past.ts[self.rows] - MONDAY_US) // WEEK_US
        self.first = int(week[0]) if len(week) else 0
        weeks = int(week[-1]) - self.first + 1 if len(week) else 1
        bucket = week - self.first
        self.weekly = tally(
            past.fired,
            self.rows,
            known=past.known,
            amount=past.worth,
            acted=past.acted,
            bucket=bucket,
            buckets=weeks,
        )[:, :, 0]
        self.last = _last(past, self.rows)

    def result(self) -> RuleReport:
        past, limits = self.past, self.limits
        rules = [rule for rule in past.system.rules.rules if rule.id in self.at]
        return RuleReport(
            events=len(past),
            start=moment_of(int(past.ts[0])) if len(past) else "",
            end=moment_of(int(past.ts[-1])) if len(past) else "",
            as_of=moment_of(past.as_of),
            mature=past.old / len(past) if len(past) else 0.0,
            dead_days=limits.dead / timedelta(days=1),
            soon_days=limits.soon / timedelta(days=1),
            rules=tuple(self._life(rule) for rule in rules),
            redundant=tuple(self._redundant(rules)),
        )

    def _life(self, rule: Rule) -> RuleLife:
        past, at = self.past, self.at[rule.id]
        how = 0
        if rule.action != "flag":
            how = int(treatment(past.system.policy, np.array([self._severity(rule)]))[0])
        since = past.since.get(rule.id, int(past.ts[0]) if len(past) else 0)
        last = int(self.last[at])
        return RuleLife(
            rule=rule.id,
            action=rule.action,
            owner=rule.owner,
            tags=rule.tags,
            created=_text(rule.created),
            expires=_text(rule.expires),
            since=moment_of(since),
            hits=int(self.ledger.sums[0, at, 0, ALERTS]),
            last_hit=None if last < 0 else moment_of(int(past.ts[last])),
            caught=self.ledger.caught({how: at}, beyond=False),
            weeks=_weeks(self.weekly[at], self.first),
            notes=tuple(self._notes(rule, since, None if last < 0 else int(past.ts[last]))),
        )

    def _notes(self, rule: Rule, since: int, last: int | None) -> Iterator[str]:
        end = int(self.past.ts[-1]) if len(self.past) else 0
        silent = end - (since if last is None else last)
        if rule.expires is not None and moment_us(rule.expires) <= self.past.as_of:
            yield "expired"
        elif silent > self.limits.dead / timedelta(microseconds=1):
            yield "never fired" if last is None else "dead"
        if rule.expires is not None:
            left = moment_us(rule.expires) - self.past.as_of
            if 0 < left <= self.limits.soon / timedelta(microseconds=1):
                yield f"expires soon, in {left / DAY_US:.0f} days"
        if not rule.owner:
            yield "no owner"

    def _redundant(self, rules: list[Rule]) -> Iterator[Redundant]:
        """Yield rules that another one makes superfluous; of two that say the same the one that is asked later."""
        both = pairs(self.past.fired, self.past.fired, self.rows)
        told: set[str] = set()
        for rule in reversed(rules):
            at = self.at[rule.id]
            hits = int(both[at, at])
            if hits < self.limits.hits:
                continue
            for other in rules:
                by, events = self.at[other.id], int(both[at, self.at[other.id]])
                enough = events >= self.limits.share * hits and self._severity(other) >= self._severity(rule)
                if other is not rule and enough and other.id not in told:
                    told.add(rule.id)
                    yield Redundant(rule.id, other.id, events, events / hits, events == int(both[by, by]) == hits)
                    break

    def _severity(self, rule: Rule) -> int:
        return FLAG if rule.action == "flag" else self.past.system.policy.severity(rule.action)


def _last(past: Past, rows: IntArray) -> IntArray:
    """Return the last event that each rule has fired for, -1 for none."""
    last = np.full(64 * len(past.fired), -1, np.int64)
    for r in range(len(past.rules)):
        fired = np.flatnonzero(past.fired[r // 64, rows] >> np.uint64(r % 64) & np.uint64(1))
        if len(fired):
            last[r] = rows[fired[-1]]
    return last


def _weeks(sums: FloatArray, first: int) -> tuple[Week, ...]:
    return tuple(
        Week(day_of(first + i), int(week[ALERTS]), int(week[FRAUDS]), int(week[HONESTS])) for i, week in enumerate(sums)
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)
