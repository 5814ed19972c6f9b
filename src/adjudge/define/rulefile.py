"""Checking a rule file: every mistake in it, each with the line and the column where it stands.

Loading stops at the first mistake, because nothing can be done with a file that has one. Whoever writes a file wants to
know all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import yaml

from adjudge.define.check import ListType, check
from adjudge.define.expression import parse
from adjudge.define.functions import Type
from adjudge.define.rule import Rule, Rules, StrictLoader, placeholders, read_rule
from adjudge.errors import DefinitionError, ExpressionError, did_you_mean


class Mistake(msgspec.Struct, frozen=True):
    """Something that is wrong in a rule file.

    Parameters
    ----------
    line, column
        Where, both from 1.
    rule
        Id of the rule; empty outside of rules.
    message
        What is wrong, and what was probably meant.
    """

    line: int
    column: int
    rule: str
    message: str


@dataclass(frozen=True)
class Known:
    """What rules may name.

    Parameters
    ----------
    types
        The type of every field and feature.
    lists
        What every named list holds, besides those of the file.
    actions
        The policy's actions, to which ``flag`` is added.
    """

    types: Mapping[str, Type]
    lists: Mapping[str, ListType]
    actions: Sequence[str]


def mistakes(text: str, known: Known | None = None) -> tuple[Mistake, ...]:
    """Return every mistake of a rule file, in the order of lines.

    Parameters
    ----------
    text
        The file.
    known
        What its rules may name; None checks only what can be told without a system.

    Examples
    --------
    >>> text = '''version: 1
    ... rules:
    ... - {id: large, when: amuont > 5, action: review}
    ... - {id: small, when: amount <, action: reveiw}
    ... '''
    >>> known = Known({"amount": "money"}, {}, ("approve", "review"))
    >>> [(each.line, each.column, each.message.splitlines()[0]) for each in mistakes(text, known)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [(3, 21, "unknown name 'amuont'; did you mean 'amount'?"),
     (4, 29, 'invalid syntax'),
     (4, 39, "unknown action 'reveiw'; did you mean 'review'?")]
    """
    try:
        root = yaml.compose(text, Loader=StrictLoader)
        content = yaml.load(text, Loader=StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        return (Mistake(line, column, "", f"not valid YAML: {error.problem or error.context}"),)
    except (yaml.YAMLError, RecursionError) as error:
        return (Mistake(1, 1, "", f"not valid YAML: {' '.join(str(error).split())}"),)
    return tuple(sorted(_File(text, root, known).mistakes(content), key=lambda each: (each.line, each.column)))


class _File:
    def __init__(self, text: str, root: yaml.Node | None, known: Known | None) -> None:
        self.lines = text.split("\n")
        self.root = root
        self.known = known

    def mistakes(self, content: object) -> Iterator[Mistake]:
        rules = _value(self.root, "rules")
        entries = content.get("rules") if isinstance(content, dict) else None
        found = False
        if isinstance(rules, yaml.SequenceNode) and isinstance(entries, list):
            for node, entry in zip(rules.value, entries, strict=True):
                for mistake in self._of_rule(node, entry, content):
                    found = True
                    yield mistake
        if not found:
            yield from self._of_whole(content)

    def _of_whole(self, content: object) -> Iterator[Mistake]:
        """Yield what is wrong with the file where no single rule is."""
        try:
            Rules.from_document(content, "")
        except DefinitionError as error:
            message = str(error).removeprefix(": ")
            name = message.split("'")[1] if message.startswith("rule '") else ""
            yield self._at(self._named(name) or self.root, name, message.removeprefix(f"rule {name!r}: "))

    def _of_rule(self, node: yaml.Node, entry: object, content: object) -> Iterator[Mistake]:
        name = entry["id"] if isinstance(entry, dict) and isinstance(entry.get("id"), str) else ""
        when = entry.get("when") if isinstance(entry, dict) else None
        plain = True
        if isinstance(when, str):
            try:
                self._check(when, content)
            except ExpressionError as error:
                plain = False
                yield self._inside(_value(node, "when") or node, error, name)
            except DefinitionError as error:
                plain = False
                yield self._at(_value(node, "when") or node, name, str(error))
        try:
            rule = read_rule(entry if plain or not isinstance(entry, dict) else {**entry, "when": "True"})
        except DefinitionError as error:
            key = next((k for k in (entry if isinstance(entry, dict) else ()) if str(error).startswith(str(k))), "")
            yield self._at(_value(node, str(key)) or node, name, str(error))
            return
        yield from self._of_names(node, rule, name)

    def _of_names(self, node: yaml.Node, rule: Rule, name: str) -> Iterator[Mistake]:
        if self.known is None:
            return
        actions = ("flag", *self.known.actions)
        if rule.action not in actions:
            message = f"unknown action {rule.action!r}{did_you_mean(rule.action, actions)}"
            yield self._at(_value(node, "action") or node, name, message)
        for asked in placeholders(rule.reason):
            if asked not in self.known.types:
                message = f"its reason names {asked!r}, which is no feature{did_you_mean(asked, self.known.types)}"
                yield self._at(_value(node, "reason") or node, name, message)

    def _check(self, when: str, content: object) -> None:
        expression = parse(when)
        if self.known is None:
            return
        own = content.get("lists") if isinstance(content, dict) else None
        lists = {**self.known.lists, **Rules((), own if isinstance(own, dict) else {}).list_types}
        found = check(expression, self.known.types, lists)
        if found != "boolean":
            message = f"a rule is a truth value, {when.strip()!r} is a {found}"
            raise DefinitionError(message)

    def _named(self, name: str) -> yaml.Node | None:
        """Return the last rule of a name: of two of the same it is the one too many."""
        rules = _value(self.root, "rules")
        named = (
            [n for n in rules.value if _text(_value(n, "id")) == name] if isinstance(rules, yaml.SequenceNode) else []
        )
        return named[-1] if named and name else None

    def _inside(self, node: yaml.Node, error: ExpressionError, name: str) -> Mistake:
        """Return a mistake at a place inside an expression."""
        line, column = node.start_mark.line, node.start_mark.column
        before = error.text[: error.at]
        down, right = before.count("\n"), len(before) - before.rfind("\n") - 1
        style = getattr(node, "style", None)
        if style == "|":
            line += 1 + down
            shown = self.lines[line] if line < len(self.lines) else ""
            column = len(shown) - len(shown.lstrip()) + right
        elif down == 0 and node.start_mark.line == node.end_mark.line:
            column += right + (style in ("'", '"'))
        return Mistake(line + 1, column + 1, name, error.problem)

    def _at(self, node: yaml.Node | None, name: str, message: str) -> Mistake:
        if node is None:
            return Mistake(1, 1, name, message)
        return Mistake(node.start_mark.line + 1, node.start_mark.column + 1, name, message)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the node of a key of a mapping, None where there is none."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
