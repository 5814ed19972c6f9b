"""Drafts of rules: what they may name in a running system, what is wrong with them, and what would come of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adjudge.define import Rules
from adjudge.define.moment import moment, moment_text
from adjudge.define.rulefile import Known, Mistake, mistakes
from adjudge.engine.compile import lists_of
from adjudge.engine.hashing import TEXT_TAG, hash_text
from adjudge.engine.plan import Plan
from adjudge.engine.vm import list_type
from adjudge.errors import DefinitionError, InputError, did_you_mean
from adjudge.service.columns import logged_past
from adjudge.service.versions.revision import Revision

if TYPE_CHECKING:
    from adjudge.learn.backtest import BackTest
    from adjudge.service.decider import Decider

ROUNDS = 100
"""Resamples behind the intervals of a back-test of a draft."""


def known_of(plan: Plan) -> Known:
    """Return what the rules of a system may name."""
    types = {name: slot.type for name, slot in plan.slots.items()}
    lists = {name: list_type(values) for name, values in lists_of(plan.system).items()}
    return Known(types, lists, plan.policy.actions)


def names_of(decider: Decider, system: str | None = None) -> list[str]:
    """Return every field, feature and list that rules of a system may name, in order."""
    known = known_of(decider.workspace.system(system).plan)
    return sorted({*known.types, *known.lists})


def text_of(decider: Decider, system: str | None = None) -> str:
    """Return the rules of a system as they decide, as a rule file."""
    return decider.workspace.system(system).plan.system.rules.dump()


def wrong_with(decider: Decider, text: str, system: str | None = None) -> tuple[Mistake, ...]:
    """Return every mistake of a draft, in the order of its lines."""
    return mistakes(text, known_of(decider.workspace.system(system).plan))


def revision_of(text: str, why: str, system: str | None = None) -> Revision:
    """Return what has a draft decide; `DefinitionError` if it is no rule file."""
    return Revision(why, system, rules=Rules.loads(text).document())


def ending(decider: Decider, rule: str, until: str, why: str, system: str | None = None) -> Revision:
    """Return what has one of the rules that decide end.

    Parameters
    ----------
    decider
        Whose rules.
    rule
        Its id.
    until
        When: a day, or a time with its zone, as ISO 8601.
    why
        The reason.
    system
        The system; None for the only one.

    Raises
    ------
    InputError
        If there is no such rule, or that is no time.
    """
    running = decider.workspace.system(system)
    document = running.plan.system.rules.document()
    found = {entry["id"]: entry for entry in document["rules"]}
    if rule not in found:
        message = f"there is no rule {rule[:40]!r}{did_you_mean(rule[:40], found)}"
        raise InputError(message, field="rule", code="unknown")
    try:
        found[rule]["expires"] = moment_text(moment(until, "expires"))
    except DefinitionError as error:
        raise InputError(str(error), field="expires", code="bad_value") from None
    return Revision(why, running.name, rules=document)


def try_draft(decider: Decider, text: str, system: str | None = None) -> BackTest:
    """Return what a draft would have caught, spoiled and cost over what the log holds.

    Parameters
    ----------
    decider
        Whose log.
    text
        The draft.
    system
        The system; None for the only one.

    Raises
    ------
    DefinitionError
        If it is no rule file.
    InputError
        If the log holds nothing to try it on.
    """
    from adjudge.learn.backtest import Asked, backtest  # what tries drafts is not what decides

    draft = Rules.loads(text)
    workspace = decider.workspace
    names = {name for rule in draft.rules for name in rule.when.names}
    past = logged_past(decider.log, names, secret=workspace.secret, system=workspace.system(system).name)
    asked = Asked(rounds=ROUNDS)
    return backtest(past, draft, hash_text=partial(hash_text, workspace.secret, TEXT_TAG), asked=asked)
