"""Refusals on their way in: a problem document becomes an error of the house's tree, with field, row and code."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

from adjudge.errors import (
    AccessError,
    AdjudgeError,
    ConflictError,
    ErasedError,
    InputError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)

PREFIX = "urn:adjudge:problem:"
"""Begins the type of a problem; its code follows."""

AGAIN = frozenset({429, 500, 502, 503, 504})
"""Statuses after which the same request may go through. A 500 is among them because asking again with the same id is
safe, and because whoever balances load may ask another process."""


class RowError(msgspec.Struct, frozen=True):
    """One thing that is wrong: what in words, a code for programs, the field, the row of a batch, a failure's name."""

    message: str
    code: str
    field: str = ""
    row: int | None = None
    instance: str = ""


class Problem(msgspec.Struct, frozen=True):
    """A refusal (RFC 9457), or the refused part of a batch beside the answers to the other rows."""

    type: str = ""
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: list[RowError] = []
    instance: str = ""
    decisions: list[Any] | None = None
    results: list[Any] | None = None
    trace_id: str = ""

    @property
    def code(self) -> str:
        """The kind of problem as errors have it.

        Examples
        --------
        >>> Problem("urn:adjudge:problem:refused-rows").code
        'refused_rows'
        """
        return self.type.removeprefix(PREFIX).replace("-", "_") if self.type.startswith(PREFIX) else ""


@dataclass(frozen=True)
class Reply:
    """An answer as it came, whole.

    Parameters
    ----------
    status
        Its status code.
    headers
        Its headers.
    body
        Its body.
    """

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def problem(self) -> Problem | None:
        """The problem document that it is; None where it is something else, as of a proxy that knows no better."""
        if "problem+json" not in self.headers.get("content-type", ""):
            return None
        try:
            return msgspec.json.decode(self.body, type=Problem)
        except msgspec.DecodeError:
            return None

    @property
    def retry_after_s(self) -> float:
        """How long the sender asks to be left alone, in seconds; 0 where it does not say.

        Examples
        --------
        >>> later = {"date": "Sun, 01 Mar 2026 12:00:00 GMT", "retry-after": "Sun, 01 Mar 2026 12:00:07 GMT"}
        >>> Reply(503, httpx.Headers(later), b"").retry_after_s
        7.0
        """
        given = self.headers.get("retry-after", "").strip()
        if given.isascii() and given.isdigit():
            return float(given)
        try:  # a date is compared with the sender's own clock, so that it does not matter what time it is here
            wait = parsedate_to_datetime(given) - parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError):
            return 0.0
        return max(0.0, wait.total_seconds())


def input_error(message: str, code: str, *, field: str = "", row: int | None = None) -> InputError:
    """Return the error that a code means.

    Examples
    --------
    >>> type(input_error("the id was used before", "conflict")).__name__
    'ConflictError'
    """
    kind = ConflictError if code == "conflict" else InputError
    return kind(message, field=field, row=row, code=code)


def error_of(reply: Reply) -> AdjudgeError:
    """Return the error that the refusal of a whole request means.

    Parameters
    ----------
    reply
        Its status is not one of 200 to 299.
    """
    found = reply.problem
    problem = found or Problem()
    detail = problem.detail or f"answered {_named(reply.status)}"
    if problem.instance:
        detail += f" ({problem.instance})"  # so the service's log names this failure
    if reply.status in (401, 403, 421):
        return AccessError(detail)
    if reply.status == 429:
        return OverloadedError(detail)
    if found is None or reply.status >= 500:
        return UnavailableError(detail)
    if problem.errors:
        first, *others = (input_error(e.message, e.code, field=e.field) for e in problem.errors)
        first.others = tuple(others)
        return first
    if reply.status == 404:
        return NotFoundError(detail)
    if reply.status == 410:
        return ErasedError(detail)
    return input_error(detail, problem.code or "invalid")


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
