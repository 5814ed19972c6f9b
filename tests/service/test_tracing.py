"""Traces: what a request and its batch leave behind, where it goes, and that nothing is left when nobody asks."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from adjudge.errors import InputError, UnavailableError
from adjudge.service import logs, spans
from adjudge.service.app import Service
from adjudge.service.settings import Settings
from adjudge.service.spans import Traces
from adjudge.service.stages import STAGES
from adjudge.service.tracing import is_on, opened, trace_id
from tests.service.shop import Shop, purchase, shop

NOW = datetime.now(UTC)
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CARRIED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}

Posted = tuple[str, Any, Mapping[str, str]]
"""Path, body and headers of a request."""


class Traced:
    """A shop whose requests leave spans in memory."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        provider = provider or TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.service = Service(Shop(shop(), at=NOW).decider, Settings(auth="off"), traces=Traces(provider))

    def post(self, *requests: Posted) -> list[httpx.Response]:
        """Send requests at once, and return their answers."""
        return post(self.service, *requests)

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name, as they ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        """Return the only span of a name."""
        (found,) = self.spans(name)
        return found


def post(service: Service, *requests: Posted) -> list[httpx.Response]:
    """Send requests to a service at once, and return their answers."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(service, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await asyncio.gather(*(client.post(path, json=body, headers=h) for path, body, h in requests))

    return asyncio.run(send())


def parent_of(span: ReadableSpan) -> str:
    return "" if span.parent is None else format_span_id(span.parent.span_id)


def id_of(span: ReadableSpan) -> str:
    return format_span_id(span.context.span_id)


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    assert None not in (inner.start_time, inner.end_time, outer.start_time, outer.end_time)
    return outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time  # type: ignore[operator]


def test_a_request_and_its_batch_are_spans_with_their_stages() -> None:
    traced = Traced()
    traced.post(("/v1/decide", purchase(1, NOW), CARRIED))
    request, batch = traced.span("POST /v1/decide"), traced.span("batch")
    assert (request.kind, parent_of(request)) == (SpanKind.SERVER, PARENT)
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/decide",
    }
    assert parent_of(batch) == id_of(request)
    assert dict(batch.attributes or {}) == {"adjudge.stream": "purchase", "adjudge.requests": 1, "adjudge.events": 1}
    parents = {stage: {parent_of(span) for span in traced.spans(stage)} for stage in STAGES}
    own = {id_of(request)}
    assert parents == dict.fromkeys(("decode", "queue", "answer"), own) | {
        stage: {id_of(batch)} for stage in ("admit", "histories", "decide", "record", "append")
    }
    every = traced.exporter.get_finished_spans()
    assert {format_trace_id(span.context.trace_id) for span in every} == {TRACE}
    assert all(within(span, request) for span in every)
    assert within(traced.span("append"), batch)


def test_spans_and_metrics_are_one_measurement() -> None:
    """To the nanosecond of rounding: the histograms of stages add up to the spans."""
    traced = Traced()
    for i in range(5):
        traced.post(("/v1/decide", purchase(i, NOW), {}))
    for stage, seen in traced.service.decider.stages.seconds.items():
        made = traced.spans(stage)
        spent = sum((span.end_time or 0) - (span.start_time or 0) for span in made) / 1e9
        assert spent == pytest.approx(seen.sum, abs=1e-8 * len(made)), stage
        assert seen.counts[-1] == 0


def test_what_is_decided_together_is_linked_both_ways() -> None:
    traced = Traced()
    answers = traced.post(*(("/v1/decide", purchase(i, NOW), {}) for i in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    requests, batch = traced.spans("POST /v1/decide"), traced.span("batch")
    assert (batch.attributes or {})["adjudge.requests"] == 3
    assert {format_span_id(link.context.span_id) for link in batch.links} == {id_of(span) for span in requests}
    for request in requests:
        assert [format_span_id(link.context.span_id) for link in request.links] == [id_of(batch)]
    assert len({span.context.trace_id for span in requests}) == 3
    assert len(traced.spans("queue")) == 3


def test_other_routes_are_spans_by_their_route() -> None:
    """Not by their address, which holds ids; what is no route has no name of its own."""
    traced = Traced()
    traced.post(
        ("/v1/labels", {"id": "p1", "value": True}, {}), ("/v1/secret-17", {}, {}), ("/v1/score", purchase(1, NOW), {})
    )
    names = {span.name for span in traced.exporter.get_finished_spans()} - set(STAGES)
    assert names == {"POST /v1/labels", "POST", "POST /v1/score", "batch"}
    assert "p1" not in str([span.to_json() for span in traced.exporter.get_finished_spans()])


def test_no_span_says_what_was_sent() -> None:
    traced = Traced()
    traced.post(("/v1/decide/many", [purchase("secret", NOW, user="ada-lovelace"), {"user": "ada-lovelace"}], {}))
    told = "".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert "secret" not in told
    assert "lovelace" not in told


def test_a_refusal_names_its_trace(traced_log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so does the line in the log about a failure; a refusal is no error of the service."""
    traced = Traced()
    (refused,) = traced.post(("/v1/decide", {"purchase_id": 3}, CARRIED))
    assert (refused.status_code, refused.json()["trace_id"]) == (422, TRACE)
    assert traced.span("POST /v1/decide").status.status_code == StatusCode.UNSET

    def broken(*_: object, **__: object) -> None:
        message = "the value secret-17"
        raise RuntimeError(message)

    monkeypatch.setattr(traced.service.decider, "decide", broken)
    traced.exporter.clear()
    (failed,) = traced.post(("/v1/decide", purchase(1, NOW), CARRIED))
    assert (failed.status_code, failed.json()["trace_id"]) == (503, TRACE)
    (line,) = [json.loads(line) for line in traced_log.getvalue().splitlines()]
    assert (line["event"], line["trace_id"]) == ("batch_failed", TRACE)
    for name in ("POST /v1/decide", "batch"):
        assert traced.span(name).status.status_code == StatusCode.ERROR
    assert (traced.span("batch").attributes or {})["error.type"] == "RuntimeError"
    assert "secret-17" not in "".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert trace_id() == ""


