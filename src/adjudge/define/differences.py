"""What is different between two sets of rules, in words: rules that came, went and changed, and what lists hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Literal

import msgspec

from adjudge.define.listing import Listing
from adjudge.define.moment import moment_text
from adjudge.define.nodes import show_number
from adjudge.define.rule import Rule, Rules

SHOWN = 5
"""How many elements of a list are named; all are counted."""

What = Literal["added", "removed", "changed"]


class Difference(msgspec.Struct, frozen=True):
    """One thing that is different.

    Parameters
    ----------
    what
        Whether it came, went or changed.
    kind
        ``rule`` or ``list``.
    name
        Id of the rule, or name of the list.
    key
        What of it changed, or whether elements were added or removed; empty where all of it came or went.
    before, after
        What it says, in words; empty where it was not, or is not any more.
    """

    what: What
    kind: Literal["rule", "list"]
    name: str
    key: str = ""
    before: str = ""
    after: str = ""

    @property
    def words(self) -> str:
        """The difference as a sentence.

        Examples
        --------
        >>> Difference("changed", "rule", "too_fast", "when", "count > 10", "count > 8").words
        'rule too_fast: when is count > 8, was count > 10'
        """
        if not self.key:
            said = self.after or self.before
            return f"{self.kind} {self.name} is {_WORDS[self.what]}{': ' if said else ''}{said}"
        if self.kind == "list":
            return f"list {self.name}: {self.key} {self.after}"
        was = f", was {self.before}" if self.before else ""
        return f"rule {self.name}: {self.key} is {self.after or 'gone'}{was}"


_WORDS: dict[What, str] = {"added": "new", "removed": "gone", "changed": "different"}


def differences(before: Rules, after: Rules) -> tuple[Difference, ...]:
    """Return what is different between two sets of rules; what is only written otherwise is not.

    Parameters
    ----------
    before, after
        The sets.

    Examples
    --------
    >>> one, other = (Rules((Rule("fast", f"count > {n}", "review", owner=who),)) for n, who in [(10, ""), (8, "ada")])
    >>> [each.words for each in differences(one, other)]
    ['rule fast: when is count > 8, was count > 10', 'rule fast: owner is ada']
    """
    return (*_rules(before, after), *_lists(before, after))


def _rules(before: Rules, after: Rules) -> Iterator[Difference]:
    old, new = ({rule.id: rule for rule in rules.rules} for rules in (before, after))
    for name, rule in old.items():
        if name not in new:
            yield Difference("removed", "rule", name, before=_said(rule))
    for name, rule in new.items():
        if name not in old:
            yield Difference("added", "rule", name, after=_said(rule))
            continue
        for each in fields(Rule):
            was, is_ = getattr(old[name], each.name), getattr(rule, each.name)
            if was != is_:
                yield Difference("changed", "rule", name, each.name, _value(was), _value(is_))


def _lists(before: Rules, after: Rules) -> Iterator[Difference]:
    for name in sorted({*before.lists, *after.lists}):
        was, is_ = before.lists.get(name), after.lists.get(name)
        if is_ is None:
            yield Difference("removed", "list", name, before=_elements(was or ()))
        elif was is None:
            yield Difference("added", "list", name, after=_elements(is_))
        else:
            for key, these, those in (("removed", was, is_), ("added", is_, was)):
                only = [each for each in these if each not in set(those)]
                if only:
                    yield Difference("changed", "list", name, key, after=_elements(only))


def _said(rule: Rule) -> str:
    return f"{rule.action} when {rule.when}"


def _value(value: object) -> str:
    """Return what a key says, in words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return show_number(float(value))
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Listing):
        return ", ".join(f"{key} {said}" for key, said in value.document().items())
    if isinstance(value, datetime):
        return moment_text(value)
    return "" if value is None else str(value)


def _elements(values: tuple[str | float, ...] | list[str | float]) -> str:
    named = ", ".join(each if isinstance(each, str) else show_number(each) for each in values[:SHOWN])
    return f"{named} and {len(values) - SHOWN:,} more" if len(values) > SHOWN else named or "nothing"
