"""The traffic of the benchmark `soak`: everything in it is accepted, and what a service holds of it stops growing."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from adjudge.log import Kind
from adjudge.service.decider import Decider
from adjudge.service.run import plans_of
from adjudge.service.workspace import Change
from benchmarks import soak
from benchmarks._crash import model
from benchmarks._soak.traffic import Request, Traffic

STEP = timedelta(minutes=10)
"""Event time between two orders."""


def carry(decider: Decider, request: Request) -> None:
    """Do what a request asks for; nothing of it may be refused or wait."""
    if request.path == "/v1/labels":
        rows = msgspec.json.decode(request.body)
        found = decider.change([Change(Kind.LABEL, "order", r["id"], r["label"], float(r["value"])) for r in rows])
        assert set(found) <= {"set", "unchanged"}
    elif request.path == "/v1/retractions":
        rows = msgspec.json.decode(request.body)
        found = decider.change([Change(Kind.RETRACTION, "order", r["id"]) for r in rows])
        assert set(found) <= {"set", "unchanged"}
    else:
        stream = "login" if request.path.endswith("login") else "order"
        body = request.body if request.body.startswith(b"[") else b"[" + request.body + b"]"
        decoded = decider.workspace.door(stream).many(body)
        assert not decoded.errors
        assert not [v.error for v in decider.decide(stream, decoded.events) if v.error]


def test_all_of_the_traffic_is_accepted_and_forgotten_again(tmp_path: Path) -> None:
    decider = Decider(plans_of([soak.SYSTEM], [model.write(tmp_path, soak.SYSTEM, soak.SCALES)]))
    start = datetime(2025, 1, 1, tzinfo=UTC)
    traffic = Traffic(lambda: start + decider.workspace.decided * STEP)
    paths, known = set(), []
    for _ in range(500):
        request = traffic.draw()
        paths.add(request.path)
        carry(decider, request)
        traffic.know(request)
        known.append(decider.workspace.known_events)
    assert paths == {"/v1/decide", "/v1/decide/many", "/v1/labels", "/v1/retractions", "/v1/events/login"}
    span = timedelta(microseconds=decider.workspace.span.us)
    assert decider.workspace.decided * STEP > 3 * span
    assert max(known) < 2.5 * (span / STEP)
    assert decider.repeated > 0


def test_resident_memory_is_read() -> None:
    assert 10e6 < soak.resident(os.getpid()) < 100e9
