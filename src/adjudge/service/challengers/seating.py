"""Seating: the plan of a challenger, and what becomes of challengers when the champion changes.

A challenger is what a revision would make of whoever decides. So what is changed about the champion is changed about
it, too: lists as they are, anything else by revising the new champion. Whoever does not go with it any more is retired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from adjudge.engine.compile import lists_of
from adjudge.engine.lists import with_lists
from adjudge.engine.plan import Plan
from adjudge.engine.versions import state_version
from adjudge.errors import AdjudgeError, InputError
from adjudge.log.codec import Note
from adjudge.service.access.ledger import MAX_REASON
from adjudge.service.activation import Seat, SystemActivation
from adjudge.service.bundles import Bundles
from adjudge.service.card import Card
from adjudge.service.challengers.entries import step_note
from adjudge.service.challengers.seated import Seated
from adjudge.service.versions.revision import Revision, revised


class Sitting(NamedTuple):
    """Who runs beside the systems from the next activation on, and the entries about whoever does not any more."""

    seated: list[Seated]
    notes: list[Note]

    @property
    def seats(self) -> list[Seat]:
        """Their seats."""
        return [one.seat for one in self.seated]

    def at(self, position: int) -> list[Seated]:
        """Return them as they are once their activation stands at a position."""
        return [replace(one, seat=one.seat.at(position)) for one in self.seated]


def challenge(champion: Plan, revision: Mapping[str, Any], bundles: Bundles) -> Plan:
    """Return the plan of a challenger: the champion revised, over the same histories.

    Parameters
    ----------
    champion
        Who decides.
    revision
        What is different: plain JSON without a reason.
    bundles
        Where models are.

    Raises
    ------
    InputError
        If anything about the revision is wrong, or it needs histories of its own.
    """
    plan = revised(champion, msgspec.convert({**revision, "why": "challenger"}, Revision), bundles)
    if state_version(plan) != state_version(champion):
        message = (
            "it reads other histories than the champion keeps, so it cannot run beside it; "
            "activate it, and its state is folded beside until it takes over"
        )
        raise InputError(message, field=next(iter(revision), ""), code="other_histories")
    return plan


def seat_of(one: Seat, plan: Plan, **changes: Any) -> Seat:
    """Return a seat with the version that a plan is, and perhaps other changes."""
    return msgspec.structs.replace(one, active=SystemActivation.of(plan, variant=one.name), **changes)


def following(seated: Sequence[Seated], before: Plan, after: Plan, bundles: Bundles, who: str) -> Sitting:
    """Return what becomes of the challengers of a system when its champion changes.

    Parameters
    ----------
    seated
        Those of all systems.
    before, after
        The champion, and what it is to be.
    bundles
        Where models are.
    who
        Who wants it.
    """
    staying, notes = [], []
    lists_only = _but_for_lists(before) == _but_for_lists(after)
    for one in seated:
        if one.seat.system != after.system.name:
            staying.append(one)
            continue
        try:
            if one.seat.back and not lists_only:
                message = "to go back now would undo it"
                raise InputError(message)
            plan = _with_lists_of(one.plan, after) if lists_only else challenge(after, one.seat.revision, bundles)
            if state_version(plan) != state_version(after):  # a list by which rows are counted
                plan = challenge(after, one.seat.revision, bundles)
        except AdjudgeError as error:
            why = _reason("the champion has changed", error)
            notes.append(step_note(who, why, one.seat.system, one.seat.name, "retired"))
            continue
        since = one.seat.since if lists_only else None
        staying.append(Seated.of(seat_of(one.seat, plan, since=since), plan))
    return Sitting(staying, notes)


def resumed(
    seats: Sequence[Seat], logged: Mapping[str, SystemActivation], champions: Sequence[Plan], resolver: Any
) -> Sitting:
    """Return what becomes of challengers at a start, which may be given other code.

    Parameters
    ----------
    seats
        Those of the last activation.
    logged
        What decided until then, by system.
    champions
        What decides from here on.
    resolver
        Makes plans of what the log says.
    """
    staying, notes = [], []
    now = {plan.system.name: plan for plan in champions}
    for seat in seats:
        try:
            champion = now.get(seat.system)
            if champion is None:
                message = "its system is no more"
                raise InputError(message)
            if seat.system in logged and logged[seat.system].card == Card.of(champion):
                staying.append(Seated.of(seat, resolver.plan(seat.active)))
                continue
            plan = challenge(champion, seat.revision, resolver.bundles)
            staying.append(Seated.of(seat_of(seat, plan, since=None), plan))
        except AdjudgeError as error:
            why = _reason("a start has changed what it runs beside", error)
            notes.append(step_note("start", why, seat.system, seat.name, "retired"))
    return Sitting(staying, notes)


def _reason(what: str, error: AdjudgeError) -> str:
    """Return a reason that may stand in the log: readable, and not too long."""
    return f"{what}: {' '.join(str(error).split())}"[:MAX_REASON]


def _but_for_lists(plan: Plan) -> tuple[object, ...]:
    """Return what tells two plans apart whatever their lists hold."""
    versions = {part: version for part, version in plan.versions.items() if part not in ("lists", "rules")}
    return versions, plan.system.rules.rules, sorted(lists_of(plan.system))


def _with_lists_of(plan: Plan, champion: Plan) -> Plan:
    """Return a challenger with what the champion's lists hold, as far as it has them."""
    own, held = lists_of(plan.system), lists_of(champion.system)
    shared = [name for name in own if name in held]
    terms = champion.system.terms
    return with_lists(plan, {name: held[name] for name in shared}, {name: terms.get(name, {}) for name in shared})
