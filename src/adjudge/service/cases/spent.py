"""What review came to: how long it took, what it cost, and the loss that it found."""

from __future__ import annotations

from collections.abc import Iterable

from adjudge.define.policy import Costs
from adjudge.service.cases.case import Case
from adjudge.service.cases.times import MOST_MINUTES
from adjudge.service.cases.view import Reviewed

DAY_US = 86_400_000_000

DAYS = 28.0
"""How many of the last days count unless said otherwise: whole weeks, as people review otherwise on a Sunday."""

LEAST_HOURS = 1 / 60
"""Less work than this says nothing by the hour."""


def reviewed(cases: Iterable[Case], costs: Costs, *, now_us: int, days: float = DAYS) -> Reviewed:
    """Return what the verdicts of the last days came to.

    Parameters
    ----------
    cases
        All cases.
    costs
        Of the policy.
    now_us
        The moment, microseconds since 1970 UTC.
    days
        How many days before it count.

    Examples
    --------
    One fraud of 90 in 6 minutes, by somebody whose look at a case costs 4:

    >>> from adjudge.service.cases.case import Given
    >>> case = Case(id="a", seq=1, ts_us=0, kind="score", action="review", score=20, p=0.2, amount=90.0, keys={})
    >>> case.truth, case.verdicts = True, [Given("ada", ["ada"], 5, "stolen", True, 6.0)]
    >>> found = reviewed([case], Costs(review=4.0), now_us=10)
    >>> found.cases, found.hours, found.cost, found.found, found.found_per_hour
    (1, 0.1, 4.0, 90.0, 900.0)
    """
    since = now_us - round(days * DAY_US)
    seen = [(case, [one for one in case.verdicts if one.at_us >= since]) for case in cases]
    seen = [(case, given) for case, given in seen if given and case.state != "retracted"]
    verdicts = [one for _, given in seen for one in given]
    minutes = [one.minutes for one in verdicts if one.minutes is not None and 0 < one.minutes <= MOST_MINUTES]
    true = [case for case, _ in seen if case.truth]
    hours, cost = sum(minutes) / 60, len(verdicts) * costs.review
    found = sum(abs(case.amount) for case in true if case.amount == case.amount) * costs.fraud_share
    return Reviewed(
        days=days,
        cases=len(seen),
        verdicts=len(verdicts),
        hours=round(hours, 4),
        cost=round(cost, 2),
        true=len(true),
        found=round(found, 2),
        cost_per_case=round(cost / len(seen), 4) if seen else None,
        found_per_hour=round(found / hours, 2) if hours >= LEAST_HOURS else None,
    )
