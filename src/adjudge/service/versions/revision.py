"""Revisions: what somebody wants to be different about a system, and the plan that comes of it.

A revision says only what changes. What comes of it is compiled like any other system, with all of its checks, before
anything is different; what is wrong is told by the field of the revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import msgspec

from adjudge.define import Policy, Rules, System
from adjudge.define.rule import elements
from adjudge.define.spec import POLICY, from_spec
from adjudge.define.term import Term
from adjudge.engine import compile
from adjudge.engine.compile import lists_of
from adjudge.engine.lists import counted_lists, with_lists
from adjudge.engine.plan import Plan
from adjudge.errors import AdjudgeError, ConflictError, DefinitionError, InputError, did_you_mean
from adjudge.learn.bundle import Bundle
from adjudge.service.bundles import Bundles

Element = str | float
"""What lists hold."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An element of a list with what is said of it.

    Parameters
    ----------
    value
        The element.
    expires
        Time of the event from which on it is none: a day (its beginning, UTC) or a time with its offset.
    reason
        Why it is one.
    """

    value: Element
    expires: str | None = None
    reason: str = ""

    @classmethod
    def of(cls, value: Element, term: Term | None) -> Entry:
        """Return an element with what is said of it."""
        return cls(value) if term is None else cls(value, **term.document())


class ListRevision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of a named list.

    Parameters
    ----------
    set
        All that it holds from here on; absent to go on from what it holds.
    add, remove
        What it holds, too, and what no longer. What is added again is held as is said this time.
    """

    set: list[Element | Entry] | None = None
    add: list[Element | Entry] = []
    remove: list[Element] = []

    def after(self, before: tuple[Element, ...]) -> list[Element]:
        """Return what the list holds afterwards.

        Examples
        --------
        >>> ListRevision(add=["c", "d"], remove=["a", "d"]).after(("a", "b"))
        ['b', 'c']
        """
        gone = {*self.remove}
        start = before if self.set is None else map(_value, self.set)
        return [e for e in dict.fromkeys([*start, *map(_value, self.add)]) if e not in gone]

    def terms_after(self, before: Mapping[Element, Term]) -> dict[Element, Term]:
        """Return what is said of its elements afterwards.

        Raises
        ------
        DefinitionError
            If an expiry is no time.

        Examples
        --------
        >>> terms = ListRevision(add=[Entry("c", "2026-12-31"), "b"], remove=["a"]).terms_after(
        ...     {"a": Term("2026-10-01"), "b": Term("2026-11-01")})
        >>> {value: term.document() for value, term in terms.items()}
        {'c': {'expires': '2026-12-31'}}
        """
        told = dict(before) if self.set is None else {}
        for each in [*(self.set or ()), *self.add]:
            told.pop(_value(each), None)
            if isinstance(each, Entry) and (each.expires is not None or each.reason):
                told[each.value] = Term(each.expires, each.reason)
        return {value: term for value, term in told.items() if value not in {*self.remove}}


