"""Named lists that change while a system decides: the same plan over other lists, without compiling all of it again.

Only expressions ask lists. So streams, histories and layout, which are most of a plan and all of its state, stay the
very same, and a state goes on under the new plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial

from adjudge.define import DerivedFeature, Rules, System, WindowFeature
from adjudge.define.expression import Expression, parse
from adjudge.define.rule import elements
from adjudge.define.term import Terms
from adjudge.engine.compile import ends_of, lists_of
from adjudge.engine.hashing import TEXT_TAG
from adjudge.engine.hashing import hash_text as hash_one
from adjudge.engine.plan import Plan
from adjudge.engine.versions import lists_version
from adjudge.engine.vm import compile_program
from adjudge.errors import DefinitionError, did_you_mean


def with_lists(plan: Plan, lists: Mapping[str, Collection[str | float]], terms: Terms | None = None) -> Plan:
    """Return a plan whose named lists hold something else; it decides as if the changed system had been compiled.

    Parameters
    ----------
    plan
        The compiled system.
    lists
        For each list that changes everything it holds from now on.
    terms
        For each list of whose elements something else is said from now on all that is.

    Raises
    ------
    DefinitionError
        If there is no such list, if it is to hold texts where numbers are asked for or the other way round, or if a
        condition (`where`) asks it: that decides which rows histories have counted, so they must be folded again.

    Examples
    --------
    >>> from adjudge.define import Event, Id, Key, Rules, Time
    >>> from adjudge.engine import compile
    >>> class Login(Event):
    ...     login_id: Id
    ...     at: Time
    ...     user: Key
    >>> rules = Rules.load('''
    ... version: 1
    ... lists: {blocked: [eve]}
    ... rules: [{id: known, when: user in blocked, action: block}]
    ... ''')
    >>> plan = compile(System("logins", Login, rules=rules))
    >>> with_lists(plan, {"blocked": ["eve", "mallory"]}).system.rules.lists
    {'blocked': ('eve', 'mallory')}
    """
    known = lists_of(plan.system)
    for name in (*lists, *(terms or {})):
        if name not in known:
            msg = f"system {plan.system.name!r}: there is no list {name!r}{did_you_mean(name, known)}"
            raise DefinitionError(msg)
    held = {name: elements(name, values) for name, values in lists.items()}
    terms = {name: dict(each) for name, each in (terms or {}).items()}
    before = plan.system.terms
    changed = {
        name: made
        for name, made in {**{name: known[name] for name in terms if name in known}, **held}.items()
        if made != known[name] or terms.get(name, before.get(name, {})) != before.get(name, {})
    }
    _refuse_counted(plan, changed)
    kept = {name: each for name, each in {**before, **terms}.items() if each}
    system = replace(_holding(plan.system, changed), terms=kept)
    hash_text = partial(hash_one, plan.streams[plan.decides].encoder.secret, TEXT_TAG)
    return replace(
        plan,
        system=system,
        program=compile_program(
            list(_outputs(plan)),
            plan.slots,
            hash_text=hash_text,
            lists=known | changed,
            ends=ends_of(system, plan.slots, plan.rules_at),
        ),
        versions={**plan.versions, "rules": system.rules.version, "lists": lists_version(known | changed, kept)},
    )


def counted_lists(plan: Plan) -> dict[str, str]:
    """Return the lists that decide which rows histories have counted, each with a feature behind which they are."""
    return {
        name: feature.name
        for feature in plan.features.values()
        if isinstance(feature, WindowFeature) and feature.entity.condition
        for name in sorted(parse(feature.entity.condition).lists)
    }


def _refuse_counted(plan: Plan, changed: Collection[str]) -> None:
    for name, feature in counted_lists(plan).items():
        if name in changed:
            msg = (
                f"system {plan.system.name!r}: the histories behind {feature!r} have counted by the list "
                f"{name!r}; with another one they must be folded again"
            )
            raise DefinitionError(msg)


def _holding(system: System, changed: Mapping[str, tuple[str | float, ...]]) -> System:
    """Return a system whose lists hold something else, each where it is kept: with the rules or beside them."""
    rules = system.rules
    ruled = {name: values for name, values in changed.items() if name in rules.lists}
    beside = {name: values for name, values in changed.items() if name not in rules.lists}
    rules = Rules(rules.rules, {**rules.lists, **ruled}) if ruled else rules
    return replace(system, rules=rules, lists={**system.lists, **beside})


def _outputs(plan: Plan) -> Iterator[tuple[Expression, int]]:
    """Yield the expressions of a plan's program and their rows, in the order in which it was compiled."""
    for name, feature in plan.features.items():
        if isinstance(feature, DerivedFeature):
            yield parse(feature.expression), plan.slots[name].row
    for row, rule in enumerate(plan.rules, start=plan.rules_at):
        yield rule.when, row
