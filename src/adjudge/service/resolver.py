"""The resolver: from what an activation says to the plan that decided, however long ago.

A plan at hand is used as it is. Any other is compiled from its spec, with its model from the bundle of its hash; what
comes of it must have the card of then, name by name and version by version, or it is not what decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from adjudge.define.spec import from_spec
from adjudge.engine import compile
from adjudge.engine.plan import Plan
from adjudge.engine.scorer import Scorer
from adjudge.errors import AdjudgeError
from adjudge.service.activation import Seat, SystemActivation, secret_of
from adjudge.service.bundles import Bundles
from adjudge.service.card import Card
from adjudge.service.challengers.seated import Seated
from adjudge.service.versions.given import digests_of, merged


class NotRestoredError(AdjudgeError):
    """What decided then cannot be made again here; names it and says why."""


class Resolver:
    """Makes plans of what activations say, and remembers them.

    Parameters
    ----------
    plans
        The plans at hand; at least one if there are no bundles.
    bundles
        Where models are; None if only those of the plans are at hand.
    gives
        Whether a start with the plans wants what is different in them; else what is active goes on as it is.

    Attributes
    ----------
    given
        By system what this start was given of it; empty before `starting`.
    """

    def __init__(self, plans: Sequence[Plan] = (), bundles: Bundles | None = None, *, gives: bool = True) -> None:
        self.plans = {plan.system.name: plan for plan in plans}
        self.bundles = Bundles(None, secret_of(plans)) if bundles is None else bundles
        self.given: dict[str, dict[str, str]] = {}
        self._gives = gives
        self._pool = next((plan.pool for plan in plans if plan.pool is not None), None)
        self._made: dict[str, Plan] = {}
        self._scorers: dict[str, Scorer] = {}
        for plan in plans:
            self.know(plan)

    def know(self, plan: Plan) -> None:
        """Remember a plan that is at hand, and its model."""
        self._made[Card.of(plan).digest] = plan
        if plan.scorer is not None:
            self._scorers[plan.scorer.version] = plan.scorer

    def plan(self, active: SystemActivation) -> Plan:
        """Return the plan of one activation.

        Raises
        ------
        NotRestoredError
            If it cannot be made here.
        """
        digest = plain(active.card).digest
        if digest not in self._made:
            self._made[digest] = self._make(active)
        return self._made[digest]

    def plans_of(self, active: Mapping[str, SystemActivation]) -> list[Plan]:
        """Return the plans of all active systems; for one that cannot be restored the plan at hand, if it has one.

        Parameters
        ----------
        active
            What decides, by system; where nothing does, the plans at hand are returned.
        """
        found = [plan for name, one in active.items() if (plan := self._plan_or_at_hand(name, one)) is not None]
        return found or list(self.plans.values())

    def seated(self, seats: Sequence[Seat]) -> list[Seated]:
        """Return the challengers of some seats, with their plans.

        One that cannot be restored keeps its seat, so that nobody else is taken to have decided its share; what stands
        there has another card.
        """
        return [Seated.of(seat, plan) for seat in seats if (plan := self._seated(seat)) is not None]

    def _seated(self, seat: Seat) -> Plan | None:
        try:
            return self.plan(seat.active)
        except NotRestoredError:
            return self.plans.get(seat.system)

    def starting(self, active: Mapping[str, SystemActivation]) -> list[Plan]:
        """Return what decides after a start that is given the plans at hand; see `adjudge.service.versions.given`.

        Parameters
        ----------
        active
            What decided last, by system.

        Raises
        ------
        NotRestoredError
            If what was activated since the last start cannot be made again.
        """
        if not self._gives and active:
            self.given = {name: one.given for name, one in active.items()}
            return [self.plan(one) for one in active.values()]
        return [self._starting(plan, active.get(name)) for name, plan in self.plans.items()]

    def _starting(self, plan: Plan, active: SystemActivation | None) -> Plan:
        given = SystemActivation.of(plan)
        given = msgspec.structs.replace(given, given=digests_of(given))
        self.given[plan.system.name] = given.given
        if active is None or active.card == given.card:
            return plan
        goal = merged(active, given)
        return plan if goal is given else self._compiled(goal)

    def _plan_or_at_hand(self, name: str, active: SystemActivation) -> Plan | None:
        try:
            return self.plan(active)
        except NotRestoredError:
            return self.plans.get(name)

    def _make(self, active: SystemActivation) -> Plan:
        card = plain(active.card)
        plan = self._compiled(active)
        now = Card.of(plan)
        if now != card:
            other = [part for part, version in card.versions.items() if now.versions.get(part) != version]
            message = f"{_name(card)}: this software makes something else of it: {', '.join(other) or 'its card'}"
            raise NotRestoredError(message)
        return plan

    def _compiled(self, active: SystemActivation) -> Plan:
        """Compile a system as this software does it."""
        if active.spec is None:
            message = f"{_name(active.card)}: the log is from before definitions were kept in it"
            raise NotRestoredError(message)
        try:
            made = compile(
                from_spec(active.spec),
                secret=self.bundles.secret,
                scorer=self._scorer(active),
                thresholds=active.thresholds,
                lateness=active.lateness,
            )
        except AdjudgeError as error:
            message = f"{_name(active.card)}: {error}"
            raise NotRestoredError(message) from error
        plan = replace(made, bundle=active.bundle, pool=self._pool)
        self.know(plan)
        return plan

    def _scorer(self, active: SystemActivation) -> Scorer | None:
        version = active.card.versions.get("model")
        if version is None:
            return None
        if version not in self._scorers:
            if not active.bundle:
                message = f"the model {version} is in no bundle"
                raise NotRestoredError(message)
            self._scorers[version] = self.bundles.read(active.bundle).scorer
        return self._scorers[version]


def plain(card: Card) -> Card:
    """Return the card of a version, whoever decides with it."""
    return msgspec.structs.replace(card, variant="") if card.variant else card


def _name(card: Card) -> str:
    """Name what decided, for people."""
    versions = ", ".join(f"{part} {version}" for part, version in card.versions.items())
    return f"system {card.system!r} ({versions})"
