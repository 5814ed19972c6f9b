"""The seat of what a retrain has made: in the shadow of what decides, one for each kind, for as long as its terms ask.

An hourly retrain makes more bundles than can be judged on what comes after them. So whoever has the seat keeps it until
its days are over or it decides; what is made meanwhile is registered, and the newest follows.
"""

from __future__ import annotations

from typing import NamedTuple

from adjudge.learn.evaluate import DAY_US
from adjudge.service.access.ledger import By
from adjudge.service.challengers.asked import Challenge, ChallengerView
from adjudge.service.challengers.remote import Desk
from adjudge.service.challengers.terms import Terms
from adjudge.service.retrain.run import Retrained


class Seated(NamedTuple):
    """What became of a bundle that was made.

    Parameters
    ----------
    name
        Of the challenger that has the seat; empty where nobody does.
    new
        Whether it is that bundle since now.
    words
        The reason.
    """

    name: str
    new: bool
    words: str


def name_of(kind: str) -> str:
    """Return the name of the challenger that a kind of retrain has in the shadow.

    Examples
    --------
    >>> name_of("incremental")
    'retrain-incremental'
    """
    return f"retrain-{kind}"


def seat(made: Retrained, desk: Desk, by: By, now_us: int, terms: Terms | None = None) -> Seated:
    """Have what was made run in the shadow, unless it is worse or somebody has the seat whose days are not over.

    Parameters
    ----------
    made
        What came of a run.
    desk
        Where challengers are seated.
    by
        Who wants it, and why.
    now_us
        The present, microseconds UTC.
    terms
        How it is held against the champion; as usual where absent.
    """
    name = name_of(made.kind)
    if made.verdict == "worse":
        return Seated("", new=False, words="it is worse than what decides")
    running = desk.challengers(made.system).challengers
    for one in running:
        if one.release == made.bundle:
            return Seated(one.name, new=False, words=f"it runs already, as {one.name}")
    before = next((one for one in running if one.name == name), None)
    if before is not None:
        if before.stage != "shadow":
            return Seated(
                name, new=False, words=f"challenger {name} decides a share of the events: it is a person's to end"
            )
        days, asked = _days(before, now_us), before.terms.days
        if days < asked:
            words = f"challenger {name} has been in the shadow for {days:.1f} of {asked:g} days"
            return Seated(name, new=False, words=words)
        desk.retire(made.system, name, By(by.who, f"{days:.0f} days are over; {made.bundle[:12]} follows", by.holders))
    desk.seat(Challenge(by.why, name, made.system, made.bundle, terms=terms or Terms()), by)
    return Seated(name, new=True, words=f"it runs in the shadow as {name}")


def _days(one: ChallengerView, now_us: int) -> float:
    """Return for how many days a challenger has run."""
    return (now_us - one.steps[0].at_us) / DAY_US if one.steps else 0.0
