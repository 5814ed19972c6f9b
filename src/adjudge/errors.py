"""The whole error tree: every error says what is wrong, where, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AdjudgeError(Exception):
    """Root of every error that adjudge raises on purpose."""


class DefinitionError(AdjudgeError):
    """A definition (event, feature, expression, rule, policy, system) is wrong."""


class ExpressionError(DefinitionError):
    """An expression is wrong at a place of its text.

    Parameters
    ----------
    message
        What is wrong and where, with the line of the text.
    problem
        What is wrong alone, with what was probably meant.
    text, at
        The expression, and the position in it, from 0.
    """

    def __init__(self, message: str, *, problem: str, text: str, at: int) -> None:
        super().__init__(message)
        self.problem = problem
        self.text = text
        self.at = at


class InputError(AdjudgeError):
    """Data from outside is wrong.

    Parameters
    ----------
    message
        One sentence that names what is wrong.
    field
        The offending field, dotted where nested; empty when the whole body is meant.
    row
        Position of the offending row in its batch or file, from 0.
    code
        Stable machine-readable code such as ``missing_field`` or ``too_late``.

    Attributes
    ----------
    others
        What else is wrong with the same input, where whoever found it told all of it.
    """

    def __init__(self, message: str, *, field: str = "", row: int | None = None, code: str = "invalid") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.row = row
        self.code = code
        self.others: tuple[InputError, ...] = ()


class ConflictError(InputError):
    """An event id was used before with another body."""


class NotFoundError(AdjudgeError):
    """Something named by id does not exist."""


class ErasedError(NotFoundError):
    """What was asked for was about a person who was erased, and is no longer readable."""


class BundleError(AdjudgeError):
    """A bundle cannot be read, or was made for another schema or layout."""


class ScoreError(AdjudgeError):
    """A model gave something that is no score."""


class ShapeError(AdjudgeError):
    """Arrays that belong together differ in length or shape."""


class HoldError(AdjudgeError):
    """A state was held twice, or restored or released without having been held."""


class ParityError(AdjudgeError):
    """Two ways of computing the same decision gave different bits."""


class AccessError(AdjudgeError):
    """The caller did not say who it is, or may not do what it asked for."""


class UnavailableError(AdjudgeError):
    """A part outside the process that the work needs cannot be reached or started."""


class OverloadedError(UnavailableError):
    """More is waiting than a service is willing to hold; later it may be possible again."""


class DeadlineError(UnavailableError):
    """No answer came in time; what was asked for may have been done all the same."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return a hint such as ``; did you mean 'amount'?``, or nothing when no option is near.

    Parameters
    ----------
    name
        What was written.
    options
        What would have been valid.

    Examples
    --------
    >>> did_you_mean("amuont", ["amount", "method"])
    "; did you mean 'amount'?"
    >>> did_you_mean("zzz", ["amount"])
    ''
    """
    near = difflib.get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
