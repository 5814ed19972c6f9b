"""Types: what each operation takes and gives, and the errors that show the place."""

from __future__ import annotations

import pytest

from adjudge.define.check import check
from adjudge.define.expression import parse
from adjudge.define.functions import FUNCTIONS
from adjudge.errors import DefinitionError
from tests.define.strategies import LIST_TYPES, TYPES


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("a", "number"),
        ("amount", "money"),
        ("amount * 2", "number"),
        ("max(amount, a)", "number"),
        ("country", "text"),
        ("at", "time"),
        ("here", "place"),
        ("at - before", "number"),
        ("at > before", "boolean"),
        ("at == before", "boolean"),
        ("here is missing", "boolean"),
        ("country == 'DE'", "boolean"),
        ("country != home", "boolean"),
        ("flag == new", "boolean"),
        ("flag == (a > 1)", "boolean"),
        ("country in countries", "boolean"),
        ("amount in numbers", "boolean"),
        ("a in nothing and country in nothing", "boolean"),
        ("where(flag, country, 'x')", "text"),
        ("where(flag, amount, a)", "number"),
        ("coalesce(new, flag, False)", "boolean"),
        ("hour(at) + weekday(at) + date(at) + monthday(at)", "number"),
        ("distance(here, there) / (at - before)", "number"),
    ],
)
def test_the_type_of_an_expression(text: str, type: str) -> None:
    assert check(parse(text), TYPES, LIST_TYPES) == type


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amuont > 1", "unknown name 'amuont' at column 1; did you mean 'amount'?"),
        ("1 < amuont", "unknown name 'amuont' at column 5"),
        ("country in countrys", "unknown list 'countrys' at column 12; did you mean 'countries'?"),
        ("country == countries", "unknown name 'countries' at column 12; it is a list, ask 'x in countries'"),
        ("a and flag", "'and' needs a truth value, 'a' is a number at column 1; compare it, as in 'a > 0'"),
        ("flag or country", "'or' needs a truth value, 'country' is a text at column 9"),
        ("not a", "'not' needs a truth value, 'a' is a number at column 5"),
        ("-flag", "'-' needs a number, 'flag' is a truth value at column 2; write where(flag, 1, 0)"),
        ("a + (b > 1)", "'+' needs a number, 'b > 1' is a truth value at column 6; write where(b > 1, 1, 0)"),
        ("country + 'x'", "'+' needs a number, 'country' is a text"),
        ("at + 1", "'+' needs a number, 'at' is a time"),
        ("at - 1", "'-' after a time needs a time, '1' is a number at column 6"),
        ("a - at", "'-' needs a number, 'at' is a time at column 5"),
        ("country == 1", "a text cannot be compared with a number at column 12"),
        ("a == 'x'", "a number cannot be compared with a text at column 6"),
        ("a < b == flag", "a number cannot be compared with a truth value"),
        ("country < 'x'", "a text can only be compared with == and !="),
        ("flag > new", "a truth value can only be compared with == and !="),
        ("here == there", "places cannot be compared at column 9; ask for their distance(a, b)"),
        ("country in [1]", "this list needs a number, 'country' is a text"),
        ("a in ['x']", "this list needs a text, 'a' is a number"),
        ("a in countries", "the list 'countries' needs a text, 'a' is a number"),
        ("flag in nothing", "the list 'nothing' needs a number, 'flag' is a truth value"),
        ("log(country)", "log needs a number, 'country' is a text"),
        ("hour(a)", "hour needs a time, 'a' is a number"),
        ("hour(where(flag, at, before))", "where works with numbers, truth values and texts, not times"),
        ("coalesce(here, there)", "coalesce works with numbers, truth values and texts, not places"),
        ("distance(here, a)", "distance needs a place, 'a' is a number at column 16"),
        ("where(a, 1, 2)", "where needs a truth value, 'a' is a number"),
        ("where(flag, 1, 'x')", "where needs arguments of one type, here are a number and a text"),
        ("coalesce(a, flag)", "coalesce needs arguments of one type, here are a number and a truth value"),
    ],
)
def test_what_makes_no_sense(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        check(parse(text), TYPES, LIST_TYPES)
    assert message in str(caught.value)


def test_a_function_takes_what_its_signature_says() -> None:
    sample = {"number": "a", "boolean": "flag", "text": "country", "time": "at", "place": "here", "same": "a"}
    for name, function in FUNCTIONS.items():
        arguments = ", ".join(sample[kind] for kind in function.arguments)
        found = check(parse(f"{name}({arguments})"), TYPES)
        assert found == ("number" if function.result == "same" else function.result)
