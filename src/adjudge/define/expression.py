"""An expression is a text that means a column: arithmetic and logic over fields and features.

The text has Python's syntax and is parsed by `ast` onto the fixed set of nodes in `adjudge.define.nodes`;
it is never handed to the interpreter. Whatever is not in the language is a `DefinitionError` that shows the
place.
"""

from __future__ import annotations

import ast
import functools
import math
import re
import warnings
from dataclasses import dataclass, field
from typing import NoReturn

from adjudge.define import nodes
from adjudge.define.functions import FUNCTIONS
from adjudge.define.nodes import Node
from adjudge.errors import DefinitionError, ExpressionError, did_you_mean

LIMIT_LENGTH = 4000
"""The longest text of an expression, in characters."""

LIMIT_DEPTH = 40
"""How deep an expression may be nested; a sum of n terms is n deep."""

_SHOWN = 100
"""How much of a line an error shows."""

_BINARY = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_HINTS = {
    "true": "; write True",
    "false": "; write False",
    "null": "; ask with 'is missing'",
    "none": "; ask with 'is missing'",
    "missing": "; it can only follow 'is', as in 'x is missing'",
}
_UNKNOWN: dict[type[ast.AST], str] = {
    ast.Attribute: "attributes are",
    ast.Subscript: "subscripts are",
    ast.Lambda: "lambda is",
    ast.NamedExpr: "assignment is",
    ast.JoinedStr: "f-strings are",
    ast.IfExp: "if-else is",
    ast.List: "a list outside of 'in [...]' is",
    ast.Tuple: "a tuple is",
    ast.Set: "a set is",
    ast.Dict: "a dictionary is",
    ast.Starred: "unpacking is",
    ast.Await: "await is",
    ast.Yield: "yield is",
    ast.YieldFrom: "yield is",
    ast.ListComp: "comprehensions are",
    ast.SetComp: "comprehensions are",
    ast.DictComp: "comprehensions are",
    ast.GeneratorExp: "comprehensions are",
    ast.BitAnd: "& is",
    ast.BitOr: "| is",
    ast.BitXor: "^ is",
    ast.Invert: "~ is",
    ast.LShift: "<< is",
    ast.RShift: ">> is",
    ast.MatMult: "@ is",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; two are equal when their trees are.

    Parameters
    ----------
    root
        The tree.
    text
        The text it was parsed from, for errors.

    Examples
    --------
    >>> expression = parse("(amount) / (1 + count)")
    >>> str(expression), sorted(expression.names)
    ('amount / (1 + count)', ['amount', 'count'])
    """

    root: Node
    text: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return nodes.show(self.root)

    @property
    def names(self) -> frozenset[str]:
        """The fields and features that the expression reads."""
        return frozenset(node.name for node in nodes.walk(self.root) if isinstance(node, nodes.Name))

    @property
    def lists(self) -> frozenset[str]:
        """The named lists that the expression asks."""
        return frozenset(node.name for node in nodes.walk(self.root) if isinstance(node, nodes.Listed))


def parse(text: str) -> Expression:
    """Return the expression that a text means.

    Parameters
    ----------
    text
        One expression in the language of `docs/reference/expressions.md`.

    Raises
    ------
    DefinitionError
        If the text is not in the language; the message shows the place.

    Examples
    --------
    >>> str(parse("not (a > 1 and b is missing)"))
    'not (a > 1 and b is missing)'
    >>> parse("a + open('x')")
    Traceback (most recent call last):
    adjudge.errors.ExpressionError: unknown function 'open' at column 5
      a + open('x')
          ^
    """
    if not isinstance(text, str):
        message = f"an expression is a text, not {type(text).__name__}"
        raise DefinitionError(message)
    if len(text) > LIMIT_LENGTH:
        message = f"an expression has at most {LIMIT_LENGTH} characters, this one has {len(text)}"
        raise DefinitionError(message)
    if not text.strip():
        message = "the expression is empty"
        raise DefinitionError(message)
    return _parsed(text)


@functools.lru_cache(maxsize=4096)  # a system is compiled again for every change of it, nearly all of it as it was
def _parsed(text: str) -> Expression:
    return Expression(_Reader(text).read(), text)


def fail(text: str, at: int, message: str, hint: str = "") -> NoReturn:
    """Raise an `ExpressionError` that shows a place in a text.

    Parameters
    ----------
    text
        The text of the expression; when empty only the message is shown.
    at
        The position of the offending part, from 0.
    message
        What is wrong there.
    hint
        What was probably meant, put after the place.
    """
    if not text:
        raise DefinitionError(message + hint)
    at = max(0, min(at, len(text)))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)]
    where = f"line {text.count(chr(10), 0, at) + 1}, column" if "\n" in text else "column"
    left = max(0, at - start - _SHOWN // 2)
    shown = "".join(c if c.isprintable() else " " for c in line[left : left + _SHOWN])
    full = f"{message} at {where} {at - start + 1}{hint}\n  {shown}\n  {' ' * (at - start - left)}^"
    raise ExpressionError(full, problem=message + hint, text=text, at=at)


class _Reader:
    """Turns one text into nodes."""

    def __init__(self, text: str) -> None:
        self.text = text
        # Wrapped in parentheses, so that an expression may run over several lines.
        self.wrapped = f"({text}\n)"
        self.lines = self.wrapped.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def read(self) -> Node:
        tree = self._tree()
        # A node that begins at the wrapping parenthesis means that the text closed it, as "a) + (b" does.
        if (tree.lineno, tree.col_offset) == (1, 0) and not isinstance(tree, ast.Tuple):
            self.fail(0, "the parentheses do not match")
        return self.node(tree, 1)

    def _tree(self) -> ast.expr:
        if any(c in self.text for c in "\0\r\f"):
            at = min(self.text.find(c) for c in "\0\r\f" if c in self.text)
            self.fail(at, "a control character is not allowed in an expression")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a doubtful escape such as "\d" is an error here, not a warning
                return ast.parse(self.wrapped, mode="eval").body
        except SyntaxError as error:
            at, reason = self._reason(error)
        except (ValueError, RecursionError, MemoryError, OverflowError):
            at, reason = 0, "not an expression, or nested too deeply"
        self.fail(at, reason)

    def _reason(self, error: SyntaxError) -> tuple[int, str]:
        """Return where a syntax error is and what it says, the wrapping parentheses left out of it."""
        if re.search("never closed|unmatched|does not match", error.msg) and "#" not in self.text:
            try:
                ast.parse(self.text.replace("\n", " "), mode="eval")
            except SyntaxError as plain:
                return (plain.offset or 1) - 1, plain.msg
        return self._position(error.lineno or 1, None, (error.offset or 1) - 1), error.msg

    def _position(self, line: int, column_bytes: int | None, column: int = 0) -> int:
        """Return the position in the text of a line (from 1) and a column (from 0) of the wrapped text."""
        line = max(1, min(line, len(self.lines)))
        if column_bytes is not None:
            column = len(self.lines[line - 1].encode()[:column_bytes].decode(errors="replace"))
        return max(0, min(self.starts[line - 1] + column - 1, len(self.text)))

    def at(self, tree: ast.expr) -> int:
        return self._position(tree.lineno, tree.col_offset)

    def fail(self, at: int, message: str, hint: str = "") -> NoReturn:
        fail(self.text, at, message, hint)

    def unknown(self, tree: ast.AST, at: int) -> NoReturn:
        what = _UNKNOWN.get(type(tree), f"{type(tree).__name__} is")
        hint = "; write where(condition, a, b)" if isinstance(tree, ast.IfExp) else ""
        self.fail(at, f"{what} not part of the language", hint)

    def node(self, tree: ast.expr, depth: int) -> Node:
        at = self.at(tree)
        if depth > LIMIT_DEPTH:
            self.fail(at, f"an expression is at most {LIMIT_DEPTH} levels deep; split it into named features")
        match tree:
            case ast.Constant():
                return self.constant(tree, at)
            case ast.Name():
                if tree.id in _HINTS:
                    self.fail(at, f"{tree.id!r} is not a value", _HINTS[tree.id])
                return nodes.Name(tree.id, at)
            case ast.UnaryOp():
                return self.unary(tree, at, depth)
            case ast.BinOp():
                operator = _BINARY.get(type(tree.op))
                if operator is None:
                    self.unknown(tree.op, at)
                left, right = self.node(tree.left, depth + 1), self.node(tree.right, depth + 1)
                return nodes.Binary(operator, left, right, at)
            case ast.BoolOp():
                operator = "and" if isinstance(tree.op, ast.And) else "or"
                return nodes.Logic(operator, tuple(self.node(each, depth + 1) for each in tree.values), at)
            case ast.Compare():
                return self.compare(tree, at, depth)
            case ast.Call():
                return self.call(tree, at, depth)
            case _:
                self.unknown(tree, at)

    def constant(self, tree: ast.Constant, at: int) -> Node:
        value = tree.value
        if isinstance(value, bool):
            return nodes.Boolean(value, at)
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                self.fail(at, "the text is not valid Unicode")
            return nodes.Text(value, at)
        if value is None:
            self.fail(at, "None is not a value", "; ask with 'is missing'")
        if not isinstance(value, int | float):
            self.fail(at, f"a constant of type {type(value).__name__} is not part of the language")
        return nodes.Number(self.number(value, at), at)

    def number(self, value: int | float, at: int) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(at, "the number is too large")
        if number != value:
            self.fail(at, "the number has more digits than can be held exactly", "; write it as 1e18")
        return number

    def unary(self, tree: ast.UnaryOp, at: int, depth: int) -> Node:
        operand = tree.operand
        match tree.op:
            case ast.USub():
                return nodes.Unary("-", self.node(operand, depth + 1), at)
            case ast.Not():
                return nodes.Unary("not", self.node(operand, depth + 1), at)
            case ast.UAdd():
                self.fail(at, "a plus sign in front is not part of the language", "; leave it out")
            case _:
                self.unknown(tree.op, at)

    def compare(self, tree: ast.Compare, at: int, depth: int) -> Node:
        operator = tree.ops[0]
        if any(isinstance(each, ast.In | ast.NotIn | ast.Is | ast.IsNot) for each in tree.ops):
            if len(tree.ops) > 1:
                self.fail(at, "'in' and 'is' cannot be chained with another comparison", "; join them with 'and'")
            operand, right = self.node(tree.left, depth + 1), tree.comparators[0]
            if isinstance(operator, ast.Is | ast.IsNot):
                if not (isinstance(right, ast.Name) and right.id == "missing"):
                    self.fail(self.at(right), "only 'missing' can follow 'is'", "; compare with == or !=")
                return nodes.Missing(operand, isinstance(operator, ast.IsNot), at)
            return self.member(operand, right, isinstance(operator, ast.NotIn), at)
        operators = tuple(_COMPARE[type(each)] for each in tree.ops)
        operands = tuple(self.node(each, depth + 1) for each in (tree.left, *tree.comparators))
        return nodes.Compare(operators, operands, at)

    def member(self, operand: Node, right: ast.expr, negated: bool, at: int) -> Node:
        place = self.at(right)
        if isinstance(right, ast.Name):
            return nodes.Listed(operand, right.id, negated, place)
        if not isinstance(right, ast.List):
            self.fail(place, "after 'in' comes a list such as [1, 2] or the name of one")
        values = [self.element(each) for each in right.elts]
        if not values:
            self.fail(place, "the list is empty")
        texts = tuple(value for value in values if isinstance(value, str))
        numbers = tuple(value for value in values if not isinstance(value, str))
        if texts and numbers:
            self.fail(place, "the list mixes texts and numbers")
        return nodes.Member(operand, texts or numbers, negated, at)

    def element(self, tree: ast.expr) -> float | str:
        at = self.at(tree)
        sign = 1.0
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            sign, tree = -1.0, tree.operand
        if isinstance(tree, ast.Constant):
            node = self.constant(tree, at)
            if isinstance(node, nodes.Text) and sign > 0:
                return node.value
            if isinstance(node, nodes.Number):
                return sign * node.value + 0.0  # one zero
        self.fail(at, "a list holds constant numbers or constant texts only")

    def call(self, tree: ast.Call, at: int, depth: int) -> Node:
        if not isinstance(tree.func, ast.Name):
            self.unknown(tree.func, at)
        name = tree.func.id
        if name not in FUNCTIONS:
            self.fail(at, f"unknown function {name!r}", did_you_mean(name, FUNCTIONS))
        if tree.keywords:
            self.fail(self.at(tree.keywords[0].value), f"{name} takes its arguments by position")
        signature = FUNCTIONS[name]
        least, given = len(signature.arguments), len(tree.args)
        if given < least or (given > least and not signature.repeats):
            wanted = f"{least} or more" if signature.repeats else str(least)
            self.fail(at, f"{name} takes {wanted} argument{'s' * (wanted != '1')}, not {given}")
        return nodes.Call(name, tuple(self.node(each, depth + 1) for each in tree.args), at)
