"""The training table of a system as its log has it: what each decided event saw, and what was said of it and when.

Nothing is folded: the features are those that the decisions were made by. Labels have the time at which the log
received them, so the table can be seen as of any moment before its end. What was stopped and of which nobody ever said
anything is left out, because nobody will ever know; what was stopped and told of later has no label before that; left
out, too, is whatever was taken back, and whoever was erased.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from adjudge.define import Rules
from adjudge.engine import Plan
from adjudge.engine.compile import list_ends, lists_of
from adjudge.engine.hashing import TEXT_TAG, hash_text
from adjudge.errors import InputError
from adjudge.learn.firing import firing
from adjudge.learn.past import Columns, clock_of, combining, derived_of, types_of
from adjudge.learn.table import Table
from adjudge.learn.train import BESIDE, RULES, SETTLED
from adjudge.log import Log
from adjudge.service.columns import Entries, Laid, Reader
from adjudge.typing import BoolArray

Told = Callable[[int, int], None]
"""Told of progress: the position that has been reached, and the one where it ends."""


@dataclass(frozen=True)
class Logged:
    """What a log gives to learn from.

    Parameters
    ----------
    past
        Features in the order of `Plan.names`, then what the model asks for beside them, of all events: a model may look
        back on what was stopped, too.
    as_of
        When the last entry that was read was received, microseconds UTC: labels are known up to then.
    stopped
        Events that were stopped and never labelled: left out.
    lacking
        Decisions of before a change of definitions that lack a feature: left out.
    """

    past: Table
    as_of: int
    stopped: int
    lacking: int

    @cached_property
    def table(self) -> Table:
        """The events that there is something to learn from."""
        return learnable(self.past)


def logged_table(
    log: Log,
    plan: Plan,
    entries: Entries,
    *,
    start: int = 0,
    stop: int | None = None,
    told: Told = lambda done, of: None,
) -> Logged:
    """Return the training table of the decided events of a system.

    Parameters
    ----------
    log
        Only read; it may be appended to meanwhile.
    plan
        The system as it is now: its rules are asked anew about every event.
    entries
        How to read the log, see `adjudge.service.columns.active_of`.
    start, stop
        Positions between which it is read.
    told
        Told of progress.

    Raises
    ------
    InputError
        If no decision has all features of the present definitions, or nothing is left to learn from.
    """
    names = (*plan.names, *(name for name in plan.asked if name not in plan.names))
    asked = {name for rule in plan.system.rules.rules for name in rule.when.names}
    reader = Reader(log, plan, entries, {*names, *asked}, told, needed=names, start=start, stop=stop)
    laid = reader.laid()
    table = _table(plan, names, laid)
    silent = int(_silent(table).sum())
    if silent == len(table):
        message = f"every event that system {plan.system.name!r} decided was stopped and never labelled"
        raise InputError(message, field="workspace")
    return Logged(table, max(reader.last_received(), 0), silent, reader.lacking)


def learnable(table: Table) -> Table:
    """Return a table without events that were stopped and never labelled: nobody will ever know what they were."""
    return table.select(~_silent(table))


def _silent(table: Table) -> BoolArray:
    return np.isnan(table.label) & table.stopped


def _table(plan: Plan, names: tuple[str, ...], laid: Laid) -> Table:
    system, X, written = plan.system, laid.X, laid.written
    n = X.shape[1]
    amount = X[laid.slots[system.amount].row] if system.amount else np.ones(n)
    entity = written.seq.astype(np.uint64)
    if system.card is not None and system.card in laid.slots:
        entity = X.view(np.uint64)[laid.slots[system.card].row]
    assert written.label_at is not None  # the log says when
    last = len(system.policy.actions) - 1
    stops = system.policy.actions[last] not in system.policy.review  # what a person looks at takes place
    stopped = (written.action == last) & stops
    table = Table(
        names=names,
        X=X[[laid.slots[name].row for name in names]],
        ts=X[0].astype(np.int64),
        label=written.label,
        known_at=written.label_at,
        amount=np.nan_to_num(amount),
        entity=entity,
        ids=written.ids,
        stopped=stopped,
    )
    return _ruled(plan, table, laid)


def _ruled(plan: Plan, table: Table, laid: Laid) -> Table:
    """Return a table with what the present rules come to, alone and beside a model that sees no risk."""
    system = plan.system
    columns = Columns(laid.slots, laid.X, types_of(plan), derived_of(plan), clock_of(plan))
    secret = plan.stream(plan.decides).encoder.secret
    made = firing(
        system.rules,
        columns,
        hash_text=partial(hash_text, secret, TEXT_TAG),
        lists=lists_of(system),
        ends=list_ends(system),
    )
    bits = made.run(laid.X)
    rows = [(bits[r // 64] >> np.uint64(r % 64) & np.uint64(1)).astype(np.float64) for r in range(len(made.rules))]
    matrix = np.stack([np.nan_to_num(table.amount), *rows])
    combine = combining(system, Rules(made.rules, system.rules.lists), plan.thresholds)
    extra = {
        RULES: combine.run(matrix, np.full(len(table), np.nan)).action,
        BESIDE: combine.run(matrix, np.zeros(len(table))).action,
        SETTLED: combine.settled(matrix),
    }
    return replace(table, extra={**table.extra, **extra})
