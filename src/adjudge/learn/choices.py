"""The trade-off tables of a system: its thresholds as they are set, and what any others would have meant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adjudge.define import Policy
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.table import Table
from adjudge.learn.tradeoff import BLOCK, CEILINGS, PASS, REVIEW, Fates, Moved, TradeOffs
from adjudge.learn.train import BESIDE, ranked
from adjudge.learn.unseen import stands_for
from adjudge.typing import FloatArray, IntArray


def trade_offs(
    policy: Policy,
    table: Table,
    p: FloatArray,
    thresholds: Mapping[str, float],
    *,
    review_minutes: float = 5.0,
) -> tuple[TradeOffs, ...]:
    """Return the table of each threshold that a system has: of looking at an event, and of stopping it.

    Parameters
    ----------
    policy
        The system's; its costs, capacity and ceiling are those of the marked rows.
    table
        Events with their labels and the column `BESIDE`; where others were declined, each counts for those that it
        stands for.
    p
        Their probabilities.
    thresholds
        From training; the policy's own come first. Without any, none is marked as set.
    review_minutes
        Time that one case takes.
    """
    cuts = _cuts(policy, thresholds)
    value = ranked(policy, table.amount, p)
    days = max(float(table.ts.max() - table.ts.min() + 1) / DAY_US, 1.0)
    stop = policy.actions[-1]
    review = min((cut for action, cut in cuts.items() if action != stop), default=None)
    block = cuts.get(stop)
    found: list[TradeOffs] = []
    both: tuple[tuple[Moved, float | None, float | None], ...] = (("review", review, block), ("block", block, review))
    for moved, now, other in both:
        if moved == "review" and not policy.review:
            continue
        fates = Fates.of(
            moved,
            table.label,
            np.nan_to_num(table.amount),
            value,
            other=float("inf") if other is None else other,
            floor=_floor(policy, table),
            days=days,
            costs=policy.costs,
            review_minutes=review_minutes,
            weight=stands_for(table),
        )
        first = not found
        capacity = policy.capacity.alerts_per_day if policy.capacity is not None and first else None
        ceilings = {*CEILINGS, *([policy.false_positives] if policy.false_positives is not None else [])}
        found.append(
            fates.table(
                moved=moved, compare=policy.compare, now=now, capacity=capacity, ceilings=ceilings if first else ()
            )
        )
    return tuple(found)


def _cuts(policy: Policy, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return the cut of each action in probability or loss; a band is a score, which is a rounded probability."""
    if policy.bands:
        return {action: _within(cut) for action, cut in policy.cuts}
    return dict(policy.cuts) or dict(thresholds)


def _within(score: float) -> float:
    """Return the highest probability whose risk score is at most a whole one, rounded as decisions round.

    Examples
    --------
    >>> np.floor(100 * np.array([_within(30), np.nextafter(_within(30), 1)]) + 0.5).tolist()
    [30.0, 31.0]
    """
    p = (score + 0.5) / 100.0
    while np.floor(p * 100.0 + 0.5) > score:
        p = float(np.nextafter(p, 0.0))
    return p


def _floor(policy: Policy, table: Table) -> IntArray:
    """Return what rules do beside the model: nothing, a look, or a stop."""
    action = table.extra[BESIDE]
    floor: IntArray = np.where(action >= len(policy.actions) - 1, BLOCK, np.where(action > 0, REVIEW, PASS))
    return floor
