"""The nodes an expression is made of; nothing that is not one of these can run.

A node knows how to print itself back to text with no more parentheses than its tree needs, so that printing
and parsing are each other's inverse. Every node keeps the position it came from, for errors; positions do
not take part in equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(1, 10)
_BINARY = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT, "%": _PRODUCT}


@dataclass(frozen=True, slots=True)
class Number:
    """A number constant, finite and not negative: a sign in front is a `Unary`."""

    value: float
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A text constant."""

    value: str
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or False."""

    value: bool
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A field or a feature."""

    name: str
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x`` or ``not x``."""

    operator: str
    operand: Node
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic on two numbers: ``+ - * / // % **``."""

    operator: str
    left: Node
    right: Node
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Logic:
    """Two or more truth values joined by ``and`` or by ``or``."""

    operator: str
    operands: tuple[Node, ...]
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison, possibly chained: one operator fewer than operands."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Member:
    """``x in [...]`` with constants between the brackets."""

    operand: Node
    values: tuple[float, ...] | tuple[str, ...]
    negated: bool
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """``x in name`` where the name is that of a list."""

    operand: Node
    name: str
    negated: bool
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """``x is missing`` or ``x is not missing``."""

    operand: Node
    negated: bool
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the language applied to its arguments."""

    function: str
    arguments: tuple[Node, ...]
    at: int = field(default=0, compare=False, repr=False)


Node: TypeAlias = Number | Text | Boolean | Name | Unary | Binary | Logic | Compare | Member | Listed | Missing | Call
"""Any node."""


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below a node, from left to right.

    Parameters
    ----------
    node
        Any node.

    Examples
    --------
    >>> children(Binary("+", Name("a"), Number(1.0)))
    (Name(name='a'), Number(value=1.0))
    """
    match node:
        case Unary() | Member() | Listed() | Missing():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Logic() | Compare():
            return node.operands
        case Call():
            return node.arguments
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, parents first.

    Parameters
    ----------
    node
        Any node.

    Examples
    --------
    >>> [type(each).__name__ for each in walk(Unary("-", Name("a")))]
    ['Unary', 'Name']
    """
    yield node
    for child in children(node):
        yield from walk(child)


def show_number(value: float) -> str:
    """Return the shortest text of a number, whole numbers without a point.

    Parameters
    ----------
    value
        A finite number.

    Examples
    --------
    >>> show_number(30.0), show_number(0.5), show_number(1e300)
    ('30', '0.5', '1e+300')
    """
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def show(node: Node) -> str:
    """Return the text of a node; parsing it gives an equal node.

    Parameters
    ----------
    node
        Any node.

    Examples
    --------
    >>> show(Binary("*", Binary("+", Name("a"), Name("b")), Number(2.0)))
    '(a + b) * 2'
    """
    return _show(node)[0]


def _show(node: Node) -> tuple[str, int]:
    """Return the text of a node and how tightly its outermost operator binds."""
    match node:
        case Number():
            return show_number(node.value), _ATOM
        case Text():
            return repr(node.value), _ATOM
        case Boolean():
            return repr(node.value), _ATOM
        case Name():
            return node.name, _ATOM
        case Unary(operator="-"):
            return f"-{_within(node.operand, _SIGN)}", _SIGN
        case Unary():
            return f"not {_within(node.operand, _NOT)}", _NOT
        case Binary(operator="**"):
            return f"{_within(node.left, _ATOM)} ** {_within(node.right, _SIGN)}", _POWER
        case Binary():
            binds = _BINARY[node.operator]
            return f"{_within(node.left, binds)} {node.operator} {_within(node.right, binds + 1)}", binds
        case Logic():
            binds = _AND if node.operator == "and" else _OR
            return f" {node.operator} ".join(_within(each, binds + 1) for each in node.operands), binds
        case Compare():
            parts = [_within(node.operands[0], _SUM)]
            for operator, operand in zip(node.operators, node.operands[1:], strict=True):
                parts += [operator, _within(operand, _SUM)]
            return " ".join(parts), _COMPARE
        case Member():
            inside = ", ".join(repr(each) if isinstance(each, str) else show_number(each) for each in node.values)
            return f"{_within(node.operand, _SUM)} {_in(node.negated)} [{inside}]", _COMPARE
        case Listed():
            return f"{_within(node.operand, _SUM)} {_in(node.negated)} {node.name}", _COMPARE
        case Missing():
            return f"{_within(node.operand, _SUM)} is {'not ' if node.negated else ''}missing", _COMPARE
        case Call():
            return f"{node.function}({', '.join(show(each) for each in node.arguments)})", _ATOM


def _in(negated: bool) -> str:
    return "not in" if negated else "in"


def _within(node: Node, binds: int) -> str:
    text, own = _show(node)
    return text if own >= binds else f"({text})"
