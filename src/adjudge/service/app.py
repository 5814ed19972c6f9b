"""The service: the hot path and, around it, what a person or a script manages, as one application."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BeforeValidator
from starlette.exceptions import HTTPException

from adjudge.engine.encode import micros_of
from adjudge.engine.read import CatalogueRow, catalogue
from adjudge.errors import AdjudgeError, InputError, UnavailableError, did_you_mean
from adjudge.log import Commit, Entry, Kind, entries_of
from adjudge.service.access.api import add_keys
from adjudge.service.access.approval import parts_of
from adjudge.service.access.gate import Gate, allowed, visitor_of
from adjudge.service.access.guard import guard_of
from adjudge.service.access.refusal import RefusedError
from adjudge.service.access.routes import needs
from adjudge.service.alerts.api import add_alerts
from adjudge.service.around.api import add_around
from adjudge.service.around.desk import AroundDesk
from adjudge.service.batching import Batcher
from adjudge.service.cases.api import add_cases
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.challengers.api import add_challengers
from adjudge.service.challengers.second import proposed_challenges
from adjudge.service.checks import check_time
from adjudge.service.decider import Decider
from adjudge.service.decode import MAX_ERRORS, Decoded, EventDecoder
from adjudge.service.describe import describe
from adjudge.service.gauges import Gauges
from adjudge.service.health import unready
from adjudge.service.hot import (
    SECURITY,
    TRANSPORT,
    HotPath,
    Message,
    Receive,
    Scope,
    Send,
    TooLargeError,
    answer,
    check_length,
    read_body,
    refused,
)
from adjudge.service.logs import failed
from adjudge.service.marks import LABELS, OUTCOMES, RETRACTIONS, Waiting, change_of, one_or_many
from adjudge.service.metrics import Meter, Metrics
from adjudge.service.parameters import only_known
from adjudge.service.personal.api import add_erasures, opened
from adjudge.service.problem import CONTENT_TYPE, failure, problem, problem_of
from adjudge.service.registry.api import add_releases
from adjudge.service.registry.desk import ReleaseDesk
from adjudge.service.retrain.request import RUNS
from adjudge.service.said import say
from adjudge.service.settings import Settings
from adjudge.service.versions.api import add_activations
from adjudge.service.versions.second import SecondPerson
from adjudge.service.workspace import Running

if TYPE_CHECKING:
    from adjudge.service.spans import Traces

log = logging.getLogger(__name__)

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of metrics."""

MAX_PAGE = 10_000
"""Most log entries of one page."""

CONSOLE = "/console"
"""Where the pages for people are, if the service has them; see `adjudge.console`."""

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

MAX_READING = 2
"""Most pages of the log that are read at a time, each on a thread; more requests wait, and hold no page in memory."""


class Page(msgspec.Struct):
    """A stretch of the log.

    Parameters
    ----------
    entries
        Its entries.
    next
        Where the next stretch starts; absent at the end of the log.
    """

    entries: list[Entry]
    next: int | None = None


class CommitPage(msgspec.Struct):
    """A stretch of the log as it is kept.

    Parameters
    ----------
    commits
        Its commits; bytes are base64 text.
    next
        Where the next stretch starts; absent at the end of the log.
    """

    commits: list[Commit]
    next: int | None = None


