"""Type checking: what an expression gives, known before it runs, or the place where it makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NoReturn, TypeAlias

from adjudge.define import nodes
from adjudge.define.expression import Expression, fail
from adjudge.define.functions import FUNCTIONS, Type
from adjudge.define.nodes import Node
from adjudge.errors import did_you_mean

ListType: TypeAlias = Literal["text", "number", "empty"]
"""What a named list holds; an empty one fits either."""

_ARTICLE = {
    "number": "a number",
    "boolean": "a truth value",
    "text": "a text",
    "time": "a time",
    "place": "a place",
}


def check(expression: Expression, types: Mapping[str, Type], lists: Mapping[str, ListType] | None = None) -> Type:
    """Return the type of an expression over fields and features of known types.

    Parameters
    ----------
    expression
        What to check.
    types
        The type of every name that may be read.
    lists
        What every named list holds.

    Raises
    ------
    DefinitionError
        If a name is unknown or an operation does not fit its operands; the message shows the place.

    Examples
    --------
    >>> from adjudge.define.expression import parse
    >>> check(parse("amount > 3 * mean"), {"amount": "money", "mean": "number"})
    'boolean'
    >>> check(parse("amuont > 3"), {"amount": "money"})
    Traceback (most recent call last):
    adjudge.errors.ExpressionError: unknown name 'amuont' at column 1; did you mean 'amount'?
      amuont > 3
      ^
    """
    return _Checker(expression.text, types, lists or {}).type_of(expression.root)


class _Checker:
    """Finds the type of every node of one expression."""

    def __init__(self, text: str, types: Mapping[str, Type], lists: Mapping[str, ListType]) -> None:
        self.text = text
        self.types = types
        self.lists = lists

    def fail(self, node: Node, message: str, hint: str = "") -> NoReturn:
        fail(self.text, node.at, message, hint)

    def type_of(self, node: Node) -> Type:
        match node:
            case nodes.Number():
                return "number"
            case nodes.Text():
                return "text"
            case nodes.Boolean():
                return "boolean"
            case nodes.Name():
                return self.name(node)
            case nodes.Unary():
                wanted: Type = "number" if node.operator == "-" else "boolean"
                return self.need(node.operand, wanted, f"{node.operator!r}")
            case nodes.Binary():
                return self.binary(node)
            case nodes.Logic():
                for each in node.operands:
                    self.need(each, "boolean", f"{node.operator!r}")
                return "boolean"
            case nodes.Compare():
                return self.compare(node)
            case nodes.Member():
                self.need(node.operand, "text" if isinstance(node.values[0], str) else "number", "this list")
                return "boolean"
            case nodes.Listed():
                return self.listed(node)
            case nodes.Missing():
                self.type_of(node.operand)
                return "boolean"
            case nodes.Call():
                return self.call(node)

    def plain(self, node: Node) -> Type:
        """Return the type, money being a number."""
        found = self.type_of(node)
        return "number" if found == "money" else found

    def need(self, node: Node, wanted: Type, by: str) -> Type:
        found = self.plain(node)
        if found != wanted:
            hint = ""
            if wanted == "boolean" and found == "number":
                hint = f"; compare it, as in '{nodes.show(node)} > 0'"
            if wanted == "number" and found == "boolean":
                hint = f"; write where({nodes.show(node)}, 1, 0)"
            self.fail(node, f"{by} needs {_ARTICLE[wanted]}, {nodes.show(node)!r} is {_ARTICLE[found]}", hint)
        return wanted

    def name(self, node: nodes.Name) -> Type:
        found = self.types.get(node.name)
        if found is None:
            hint = did_you_mean(node.name, self.types)
            if node.name in self.lists:
                hint = f"; it is a list, ask 'x in {node.name}'"
            self.fail(node, f"unknown name {node.name!r}", hint)
        return found

    def binary(self, node: nodes.Binary) -> Type:
        if node.operator == "-" and self.plain(node.left) == "time":
            self.need(node.right, "time", "'-' after a time")
            return "number"
        self.need(node.left, "number", f"{node.operator!r}")
        return self.need(node.right, "number", f"{node.operator!r}")

    def compare(self, node: nodes.Compare) -> Type:
        found = [self.plain(each) for each in node.operands]
        for i, operator in enumerate(node.operators):
            left, right, at = found[i], found[i + 1], node.operands[i + 1]
            if left != right:
                self.fail(at, f"{_ARTICLE[left]} cannot be compared with {_ARTICLE[right]}")
            if left == "place":
                self.fail(at, "places cannot be compared", "; ask for their distance(a, b)")
            if left in ("text", "boolean") and operator not in ("==", "!="):
                self.fail(at, f"{_ARTICLE[left]} can only be compared with == and !=")
        return "boolean"

    def listed(self, node: nodes.Listed) -> Type:
        holds = self.lists.get(node.name)
        if holds is None:
            self.fail(node, f"unknown list {node.name!r}", did_you_mean(node.name, self.lists))
        if holds == "empty":
            holds = "text" if self.plain(node.operand) == "text" else "number"
        self.need(node.operand, holds, f"the list {node.name!r}")
        return "boolean"

    def call(self, node: nodes.Call) -> Type:
        signature = FUNCTIONS[node.function]
        same: Type | None = None
        for i, argument in enumerate(node.arguments):
            kind = signature.arguments[min(i, len(signature.arguments) - 1)]
            if kind != "same":
                self.need(argument, kind, node.function)
                continue
            found = self.plain(argument)
            if found in ("time", "place"):
                self.fail(argument, f"{node.function} works with numbers, truth values and texts, not {found}s")
            if same is not None and found != same:
                message = f"{node.function} needs arguments of one type, here are {_ARTICLE[same]}"
                self.fail(argument, f"{message} and {_ARTICLE[found]}")
            same = found
        if signature.result == "same":
            return same or "number"
        return signature.result
