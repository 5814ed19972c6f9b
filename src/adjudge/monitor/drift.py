"""What has drifted: which fields, on which days, by how much; with false alarms kept in check over all fields and days.

A day is compared with the reference, and with the day before it: a change counts where it is large on one day, or where
it is small and goes on for two. A burst of an hour, which every reference has too, is neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from adjudge.monitor.days import Days
from adjudge.monitor.questions import HOURS, Family, Question
from adjudge.typing import BoolArray, FloatArray

RATE = 0.005
"""Share of false ones among what is told to have drifted, by Benjamini and Hochberg over fields and days."""

TOGETHER_DAYS = 14
"""Days that are tested together: the day in hand and those before it that were watched."""

LARGE = 0.025
"""Share of all rows that a change of one day has to concern."""

LARGE_HOURS = 0.06
"""The same for the time of day, which holidays move as well."""

SMALL = (0.002, 0.006)
"""Share of all rows that a change has to concern on both of two days, and on one of them."""

ONCE = 3.0
"""How much more a change has to surprise that is seen on one day alone, beside those that are small and go on."""

BOTH = 1.0
"""Distance, in what days differ by, that each of two days has to have at least."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One field that has drifted on one day, told by the question that shows it most.

    Parameters
    ----------
    day
        Number of the day.
    field
        Which one.
    within, segment
        The other field that cuts it up, and the value within which it drifted; empty for all rows.
    kind, value
        Of the question; see `Question`.
    seen, usual
        Shares on the day, and what is usual at its hours; of a rank, its mean.
    rows
        Rows that were asked.
    effect
        Share of all rows of the day that the change concerns.
    z
        Distance in what days differ by anyway.
    p
        Chance of as much on usual days, corrected for the questions about this field.
    sustained
        Whether it takes two days to see it.
    """

    day: int
    field: str
    within: str
    segment: str
    kind: str
    value: str
    seen: float
    usual: float
    rows: int
    effect: float
    z: float
    p: float
    sustained: bool

    @property
    def name(self) -> str:
        """The field, and the segment where it is one."""
        return f"{self.field} where {self.within} is {self.segment}" if self.within else self.field


def drifts(families: Sequence[Family], days: Days) -> list[tuple[Drift, ...]]:
    """Return what has drifted on each day that is watched, the surest first.

    Parameters
    ----------
    families
        What was asked.
    days
        The days.

    Notes
    -----
    The chance of a field is that of its most unusual question times the number of its questions (Bonferroni). Over
    fields, and over the day in hand and up to thirteen watched days before it, chances are held to a false discovery
    rate of `RATE` by Benjamini and Hochberg; fields within segments are a second such group, because there are many
    more. So nothing that is said of a day depends on later ones.

    References
    ----------
    Benjamini, Hochberg (1995), Controlling the False Discovery Rate.
    """
    rows = np.bincount(days.day, minlength=days.count).astype(np.float64)
    result: list[list[Drift]] = [[] for _ in range(days.count - days.watched)]
    for group in (False, True):
        members = [family for family in families if bool(family.within) is group]
        found = [_tested(family, rows, days) for family in members]
        if not found:
            continue
        p = np.stack([chance for chance, _, _ in found])
        for day in range(days.watched, days.count):
            together = p[:, max(days.watched, day - TOGETHER_DAYS + 1) : day + 1]
            limit = benjamini_hochberg(together.ravel(), RATE)
            for i in np.flatnonzero(p[:, day] <= limit):
                _, which, sustained = found[i]
                result[day - days.watched].append(_drift(members[i], day, which[day], p[i, day], sustained[day], rows))
    return [tuple(sorted(one, key=lambda drift: drift.p)) for one in result]


def benjamini_hochberg(p: FloatArray, rate: float) -> float:
    """Return the largest chance that still counts, so that a share of at most `rate` of what counts is false.

    Parameters
    ----------
    p
        Chances.
    rate
        The share.

    Returns
    -------
    float
        -1 where none counts.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.001, 0.018, 0.2, 0.9]), 0.05)
    0.018
    """
    ordered = np.sort(p)
    fine = ordered <= rate * np.arange(1, len(p) + 1) / len(p)
    return float(ordered[fine.nonzero()[0][-1]]) if fine.any() else -1.0


def _tested(family: Family, rows: FloatArray, days: Days) -> tuple[FloatArray, list[int], BoolArray]:
    """Return for each day the family's chance, its most unusual question, and whether that takes two days."""
    from scipy.stats import t

    found, z = family.found, family.found.z
    effect = _effect(family, rows)
    large = effect >= (LARGE_HOURS if family.field == HOURS else LARGE)
    alone = np.where(large, np.minimum(1.0, ONCE * found.p), 1.0)
    now, before = slice(1, None), slice(None, -1)
    least, most = np.minimum(effect[:, now], effect[:, before]), np.maximum(effect[:, now], effect[:, before])
    both = (np.sign(z[:, now]) == np.sign(z[:, before])) & (np.minimum(abs(z[:, now]), abs(z[:, before])) >= BOTH)
    both &= (least >= SMALL[0]) & (most >= SMALL[1]) & (np.arange(1, days.count) > days.watched)
    if family.field == HOURS:
        both &= most >= LARGE_HOURS
    mean = (abs(z[:, now]) + abs(z[:, before])) / np.sqrt(2.0)
    two = np.ones_like(alone)
    two[:, now] = np.where(both, 2 * t.sf(mean, max(days.watched - 1, 1)), 1.0)
    best = np.minimum(alone, two)
    which = best.argmin(axis=0)
    every = np.arange(days.count)
    chance = np.minimum(1.0, best[which, every] * len(family.questions))
    return chance, which.tolist(), two[which, every] < alone[which, every]


def _effect(family: Family, rows: FloatArray) -> FloatArray:
    """Return the share of each day's rows that each question's change concerns."""
    found = family.found
    off = np.nan_to_num(np.abs(found.seen - found.usual))
    if family.field == HOURS:
        off = np.broadcast_to(off.sum(axis=0) / 2, off.shape)
    effect: FloatArray = off * found.rows / np.maximum(rows, 1.0)
    return effect


def _drift(family: Family, day: int, which: int, p: float, sustained: bool, rows: FloatArray) -> Drift:
    question: Question = family.questions[which]
    found = family.found
    return Drift(
        day=day,
        field=family.field,
        within=family.within,
        segment=question.segment,
        kind=question.kind,
        value=question.value,
        seen=float(found.seen[which, day]),
        usual=float(found.usual[which, day]),
        rows=int(found.rows[which, day]),
        effect=float(_effect(family, rows)[which, day]),
        z=float(found.z[which, day]),
        p=float(p),
        sustained=bool(sustained),
    )
