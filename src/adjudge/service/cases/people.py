"""Who gave verdicts lately: how many, how fast, what they found, and how far others who looked at the same agree."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import msgspec

from adjudge.define.policy import Costs
from adjudge.service.cases.case import Case, Given
from adjudge.service.cases.spent import DAY_US, DAYS, LEAST_HOURS
from adjudge.service.cases.times import MOST_MINUTES


class Person(msgspec.Struct, frozen=True):
    """What somebody's verdicts of the last days came to.

    Parameters
    ----------
    who
        The person.
    verdicts, positive
        How many they gave, and how many of them were positive.
    hours, minutes
        How long they took, as far as it is known, and the middle one of a case; None where no time is known.
    per_hour
        Verdicts in an hour; None where less than a minute of work is known.
    true, found
        How many of their positive verdicts are the truth by now, and the loss in those, in the currency of the system.
    pairs, agree
        Cases in which somebody else has given a verdict as well, and the share on which they agree; None without.
    overruled
        Verdicts of theirs that are not the truth by now: somebody else, or a report, has said otherwise later.
    """

    who: str
    verdicts: int
    positive: int
    hours: float
    minutes: float | None
    per_hour: float | None
    true: int
    found: float
    pairs: int
    agree: float | None
    overruled: int


class PeopleList(msgspec.Struct, frozen=True):
    """Everybody who gave verdicts lately, the busiest first.

    Parameters
    ----------
    system, days
        Whose cases, and how many of the last days count.
    people
        One each.
    """

    system: str
    days: float
    people: list[Person]


def people(cases: Iterable[Case], costs: Costs, *, now_us: int, days: float = DAYS) -> list[Person]:
    """Return what the verdicts of each person came to in the last days, the busiest first.

    Parameters
    ----------
    cases, costs, now_us, days
        As for `adjudge.service.cases.spent.reviewed`.

    Examples
    --------
    >>> case = Case(id="a", seq=1, ts_us=0, kind="score", action="review", score=20, p=0.2, amount=90.0, keys={})
    >>> case.verdicts = [Given("ada", ["ada"], 5, "stolen", True, 6.0), Given("bob", ["bob"], 6, "hers", False, 2.0)]
    >>> case.truth = False
    >>> ada, bob = people([case], Costs(), now_us=10)
    >>> ada.who, ada.per_hour, ada.agree, ada.overruled, bob.overruled
    ('ada', 10.0, 0.0, 1, 0)
    """
    since = now_us - round(days * DAY_US)
    theirs: dict[str, list[tuple[Case, Given]]] = {}
    for case in cases:
        if case.state != "retracted":
            for one in case.verdicts:
                if one.at_us >= since:
                    theirs.setdefault(one.who, []).append((case, one))
    found = [_person(who, given, costs) for who, given in theirs.items()]
    return sorted(found, key=lambda one: (-one.verdicts, one.who))


def _person(who: str, given: list[tuple[Case, Given]], costs: Costs) -> Person:
    minutes = [one.minutes for _, one in given if one.minutes is not None and 0 < one.minutes <= MOST_MINUTES]
    true = {case.id: case for case, one in given if one.value and case.truth}
    loss = sum(abs(case.amount) for case in true.values() if case.amount == case.amount) * costs.fraud_share
    pairs = [one.value == other.value for case, one in given for other in case.verdicts if other.who != who]
    hours = sum(minutes) / 60
    return Person(
        who=who,
        verdicts=len(given),
        positive=sum(one.value for _, one in given),
        hours=round(hours, 4),
        minutes=round(median(minutes), 2) if minutes else None,
        per_hour=round(len(minutes) / hours, 2) if hours >= LEAST_HOURS else None,
        true=len(true),
        found=round(loss, 2),
        pairs=len(pairs),
        agree=sum(pairs) / len(pairs) if pairs else None,
        overruled=sum(case.truth is not None and case.truth != one.value for case, one in given),
    )