def _value(each: Element | Entry) -> Element:
    return each.value if isinstance(each, Entry) else each


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be different about one system.

    Parameters
    ----------
    why
        The reason, for the log.
    system
        Its name; absent where there is only one.
    lists
        What becomes of named lists.
    rules
        All rules, as in a rule file. A list that the system has keeps what it holds, a new one comes with it.
    policy
        The policy: actions, bands or thresholds, costs, and whatever else is not as usual.
    bundle
        The model: id of a bundle that is kept, or a path inside the workspace. Its thresholds come with it.
    definitions
        The whole system as a spec. A list that the system has keeps what it holds, and the model stays.
    add_rules
        Rules beside those that there are, as in a rule file; one whose id there is takes the place of that.
    before
        Id of the bundle that decided when `bundle` was made from it: refused as a conflict once another one decides.
        The new one goes on from it, so lists hold what they hold by then.
    """

    why: str
    system: str | None = None
    lists: dict[str, ListRevision] = {}
    rules: dict[str, Any] | None = None
    policy: dict[str, Any] | None = None
    bundle: str = ""
    definitions: dict[str, Any] | None = None
    add_rules: list[dict[str, Any]] = []
    before: str = ""

    @property
    def parts(self) -> list[str]:
        """Names of what it changes."""
        given = {name: getattr(self, name) for name in ("definitions", "bundle", "rules", "policy", "lists")}
        given["rules"] = given["rules"] or self.add_rules
        return [name for name, value in given.items() if value]

    @property
    def touched(self) -> set[str]:
        """What it may change: definitions come with rules, a policy and lists of their own."""
        return {*self.parts} | ({"rules", "policy", "lists"} if self.definitions is not None else set())


def revised(plan: Plan, revision: Revision, bundles: Bundles) -> Plan:
    """Return what becomes of a plan.

    Parameters
    ----------
    plan
        The system as it is.
    revision
        What is to be different.
    bundles
        Where models are.

    Raises
    ------
    InputError
        If nothing is to be different, or anything about it is wrong; names the field.
    ConflictError
        If it was made for another bundle than the one that decides.
    """
    parts = revision.parts
    if not parts:
        message = "say what is to be different: lists, rules, policy, bundle or definitions"
        raise InputError(message, code="missing_field")
    _check_before(plan, revision)
    if parts == ["lists"] and not counted_lists(plan).keys() & revision.lists.keys():
        return _with_lists(plan, _lists_after(plan.system, revision.lists), _terms_after(plan.system, revision.lists))
    system, bundle = plan.system, None
    if revision.definitions is not None:
        system = _defined(system, revision.definitions)
    try:
        if revision.bundle or (plan.bundle and revision.definitions is not None):
            bundle = bundles.find(revision.bundle or plan.bundle)
    except AdjudgeError as error:
        _refuse(str(error), "bundle", error)
    if bundle is not None and revision.bundle and not revision.before:
        own = {name: bundle.manifest.lists.get(name, values) for name, values in system.lists.items()}
        system = replace(system, lists=own)
    if revision.rules is not None:
        system = replace(system, rules=_rules(system, revision.rules))
    if revision.add_rules:
        system = replace(system, rules=_added(system, revision.add_rules))
    if revision.policy is not None:
        system = replace(system, policy=_policy(revision.policy))
    if revision.lists:
        terms = _terms_after(system, revision.lists)
        system = replace(_holding(system, _lists_after(system, revision.lists)), terms={**system.terms, **terms})
    return _compiled(plan, system, bundle, parts[0] if len(parts) == 1 else "")


def _check_before(plan: Plan, revision: Revision) -> None:
    """Refuse what was made from a bundle that no longer decides: it would undo what somebody activated since."""
    if revision.before and plan.bundle not in {revision.before, revision.bundle}:  # asked again, it decides already
        now = f"bundle {plan.bundle[:12]} decides" if plan.bundle else "rules alone decide"
        message = f"it goes on from bundle {revision.before[:12]}, and {now} by now: make it anew"
        raise ConflictError(message, field="before", code="conflict")


def _defined(system: System, content: dict[str, Any]) -> System:
    """Return the system of a spec with what the lists of the present one hold."""
    try:
        made = from_spec(content)
    except DefinitionError as error:
        _refuse(str(error), "definitions", error)
    if made.name != system.name:
        _refuse(f"these are the definitions of system {made.name!r}, not {system.name!r}", "definitions")
    kept = {name: said for name, said in system.terms.items() if name in lists_of(made)}
    return replace(_holding(made, lists_of(system)), terms={**made.terms, **kept})


def _compiled(plan: Plan, system: System, bundle: Bundle | None, field: str) -> Plan:
    """Compile a system with the model of a bundle, or with the present one where there is none."""
    try:
        made = compile(
            system,
            secret=plan.streams[plan.decides].encoder.secret,
            scorer=plan.scorer if bundle is None else bundle.scorer,
            thresholds=plan.thresholds if bundle is None else bundle.manifest.thresholds,
            lateness=_lateness(plan),
        )
        if bundle is not None:
            bundle.check(made)
    except AdjudgeError as error:
        _refuse(str(error), field, error)
    return replace(made, bundle=plan.bundle if bundle is None else bundle.id, pool=plan.pool)


def _lateness(plan: Plan) -> timedelta:
    return timedelta(microseconds=plan.lateness_us)


def _with_lists(plan: Plan, lists: Mapping[str, list[Element]], terms: Mapping[str, Mapping[Element, Term]]) -> Plan:
    try:
        return with_lists(plan, lists, terms)
    except AdjudgeError as error:
        _refuse(str(error), "lists" if len(lists) > 1 else f"lists.{next(iter(lists))}", error)


def _lists_after(system: System, lists: Mapping[str, ListRevision]) -> dict[str, list[Element]]:
    """Return what some lists of a system hold afterwards; a name that is none is refused."""
    known, after = lists_of(system), {}
    for name, change in lists.items():
        if name not in known:
            _refuse(f"there is no list {name[:80]!r}{did_you_mean(name[:80], known)}", f"lists.{name[:80]}")
        after[name] = change.after(known[name])
        try:
            elements(name, after[name])
        except AdjudgeError as error:
            _refuse(str(error), f"lists.{name}", error)
    return after


def _terms_after(system: System, lists: Mapping[str, ListRevision]) -> dict[str, dict[Element, Term]]:
    """Return what is said of the elements of some lists of a system afterwards."""
    after = {}
    for name, change in lists.items():
        try:
            after[name] = change.terms_after(system.terms.get(name, {}))
        except AdjudgeError as error:
            _refuse(str(error), f"lists.{name}", error)
    return after


def _holding(system: System, after: Mapping[str, Sequence[Element]]) -> System:
    """Return a system whose lists hold something else, each where it is kept; names that it has not are left out."""
    rules = system.rules
    ruled = {name: tuple(after.get(name, values)) for name, values in rules.lists.items()}
    beside = {name: after.get(name, values) for name, values in system.lists.items()}
    return replace(system, rules=Rules(rules.rules, ruled), lists=beside)


def _rules(system: System, document: dict[str, Any]) -> Rules:
    try:
        rules = Rules.from_document(document)
    except AdjudgeError as error:
        _refuse(str(error), "rules", error)
    held = system.rules.lists
    return Rules(rules.rules, {name: held.get(name, values) for name, values in rules.lists.items()})


def _added(system: System, more: Sequence[dict[str, Any]]) -> Rules:
    """Return the rules of a system with some more, or in place of those with the same ids."""
    try:
        made = Rules.from_document({"version": 1, "rules": list(more)}).rules
        kept = [rule for rule in system.rules.rules if rule.id not in {one.id for one in made}]
        return Rules((*kept, *made), system.rules.lists)
    except AdjudgeError as error:
        _refuse(str(error), "add_rules", error)


def _policy(content: dict[str, Any]) -> Policy:
    """Read a policy: what is left out is as usual, and what is ordered may be an object."""
    usual = POLICY.write(Policy(), "policy")
    ordered = {
        name: [[action, limit] for action, limit in content[name].items()]
        for name in ("bands", "thresholds")
        if isinstance(content.get(name), dict)
    }
    try:
        policy: Policy = POLICY.read({**usual, **content, **ordered}, "policy")
    except AdjudgeError as error:
        _refuse(str(error), "policy", error)
    return policy


def _refuse(message: str, field: str, cause: Exception | None = None) -> NoReturn:
    raise InputError(message, field=field, code="bad_definition") from cause
