"""The rule by which a challenger is promoted, and the guards that take one back.

Promoted is who is better by a margin on mature labels, worse in no guarded slice, within its time, and has run long
enough. A guard looks at what needs no label as well: parts that fail, a share of acting that runs away, time.
"""

from __future__ import annotations

import msgspec
import numpy as np

from adjudge.learn.past import FRAUD, HONEST, UNLABELLED
from adjudge.service.activation import Seat
from adjudge.service.challengers.entries import Career
from adjudge.service.challengers.figures import LEAST, Figures, Read, Source, costs_of, read
from adjudge.service.challengers.terms import LATENCY_RATIO, Terms

DAY_US = 86_400_000_000

LOOKED_BACK = 200_000
"""Positions before a challenger is seated that settle how it is tested."""

QUANTILE = 0.99
"""Of what entities lose: what lies above counts as no more."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a challenger, and what follows by its terms.

    Parameters
    ----------
    system, name, stage
        Which one, and how it runs.
    days
        For how long it has run.
    verdict
        ``better`` by more than its margin, ``worse``, or ``undecided``.
    lacks
        What the rule still asks for; it is promoted when nothing is left.
    tripped
        Guards that take it back.
    figures
        What is known; None while nothing was decided.
    """

    system: str
    name: str
    stage: str
    days: float
    verdict: str
    lacks: list[str]
    tripped: list[str]
    figures: Figures | None


def standing(seat: Seat, career: Career | None, figures: Figures | None, now_us: int) -> Standing:
    """Return what follows from what is known of a challenger.

    Parameters
    ----------
    seat
        As it runs.
    career
        What has become of it.
    figures
        What is known.
    now_us
        Now, microseconds UTC.
    """
    days = 0.0 if career is None else (now_us - career.since_us) / DAY_US
    lacks = [] if days >= seat.terms.days else [f"it has run {days:.1f} of {seat.terms.days:g} days"]
    if figures is None:
        return Standing(
            system=seat.system,
            name=seat.name,
            stage=seat.stage,
            days=days,
            verdict="undecided",
            lacks=[*lacks, "nothing was decided since"],
            tripped=[],
            figures=None,
        )
    better = figures.bound is not None and figures.bound.better_by(seat.terms.margin)
    lacks += _of_money(seat, figures, better)
    lacks += [
        f"it is worse where {one.field} is {one.value}: {one.gain:+.4g} a decision, error {one.error:.2g}"
        for one in figures.slices
        if one.worse
    ]
    tripped = guards(seat.terms, figures)
    return Standing(
        system=seat.system,
        name=seat.name,
        stage=seat.stage,
        days=days,
        verdict="better" if better else "worse" if figures.worse else "undecided",
        lacks=[*lacks, *tripped],
        tripped=tripped,
        figures=figures,
    )


def _of_money(seat: Seat, figures: Figures, better: bool) -> list[str]:
    if better:
        return []
    if figures.bound is None:
        return ["nothing was known to settle its test by: give cap and scale in its terms"]
    if figures.bound.low is None:
        return [f"{figures.bound.entities} entities differ on mature labels, which is too few to say anything"]
    low, margin = figures.bound.low, seat.terms.margin
    return [f"it saves at least {low:.4g} a decision for sure, and has to save more than {margin:g}"]


def guards(terms: Terms, figures: Figures) -> list[str]:
    """Return which guards trip, in words.

    Parameters
    ----------
    terms
        What each allows.
    figures
        What is known of the challenger.
    """
    mine, theirs = figures.challenger, figures.champion
    found = [f"the champion is better: {-figures.bound.gain:.4g} a decision"] if figures.worse and figures.bound else []
    if mine.decisions < LEAST or theirs.decisions < LEAST:
        return found
    if mine.lacking > terms.failing:
        found.append(f"{mine.lacking:.1%} of its decisions lack a part of it, and {terms.failing:.1%} may")
    if abs(mine.acting - theirs.acting) > terms.drift:
        found.append(f"it acts on {mine.acting:.1%} of the events, and the champion on {theirs.acting:.1%}")
    budget = terms.latency_ms or (theirs.latency_ms or 0.0) * LATENCY_RATIO
    if mine.latency_ms is not None and budget and mine.latency_ms > budget:
        found.append(f"it takes {mine.latency_ms:.2f} ms at the 99th percentile, and may take {budget:.2f} ms")
    return found


def settled(terms: Terms, source: Source, by: str) -> Terms:
    """Return terms with what makes the test settled by what happened before, where nobody has said it.

    Parameters
    ----------
    terms
        As somebody gives them.
    source
        The log, and who decides.
    by
        Entity whose decisions are one chance.
    """
    if terms.cap and terms.scale:
        return terms
    since = max(source.log.end().position - LOOKED_BACK, source.log.begin().position)
    seen = read(source, since, by)
    if seen is None:
        return terms
    cap, scale = _lost(source, seen)
    return msgspec.structs.replace(terms, cap=terms.cap or cap, scale=terms.scale or scale)


def _lost(source: Source, seen: Read) -> tuple[float, float]:
    """Return what an entity loses at the 99th percentile, and what a decision does on average when that is the most."""
    mature = (seen.known == FRAUD) | (seen.known == HONEST) | (seen.known == UNLABELLED)
    if not mature.any():
        return 0.0, 0.0
    cost = costs_of(source.plan.system.policy, seen.action[mature], seen.known[mature] == FRAUD, seen.amount[mature])
    _, place = np.unique(seen.entity[mature], return_inverse=True)
    sums = np.bincount(place, cost)
    cap = float(np.quantile(sums, QUANTILE)) or float(sums.max())
    return cap, float(np.minimum(sums, cap).sum() / len(cost)) if cap else 0.0
