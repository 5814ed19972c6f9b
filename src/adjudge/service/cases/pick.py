"""Which case somebody gets next: mostly the one worth most, and a stated share of those that were drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adjudge.define.policy import Costs
from adjudge.service.access.approval import apart
from adjudge.service.access.ledger import By
from adjudge.service.cases.case import Case
from adjudge.service.cases.entries import Routine
from adjudge.service.cases.order import worths
from adjudge.service.cases.times import Times

FAR_US = 2**62
"""When a case is due that has no deadline: after all others."""


def next_case(
    waiting: Mapping[str, Case],
    by: By,
    *,
    routine: Routine,
    times: Times,
    costs: Costs,
    picked: Mapping[str, int],
    now_us: int,
) -> Case | None:
    """Return the case that somebody should look at; None if there is none for them.

    What is in their hands comes first, unless they wait to hear more. Then come opinions that are asked for, and what
    somebody else has escalated, whatever it is worth. Then the draw that is furthest behind its share of the work has
    its turn; randomly drawn ones are taken in the order in which they came, whatever their score, to stay random.

    Parameters
    ----------
    waiting
        Cases that wait, by id.
    by
        Who asks.
    routine, times, costs
        See `adjudge.service.cases.book.Book`.
    picked
        How many were given out from each draw.
    now_us
        The present, microseconds since 1970 UTC.
    """
    holders = [by.who, *by.holders]
    mine = [case for case in waiting.values() if case.assigned == by.who and not case.rests(now_us)]
    if mine:
        return min(mine, key=lambda case: (case.assigned_us or 0, case.seq))
    free = [
        case for case in waiting.values() if not case.assigned and by.who not in case.escalated and _may(case, holders)
    ]
    fresh = [case for case in free if by.who not in case.passed] or free
    opinions = [case for case in fresh if case.verdicts]
    if opinions:
        return min(opinions, key=lambda case: case.seq)
    escalated = [case for case in fresh if case.escalated]
    if escalated:
        return min(escalated, key=lambda case: (FAR_US if case.due_us is None else case.due_us, case.seq))
    lot = _turn(routine, picked, {case.lot for case in fresh})
    if lot == "random":
        return min((case for case in fresh if case.lot == lot), key=lambda case: case.seq)
    if lot == "learn":
        drawn = (case for case in fresh if case.lot == lot)
        return max(drawn, key=lambda c: (c.probability * (1 - c.probability) / times.minutes(c.kind), -c.seq))
    worth = worths({case.id: case for case in fresh}, times, costs)
    return min(
        fresh,
        key=lambda case: (-worth[case.id][0], FAR_US if case.due_us is None else case.due_us, case.seq),
        default=None,
    )


def _turn(routine: Routine, picked: Mapping[str, int], there: Iterable[str]) -> str:
    """Return the draw that is a whole case behind its share of what was given out, or of the next; "" for none."""
    total = sum(picked.values()) + 1
    shares = {"random": routine.random_work, "learn": routine.learn_work}
    behind = {lot: shares[lot] * total - picked[lot] for lot in there if lot}
    lot = max(behind, key=lambda name: behind[name], default="")
    return lot if lot and behind[lot] >= 1.0 else ""


def _may(case: Case, holders: Iterable[str]) -> bool:
    """Whether somebody has not said already what they think of a case."""
    return all(apart(one.holders, holders) for one in case.verdicts)
