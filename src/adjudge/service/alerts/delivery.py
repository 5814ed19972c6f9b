"""Delivery: each route is an endpoint of the outbox, which tells it in order, at least once, and tries again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec

from adjudge.errors import InputError, UnavailableError, did_you_mean
from adjudge.log import Kind, Log
from adjudge.log.codec import Note
from adjudge.log.scan import scan
from adjudge.service import snapshot
from adjudge.service.access.ledger import Act
from adjudge.service.alerts.reader import AlertReader
from adjudge.service.alerts.routes import Route, read_routing
from adjudge.service.alerts.words import Alert, Message, text_of
from adjudge.service.outbox.carrier import Carrier, Reply, Webhook
from adjudge.service.outbox.ledger import Ledger
from adjudge.service.outbox.sender import Sender

KINDS = {"info": "info", "warning": "warning", "critical": "failure"}
"""What apprise calls the severities."""


class Apprise:
    """Has apprise tell people in words.

    Parameters
    ----------
    address
        Where to, in apprise's form.

    Raises
    ------
    UnavailableError
        If apprise is not installed, or does not know such addresses. The address is not repeated: it may hold a
        password.
    """

    def __init__(self, address: str) -> None:
        try:
            import apprise
        except ImportError:
            message = "alerts to people need apprise: pip install 'adjudge[apprise]'"
            raise UnavailableError(message) from None
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(app_id="adjudge", app_desc="adjudge", app_url=""))
        if not self._apprise.add(address) or len(self._apprise) != 1:
            message = "apprise cannot read the address of a route; one route has one address"
            raise UnavailableError(message)

    def __call__(self, id_: str, body: bytes) -> Reply:
        """Tell what a message says."""
        text = text_of([_alert(one) for one in msgspec.json.decode(body, type=_Body).alerts])
        told = self._apprise.notify(body=text.body, title=text.title, notify_type=KINDS[text.severity])
        return Reply("confirmed") if told else Reply("away", "apprise could not deliver it")


class _Body(msgspec.Struct):
    """A message as the outbox makes it."""

    alerts: list[dict[str, Any]]


def _alert(content: dict[str, Any]) -> Alert:
    """Return an alert of a message; what was archived before it left is told as that."""
    if "incidents" in content:
        return msgspec.convert(content, Alert)
    return msgspec.structs.replace(Alert.test(0), seq=content["seq"], kind="archived", incidents=[])


def carrier(route: Route, environ: Mapping[str, str], client: httpx.Client, clock: Callable[[], int]) -> Carrier:
    """Return what takes messages to a route.

    Parameters
    ----------
    route
        Which.
    environ
        Has its secret.
    client
        Sends webhooks.
    clock
        Returns microseconds since 1970 UTC.

    Raises
    ------
    InputError
        If its secret is not there.
    UnavailableError
        If apprise is needed and not there.
    """
    secret = route.secret(environ)
    if route.apprise_variable:
        return Apprise(secret.decode())
    return Webhook(route.endpoint(), secret, client, clock)


def try_out(
    folder: Path, environ: Mapping[str, str], clock: Callable[[], int], chosen: str | None = None
) -> dict[str, Reply]:
    """Send each route a message that says it is a test, once, and return what became of it by route.

    Parameters
    ----------
    folder
        Of the workspace.
    environ
        Has the secrets.
    clock
        Returns microseconds since 1970 UTC.
    chosen
        Id of the only route that is tried.

    Raises
    ------
    InputError
        If there is no such route, or none at all.
    """
    routes = read_routing(folder, needed=True).routes
    named = [one for one in routes if chosen in (None, one.id)]
    if not named:
        name, known = (chosen or "")[:40], [one.id for one in routes]
        message = f"there is no route {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
        raise InputError(message, field="route", code="unknown_route")
    now = clock()
    body = msgspec.json.encode(Message("alerts", [Alert.test(now)]))
    with httpx.Client() as client:
        return {one.id: carrier(one, environ, client, clock)(f"{one.id}-test-{now}", body) for one in named}


def senders(
    folder: Path,
    snapshots: Path | None,
    log: Log,
    ledger: Ledger,
    client: httpx.Client,
    environ: Mapping[str, str],
    clock: Callable[[], int],
) -> list[Sender]:
    """Return a sender for each route, each where it was; a new one begins with what is open.

    Parameters
    ----------
    folder, snapshots
        Of the workspace, and of its snapshots.
    log
        Only read.
    ledger
        What is owed.
    client, environ, clock
        See `carrier`.

    Raises
    ------
    InputError
        If ``alerts.yaml`` cannot be read, or a secret is not there.
    """
    routes = read_routing(folder).routes
    if not routes:
        return []
    reader = AlertReader(log)
    found = [
        Sender(one.endpoint(), b"", log, ledger, reader, client, clock, carrier(one, environ, client, clock))
        for one in routes
    ]
    begin = None
    if any(ledger.position(one.endpoint.id) is None for one in found):
        begin = _first_open(log, snapshots)
    for one in found:
        one.start(begin)
    return found


def _first_open(log: Log, snapshots: Path | None) -> int | None:
    """Return the position of the oldest entry that told of something that is still open; None without one."""
    management, end = snapshot.management_of(log, snapshots)
    for stretch in scan(log, end.position, parts=()):
        if isinstance(stretch.block, Note) and stretch.block.kind == Kind.MANAGEMENT:
            management.apply(Act.read(stretch.first, stretch.received_at, stretch.block))
    first = management.alerts.first_told()
    return None if first is None else max(first, log.begin().position)
