"""What a client is told when something is wrong: RFC 9457 problem documents, naming the field and the row."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from adjudge.errors import (
    AdjudgeError,
    BundleError,
    ConflictError,
    DefinitionError,
    ErasedError,
    InputError,
    NotFoundError,
    UnavailableError,
)
from adjudge.service.access.refusal import RefusedError
from adjudge.service.decode import BadBody
from adjudge.service.logs import INSTANCE, incident
from adjudge.service.tracing import trace_id

CONTENT_TYPE = "application/problem+json"
"""The media type of every refusal."""

CODE_STATUS = {
    "malformed": 400,
    "unknown_system": 404,
    "unknown_stream": 404,
    "conflict": 409,
    "not_decided": 409,
    "too_large": 413,
    "wrong_media_type": 415,
    "overloaded": 429,
    "too_many_waiting": 429,
    "failed": 500,
}
"""Status of the error codes that do not mean 422, unprocessable content."""


class RowError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong.

    Parameters
    ----------
    message
        What is wrong, in words that never repeat the value.
    code
        What is wrong, for programs.
    field
        Where: the field; absent if the whole body is meant.
    row
        Which row of a batch, from 0; absent where there is only one.
    instance
        Names this very failure, as the log of the service does; absent where the row is to blame.
    """

    message: str
    code: str
    field: str = ""
    row: int | None = None
    instance: str = ""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal, or the refused part of a batch.

    Parameters
    ----------
    type
        An URI that names the kind of problem.
    title
        The kind of problem in words.
    status
        The status code of the answer.
    detail
        What is wrong this time.
    errors
        Every single thing that is wrong.
    instance
        Names this very failure, as the log of the service does; absent where a request is to blame.
    decisions
        Of a batch of which only some rows are refused: an answer for each row, null for the refused ones.
    trace_id
        The OpenTelemetry trace of the request; absent where requests are not traced.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[RowError] = []
    instance: str = ""
    decisions: list[Any] | None = None
    trace_id: str = ""


def problem(status: int, detail: str, *, code: str = "", errors: Sequence[InputError] = ()) -> Problem:
    """Return a problem document.

    Parameters
    ----------
    status
        The status code of the answer.
    detail
        What is wrong.
    code
        Names the kind; made from the status where absent.
    errors
        Every single thing that is wrong.

    Examples
    --------
    >>> problem(404, "there is no such decision").type
    'urn:adjudge:problem:not-found'
    """
    title = HTTPStatus(status).phrase
    name = (code or title.lower()).replace("_", "-").replace(" ", "-")
    found = [RowError(e.message, e.code, e.field, e.row, getattr(e, "instance", "")) for e in errors]
    instance = found[0].instance if len(found) == 1 else ""
    return Problem(f"urn:adjudge:problem:{name}", title, status, detail, found, instance, trace_id=trace_id())


def problem_of(error: AdjudgeError) -> Problem:
    """Return the problem document of an error of ours.

    Parameters
    ----------
    error
        What was raised.
    """
    if isinstance(error, InputError):
        errors = error.errors if isinstance(error, BadBody) else [error]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return problem(status_of(error), f"{error.message}{more}", code=error.code, errors=errors)
    if isinstance(error, RefusedError):
        return problem(error.status, str(error), code=error.code)
    if isinstance(error, ErasedError):
        return problem(410, str(error), code="erased")
    if isinstance(error, (NotFoundError, DefinitionError)):
        return problem(404, str(error))
    if isinstance(error, BundleError):  # one that somebody has named or sent: what a service decides with it has read
        return problem(422, str(error), code="bad_bundle")
    if isinstance(error, UnavailableError):
        return msgspec.structs.replace(problem(503, str(error)), instance=getattr(error, "instance", ""))
    return failure()


def failure() -> Problem:
    """Return the problem document of a failure that nobody expected; its `instance` is to stand in the log."""
    told = problem(500, "the request could not be served")
    return msgspec.structs.replace(told, instance=INSTANCE + incident())


def status_of(error: InputError) -> int:
    """Return the status code that an input error means.

    Examples
    --------
    >>> status_of(InputError("x", code="too_late")), status_of(InputError("x", code="malformed"))
    (422, 400)
    """
    if isinstance(error, ConflictError):
        return 409
    return CODE_STATUS.get(error.code, 422)