class Service:
    """The whole service as one ASGI application.

    Parameters
    ----------
    decider
        What decides.
    settings
        Limits.
    gauges
        What is measured beside; None measures nothing.
    traces
        Makes spans of requests and batches; None makes none.

    Attributes
    ----------
    console
        The pages for people, with sessions of their own; None for none.
    """

    def __init__(
        self,
        decider: Decider,
        settings: Settings | None = None,
        gauges: Gauges | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.decider = decider
        self.traces = traces
        decider.stages.observer = None if traces is None else traces.stage
        self.gauges = gauges or Gauges(decider)
        self.settings = settings or Settings()
        self.meter = Meter()
        self.batcher = Batcher(
            decider, max_batch=self.settings.max_batch, max_waiting=self.settings.max_waiting, traces=traces
        )
        self.guard = guard = guard_of(self.settings, decider.workspace.management.keys, decider.clock)
        self.console: Application | None = None
        self.hot = HotPath(self.batcher, self.settings, self.meter, guard)
        self.second = SecondPerson(decider, parts_of(self.settings.second_person))
        self.desk = self.second.desk
        self.cases = CaseDesk(decider)
        self.around = AroundDesk(decider, self.cases)
        self.challengers = proposed_challenges(decider, self.second)
        trusted = Path(self.settings.trust) if self.settings.trust else None
        self.releases = ReleaseDesk(self.challengers.desk.site, self.second.parts, trusted)
        self.api = _api(self)
        self.gate = Gate(self.api, guard, needs(self.settings.public))
        self._hot_paths = frozenset(self.hot.handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the hot path itself, the rest through FastAPI."""
        if scope["type"] == "websocket" and self._is_console(scope):
            await self.console(scope, receive, send)  # type: ignore[misc]  # there is one
        elif scope["type"] != "http":
            await self.api(scope, receive, send)
        elif self.traces is not None:
            await self.traces.request(self._serve, scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._hot_paths:
            await self.hot(scope, receive, send)
        elif self._is_console(scope):
            await self.console(scope, receive, send)  # type: ignore[misc]  # there is one
        else:
            await self._managed(scope, receive, send)

    def _is_console(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return self.console is not None and (path == CONSOLE or path.startswith(f"{CONSOLE}/"))

    async def _managed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve through FastAPI, with the same headers and counters as the hot path."""
        arrived = time.perf_counter()
        status = 500

        async def send_safely(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                given = {name.lower() for name, _ in headers}
                secure = (TRANSPORT,) if scope.get("scheme") == "https" else ()
                message = {**message, "headers": headers + [h for h in (*SECURITY, *secure) if h[0] not in given]}
            await send(message)

        try:
            await self.gate.admit(scope)
            await self.api(scope, receive, send_safely)
        except RefusedError as error:
            status, headers, body = refused(error)
            await answer(scope, send, status, headers, body)
        finally:  # a failure is raised to the server after its answer was sent, and counts
            route = getattr(scope.get("route"), "path", "other")
            self.meter.request(route, status, time.perf_counter() - arrived)

    async def body_of(self, request: Request) -> bytes:
        """Return the body of a managed request after checking that it may be read."""
        media = request.headers.get("content-type", "application/json")
        if "json" not in media.lower() or request.headers.get("content-encoding", "identity") != "identity":
            message = "the body must be application/json and not compressed"
            raise InputError(message, code="wrong_media_type")
        limit = self.settings.max_body_bytes
        check_length(request.headers.get("content-length", "").encode("latin-1"), limit)
        return await read_body(await request.receive(), request.receive, limit)


def _api(service: Service) -> FastAPI:
    api = FastAPI(
        title="adjudge",
        version="1",
        docs_url=None,
        redoc_url=None,
        description="Decisions, and what made them.",
        dependencies=[Depends(only_known)],
    )
    _handle_errors(api, service)
    _add_events(api, service)
    _add_reads(api, service)
    _add_operations(api, service)
    decider = service.decider
    add_erasures(api, decider, service.body_of, Path(service.settings.workspace) / RUNS)
    add_keys(api, decider.workspace.management.keys, decider, decider.clock, service.body_of)
    add_activations(api, service.second, service.body_of)
    add_alerts(api, decider, service.body_of)
    add_cases(api, service.cases, service.body_of)
    add_around(api, service.around)
    add_challengers(api, service.challengers, service.body_of)
    add_releases(api, service.releases, service.body_of)
    describe(api, decider.workspace, {} if service.settings.auth == "off" else needs(service.settings.public))
    return api


def _handle_errors(api: FastAPI, service: Service) -> None:
    """Turn every error into a problem document."""

    @api.exception_handler(AdjudgeError)
    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, AdjudgeError)
        response = _answer(problem_of(error))
        for name, value in error.headers if isinstance(error, (RefusedError, TooLargeError)) else ():
            response.headers[name.decode()] = value.decode()
        if isinstance(error, UnavailableError):
            response.headers["retry-after"] = str(service.settings.retry_after_s)
        return response

    @api.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [InputError(e["msg"], field=str(e["loc"][-1]), code="bad_parameter") for e in error.errors()]
        detail = "; ".join(f"{e.field}: {e.message}" for e in errors)
        return _answer(problem(422, detail, code="bad_parameter", errors=errors))

    @api.exception_handler(HTTPException)
    async def routing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = _answer(problem(error.status_code, str(error.detail)))
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["allow"] = allowed(request)
        return response

    @api.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        told = failure()
        route = getattr(request.scope.get("route"), "path", "other")
        log.error("%s failed", route, exc_info=error, extra=failed(told.instance))
        return _answer(told)


def _add_events(api: FastAPI, service: Service) -> None:
    """Add what changes the log besides decisions."""
    decider, settings, body_of = service.decider, service.settings, service.body_of

    async def change(request: Request, door: EventDecoder, kind: Kind) -> Response:
        decoded = one_or_many(door, await body_of(request), settings.max_rows)
        visitor_of(request).charge(len(decoded.rows))
        changes = [change_of(decider.workspace, kind, item) for item in decoded.events]
        done = say(decider, changes, settings.max_waiting_labels)
        answer = _results(decoded, done)
        if answer.status_code == 429:
            answer.headers["retry-after"] = str(settings.retry_after_s)
        return answer

    @api.post("/v1/labels")
    async def labels(request: Request) -> Response:
        """Set the truth about one event, or about many; the last one set counts."""
        return await change(request, LABELS, Kind.LABEL)

    @api.post("/v1/outcomes")
    async def outcomes(request: Request) -> Response:
        """Say what a review or a verification came to, for one event or many."""
        return await change(request, OUTCOMES, Kind.OUTCOME)

    @api.post("/v1/retractions")
    async def retractions(request: Request) -> Response:
        """Take back one event or many: from here on they count for nothing, decisions made stand."""
        return await change(request, RETRACTIONS, Kind.RETRACTION)

    @api.post("/v1/events/{stream}")
    async def events(stream: str, request: Request) -> Response:
        """Append one event or many of a stream that is not decided: profiles, logins, readings."""
        door = decider.workspace.door(stream)
        if decider.workspace.deciding(stream):
            message = f"stream {stream!r} is decided; send its events to /v1/decide"
            raise InputError(message, field="stream", code="decided_stream")
        decoded = one_or_many(door, await body_of(request), settings.max_rows)
        visitor_of(request).charge(len(decoded.rows))
        done: list[dict[str, Any] | InputError] = []
        for start in range(0, len(decoded.events), settings.max_batch):
            part = decoded.events[start : start + settings.max_batch]
            for event, verdict in zip(part, decider.decide(stream, part), strict=True):
                id_ = getattr(event, door.schema.id_field)
                status = "repeated" if verdict.repeated else "accepted"
                done.append(verdict.error or {"id": id_, "status": status, "seq": verdict.seq})
        return _results(decoded, done)


def _results(decoded: Decoded, done: Sequence[dict[str, Any] | InputError]) -> Response:
    """Answer with what became of each item, null for those that were refused."""
    errors = list(decoded.errors)
    total = len(decoded.rows) + len({e.row for e in decoded.errors})
    results: list[Any] = [None] * total
    for row, item in zip(decoded.rows, done, strict=True):
        if isinstance(item, InputError):
            errors.append(InputError(item.message, field=item.field, row=row, code=item.code))
        else:
            results[row] = item
    if not errors:
        return _json({"results": results})
    bad = len({e.row for e in errors})
    if decoded.alone:
        return _answer(problem_of(errors[0]))
    errors.sort(key=lambda e: -1 if e.row is None else e.row)
    crowded = all(e.code == "too_many_waiting" for e in errors)
    document = problem(
        207 if bad < total else 429 if crowded else 422,
        f"{bad} of {total} items were refused",
        code="too_many_waiting" if crowded else "refused_rows",
        errors=errors[:MAX_ERRORS],
    )
    return _answer({**msgspec.to_builtins(document), "results": results}, document.status)


def _add_reads(api: FastAPI, service: Service) -> None:
    """Add what only reads."""
    decider = service.decider
    reading = asyncio.Semaphore(MAX_READING)

    @api.get("/v1/decisions/{id:path}")
    async def decision(id: str, system: str | None = None) -> Response:
        """Return an earlier decision with its event, features, reasons in words, and labels since."""
        stored = decider.decision(id, system)
        return _json(
            {
                "decision": msgspec.Raw(stored.record),
                "words": stored.words,
                "event": stored.event,
                "features": stored.features,
                "received_at": _time(stored.received_at),
                "labels": stored.said,
                "retracted": stored.retracted,
                "again": None if stored.again is None else msgspec.Raw(stored.again),
            }
        )

    @api.get("/v1/features/{entity}")
    async def features(
        entity: str,
        request: Request,
        as_of: Annotated[AwareDatetime | None, BeforeValidator(_dated), Query(description="now where absent")] = None,
        system: str | None = None,
    ) -> Response:
        """Return the features of one entity as of a time, without deciding; its key fields are parameters."""
        given = {k: v for k, v in request.query_params.items() if k not in ("as_of", "system")}
        running = decider.workspace.system(system)
        _check_key(running, entity, given)
        if as_of is not None and (wrong := check_time(as_of)):
            message = f"as_of {wrong[1]}"
            raise InputError(message, field="as_of", code=wrong[0])
        at = decider.clock() if as_of is None else micros_of(as_of)
        values = decider.features(entity, given, at, system)
        return _json({"entity": entity, "key": given, "as_of": _time(at), "features": values})

    @api.get("/v1/catalogue")
    async def features_catalogue() -> Response:
        """Return every feature: meaning, type, window, owner and where it is used; and which are coming, and when."""
        return _json({"features": _catalogue(decider.workspace.systems.values()), "coming": service.desk.coming()})

    @api.get("/v1/waiting")
    async def waiting(request: Request, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1000) -> Response:
        """Return labels, outcomes and retractions that wait for events that have not come, and how many there are."""
        with decider.held():
            return _json(Waiting.of(decider.workspace, limit))

    @api.get("/v1/log")
    async def export(
        request: Request,
        start: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1000,
    ) -> Response:
        """Return a stretch of the log, one entry after another; a commit that begins in it is given whole.

        Personal values are sealed, as the log has them, unless whoever asks may also read decisions.
        """

        def page() -> Page:
            first, commits, following = _stretch(decider, start, limit)
            entries = (entry for commit in commits for entry in entries_of(commit) if entry.seq >= first)
            return Page(list(opened(entries, decider.workspace.vault, visitor_of(request).principal)), following)

        async with reading:
            return _json(await asyncio.to_thread(page))

    @api.get("/v1/log/commits")
    async def commits(
        start: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1000
    ) -> Response:
        """Return a stretch of the log as it is kept: whole commits with their links, for replay and for audit."""
        async with reading:
            _, found, following = await asyncio.to_thread(_stretch, decider, start, limit)
            return _json(CommitPage(found, following))


def _stretch(decider: Decider, start: int, limit: int) -> tuple[int, list[Commit], int | None]:
    """Return where a stretch of the log begins, its commits, and where the next one does; read on a thread."""
    first = max(start, decider.log.begin().position)
    commits = list(decider.log.read(first, first + limit))
    end = commits[-1].stop if commits else len(decider.log)
    return first, commits, end if end < len(decider.log) else None


def _dated(value: Any) -> Any:
    """Refuse a time that is a bare number, as the door does."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        message = "must be a timestamp such as 2026-01-31T10:00:00+01:00"
        raise ValueError(message)
    return value


def _check_key(running: Running, entity: str, given: dict[str, str]) -> None:
    plan = running.plan
    known = {h.entity.name: h.entity.fields for h in plan.histories}
    known |= {p.entity.name: p.entity.fields for p in plan.profiles}
    if entity not in known:
        message = f"there is no entity {entity!r}{did_you_mean(entity, known)}"
        raise InputError(message, field="entity", code="unknown_entity")
    for name in given:
        if name not in known[entity]:
            message = f"entity {entity!r} has no key field {name[:80]!r}{did_you_mean(name, known[entity])}"
            raise InputError(message, field=name[:80], code="unknown_parameter")
    for name in known[entity]:
        if not given.get(name):
            message = f"entity {entity!r} needs a value of {name!r}"
            raise InputError(message, field=name, code="missing_field")


def _catalogue(systems: Any) -> list[CatalogueRow]:
    """Return the features of all systems; one that several share is one row that names all its users."""
    rows: dict[CatalogueRow, list[str]] = {}
    for running in systems:
        for row in catalogue(running.plan):
            key = msgspec.structs.replace(row, used_by=())
            used = rows.setdefault(key, [])
            used += [u for u in (*row.used_by, f"system {running.name}") if u not in used]
    return [msgspec.structs.replace(row, used_by=used) for row, used in rows.items()]


def _add_operations(api: FastAPI, service: Service) -> None:
    """Add what a supervisor asks."""
    metrics = Metrics(service.batcher, service.meter, service.gauges)

    @api.get("/healthz")
    async def health() -> Response:
        """Say that the process is alive, and how it is."""
        return _json(service.gauges.health())

    @api.get("/readyz")
    async def ready() -> Response:
        """Say whether decisions are being made, how far the log is folded, and since when."""
        health = service.gauges.health()
        if health.ready:
            return _json(health)
        return Response(unready(health), status_code=503, media_type=CONTENT_TYPE)

    @api.get("/metrics")
    async def prometheus() -> Response:
        """Return metrics as Prometheus reads them."""
        return Response(metrics.text(), media_type=PROMETHEUS)


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _answer(document: Any, status: int | None = None) -> Response:
    code: int = document.status if status is None else status
    return Response(msgspec.json.encode(document), status_code=code, media_type=CONTENT_TYPE)


def _time(micros: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