@pytest.fixture
def traced_log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what is written to the log as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    monkeypatch.setattr(logs.logger, "handlers", [handler])
    monkeypatch.setattr(logs.logger, "propagate", False)
    return stream


def test_what_is_not_sampled_leaves_nothing() -> None:
    traced = Traced(TracerProvider(sampler=ALWAYS_OFF))
    (answer,) = traced.post(("/v1/decide", purchase(1, NOW), {}))
    assert answer.status_code == 200
    assert traced.exporter.get_finished_spans() == ()


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", "00-1-1-1"])
def test_a_header_that_is_no_trace_begins_a_new_one(header: str) -> None:
    traced = Traced()
    (answer,) = traced.post(("/v1/decide", purchase(1, NOW), {"traceparent": header}))
    assert answer.status_code == 200
    assert traced.span("POST /v1/decide").parent is None


def test_nothing_is_traced_or_said_of_it_unless_it_is_asked_for() -> None:
    service = Service(Shop(shop(), at=NOW).decider, Settings(auth="off"))
    (refused,) = post(service, ("/v1/decide", {"purchase_id": 3}, CARRIED))
    assert "trace_id" not in refused.json()
    with opened({}) as traces:
        assert traces is None


def test_nothing_is_imported_unless_it_is_asked_for() -> None:
    unwanted = ("adjudge.service.spans", "opentelemetry.sdk", "opentelemetry.exporter")  # FastAPI looks for the rest
    report = (
        f"import sys, adjudge.service.app, adjudge.service.run; print(*(m for m in {unwanted!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
    ],
)
def test_standard_variables_switch_it(environ: dict[str, str], on: bool) -> None:
    assert is_on(environ) is on


@pytest.mark.parametrize(
    "environ",
    [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}],
)
def test_what_cannot_be_done_is_named(environ: dict[str, str]) -> None:
    (name,) = environ
    with pytest.raises(InputError, match=name):
        is_on({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", **environ})


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adjudge.service.spans", None)
    with (
        pytest.raises(UnavailableError, match=r"pip install 'adjudge\[otel\]'"),
        opened({"OTEL_TRACES_EXPORTER": "otlp"}),
    ):
        pass


class Away(SpanExporter):
    """Exports to a collector that is not there: waits until it is shut down."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.times = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait."""
        self.over.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Give up."""
        self.times += 1
        self.over.set()


def test_a_collector_that_is_away_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "PATIENCE_S", 0.01)
    away = Away()
    exporter = spans.Exporter(away)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    provider.get_tracer("test").start_span("last").end()
    Traces(provider, exporter.shutdown).close()
    assert away.times == 1


class Collector(HTTPServer):
    """Takes spans over OTLP/HTTP, as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.taken: list[tuple[str, ExportTraceServiceRequest]] = []


class Taking(BaseHTTPRequestHandler):
    """Takes one export."""

    server: Collector

    def do_POST(self) -> None:
        """Read and acknowledge it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector on this machine that the environment names."""
    made = Collector()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{made.server_port}")
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "adjudge"),
        ({"OTEL_SERVICE_NAME": "shop"}, "shop"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=till"}, "till"),
    ],
)
def test_a_collector_gets_the_spans(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], named: str
) -> None:
    """All that were made are sent before the service ends."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with opened() as traces:
        service = Service(Shop(shop(), at=NOW).decider, Settings(auth="off"), traces=traces)
        post(service, ("/v1/decide", purchase(1, NOW), CARRIED))
    assert {path for path, _ in collector.taken} == {"/v1/traces"}
    resources = [resource for _, request in collector.taken for resource in request.resource_spans]
    said: Sequence[dict[str, str]] = [{a.key: a.value.string_value for a in r.resource.attributes} for r in resources]
    assert {one["service.name"] for one in said} == {named}
    sent = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert {span.name for span in sent} == {"POST /v1/decide", "batch", *STAGES}
    assert {span.trace_id.hex() for span in sent} == {TRACE}
