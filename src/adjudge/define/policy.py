"""Policy: from score, rules, amount, costs and capacity to an action."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from adjudge.errors import DefinitionError, did_you_mean

ACTIONS = ("approve", "verify", "step_up", "review", "block")
"""The usual actions, mildest first."""


@dataclass(frozen=True)
class Costs:
    """What each kind of error costs, in the base currency.

    Parameters
    ----------
    fraud_share
        Share of the amount that is lost when a bad event is let through, in [0, 1].
    review
        Money per review by a person.
    insult, insult_share
        What stopping a good event costs: a fixed sum plus a share of its amount.
    review_catches
        Share of bad events that a review finds, in [0, 1].

    Examples
    --------
    >>> Costs(insult=5, insult_share=0.1).of_insult(200.0)
    25.0
    """

    fraud_share: float = 1.0
    review: float = 4.0
    insult: float = 5.0
    insult_share: float = 0.05
    review_catches: float = 0.9

    def __post_init__(self) -> None:
        for name in ("fraud_share", "review_catches", "insult_share"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"costs: {name} must be between 0 and 1, not {getattr(self, name)}"
                raise DefinitionError(msg)
        for name in ("review", "insult"):
            if not 0 <= getattr(self, name) < math.inf:
                msg = f"costs: {name} must be a number of at least 0, not {getattr(self, name)}"
                raise DefinitionError(msg)

    def of_insult(self, amount: float) -> float:
        """Return what stopping a good event of this amount costs."""
        return self.insult + self.insult_share * amount


@dataclass(frozen=True)
class Capacity:
    """How much review a team can do.

    Parameters
    ----------
    alerts_per_day
        Cases that can be looked at on a day, above 0.
    """

    alerts_per_day: float

    def __post_init__(self) -> None:
        if not 0 < self.alerts_per_day < math.inf:
            msg = f"capacity: alerts_per_day must be a number above 0, not {self.alerts_per_day}"
            raise DefinitionError(msg)


@dataclass(frozen=True)
class Fallback:
    """What is answered where scoring failed and no rule asks for more: by the event's amount.

    Parameters
    ----------
    action
        Answered up to the smallest amount in `above`, and where the amount is missing; the policy's mildest action
        unless said otherwise.
    above
        Amount, in the base currency, strictly above which an action is answered: ``{"review": 50, "block": 500}``.

    Examples
    --------
    >>> Policy(fallback=Fallback(above={"review": 50, "block": 500})).fallback_cuts
    (('approve', -inf), ('review', 50.0), ('block', 500.0))
    >>> Policy(fallback=Fallback("block")).fallback_cuts
    (('block', -inf),)
    """

    action: str = ""
    above: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Policy:
    """How a score becomes an action, and which actions there are.

    Exactly one of `bands`, `thresholds` and `by_cost` says how the score decides; with none of them the thresholds come
    from the bundle, where training put them. A rule's action stands beside the score's, and the more severe one wins.

    Parameters
    ----------
    actions
        Every action, mildest first; the first is the default.
    bands
        Highest risk score, a whole number from 0 to 100, of each action: ``{"approve": 30, "block": 100}``.
    thresholds
        Value strictly above which an action is taken: ``{"review": 0.5, "block": 0.9}``.
    compare
        What thresholds are compared with: the ``probability``, or the expected ``loss``, which is the probability times
        the event's amount, so that a review goes first where most money is at stake.
    by_cost
        Take the action of least expected cost, from `costs` and the event's amount.
    costs
        What errors cost; training derives thresholds from it.
    capacity
        What a team can review; training keeps the queue within it.
    false_positives
        Largest share of honest events that may get an alert, above 0 and below 1; training keeps to it, beside capacity
        or costs. None for no ceiling.
    review
        Actions that open a case for a person; ``review`` unless said otherwise, where there is such an action.
    soft_rules
        What rules that are not `final` do beside a model: ``act``, or only ``advise``: their reasons are given and the
        score decides. Without a model every rule acts.
    fallback
        What is answered where there is a model and scoring failed; the mildest action unless said otherwise. Every rule
        acts then, and the more severe of rule and fallback wins.

    Examples
    --------
    >>> Policy(bands={"approve": 30, "block": 100}).cuts
    (('block', 30.0),)
    """

    actions: tuple[str, ...] = ACTIONS
    bands: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    thresholds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    compare: Literal["probability", "loss"] = "probability"
    by_cost: bool = False
    costs: Costs = Costs()
    capacity: Capacity | None = None
    review: tuple[str, ...] = ("review",)
    soft_rules: Literal["act", "advise"] = "act"
    fallback: Fallback = field(default=Fallback())
    false_positives: float | None = None

    def __post_init__(self) -> None:
        if len(self.actions) < 2 or len(set(self.actions)) != len(self.actions):
            msg = f"policy: needs two or more different actions, not {self.actions}"
            raise DefinitionError(msg)
        if bool(self.bands) + bool(self.thresholds) + self.by_cost > 1:
            msg = "policy: choose one of bands, thresholds and by_cost"
            raise DefinitionError(msg)
        if self.review == ("review",) and "review" not in self.actions:
            object.__setattr__(self, "review", ())
        if self.compare not in ("probability", "loss"):
            msg = f"policy: compare is 'probability' or 'loss', not {self.compare!r}"
            raise DefinitionError(msg)
        if self.soft_rules not in ("act", "advise"):
            msg = f"policy: soft_rules is 'act' or 'advise', not {self.soft_rules!r}"
            raise DefinitionError(msg)
        if self.false_positives is not None and not 0 < self.false_positives < 1:
            msg = f"policy: false_positives is a share above 0 and below 1, not {self.false_positives}"
            raise DefinitionError(msg)
        for place, names in (("bands", self.bands), ("thresholds", self.thresholds), ("review", self.review)):
            for name in names:
                self.severity(name, place=f"policy {place}")
        self._check_bands()
        self._check_thresholds()
        self._check_fallback()

    def severity(self, action: str, *, place: str = "policy") -> int:
        """Return the position of an action, mildest 0; an unknown one raises `DefinitionError` naming the place."""
        if action not in self.actions:
            msg = f"{place}: unknown action {action!r}{did_you_mean(action, self.actions)}"
            raise DefinitionError(msg)
        return self.actions.index(action)

    @property
    def cuts(self) -> tuple[tuple[str, float], ...]:
        """Actions with the value strictly above which each is taken, mildest first; empty if costs or training say."""
        if self.bands:
            names = list(self.bands)
            return tuple((harder, float(self.bands[milder])) for milder, harder in pairwise(names))
        return tuple((a, float(t)) for a, t in self.thresholds.items())

    @property
    def fallback_cuts(self) -> tuple[tuple[str, float], ...]:
        """Actions with the amount strictly above which each is answered where scoring failed, mildest first."""
        mildest = (self.fallback.action or self.actions[0], -math.inf)
        return (mildest, *((a, float(amount)) for a, amount in self.fallback.above.items()))

    @property
    def _limit(self) -> float:
        return 1.0 if self.compare == "probability" else math.inf

    def _check_bands(self) -> None:
        if not self.bands:
            return
        bounds, order = list(self.bands.values()), [self.severity(a) for a in self.bands]
        rising = bounds == sorted(set(bounds)) and order == sorted(order)
        if not (rising and bounds[-1] == 100 and bounds[0] >= 0 and all(bound == int(bound) for bound in bounds)):
            msg = "policy bands: must rise in whole numbers with the actions' severity and end at 100, "
            msg += f"not {dict(self.bands)}"
            raise DefinitionError(msg)

    def _check_thresholds(self) -> None:
        cuts, order = list(self.thresholds.values()), [self.severity(a) for a in self.thresholds]
        rising = cuts == sorted(cuts) and order == sorted(order)
        if not rising or not all(0 <= cut <= self._limit for cut in cuts):
            msg = f"policy thresholds: {self.compare} must rise with the actions' severity, not {dict(self.thresholds)}"
            raise DefinitionError(msg)

    def _check_fallback(self) -> None:
        names, amounts = zip(*self.fallback_cuts, strict=True)
        order = [self.severity(name, place="policy fallback") for name in names]
        rising = order == sorted(set(order)) and list(amounts) == sorted(set(amounts))
        if not rising or not all(0 <= amount < math.inf for amount in amounts[1:]):
            msg = f"policy fallback: amounts must rise with the actions' severity, not {dict(self.fallback_cuts)}"
            raise DefinitionError(msg)
