"""The judge of challengers: holds each against its terms, and does what follows where nobody is asked.

A challenger on which a guard trips is taken back; one that was promoted gives way to who decided before. Whoever has
met the rule is promoted where the terms say so and nobody else has to agree; else it is told, and somebody is asked.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import msgspec

from adjudge.errors import AdjudgeError, ConflictError
from adjudge.service.access.ledger import MAX_REASON, By
from adjudge.service.challengers.asked import Ending
from adjudge.service.challengers.desk import ChallengersDesk
from adjudge.service.challengers.figures import LEAST, figures
from adjudge.service.challengers.rule import Standing, standing
from adjudge.service.challengers.site import Bench

logger = logging.getLogger(__name__)

EVERY_S = 60.0
"""Seconds between two looks at everything."""

REST = 50
"""How many times as long as a look took it rests before the next: a look reads all that was decided since."""

GUARD, RULE = "guard", "rule"
"""Who it is in the log that takes a challenger back, or promotes one."""


class Standings(msgspec.Struct, frozen=True):
    """What is known of challengers, and what follows by their terms."""

    standings: list[Standing]


class Judge:
    """Holds challengers against their terms.

    Parameters
    ----------
    desk
        Where they are seated.
    """

    def __init__(self, desk: ChallengersDesk) -> None:
        self.desk = desk

    def standings(self, system: str | None = None) -> Standings:
        """Return what is known of each challenger that runs."""
        benches = [b for b in self.desk.site.benches() if system in (None, b.name)]
        return Standings([self.standing(bench, one.seat.name) for bench in benches for one in bench.own])

    def standing(self, bench: Bench, name: str) -> Standing:
        """Return what is known of a challenger; `NotFoundError` if none of that name runs."""
        seat, site = self.desk.running(bench, name).seat, self.desk.site
        live = [c for c in site.management.careers if (c.system, c.name, c.ended) == (seat.system, name, False)]
        return standing(seat, live[-1] if live else None, figures(site.source(bench), seat), site.clock())

    def evidence(self, system: str, name: str, anyway: bool) -> dict[str, Any]:
        """Return what a promotion rests on, for the log.

        Parameters
        ----------
        system, name
            Which challenger.
        anyway
            Whether it is promoted although its rule is not met.

        Raises
        ------
        ConflictError
            If the rule of its terms is not met.
        """
        found = self.standing(self.desk.site.bench(system), name)
        if found.lacks and not anyway:
            message = f"challenger {name!r} is not promoted by its rule: {'; '.join(found.lacks)}"
            raise ConflictError(message, field="name", code="rule_not_met")
        said: dict[str, Any] = {"verdict": found.verdict, "days": round(found.days, 2)}
        if found.lacks:
            said["lacks"] = found.lacks
        if found.figures is not None:
            known = found.figures
            said |= {"bound": None if known.bound is None else msgspec.to_builtins(known.bound), "frauds": known.frauds}
            said |= {who: msgspec.to_builtins(getattr(known, who)) for who in ("champion", "challenger")}
        return said

    def look(self) -> list[str]:
        """Do what follows for every challenger, and return what was done, in words."""
        found = [(bench.name, one.seat.name) for bench in self.desk.site.benches() for one in bench.own]
        return [done for system, name in found if (done := self._follow(system, name))]

    def _follow(self, system: str, name: str) -> str:
        bench = self.desk.site.bench(system)
        seat = next((one.seat for one in bench.own if one.seat.name == name), None)
        if seat is None:  # what followed for another one has ended it
            return ""
        found = self.standing(bench, name)
        said = self._said(found)
        if seat.back:
            return self._after_promotion(bench, found, said)
        if found.tripped and seat.share:
            why = f"taken back: {'; '.join(found.tripped)}"[:MAX_REASON]
            self.desk.retire(bench.name, name, By(GUARD, why), what="rolled_back", figures=said)
            return f"challenger {name} of {bench.name} is {why}"
        if not found.lacks and seat.terms.promotes == "alone" and self.desk.second_person.isdisjoint(seat.revision):
            why = "its rule is met"
            self.desk.promote(bench.name, name, Ending(why), By(RULE, why), figures=said)
            return f"challenger {name} of {bench.name} decides alone: {why}"
        return ""

    def _after_promotion(self, bench: Bench, found: Standing, said: dict[str, Any]) -> str:
        """Go back to who decided before where a guard trips, and let go of them once the time is over."""
        seat = self.desk.running(bench, found.name).seat
        tripped = turned(found, seat.terms.failing, seat.terms.drift)
        if tripped:
            why = f"gone back: {'; '.join(tripped)}"[:MAX_REASON]
            self.desk.promote(bench.name, found.name, Ending(why), By(GUARD, why), what="restored", figures=said)
            return f"{bench.name}: {why}"
        if found.days >= seat.terms.days:
            self.desk.retire(bench.name, found.name, By(RULE, "what came after it has held its ground"))
        return ""

    @staticmethod
    def _said(found: Standing) -> dict[str, Any]:
        known = found.figures
        sides = {} if known is None else {"champion": known.champion, "challenger": known.challenger}
        return {"verdict": found.verdict} | {who: msgspec.to_builtins(side) for who, side in sides.items()}


def turned(found: Standing, failing: float, drift: float) -> list[str]:
    """Return why the one that decides now gives way to who decided before and has run in its shadow since.

    Parameters
    ----------
    found
        What is known of who decided before.
    failing, drift
        What is allowed; see `adjudge.service.challengers.terms.Terms`.
    """
    known = found.figures
    if known is None:
        return []
    bound = known.bound
    better = bound is not None and bound.better_by(0.0)
    why = [f"who decided before is better by {bound.gain:.4g} a decision"] if bound is not None and better else []
    now, before = known.champion, known.challenger
    if min(now.decisions, before.decisions) >= LEAST:
        if now.lacking > failing:
            why.append(f"{now.lacking:.1%} of its decisions lack a part of it, and {failing:.1%} may")
        if abs(now.acting - before.acting) > drift:
            why.append(f"it acts on {now.acting:.1%} of the events, and who decided before on {before.acting:.1%}")
    return why


class Warden(threading.Thread):
    """Has a judge look at everything now and then, until it is told to stop.

    Parameters
    ----------
    judge
        Who looks.
    every_s
        Seconds between two looks.
    """

    def __init__(self, judge: Judge, every_s: float = EVERY_S) -> None:
        super().__init__(name="warden", daemon=True)
        self._judge, self._every_s = judge, every_s
        self._done = threading.Event()

    def run(self) -> None:
        """Look until told to stop; what goes wrong is told, and looked at again."""
        wait = self._every_s
        while not self._done.wait(wait):
            began = time.monotonic()
            try:
                for done in self._judge.look():
                    logger.warning("%s", done, extra={"event": "challenger", "facts": {"what": done}})
            except AdjudgeError as error:
                logger.warning("challengers cannot be judged now: %s", error)
            except Exception:
                logger.exception("challengers could not be judged")
            wait = max(self._every_s, REST * (time.monotonic() - began))

    def stop(self) -> None:
        """Stop, and wait until a look is done."""
        self._done.set()
        self.join()
