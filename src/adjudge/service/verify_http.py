"""The HTTP half of the proof: the same events in file order, then from many connections at once."""

from __future__ import annotations

import http.client
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from adjudge.engine import Plan
from adjudge.errors import ParityError
from adjudge.log import MemoryLog
from adjudge.service import load
from adjudge.service.app import CommitPage
from adjudge.service.decode import EventDecoder, EventStruct
from adjudge.service.home import KEYS_FILE
from adjudge.service.personal.keys import KEY_BYTES, MASTER_VARIABLE, Keys, Wrap
from adjudge.service.personal.sqlite import SqliteKeys
from adjudge.service.replay import replay
from adjudge.service.server import free_port, python, running
from adjudge.service.verify import (
    EntryPoint,
    Events,
    Known,
    Outcome,
    Progress,
    Script,
    compared,
    decided_events,
)
from adjudge.service.verify_log import logged

SIZES = (1, 1, 1, 5, 50, 500)
"""Events of one request, over and over: requests of one event and of many, in file order."""

RATE_PER_S = 6_000.0
"""Rate of the concurrent load: more than one connection can carry, so that requests meet in batches."""

TRIES = 6
"""How often the concurrent load is sent until all of it is answered, each time at half the rate: machines differ."""

BUSY = {load.LOST, 429, 503}
"""Statuses of a service that has more to do than it can; a request may be sent again under the same id."""

MANY = 2_000
"""Most events or labels of one request."""

PAGE = 5_000
"""Log entries that are fetched at a time."""


class Client:
    """One connection to a service.

    Parameters
    ----------
    port
        Where it listens, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def post(self, path: str, body: bytes) -> bytes:
        """Return the answer to a POST; anything but success raises `ParityError` with what the service said."""
        self._connection.request("POST", path, body, {"content-type": "application/json"})
        return self._answer(path)

    def get(self, path: str) -> bytes:
        """Return the answer to a GET, as `post` does."""
        self._connection.request("GET", path)
        return self._answer(path)

    def _answer(self, path: str) -> bytes:
        response = self._connection.getresponse()
        body = response.read()
        if response.status >= 300:
            msg = f"the service answered {path} with {response.status}: {body[:500].decode(errors='replace')}"
            raise ParityError(msg)
        return body

    def log(self) -> MemoryLog:
        """Return the service's log, fetched page by page; its chain is checked on the way."""
        log = MemoryLog()
        decode = msgspec.json.Decoder(CommitPage).decode
        start: int | None = 0
        while start is not None:
            page = decode(self.get(f"/v1/log/commits?start={start}&limit={PAGE}"))
            for commit in page.commits:
                log.append(commit)
            start = page.next
        return log


def in_file_order(
    plan: Plan, script: Script, reference: Outcome, *, port: int, told: Callable[[int], None]
) -> EntryPoint:
    """Send a script event by event and batch by batch, in order, and compare what the service logged.

    Parameters
    ----------
    plan
        The system as the service runs it.
    script
        What happened.
    reference
        What one event at a time in Python came to.
    port
        Of a service on this machine with an empty log.
    told
        Told how many events are done.
    """
    began = time.perf_counter()
    client = Client(port)
    sender = _Sender(plan, client)
    sizes = itertools.cycle(SIZES)
    for step in script:
        if isinstance(step, Known):
            sender.mark(step)
            continue
        at = 0
        while at < len(step.events):
            size = next(sizes)
            sender.events(step.stream, step.events[at : at + size])
            at += size
        told(len(sender.ids))
    found = logged(plan, client.log(), decided_events(plan, script))
    client.close()
    if found.done != len(reference.action):
        msg = f"the service logged {found.done} of {len(reference.action)} decisions"
        raise ParityError(msg)
    return compared("http, in file order", reference, found, began)


class _Sender:
    """Sends events and labels; remembers the ids of decided events, by which labels name them."""

    def __init__(self, plan: Plan, client: Client) -> None:
        self.plan = plan
        self.client = client
        self.ids: list[str] = []
        self._doors = {name: EventDecoder(stream.schema) for name, stream in plan.streams.items()}
        self._id = plan.schema(plan.decides).id_field
        self._label = plan.system.label.name if plan.system.label else ""

    def body(self, stream: str, events: Sequence[EventStruct]) -> bytes:
        """Return events as JSON: one alone, or several as an array."""
        rows = [self._doors[stream].encode(e) for e in events]
        return rows[0] if len(rows) == 1 else b"[" + b",".join(rows) + b"]"

    def events(self, stream: str, events: Sequence[EventStruct]) -> None:
        """Send events of one stream in one request, or in several where they are many."""
        for start in range(0, len(events), MANY):
            self._send(stream, events[start : start + MANY])

    def _send(self, stream: str, events: Sequence[EventStruct]) -> None:
        body = self.body(stream, events)
        if stream != self.plan.decides:
            self.client.post(f"/v1/events/{stream}", body)
            return
        self.client.post("/v1/decide" if len(events) == 1 else "/v1/decide/many", body)
        self.ids += [getattr(e, self._id) for e in events]

    def mark(self, known: Known) -> None:
        """Say what became known about events that were sent."""
        what, path = ("label", "/v1/labels") if known.name == self._label else ("outcome", "/v1/outcomes")
        told = known.told(self.plan, self.ids)
        rows = [{"id": id_, what: known.name, "value": value} for id_, value in told]
        for start in range(0, len(rows), MANY):
            self.client.post(path, msgspec.json.encode(rows[start : start + MANY]))


