"""A past from a history: the backfill that makes a training table keeps what rules read, and what the rules did."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from adjudge.define import Rules, micros
from adjudge.engine import Plan
from adjudge.engine.policy import Combine
from adjudge.engine.vm import Slot
from adjudge.learn.aligned import beside
from adjudge.learn.backfill import backfill
from adjudge.learn.past import Columns, Past, clock_of, combining, derived_of, known_of, types_of, width, words
from adjudge.learn.source import Source
from adjudge.learn.table import NEVER, Table
from adjudge.learn.train import probabilities
from adjudge.models.scorers import Served
from adjudge.typing import BoolArray, FloatArray, HashArray, IntArray

RUN = 1000
"""Events whose rules are combined at a time."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and how far it goes."""


def backfilled_past(
    plan: Plan,
    source: Source,
    names: Collection[str],
    *,
    scorer: Served | None = None,
    progress: Progress = lambda what, done, of: None,
) -> Past:
    """Return the past of a system that a history tells, decided by its rules and perhaps a model.

    Parameters
    ----------
    plan
        The compiled system; its thresholds are used where the policy leaves them to training.
    source
        Events, and what became known about them. Where it says which were approved, the others never took place.
    names
        Fields and features that are to be read; names that there are not are left out.
    scorer
        The model of a bundle; None decides by rules alone.
    progress
        Told how far it is.
    """
    slots, rows = _laid_out(plan, names)
    count = len(plan.rules)
    made = backfill(
        plan,
        source.frames,
        source.labels,
        rows=[*rows, *range(plan.rules_at, plan.rules_at + count)],
        progress=lambda done, of: progress("backfill", done, of),
    )
    table, fired = made.table, made.kept[len(rows) :]
    n = len(table)
    label = plan.system.label
    as_of = int(max(table.ts[-1], table.known_at[table.known_at < NEVER].max(initial=0))) if n else 0
    matures_us = 0 if label is None else micros(label.delay)
    p = np.full(n, np.nan) if scorer is None else probabilities(scorer, table)
    combine, model = (combining(plan.system, rules, plan.thresholds) for rules in (plan.system.rules, Rules()))
    modelled = scorer is not None
    return Past(
        Columns(slots, made.kept[: len(rows)], types_of(plan), derived_of(plan), clock_of(plan)),
        table.ts,
        known_of(table.label, table.ts, as_of=as_of, matures_us=matures_us, stopped=_stopped(plan, source, table)),
        table.amount,
        table.entity,
        table.ids,
        _actions(combine, table.amount, fired, p, modelled),
        p,
        _actions(model, table.amount, np.empty((0, n)), p, modelled),
        tuple(rule.id for rule in plan.rules),
        bits_of(fired),
        plan.system,
        as_of,
        matures_us,
        plan.thresholds,
        modelled,
    )


def _laid_out(plan: Plan, names: Collection[str]) -> tuple[dict[str, Slot], list[int]]:
    """Return where some names stand among the rows that are kept, and which rows of the matrix those are."""
    slots: dict[str, Slot] = {}
    rows: list[int] = []
    for name in dict.fromkeys([clock_of(plan), *sorted(names)]):
        slot = plan.slots.get(name)
        if slot is not None:
            slots[name] = Slot(slot.type, len(rows))
            rows += range(slot.row, slot.row + width(slot.type))
    return slots, rows


def _stopped(plan: Plan, source: Source, table: Table) -> BoolArray | None:
    """Return which events never took place, where the source says so."""
    if source.approvals is None:
        return None
    stopped: BoolArray = ~beside(plan, source.approvals, "approved", table, otherwise=True).astype(np.bool_)
    return stopped


def _actions(combine: Combine, amount: FloatArray, fired: FloatArray, p: FloatArray, modelled: bool) -> IntArray:
    action = np.empty(len(p), np.int64)
    for start in range(0, len(p), RUN):
        part = slice(start, start + RUN)
        X = np.ascontiguousarray(np.concatenate([amount[None, part], fired[:, part]]))
        action[part] = combine.run(X, p[part], modelled=modelled).action
    return action


def bits_of(fired: FloatArray) -> HashArray:
    """Return rows of ones and zeros, one row a rule, as bits: shape (words, n)."""
    bits = np.zeros((words(len(fired)), fired.shape[1]), np.uint64)
    for r, row in enumerate(fired):
        bits[r // 64] |= (row == 1.0).astype(np.uint64) << np.uint64(r % 64)
    return bits
