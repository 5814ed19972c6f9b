"""Running the outbox as a process of its own: it only reads the log, so service and sender never disturb each other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx

from adjudge.errors import InputError, UnavailableError
from adjudge.log.holder import HolderLock
from adjudge.service import snapshot
from adjudge.service.alerts import delivery, routes
from adjudge.service.home import check_log, open_log, snapshots_of
from adjudge.service.logs import configure, say
from adjudge.service.outbox.decisions import DecisionReader
from adjudge.service.outbox.endpoint import FILE as ENDPOINTS
from adjudge.service.outbox.endpoint import Endpoint, read_endpoints
from adjudge.service.outbox.ledger import FILE, Ledger
from adjudge.service.outbox.sender import Sender, run_round
from adjudge.service.settings import Settings
from adjudge.service.verdict import wall_clock

EVERY_S = 0.2
"""How long the sender rests when nothing was due."""

LOCK = "outbox.lock"
"""File that is locked while a sender runs."""


def run(settings: Settings, *, start: int | None = None, once: bool = False) -> None:
    """Deliver decisions until the process is told to stop.

    Parameters
    ----------
    settings
        Where workspace and log are.
    start
        Position of the log at which new endpoints begin; where it ends now if none is given.
    once
        Whether to end as soon as nothing more is due.

    Raises
    ------
    InputError
        If there is no such workspace, or its endpoints cannot be read.
    UnavailableError
        If another process sends for it.
    """
    configure(settings.log_format, settings.log_level)
    stop, signals = threading.Event(), list[str]()

    def end(number: int, _: object) -> None:
        signals.append(signal.Signals(number).name)
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)
    with senders(settings, os.environ, start=start) as found, _end_told(found, signals):
        while not stop.is_set():
            if run_round(found) == 0 and (once or stop.wait(EVERY_S)):
                return


@contextmanager
def _end_told(found: list[Sender], signals: list[str]) -> Iterator[None]:
    """Tell operation how the outbox ended, and how far each endpoint is."""
    began, why = time.monotonic(), "failure"
    try:
        yield
        why = next(iter(signals), "nothing more is due")
    finally:
        seconds = time.monotonic() - began
        positions = {sender.endpoint.id: sender.ledger.position(sender.endpoint.id) for sender in found}
        facts = {"why": why, "seconds": round(seconds, 3), "positions": positions}
        say(f"the outbox ended ({why}) after {seconds:,.0f} s", "outbox_ended", **facts)


@contextmanager
def senders(settings: Settings, environ: Mapping[str, str], *, start: int | None = None) -> Iterator[list[Sender]]:
    """Give a sender for each endpoint and each route of alerts of a workspace, each where it was.

    Parameters
    ----------
    settings
        Where workspace and log are.
    environ
        Has the secrets of the endpoints.
    start
        See `run`.
    """
    check_log(settings)
    folder = Path(settings.workspace)
    endpoints = _endpoints(folder)
    secrets = [endpoint.secret(environ) for endpoint in endpoints]
    lock = HolderLock(folder / LOCK)
    with ExitStack() as stack:
        log = stack.enter_context(closing(open_log(settings)))
        if not lock.take():
            message = f"another process sends for the workspace in {settings.workspace!r}"
            raise UnavailableError(message)
        stack.callback(lock.give_back)
        ledger = stack.enter_context(closing(Ledger(folder / FILE)))
        facts = snapshot.facts_at(snapshots_of(settings), log.begin())
        archived = ({}, {}) if facts is None else (facts.cards, facts.fields)
        reader = DecisionReader(log, ledger, *archived)
        client = stack.enter_context(httpx.Client())
        found = [
            Sender(endpoint, secret, log, ledger, reader, client, wall_clock)
            for endpoint, secret in zip(endpoints, secrets, strict=True)
        ]
        for sender in found:
            sender.start(start)
        yield found + delivery.senders(folder, snapshots_of(settings), log, ledger, client, environ, wall_clock)


def _endpoints(folder: Path) -> list[Endpoint]:
    """Return the endpoints of decisions; there need be none where there are routes of alerts."""
    if not (folder / ENDPOINTS).exists() and (folder / routes.FILE).exists():
        return []
    return read_endpoints(folder)


def report(settings: Settings) -> Iterator[str]:
    """Yield a line for each endpoint, and one for each decision that was given up."""
    folder = Path(settings.workspace)
    with closing(open_log(settings)) as log, closing(Ledger(folder / FILE)) as ledger:
        told = [route.endpoint() for route in routes.read_routing(folder).routes]
        for endpoint in [*_endpoints(folder), *told]:
            position = ledger.position(endpoint.id)
            owed, dead = ledger.counts(endpoint.id)
            at = "not begun" if position is None else f"{len(log) - position:,} entries behind"
            yield f"{endpoint.id}: {at}, {owed:,} owed, {dead:,} given up"
            for o in ledger.dead(endpoint.id):
                yield f"  {o.seq} {o.system}: {o.attempts} attempts, the last one {o.error}"


def revive(settings: Settings, endpoint: str | None, seq: int | None) -> int:
    """Owe again what was given up, and return how many decisions that is.

    Raises
    ------
    InputError
        If nothing of a workspace was ever sent, or there is none.
    """
    path = Path(settings.workspace) / FILE
    if not path.is_file():
        message = f"nothing was ever sent from a workspace in {settings.workspace!r}; say where it is with --workspace"
        raise InputError(message, field="workspace")
    with closing(Ledger(path)) as ledger:
        return ledger.revive(endpoint, seq)
