"""The hot path: bare ASGI endpoints that decide and score, beside the routes that FastAPI serves.

A request here passes no router, no middleware and no validation layer but the decoder: bytes in, one typed
decode, one step, the recorded bytes out.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from adjudge.errors import AdjudgeError, InputError, UnavailableError
from adjudge.service.access.guard import Guard, Visitor
from adjudge.service.access.refusal import RefusedError
from adjudge.service.access.scope import Scope as Right
from adjudge.service.batching import Batcher, Overloaded
from adjudge.service.decode import MAX_ERRORS, BadBody, EventDecoder, EventStruct
from adjudge.service.logs import failed
from adjudge.service.metrics import Meter
from adjudge.service.parameters import check_known
from adjudge.service.problem import CONTENT_TYPE, Problem, failure, problem, problem_of, status_of
from adjudge.service.settings import Settings
from adjudge.service.verdict import Verdict
from adjudge.service.workspace import Running

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger(__name__)

ROUTES = ("/v1/decide", "/v1/decide/many", "/v1/score", "/v1/score/many")
"""Paths of the hot path; all take POST."""

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"server", b"adjudge"),  # instead of the server's own, which says what to attack it with
)
"""Headers of every answer. None lets pages from elsewhere read it: there are no CORS headers."""

TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Header of every answer that went out encrypted."""

JSON = [*SECURITY, (b"content-type", b"application/json")]
PROBLEM = [*SECURITY, (b"content-type", CONTENT_TYPE.encode())]


PATIENCE = 4
"""How many times the largest body is read before a sender that does not stop is cut off."""


@dataclass(frozen=True)
class Options:
    """What the query of a request asks for.

    Parameters
    ----------
    running
        The system that is asked.
    door
        Decoder of the stream that it decides.
    features
        Whether answers carry all feature values.
    """

    running: Running
    door: EventDecoder
    features: bool


