"""Parsing: what is in the language and its canonical text, what is not and how the place is shown."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adjudge.define.check import check
from adjudge.define.expression import LIMIT_DEPTH, LIMIT_LENGTH, Expression, parse
from adjudge.define.nodes import Node
from adjudge.errors import DefinitionError
from tests.define.strategies import LIST_TYPES, TYPES, expressions


@settings(max_examples=500)
@given(expressions(4))
def test_printing_and_parsing_are_inverse(root: Node) -> None:
    text = str(Expression(root))
    assert parse(text).root == root
    assert str(parse(text)) == text


@given(expressions(3))
def test_well_typed_expressions_pass_the_check(root: Node) -> None:
    assert check(Expression(root), TYPES, LIST_TYPES) in ("number", "money", "boolean", "text")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("(a)+((b)*c)", "a + b * c"),
        ("(a+b)*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("-(a**2)", "-a ** 2"),
        ("(-a)**2", "(-a) ** 2"),
        ("2**-a", "2 ** -a"),
        ("(a**b)**c", "(a ** b) ** c"),
        ("a**(b**c)", "a ** b ** c"),
        ("not(a>1)", "not a > 1"),
        ("(not flag)==new", "(not flag) == new"),
        ("a<(b)<=c", "a < b <= c"),
        ("(a<b)==new", "(a < b) == new"),
        ("flag and(new or a>1)", "flag and (new or a > 1)"),
        ("(flag and new)or a>1", "flag and new or a > 1"),
        ("(flag and new) and flag", "(flag and new) and flag"),
        ("country in[\"DE\",'FR',]", "country in ['DE', 'FR']"),
        ("a not in [1, 2.50, -3]", "a not in [1, 2.5, -3]"),
        ("country in countries", "country in countries"),
        ("(a+1)is not missing", "a + 1 is not missing"),
        ("(a is missing) is missing", "(a is missing) is missing"),
        ("where(flag,1_000,1e3)", "where(flag, 1000, 1000)"),
        ("a\n  > 1  # large\n  and flag", "a > 1 and flag"),
        ("'it''s'", '"its"'.replace('"', "'")),
        ("0x10 + .5", "16 + 0.5"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


def test_names_and_lists() -> None:
    expression = parse("where(a > b, country, 'x') in countries and distance(here, there) > a")
    assert expression.names == {"a", "b", "country", "here", "there"}
    assert expression.lists == {"countries"}


def test_positions_do_not_matter_for_equality() -> None:
    assert parse("a+b") == parse("  a  +  b")
    assert hash(parse("a+b")) == hash(parse("a + (b)"))
    assert parse("a + b") != parse("b + a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the expression is empty"),
        ("  \n ", "the expression is empty"),
        ("a >", "at column 4"),
        ("a b", "at column"),
        ("(a", "'(' was never closed at column 1"),
        ("a and\n(b", "'(' was never closed at line 2, column 1"),
        ("a)", "unmatched ')' at column 2"),
        ("a) + (b", "the parentheses do not match at column 1"),
        ("a.b", "attributes are not part of the language at column 1"),
        ("a + b.real", "attributes are not part of the language at column 5"),
        ("a[0]", "subscripts are not part of the language"),
        ("f'{a}'", "f-strings are not part of the language"),
        ("(a := 3)", "assignment is not part of the language"),
        ("a = 3", "Maybe you meant '=='"),
        ("lambda: a", "lambda is not part of the language"),
        ("[x for x in a]", "comprehensions are not part of the language"),
        ("{x: 1 for x in a}", "comprehensions are not part of the language"),
        ("(x for x in a)", "comprehensions are not part of the language"),
        ("a if flag else b", "write where(condition, a, b)"),
        ("[a, b]", "a list outside of 'in [...]' is not part of the language"),
        ("a, b", "a tuple is not part of the language"),
        ("{a}", "a set is not part of the language"),
        ("{}", "a dictionary is not part of the language"),
        ("a & b", "& is not part of the language"),
        ("a | b", "| is not part of the language"),
        ("~a", "~ is not part of the language"),
        ("a @ b", "@ is not part of the language"),
        ("+a", "a plus sign in front is not part of the language at column 1; leave it out"),
        ("(yield)", "yield is not part of the language"),
        ("(await a)", "at column"),
        ("__import__('os')", "unknown function '__import__' at column 1"),
        ("log1(a)", "unknown function 'log1' at column 1; did you mean 'log"),
        ("a.log(b)", "attributes are not part of the language"),
        ("(log)(a)(b)", "Call is not part of the language"),
        ("log(a, b)", "log takes 1 argument, not 2"),
        ("log()", "log takes 1 argument, not 0"),
        ("max(a)", "max takes 2 or more arguments, not 1"),
        ("max(*a)", "max takes 2 or more arguments, not 1"),
        ("max(*a, *b)", "unpacking is not part of the language"),
        ("clip(a, lo=1, hi=2)", "clip takes its arguments by position"),
        ("round(a, 2)", "round takes 1 argument, not 2"),
        ("a is None", "only 'missing' can follow 'is' at column 6"),
        ("a is b", "only 'missing' can follow 'is' at column 6"),
        ("a == None", "None is not a value at column 6; ask with 'is missing'"),
        ("a == null", "'null' is not a value at column 6; ask with 'is missing'"),
        ("flag == true", "'true' is not a value at column 9; write True"),
        ("a == missing", "'missing' is not a value at column 6; it can only follow 'is'"),
        ("a is missing is missing", "cannot be chained"),
        ("1 < a in [1]", "cannot be chained"),
        ("a in (1, 2)", "after 'in' comes a list such as [1, 2] or the name of one"),
        ("a in []", "the list is empty"),
        ("a in [1, 'x']", "the list mixes texts and numbers"),
        ("a in [b]", "a list holds constant numbers or constant texts only at column 7"),
        ("a in [True]", "a list holds constant numbers or constant texts only"),
        ("country in [-'x']", "a list holds constant numbers or constant texts only"),
        ("1j", "a constant of type complex is not part of the language"),
        ("b'x'", "a constant of type bytes is not part of the language"),
        ("...", "a constant of type ellipsis is not part of the language"),
        ("1e999", "the number is too large"),
        ("9" * 400, "the number is too large"),
        ("9" * 3999, "the number is too large"),
        ("12345678901234567891", "more digits than can be held exactly"),
        ("007", "leading zeros"),
        ("'\\d'", "invalid escape sequence"),
        ("'\\ud800'", "the text is not valid Unicode"),
        ("\ud800", "at column 1"),
        ("a\0b", "a control character is not allowed in an expression at column 2"),
        ("a\rb", "a control character is not allowed"),
        ("a\n> 1\nand b.c", "attributes are not part of the language at line 3, column 5"),
        ("é + ü.b", "attributes are not part of the language at column 5"),
        ("a" * (LIMIT_LENGTH + 1), "at most 4000 characters, this one has 4001"),
        ("(" * 300 + "a" + ")" * 300, "too many nested parentheses"),
        ("-" * 3900 + "a", "deep"),
        ("not " * 900 + "a", "levels deep"),
        (" + ".join(["a"] * (LIMIT_DEPTH + 1)), "at most 40 levels deep; split it into named features"),
        ("abs(" * 60 + "a" + ")" * 60, "levels deep"),
    ],
)
def test_what_is_not_in_the_language(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_the_place_is_shown() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse("amount > 3 and\n  country.lower() == 'de'")
    assert str(caught.value) == (
        "attributes are not part of the language at line 2, column 3\n    country.lower() == 'de'\n    ^"
    )


def test_a_long_line_is_shown_around_the_place() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse("a_long_name + " * 15 + "b.c" + " + a_long_name" * 15)
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 110
    assert line[caret.index("^") :].startswith("b.c")


def test_the_deepest_expression_that_is_allowed() -> None:
    assert len(str(parse(" + ".join(["a"] * LIMIT_DEPTH))).split("+")) == LIMIT_DEPTH


def test_only_a_text_is_parsed() -> None:
    with pytest.raises(DefinitionError, match="an expression is a text, not int"):
        parse(3)  # type: ignore[arg-type]


_ALPHABET = "ab1.0'\"\\()[]{}+-*/%=<>!,:;@#&|^~ \n\t\0_éλ𝔞"
_WORDS = [
    *["and", "or", "not", "in", "is", "missing", "if", "else", "lambda", "for", "await", "yield", "None"],
    *[
        "log",
        "where",
        "min",
        "__import__",
        "a",
        "b",
        "'x'",
        "f'",
        "1e5",
        ":=",
        "**",
        "//",
        "[",
        "]",
        "(",
        ")",
    ],
]


@settings(max_examples=500)
@example("a" * 5000)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(_ALPHABET, max_size=60),
        st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join),
        st.lists(st.sampled_from(_WORDS), max_size=25).map("".join),
    )
)
def test_any_text_gives_an_expression_or_a_definition_error(text: str) -> None:
    survives(text)


@settings(max_examples=300)
@given(expressions(3), st.data())
def test_a_damaged_expression_gives_an_expression_or_a_definition_error(root: Node, data: st.DataObject) -> None:
    text = str(Expression(root))
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 4)))
    survives(text[:start] + data.draw(st.text(_ALPHABET, max_size=4)) + text[stop:])


def survives(text: str) -> None:
    try:
        expression = parse(text)
        check(expression, TYPES, LIST_TYPES)
    except DefinitionError:
        return
    assert parse(str(expression)) == expression
