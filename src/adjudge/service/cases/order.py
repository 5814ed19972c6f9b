"""The order of the queue: expected loss that a minute of review finds, the most first.

With cases of different length and a bounded time this is the greedy order of the fractional knapsack (Dantzig, 1957):
no other order finds more in expectation by the time the capacity ends, but for the one case at the end of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from adjudge.define.policy import Costs
from adjudge.service.cases.case import Case
from adjudge.service.cases.times import Times


def usual_amount(cases: Iterable[Case]) -> float:
    """Return the median amount of some cases: what stands for one that is missing; 1 where all are."""
    known = [abs(case.amount) for case in cases if case.amount == case.amount]
    return median(known) if known else 1.0


def expected_loss(case: Case, costs: Costs, usual: float) -> float:
    """Return what reviewing a case is likely to save, in money.

    Parameters
    ----------
    case
        The case.
    costs
        Of the policy.
    usual
        The amount that stands for a missing one.

    Examples
    --------
    A fifth of 100, of which a review finds nine tenths:

    >>> case = Case(id="a", seq=1, ts_us=0, kind="score", action="review", score=20, p=0.2, amount=100.0, keys={})
    >>> round(expected_loss(case, Costs(), 50.0), 6)
    18.0
    """
    amount = abs(case.amount) if case.amount == case.amount else usual
    return case.probability * amount * costs.fraud_share * costs.review_catches


def worths(cases: Mapping[str, Case], times: Times, costs: Costs) -> dict[str, tuple[float, float]]:
    """Return what a minute of each case is worth and how many minutes it takes, by id."""
    usual, minutes = usual_amount(cases.values()), {case.kind: 0.0 for case in cases.values()}
    minutes = {kind: times.minutes(kind) for kind in minutes}
    return {
        id_: (expected_loss(case, costs, usual) / minutes[case.kind], minutes[case.kind]) for id_, case in cases.items()
    }


def in_order(cases: Mapping[str, Case], times: Times, costs: Costs) -> list[tuple[Case, float, float]]:
    """Return cases with their worth a minute and their minutes, in the order in which they should be looked at.

    Parameters
    ----------
    cases
        By id.
    times
        How long cases take.
    costs
        Of the policy.

    Notes
    -----
    What is worth the same is ordered by deadline, then by age.
    """
    found = worths(cases, times, costs)
    late = float("inf")
    order = sorted(
        cases.values(), key=lambda c: (-found[c.id][0], late if c.due_us is None else float(c.due_us), c.seq)
    )
    return [(case, *found[case.id]) for case in order]