class HotPath:
    """The endpoints, by path.

    Parameters
    ----------
    batcher
        Decides.
    settings
        Limits.
    meter
        Counts requests and their time.
    guard
        Lets requests in.
    """

    def __init__(self, batcher: Batcher, settings: Settings, meter: Meter, guard: Guard) -> None:
        self._batcher = batcher
        self._settings = settings
        self._meter = meter
        self._stages = batcher.decider.stages
        self._guard = guard
        self._workspace = batcher.decider.workspace
        self._encode = msgspec.json.Encoder().encode
        self._options = functools.lru_cache(maxsize=64)(self._read_options)
        self.handlers: dict[str, Callable[[Scope, Receive, float, Visitor], Awaitable[Answered]]] = {
            "/v1/decide": functools.partial(self._one, decide=True),
            "/v1/decide/many": functools.partial(self._many, decide=True),
            "/v1/score": functools.partial(self._one, decide=False),
            "/v1/score/many": functools.partial(self._many, decide=False),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose path is in `handlers`."""
        arrived = time.perf_counter()
        path = scope["path"]
        try:
            visitor = await self._guard.admit(scope["headers"], Right.DECIDE)
            status, headers, body = await self.handlers[path](scope, receive, arrived, visitor)
        except AdjudgeError as error:
            status, headers, body = self._refusal(error)
        except Exception:
            told = failure()
            log.exception("%s failed", path, extra=failed(told.instance))
            status, headers, body = self._told(told)
        await answer(scope, send, status, headers, body)
        self._meter.request(path, status, time.perf_counter() - arrived)

    async def _one(self, scope: Scope, receive: Receive, arrived: float, visitor: Visitor, *, decide: bool) -> Answered:
        body = await self._body(scope, receive)
        options = self._options(scope["query_string"])
        began = time.perf_counter()
        event = options.door.one(body)
        self._stages.note("decode", began, time.perf_counter())
        (verdict,) = await self._put(options, [event], arrived, decide)
        if verdict.error is not None:
            raise verdict.error
        began = time.perf_counter()
        text = self._text(options, verdict)
        self._stages.note("answer", began, time.perf_counter())
        return 200, JSON, text

    async def _many(
        self, scope: Scope, receive: Receive, arrived: float, visitor: Visitor, *, decide: bool
    ) -> Answered:
        body = await self._body(scope, receive)
        options = self._options(scope["query_string"])
        began = time.perf_counter()
        # more than may ever wait would be told to come again for good, so it is too large
        decoded = options.door.many(body, min(self._settings.max_rows, self._settings.max_waiting))
        self._stages.note("decode", began, time.perf_counter())
        total = len(decoded.events) + len({e.row for e in decoded.errors})
        visitor.charge(total)
        self._batcher.check_room(len(decoded.events))
        size = self._batcher.max_batch
        chunks = [decoded.events[i : i + size] for i in range(0, len(decoded.events), size)]
        waiting = [self._put(options, chunk, arrived, decide) for chunk in chunks]
        verdicts = [verdict for done in await asyncio.gather(*waiting) for verdict in done]
        began = time.perf_counter()
        answers = [b"null"] * total
        errors = list(decoded.errors)
        for row, verdict in zip(decoded.rows, verdicts, strict=True):
            if verdict.error is None:
                answers[row] = self._text(options, verdict)
            else:
                error = copy.copy(verdict.error)
                error.row = row
                errors.append(error)
        self._stages.note("answer", began, time.perf_counter())
        if errors:
            return self._partly(errors, answers)
        return 200, JSON, b'{"decisions":[%b]}' % b",".join(answers)

    def _put(
        self, options: Options, events: list[EventStruct], arrived: float, decide: bool
    ) -> asyncio.Future[list[Verdict]]:
        system = "" if decide else options.running.name
        return self._batcher.put(options.running.plan.decides, events, arrived, system=system)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body after checking that it may be read."""
        if scope["method"] != "POST":
            raise NotAllowed
        limit = self._settings.max_body_bytes
        for name, value in scope["headers"]:
            if name == b"content-type":
                if b"json" not in value.lower():
                    message = "the body must be application/json"
                    raise InputError(message, code="wrong_media_type")
            elif name == b"content-encoding" and value.lower() != b"identity":
                message = "the body must not be compressed"
                raise InputError(message, code="wrong_media_type")
            elif name == b"content-length":
                check_length(value, limit)
        return await read_body(await receive(), receive, limit)

    def _read_options(self, query: bytes) -> Options:
        given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        check_known(given, ("system", "features"))
        wanted = given.get("features", "false").lower()
        if wanted not in ("true", "false", "1", "0"):
            message = "features must be true or false"
            raise InputError(message, field="features", code="wrong_type")
        running = self._workspace.system(given.get("system"))
        return Options(running, self._workspace.doors[running.plan.decides], wanted in ("true", "1"))

    def _text(self, options: Options, verdict: Verdict) -> bytes:
        """Return the answer to one event: what was recorded, and what else was asked for."""
        system = options.running.name
        answer = verdict.answer(system)
        if verdict.repeated:
            answer = answer[:-1] + b',"repeated":true}'
        if options.features:
            answer = b'%b,"features":%b}' % (answer[:-1], self._encode(verdict.features(system)))
        return answer

    def _partly(self, errors: list[InputError], answers: list[bytes]) -> Answered:
        """Answer a batch of which some rows, or all, are refused."""
        errors.sort(key=lambda e: -1 if e.row is None else e.row)
        bad = len({e.row for e in errors})
        status = 207 if bad < len(answers) else 500 if 500 in map(status_of, errors) else 422
        detail = f"{bad} of {len(answers)} events were refused"
        document = problem(status, detail, code="refused_rows", errors=errors[:MAX_ERRORS])
        decisions = [msgspec.Raw(answer) for answer in answers]
        return self._told(msgspec.structs.replace(document, decisions=decisions))

    def _refusal(self, error: AdjudgeError) -> Answered:
        if isinstance(error, NotAllowed):
            status, headers, body = self._told(problem(405, "this address takes POST"))
            return status, [*headers, (b"allow", b"POST")], body
        status, headers, body = self._told(problem_of(error))
        if isinstance(error, (RefusedError, TooLargeError)):
            headers = [*headers, *error.headers]
        if isinstance(error, (Overloaded, UnavailableError)):
            headers = [*headers, (b"retry-after", b"%d" % self._settings.retry_after_s)]
        if isinstance(error, BadBody):
            self._meter.refused(e.code for e in error.errors)
        elif isinstance(error, InputError):
            self._meter.refused([error.code])
        return status, headers, body

    def _told(self, document: Problem) -> Answered:
        if document.errors and document.decisions is not None:
            self._meter.refused(e.code for e in document.errors)
        return document.status, PROBLEM, self._encode(document)


Headers = list[tuple[bytes, bytes]]
Answered = tuple[int, Headers, bytes]
"""Status, headers and body of an answer."""


async def answer(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send one answer, with what its transport asks for.

    Parameters
    ----------
    scope
        Of the request.
    send
        Sends.
    status, headers, body
        The answer.
    """
    secure = [TRANSPORT] if scope.get("scheme") == "https" else []
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *secure, length]})
    await send({"type": "http.response.body", "body": body})


def refused(error: RefusedError) -> Answered:
    """Return the answer to somebody who was not let in."""
    document = problem_of(error)
    return document.status, [*PROBLEM, *error.headers], msgspec.json.encode(document)


class NotAllowed(AdjudgeError):
    """The method is not one that the address takes."""


class TooLargeError(InputError):
    """The body is over the limit, and not all of it was read: nothing more can come over its connection.

    Parameters
    ----------
    limit
        Most bytes accepted.
    """

    headers = ((b"connection", b"close"),)

    def __init__(self, limit: int) -> None:
        super().__init__(f"a body may have {limit} bytes", code="too_large")


def check_length(declared: bytes, limit: int) -> None:
    """Refuse a body by its header, so that none of it need be read.

    Parameters
    ----------
    declared
        The header ``Content-Length``.
    limit
        Most bytes accepted.

    Raises
    ------
    TooLargeError
        If the body would be too large. What is no number is the server's to refuse.
    """
    if declared.isdigit() and int(declared) > limit:
        raise TooLargeError(limit)


async def read_body(message: Message, receive: Receive, limit: int) -> bytes:
    """Return a body, whole or in pieces, up to a limit.

    Parameters
    ----------
    message
        The first message of the request.
    receive
        Brings the others.
    limit
        Most bytes accepted.

    Raises
    ------
    TooLargeError
        If the body is too large.
    InputError
        If it ends before it is whole.
    """
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= limit and message["type"] == "http.request":
        return body
    parts, size = [body], len(body)
    while message.get("more_body") and size <= PATIENCE * limit:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)  # what is beyond the limit is read, so that the sender hears, but not kept
    if message["type"] == "http.disconnect":
        detail = "the body ended early"
        raise InputError(detail, code="malformed")
    if size > limit:
        raise TooLargeError(limit)
    return b"".join(parts)
