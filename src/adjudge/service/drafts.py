"""Drafts of rules: what they may name in a running system, what is wrong with them, and what would come of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adjudge.define import Rules
from adjudge.define.rulefile import Known, Mistake, mistakes
from adjudge.engine.compile import lists_of
from adjudge.engine.hashing import TEXT_TAG, hash_text
from adjudge.engine.plan import Plan
from adjudge.engine.vm import list_type
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
