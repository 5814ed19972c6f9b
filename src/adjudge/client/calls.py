"""The calls: what each verb sends, and how its answer is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec

from adjudge.client.answers import (
    Answers,
    CatalogueRow,
    Decision,
    Done,
    EntityFeatures,
    LogPage,
    Readiness,
    StoredDecision,
    Waiting,
)
from adjudge.client.exchange import Exchange, Request, Steps, words_of
from adjudge.client.options import Options, Timing
from adjudge.client.problems import Reply, RowError, error_of, input_error
from adjudge.client.rows import Row, body_of, encode, pieces
from adjudge.errors import InputError, UnavailableError

T = TypeVar("T")

Query = tuple[tuple[str, str], ...]
Verb = Literal["label", "outcome", "retract"]

PATHS: dict[Verb, str] = {"label": "/v1/labels", "outcome": "/v1/outcomes", "retract": "/v1/retractions"}
"""Where each thing that is said about an event goes."""


class Catalogue(msgspec.Struct):
    """The body of an answer with every feature."""

    features: list[CatalogueRow]


class Erasure(msgspec.Struct):
    """The body of an answer to an erasure."""

    erased: bool


class Rows(msgspec.Struct, Generic[T]):
    """The body of an answer to many rows, or of the refusal of some of them: one shape is read for both."""

    decisions: list[T | None] = []
    results: list[T | None] = []
    errors: list[RowError] = []

    @property
    def rows(self) -> list[T | None]:
        """What became of each row, by whichever name it came."""
        return self.decisions or self.results


class Calls:
    """Every verb of a client as a generator of attempts; `Client` says what they mean.

    Parameters
    ----------
    options
        Patience and sizes.
    timing
        Clock and chance.
    """

    def __init__(self, options: Options, timing: Timing) -> None:
        self.options = options
        self.timing = timing

    def one(self, verb: Literal["decide", "score"], event: Row, system: str | None, features: bool) -> Steps[Decision]:
        """Decide or score one event."""
        request = Request(f"{verb}_one", "POST", f"/v1/{verb}", _wanted(system, features), encode(event))
        return self._ask(request, Decision)

    def many(
        self, verb: Literal["decide", "score"], events: Iterable[Row], system: str | None, features: bool
    ) -> Steps[Answers[Decision]]:
        """Decide or score many events, in their order."""
        request = Request(f"{verb}_many", "POST", f"/v1/{verb}/many", _wanted(system, features))
        return self._ask_many(request, events, Rows[Decision])

    def tell_one(self, verb: Verb, row: Row) -> Steps[Done]:
        """Say something about one event."""
        return self._done(Request(f"{verb}_one", "POST", PATHS[verb], (), encode(row)))

    def tell_many(self, verb: Verb, rows: Iterable[Row]) -> Steps[Answers[Done]]:
        """Say something about many events."""
        return self._ask_many(Request(f"{verb}_many", "POST", PATHS[verb]), rows, Rows[Done])

    def send_one(self, stream: str, event: Row) -> Steps[Done]:
        """Append one event that is not decided."""
        return self._done(Request("send_one", "POST", _stream(stream), (), encode(event)))

    def send_many(self, stream: str, events: Iterable[Row]) -> Steps[Answers[Done]]:
        """Append many events that are not decided."""
        return self._ask_many(Request("send_many", "POST", _stream(stream)), events, Rows[Done])

    def erase(self, stream: str, person: str, why: str) -> Steps[bool]:
        """Erase a person."""
        body = msgspec.json.encode({"stream": stream, "person": person, "why": why})
        answer = yield from self._ask(Request("erase", "POST", "/v1/erasures", (), body), Erasure)
        return answer.erased

    def decision(self, id_: str, system: str | None) -> Steps[StoredDecision]:
        """Return an earlier decision."""
        path = quote(id_, safe="").replace(".", "%2E")  # an id such as `..` is no step up
        return self._ask(Request("decision", "GET", f"/v1/decisions/{path}", _wanted(system)), StoredDecision)

    def features(
        self, entity: str, key: Mapping[str, str], as_of: datetime | None, system: str | None
    ) -> Steps[EntityFeatures]:
        """Return the features of one entity as of a time."""
        if as_of is not None and as_of.tzinfo is None:
            message = "as_of must carry its offset from UTC"
            raise InputError(message, field="as_of", code="naive_time")
        at = () if as_of is None else (("as_of", as_of.isoformat()),)
        query = (*key.items(), *at, *_wanted(system))
        return self._ask(Request("features", "GET", f"/v1/features/{quote(entity, safe='')}", query), EntityFeatures)

    def catalogue(self) -> Steps[list[CatalogueRow]]:
        """Return every field and feature."""
        answer = yield from self._ask(Request("catalogue", "GET", "/v1/catalogue"), Catalogue)
        return answer.features

    def waiting(self, limit: int) -> Steps[Waiting]:
        """Return what waits for events that have not come."""
        return self._ask(Request("waiting", "GET", "/v1/waiting", (("limit", str(limit)),)), Waiting)

    def read_log(self, start: int, limit: int) -> Steps[LogPage]:
        """Return a stretch of the log."""
        return self._ask(Request("read_log", "GET", "/v1/log", (("start", str(start)), ("limit", str(limit)))), LogPage)

    def healthy(self) -> Steps[bool]:
        """Return whether the process lives."""
        heard = yield from self._exchange().once(Request("healthy", "GET", "/healthz"))
        return isinstance(heard, Reply) and heard.status == 200

    def ready(self) -> Steps[Readiness]:
        """Return whether decisions are being made."""
        request = Request("ready", "GET", "/readyz")
        heard = yield from self._exchange().once(request)
        if isinstance(heard, Reply) and heard.status == 200:
            return _read(request, heard, Readiness)
        return Readiness(False, detail=words_of(heard))

    def _exchange(self) -> Exchange:
        return Exchange(self.options, self.timing)

    def _ask(self, request: Request, type_: type[T]) -> Steps[T]:
        reply = yield from self._exchange().ask(request)
        if not 200 <= reply.status < 300:
            raise error_of(reply)
        return _read(request, reply, type_)

    def _done(self, request: Request) -> Steps[Done]:
        answer = yield from self._ask(request, Rows[Done])
        for done in answer.rows:
            if done is not None:
                return done
        message = f"{request.call}: no answer to the only row"
        raise UnavailableError(message)

    def _ask_many(self, request: Request, rows: Iterable[Row], type_: type[Rows[T]]) -> Steps[Answers[T]]:
        """Send rows in as many requests as it takes, one after another: later rows see what earlier ones left."""
        exchange, answers, limits = self._exchange(), Answers[T]([], []), self.options
        for piece in pieces(rows, max_rows=limits.max_rows, max_bytes=limits.max_body_bytes):
            waiting = [piece]
            while waiting:
                some = waiting.pop()
                reply = yield from exchange.ask(replace(request, body=body_of(some)))
                half = len(some) // 2
                if reply.status == 413 and half:  # the service takes less than the options say
                    waiting += [some[half:], some[:half]]
                    continue
                part = _part(request, reply, len(some), type_)
                answers.errors.extend(_errors(part, len(answers.results)))
                answers.results.extend(part.rows)
        return answers


def _stream(stream: str) -> str:
    return f"/v1/events/{quote(stream, safe='')}"


def _wanted(system: str | None, features: bool = False) -> Query:
    chosen = () if system is None else (("system", system),)
    return (*chosen, ("features", "true")) if features else chosen


def _read(request: Request, reply: Reply, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.body, type=type_)
    except msgspec.DecodeError as error:
        message = f"{request.call}: the answer is none of adjudge's: {error}"
        raise UnavailableError(message) from None


def _part(request: Request, reply: Reply, count: int, type_: type[Rows[T]]) -> Rows[T]:
    """Return the answers to the rows of one request, which may have been refused in part or all."""
    if not 200 <= reply.status < 300 and reply.problem is None:
        raise error_of(reply)
    part = _read(request, reply, type_)
    if reply.status == 413 and count == 1:  # the row's own fault, which the others do not pay for
        error = error_of(reply)
        return type_(results=[None], errors=[RowError(str(error), getattr(error, "code", ""), row=0)])
    if not part.rows and not 200 <= reply.status < 300:
        raise error_of(reply)  # the request was refused, not its rows
    if len(part.rows) != count:
        message = f"{request.call}: {len(part.rows)} answers to {count} rows"
        raise UnavailableError(message)
    return part


def _errors(part: Rows[T], before: int) -> list[InputError]:
    """Return what is wrong with the rows of one request, counted from the first row of the call."""
    told = [
        input_error(e.message, e.code, field=e.field, row=None if e.row is None else before + e.row)
        for e in part.errors
    ]
    explained = {error.row for error in told}
    rows = (before + row for row, answer in enumerate(part.rows) if answer is None)
    message = "refused; the reasons of so many rows are not told"
    told += [InputError(message, row=row, code="refused_rows") for row in rows if row not in explained]
    return sorted(told, key=lambda error: -1 if error.row is None else error.row)