def concurrently(
    plan: Plan, script: Script, *, port: int, events: int, keys: Keys | None, told: Callable[[int], None]
) -> EntryPoint:
    """Send events from many connections at once, then replay the service's own log and compare.

    Parameters
    ----------
    plan
        The system as the service runs it.
    script
        What happened; its labels are sent after half of the events.
    port
        Of a service on this machine with an empty log.
    events
        How many decided events to send.
    keys
        The keys of persons that the service has, where a stream has personal fields.
    told
        Told how many events are done.
    """
    began = time.perf_counter()
    client = Client(port)
    sender = _Sender(plan, client)
    decided: list[EventStruct] = []
    marks: list[Known] = []
    for step in script:
        if isinstance(step, Events) and step.stream == plan.decides:
            decided += step.events
        elif isinstance(step, Events):
            sender.events(step.stream, step.events)
        else:
            marks.append(step)
    decided = decided[:events]
    half = len(decided) // 2
    for first, last in ((0, half), (half, len(decided))):
        if first < last:
            _flood(sender, decided[first:last], port)
            client.close()  # idle for as long as that took, it may have been closed; the next request opens it again
            sender.ids += [getattr(e, plan.schema(plan.decides).id_field) for e in decided[first:last]]
            told(last)
        for known in marks if first == 0 else ():
            sender.mark(known)
    found = replay([plan], client.log(), keys=keys)
    client.close()
    return EntryPoint(
        "http, many connections, replayed from the log",
        found.events,
        found.features_compared,
        found.features_differing,
        found.scores_compared,
        found.scores_differing,
        time.perf_counter() - began,
    )


def _flood(sender: _Sender, events: Sequence[EventStruct], port: int) -> None:
    bodies = [sender.body(sender.plan.decides, [event]) for event in events]
    for slower in range(TRIES):
        report = load.send(f"http://127.0.0.1:{port}/v1/decide", bodies, RATE_PER_S / 2**slower)
        if not report.failed:
            return
        if not report.statuses.keys() <= {200} | BUSY:
            break
    msg = f"{report.failed} of {report.sent} concurrent requests failed, by status: {report.statuses}"
    raise ParityError(msg)


CONCURRENT_EVENTS = 50_000
"""At most so many events are sent from many connections at once."""


def over_http(
    plan: Plan, system: str, bundle: Path | None, script: Script, reference: Outcome, told: Progress
) -> list[EntryPoint]:
    """Start the service twice with an empty log, and return what both kinds of sending came to.

    Parameters
    ----------
    plan
        The system as the service runs it.
    system
        Its name or path.
    bundle
        What it decides with; None for rules alone.
    script
        What happened.
    reference
        What one event at a time in Python came to.
    told
        Told of progress.
    """
    total = len(reference.action)
    few = min(total, CONCURRENT_EVENTS)
    points = []
    with service(plan, system, bundle) as (port, _):
        points.append(
            in_file_order(plan, script, reference, port=port, told=lambda n: told("http, in file order", n, total))
        )
    with service(plan, system, bundle) as (port, keys):
        points.append(
            concurrently(
                plan, script, port=port, events=few, keys=keys, told=lambda n: told("http, concurrent", n, few)
            )
        )
    return points


@contextmanager
def service(plan: Plan, system: str, bundle: Path | None) -> Iterator[tuple[int, Keys | None]]:
    """Run the service in a process of its own on a free port of this machine, and give the port.

    Where a stream has personal fields the keys of persons are given too: they are in a file for as long as it runs.
    """
    port = free_port()
    command = python("adjudge", "serve", "--system", system, "--port", str(port), "--log", "memory", "--auth", "off")
    if bundle is not None:
        command += ["--bundle", str(bundle)]
    if not any(stream.schema.person_field for stream in plan.streams.values()):
        with running(command, port=port):
            yield port, None
        return
    master = os.urandom(KEY_BYTES)
    environ = {MASTER_VARIABLE: master.hex(), "ADJUDGE_PERSON_KEYS": "sqlite"}
    with tempfile.TemporaryDirectory(prefix="adjudge-verify-") as folder:
        command += ["--workspace", folder]
        with (
            running(command, port=port, environ=environ),
            closing(SqliteKeys(Path(folder) / KEYS_FILE, Wrap(master))) as keys,
        ):
            yield port, keys
