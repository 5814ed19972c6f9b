"""The functions of the expression language: what each takes and what it gives.

Adding one means a line here, its lowering in the engine, its line in the reference evaluator of the tests
and its example in the reference documentation; the tests fail while one of the four is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Type: TypeAlias = Literal["number", "boolean", "money", "text", "time", "place"]
"""What an expression, a field or a feature can be; money is a number wherever it is computed with."""

Kind: TypeAlias = Literal["number", "boolean", "text", "time", "place", "same"]
"""What an argument must be: `same` arguments share one type, not time or place, which is the result's."""


@dataclass(frozen=True, slots=True)
class Function:
    """The signature of one function.

    Parameters
    ----------
    arguments
        The kind of each argument.
    result
        What comes out.
    repeats
        Whether the last argument may be given again and again.
    """

    arguments: tuple[Kind, ...]
    result: Kind = "number"
    repeats: bool = False


FUNCTIONS: dict[str, Function] = {
    "log1p": Function(("number",)),
    "log": Function(("number",)),
    "exp": Function(("number",)),
    "sqrt": Function(("number",)),
    "abs": Function(("number",)),
    "floor": Function(("number",)),
    "round": Function(("number",)),
    "min": Function(("number", "number"), repeats=True),
    "max": Function(("number", "number"), repeats=True),
    "clip": Function(("number", "number", "number")),
    "where": Function(("boolean", "same", "same"), "same"),
    "coalesce": Function(("same", "same"), "same", repeats=True),
    "hour": Function(("time",)),
    "weekday": Function(("time",)),
    "date": Function(("time",)),
    "monthday": Function(("time",)),
    "distance": Function(("place", "place")),
}
"""Every function by name."""
