"""Random expressions that are well typed, over one fixed scope of names."""

from __future__ import annotations

from hypothesis import strategies as st

from adjudge.define import nodes
from adjudge.define.check import ListType
from adjudge.define.functions import Type
from adjudge.define.nodes import Node

TYPES: dict[str, Type] = {
    "a": "number",
    "b": "number",
    "c": "number",
    "amount": "money",
    "flag": "boolean",
    "new": "boolean",
    "country": "text",
    "home": "text",
    "at": "time",
    "before": "time",
    "here": "place",
    "there": "place",
}
LISTS: dict[str, tuple[str | float, ...]] = {
    "countries": ("DE", "FR", "x"),
    "numbers": (0.0, 1.0, 2.5, -3.0),
    "nothing": (),
}
LIST_TYPES: dict[str, ListType] = {"countries": "text", "numbers": "number", "nothing": "empty"}
TEXTS = ("", "DE", "FR", "x", "it's", 'a "b"', "ü\n", "\\", "{}")

constants = st.one_of(
    st.sampled_from([0.0, 1.0, 2.0, 0.5, 3.0, 10.0, 1e-9, 1e16, 1e300, 5e-324, 123456.789]),
    st.floats(min_value=0, allow_infinity=False).map(abs),
)
_texts = st.sampled_from(TEXTS)
_negated = st.booleans()


def _names(*types: Type) -> st.SearchStrategy[Node]:
    return st.sampled_from([nodes.Name(name) for name, type in TYPES.items() if type in types])


def numbers(depth: int) -> st.SearchStrategy[Node]:
    """Expressions that give a number."""
    leaves: st.SearchStrategy[Node] = st.one_of(_names("number", "money"), st.builds(nodes.Number, constants))
    if depth == 0:
        return leaves
    below, truths = st.deferred(lambda: numbers(depth - 1)), st.deferred(lambda: booleans(depth - 1))
    one = st.sampled_from(["log1p", "log", "exp", "sqrt", "abs", "floor", "round"])
    calendar = st.sampled_from(["hour", "weekday", "date", "monthday"])
    time, place = _names("time"), _names("place")
    return st.one_of(
        leaves,
        st.builds(nodes.Unary, st.just("-"), below),
        st.builds(nodes.Binary, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), below, below),
        st.builds(nodes.Binary, st.just("-"), time, time),
        st.builds(nodes.Call, one, st.tuples(below)),
        st.builds(nodes.Call, st.sampled_from(["min", "max", "coalesce"]), _several(below)),
        st.builds(nodes.Call, st.just("clip"), st.tuples(below, below, below)),
        st.builds(nodes.Call, st.just("where"), st.tuples(truths, below, below)),
        st.builds(nodes.Call, calendar, st.tuples(time)),
        st.builds(nodes.Call, st.just("distance"), st.tuples(place, place)),
    )


def texts(depth: int) -> st.SearchStrategy[Node]:
    """Expressions that give a text."""
    leaves: st.SearchStrategy[Node] = st.one_of(_names("text"), st.builds(nodes.Text, _texts))
    if depth == 0:
        return leaves
    below, truths = st.deferred(lambda: texts(depth - 1)), st.deferred(lambda: booleans(depth - 1))
    return st.one_of(
        leaves,
        st.builds(nodes.Call, st.just("where"), st.tuples(truths, below, below)),
        st.builds(nodes.Call, st.just("coalesce"), _several(below)),
    )


def booleans(depth: int) -> st.SearchStrategy[Node]:
    """Expressions that give a truth value."""
    leaves: st.SearchStrategy[Node] = st.one_of(_names("boolean"), st.builds(nodes.Boolean, st.booleans()))
    if depth == 0:
        return leaves
    below = st.deferred(lambda: booleans(depth - 1))
    number, text = st.deferred(lambda: numbers(depth - 1)), st.deferred(lambda: texts(depth - 1))
    anything = st.one_of(below, number, text, _names("time", "place"))
    order, same = st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.sampled_from(["==", "!="])
    listed = st.one_of(
        st.builds(nodes.Listed, number, st.sampled_from(["numbers", "nothing"]), _negated),
        st.builds(nodes.Listed, text, st.sampled_from(["countries", "nothing"]), _negated),
    )
    signed = st.builds(lambda value, sign: value * sign + 0.0, constants, st.sampled_from([1.0, -1.0]))
    return st.one_of(
        leaves,
        st.builds(nodes.Unary, st.just("not"), below),
        st.builds(nodes.Logic, st.sampled_from(["and", "or"]), _several(below)),
        _comparison(order, number),
        _comparison(order, _names("time")),
        _comparison(same, text),
        _comparison(same, below),
        st.builds(nodes.Member, number, _tuple(signed), _negated),
        st.builds(nodes.Member, text, _tuple(_texts), _negated),
        listed,
        st.builds(nodes.Missing, anything, _negated),
        st.builds(nodes.Call, st.just("where"), st.tuples(below, below, below)),
        st.builds(nodes.Call, st.just("coalesce"), _several(below)),
    )


def expressions(depth: int = 3) -> st.SearchStrategy[Node]:
    """Well-typed expressions of any type that a feature can have."""
    return st.one_of(numbers(depth), booleans(depth), texts(depth))


def _several(operands: st.SearchStrategy[Node]) -> st.SearchStrategy[tuple[Node, ...]]:
    return st.lists(operands, min_size=2, max_size=3).map(tuple)


def _tuple(elements: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(elements, min_size=1, max_size=5).map(tuple)


def _comparison(
    operators: st.SearchStrategy[str], operands: st.SearchStrategy[Node]
) -> st.SearchStrategy[nodes.Compare]:
    chain = st.lists(st.tuples(operators, operands), min_size=1, max_size=3)
    return st.builds(
        lambda first, rest: nodes.Compare(
            tuple(operator for operator, _ in rest), (first, *(operand for _, operand in rest))
        ),
        operands,
        chain,
    )
