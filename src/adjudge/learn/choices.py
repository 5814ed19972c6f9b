"""The trade-off tables of a system: its thresholds as they are set, and what any others would have meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np

from adjudge.define import Policy
from adjudge.errors import InputError
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.past import FRAUD, HONEST, Past
from adjudge.learn.table import Table
from adjudge.learn.tradeoff import BLOCK, CEILINGS, PASS, REVIEW, Fates, Moved, TradeOffs
from adjudge.learn.train import BESIDE, ranked
from adjudge.learn.unseen import stands_for
from adjudge.typing import FloatArray, IntArray

MOVED: tuple[Moved, ...] = ("review", "block")
"""The thresholds that a system may have."""


@dataclass(frozen=True)
class Events:
    """Events as columns, shape (n,).

    Parameters
    ----------
    y, amount, p
        Outcome (1 fraud), worth, and probability of each.
    floor
        What rules do beside the model.
    days
        Length of their span.
    weight
        How many events each one stands for; None where each stands for itself.
    """

    y: FloatArray
    amount: FloatArray
    p: FloatArray
    floor: IntArray
    days: float
    weight: FloatArray | None = None


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
    events = Events(
        table.label,
        np.nan_to_num(table.amount),
        p,
        _floor(policy, table.extra[BESIDE]),
        max(float(table.ts.max() - table.ts.min() + 1) / DAY_US, 1.0),
        stands_for(table),
    )
    return trade_offs_of(policy, events, thresholds, review_minutes=review_minutes)


def trade_offs_of(
    policy: Policy, events: Events, thresholds: Mapping[str, float], *, review_minutes: float = 5.0, points: int = 16
) -> tuple[TradeOffs, ...]:
    """Return the table of each threshold that a system has, over events as columns; see `trade_offs`.

    Parameters
    ----------
    policy, thresholds, review_minutes
        See `trade_offs`.
    events
        What is known of each event.
    points
        How many further cuts each table has.
    """
    value = ranked(policy, events.amount, events.p)
    found: list[TradeOffs] = []
    for moved in MOVED:
        if moved == "review" and not policy.review:
            continue
        now = _cut(policy, thresholds, moved)
        other = _cut(policy, thresholds, "block" if moved == "review" else "review")
        fates = Fates.of(
            moved,
            events.y,
            events.amount,
            value,
            other=float("inf") if other is None else other,
            floor=events.floor,
            days=events.days,
            costs=policy.costs,
            review_minutes=review_minutes,
            weight=events.weight,
        )
        first = not found
        capacity = policy.capacity.alerts_per_day if policy.capacity is not None and first else None
        ceilings = {*CEILINGS, *([policy.false_positives] if policy.false_positives is not None else [])}
        found.append(
            fates.table(
                moved=moved,
                compare=policy.compare,
                now=now,
                capacity=capacity,
                ceilings=ceilings if first else (),
                points=points,
            )
        )
    return tuple(found)


def action_of(policy: Policy, thresholds: Mapping[str, float], moved: Moved) -> str | None:
    """Return the action whose threshold moves: the severest, or the mildest of the others; None where there is none.

    Examples
    --------
    >>> policy = Policy(thresholds={"review": 0.5, "block": 0.9})
    >>> action_of(policy, {}, "review"), action_of(policy, {}, "block")
    ('review', 'block')
    """
    cuts, stop = _cuts(policy, thresholds), policy.actions[-1]
    if moved == "block":
        return stop if stop in cuts else None
    return min((action for action in cuts if action != stop), key=lambda action: cuts[action], default=None)


def _cut(policy: Policy, thresholds: Mapping[str, float], moved: Moved) -> float | None:
    action = action_of(policy, thresholds, moved)
    return None if action is None else _cuts(policy, thresholds)[action]


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


def _floor(policy: Policy, action: IntArray) -> IntArray:
    """Return what rules do beside the model: nothing, a look, or a stop."""
    floor: IntArray = np.where(action >= len(policy.actions) - 1, BLOCK, np.where(action > 0, REVIEW, PASS))
    return floor


class LoggedTradeOffs(msgspec.Struct, frozen=True, kw_only=True):
    """What every threshold would have meant over what a log holds.

    Parameters
    ----------
    as_of
        When it was looked at.
    events, frauds, left_out
        Events that were looked at, the frauds among them, and those that are too young, or were stopped and never
        labelled, or scored by no model.
    actions
        The action whose threshold moves, by `TradeOffs.moved`, where the policy has one.
    trade_offs
        The tables.
    """

    as_of: datetime
    events: int
    frauds: int
    left_out: int
    actions: dict[str, str]
    trade_offs: tuple[TradeOffs, ...]


def logged_trade_offs(past: Past, *, review_minutes: float = 5.0, points: int = 16) -> LoggedTradeOffs:
    """Return what every threshold would have meant over the mature part of a past; see `logged_events`.

    Parameters
    ----------
    past
        Decided events.
    review_minutes, points
        See `trade_offs_of`.
    """
    policy = past.system.policy
    events, left_out = logged_events(past)
    tables = trade_offs_of(policy, events, past.thresholds, review_minutes=review_minutes, points=points)
    named = {moved: action_of(policy, past.thresholds, moved) for moved in MOVED}
    return LoggedTradeOffs(
        as_of=datetime.fromtimestamp(past.as_of // 1_000_000, UTC),
        events=len(events.y),
        frauds=int(events.y.sum()),
        left_out=left_out,
        actions={moved: action for moved, action in named.items() if action is not None},
        trade_offs=tables,
    )


def logged_events(past: Past) -> tuple[Events, int]:
    """Return the mature events of a past that a model has scored, and how many were left out.

    What was stopped and never labelled is left out: nobody will ever know what it was.

    Parameters
    ----------
    past
        Decided events.

    Raises
    ------
    InputError
        If nothing is left.
    """
    kept = ((past.known == FRAUD) | (past.known == HONEST)) & ~np.isnan(past.p)
    if not kept.any():
        message = "no event that a model has scored is old enough for its label to be trusted"
        raise InputError(message, field="workspace", code="nothing_to_compare")
    raised = np.where(past.action > past.model, past.action, 0)[kept]
    days = max(float(past.ts[kept].max() - past.ts[kept].min() + 1) / DAY_US, 1.0)
    y = (past.known[kept] == FRAUD).astype(np.float64)
    events = Events(y, past.amount[kept], past.p[kept], _floor(past.system.policy, raised), days)
    return events, int((~kept).sum())
