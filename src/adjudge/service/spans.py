"""Spans: one for each request and each batch, their stages as children, from the readings that metrics are made of.

A request is a server's span, the child of whatever its `traceparent` names. The batch that decides it is a child of the
batch's first request, and linked with all of them both ways: a batch has one place in a trace and several causes. Spans
say how many events, which stream and which status; never what somebody sent.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adjudge.service.batching import Job
from adjudge.service.hot import ROUTES, Message, Receive, Scope, Send
from adjudge.service.logs import logger
from adjudge.service.tracing import CURRENT

MOST_STAGES = 64
"""Stages of one span that become spans of their own; a batch that is decided in many pieces may have more."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
"""Methods that spans name; any other is called `_OTHER`, as OpenTelemetry's conventions have it."""

PATIENCE_S = 3.0
"""How long the last spans are offered to a collector while the service ends."""

CARRIED = (b"traceparent", b"tracestate")
"""Headers that carry a trace."""

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Serves one request."""


class Open:
    """A span that has begun, and the stages that were measured within it.

    Parameters
    ----------
    tracer
        Makes the spans of the stages.
    span
        The span itself.
    clock_ns
        What is added to `time.perf_counter()` in nanoseconds to have the time since 1970.
    """

    __slots__ = ("_clock_ns", "_stages", "_tracer", "span", "trace_id")

    def __init__(self, tracer: Tracer, span: Span, clock_ns: int) -> None:
        self.span = span
        self.trace_id = format_trace_id(span.get_span_context().trace_id)
        self._tracer = tracer
        self._clock_ns = clock_ns
        self._stages: list[tuple[str, float, float]] = []

    def stage(self, name: str, began: float, ended: float) -> None:
        """Note a stage that is over, in `time.perf_counter()` seconds."""
        if len(self._stages) < MOST_STAGES:
            self._stages.append((name, began, ended))

    def close(self, ended: float) -> None:
        """End the span, and make one of each of its stages."""
        if self.span.is_recording():
            context = set_span_in_context(self.span)
            for name, began, stage_ended in self._stages:
                made = self._tracer.start_span(name, context, start_time=self._at(began))
                made.end(self._at(stage_ended))
        self.span.end(self._at(ended))

    def _at(self, seconds: float) -> int:
        return self._clock_ns + int(seconds * 1e9)


class Traces:
    """Makes spans of requests, of batches, and of the stages of both.

    Parameters
    ----------
    provider
        Has the sampler and the limits.
    give_up
        Makes the provider's exporter give up what it cannot send; None if it sends at once.
    """

    def __init__(self, provider: TracerProvider, give_up: Callable[[], None] | None = None) -> None:
        self._provider = provider
        self._give_up = give_up
        self._tracer = provider.get_tracer("adjudge", version("adjudge"))
        self._propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Send what was not sent yet; a collector that is away is waited for no longer than `PATIENCE_S`."""
        timer = threading.Timer(PATIENCE_S, self._give_up or _nothing)
        timer.start()
        self._provider.shutdown()  # on its own it would wait for half a minute
        timer.cancel()

    async def request(self, serve: Serve, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request within a span.

        Parameters
        ----------
        serve
            Serves it.
        scope, receive, send
            The request.
        """
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        opened = self._open(method, self._parent(scope), SpanKind.SERVER, time.perf_counter())
        token = CURRENT.set(opened)
        try:
            await serve(scope, receive, send_noting)
        finally:
            CURRENT.reset(token)
            route = scope["path"] if scope["path"] in ROUTES else getattr(scope.get("route"), "path", None)
            opened.span.set_attribute("http.request.method", method)
            opened.span.set_attribute("http.response.status_code", status)
            if route is not None:  # an address that names nothing may hold anything
                opened.span.update_name(f"{method} {route}")
                opened.span.set_attribute("http.route", route)
            if status >= 500:
                opened.span.set_status(StatusCode.ERROR)
            opened.close(time.perf_counter())

    @contextmanager
    def batch(self, jobs: Sequence[Job], began: float) -> Iterator[None]:
        """Decide a batch within a span; the requests of it waited until it began.

        Parameters
        ----------
        jobs
            What is decided together.
        began
            When, in `time.perf_counter()` seconds.
        """
        requests = [job.request for job in jobs if job.request is not None]
        links = [Link(request.span.get_span_context()) for request in requests]
        parent = set_span_in_context(requests[0].span) if requests else Context()
        opened = self._open("batch", parent, SpanKind.INTERNAL, began, links)
        opened.span.set_attribute("adjudge.stream", jobs[0].stream)
        opened.span.set_attribute("adjudge.requests", len(jobs))
        opened.span.set_attribute("adjudge.events", sum(len(job.events) for job in jobs))
        for request in requests:
            request.span.add_link(opened.span.get_span_context())
        token = CURRENT.set(opened)
        try:
            yield
        except BaseException as error:
            opened.span.set_attribute("error.type", type(error).__name__)
            opened.span.set_status(StatusCode.ERROR)
            raise
        finally:
            CURRENT.reset(token)
            opened.close(time.perf_counter())

    def stage(self, name: str, began: float, ended: float) -> None:
        """Note a stage of what is being traced now, if anything is; observes `Stages`."""
        current = CURRENT.get()
        if current is not None:
            current.stage(name, began, ended)

    def _open(self, name: str, parent: Context, kind: SpanKind, began: float, links: Sequence[Link] = ()) -> Open:
        clock_ns = time.time_ns() - time.perf_counter_ns()
        span = self._tracer.start_span(name, parent, kind, links=links, start_time=clock_ns + int(began * 1e9))
        return Open(self._tracer, span, clock_ns)

    def _parent(self, scope: Scope) -> Context:
        """Return the context that the headers of a request carry; an empty one if they carry none that is valid."""
        carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CARRIED}
        return self._propagator.extract(carried, Context())


def _nothing() -> None:
    """Do nothing."""


class Exporter(SpanExporter):
    """Sends spans by another exporter until it is told to stop, by whoever ends first.

    Parameters
    ----------
    exporter
        Sends them.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._over = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some spans."""
        return SpanExportResult.FAILURE if self._over else self._exporter.export(spans)

    def shutdown(self) -> None:
        """Stop, in the middle of waiting for a collector if need be."""
        if not self._over:
            self._over = True
            self._exporter.shutdown()


def exporting() -> Traces:
    """Return traces that are sent to a collector, as OpenTelemetry's variables say."""
    named = "OTEL_SERVICE_NAME" in os.environ or f"{SERVICE_NAME}=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    known = {SERVICE_VERSION: version("adjudge")} | ({} if named else {SERVICE_NAME: "adjudge"})
    provider = TracerProvider(resource=Resource.create(known), shutdown_on_exit=False)
    exporter = Exporter(OTLPSpanExporter())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    theirs = logging.getLogger("opentelemetry")  # what it says about a collector that is away belongs among our lines
    theirs.handlers[:], theirs.propagate = logger.handlers, False
    return Traces(provider, exporter.shutdown)
