"""Routes: who is told of which alerts, and how; read from ``alerts.yaml`` in the workspace's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from adjudge.client.webhooks import secret_of
from adjudge.errors import InputError, did_you_mean
from adjudge.monitor.alerts import SEVERITIES, Hysteresis
from adjudge.service.outbox.endpoint import Endpoint

FILE = "alerts.yaml"
"""Name of the file in the workspace's folder."""

PREFIX = "alerts:"
"""Begins the id under which the outbox keeps what a route is owed, so that no endpoint of decisions has the same."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to tell somebody.

    Parameters
    ----------
    id
        Stable name: what is owed is kept under it.
    url
        Where signed webhooks are posted to; empty where apprise delivers.
    secret_variable
        Environment variable with the secret that signs them.
    apprise_variable
        Environment variable with the one address that apprise delivers to, such as ``mailto://...``: such addresses
        hold passwords, so they stand in no file. Empty for webhooks.
    severities
        Only alerts that are so bad: ``info``, ``warning``, ``critical``; all where empty.
    systems, groups
        Only alerts of these systems, and of these groups, such as ``pipeline``; all where empty.
    attempts
        How often a message is tried before it is put aside. An address that cannot be reached uses up none of them.
    timeout_s
        How long a webhook's receiver may take to answer.
    """

    id: str
    url: str = ""
    secret_variable: str = ""
    apprise_variable: str = ""
    severities: list[str] = []
    systems: list[str] = []
    groups: list[str] = []
    attempts: int = 12
    timeout_s: float = 10.0

    def endpoint(self) -> AlertEndpoint:
        """Return the same as the outbox takes it: one message after another."""
        return AlertEndpoint(
            id=PREFIX + self.id,
            url=self.url or "apprise:",
            secret_variable=self.secret_variable,
            systems=self.systems,
            streams=self.groups,
            actions=self.severities,
            parallel=1,
            attempts=self.attempts,
            timeout_s=self.timeout_s,
        )

    def secret(self, environ: Mapping[str, str]) -> bytes:
        """Return the secret that signs webhooks, or the address that apprise delivers to.

        Raises
        ------
        InputError
            If the environment does not have it.
        """
        name = self.apprise_variable or self.secret_variable
        what = "address" if self.apprise_variable else "secret"
        given = environ.get(name, "").strip()
        try:
            if given:
                return given.encode() if self.apprise_variable else secret_of(given)
        except InputError:
            given = ""
        message = f"route {self.id!r} needs its {what} in the environment variable {name}"
        raise InputError(message, field=name)


class AlertEndpoint(Endpoint, frozen=True, kw_only=True):
    """A route as the outbox knows it."""

    def wants(self, system: str, stream: str, action: str) -> bool:
        """Return whether an alert is for it: of which system, in which group, how bad."""
        return Endpoint.wants(self, system.split("/", 1)[0], stream, action)


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``alerts.yaml`` says.

    Parameters
    ----------
    routes
        Who is told.
    hysteresis
        How many looks it takes until an incident opens and closes.
    """

    routes: list[Route] = []
    hysteresis: Hysteresis = Hysteresis()


def read_routing(workspace: Path, *, needed: bool = False) -> Routing:
    """Return who is told of the alerts of a workspace; nobody where there is no file.

    Parameters
    ----------
    workspace
        Its folder.
    needed
        Whether the file must be there, with at least one route.

    Raises
    ------
    InputError
        If it says something that cannot be meant, or is missing.
    """
    path = workspace / FILE
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=Routing)
    except FileNotFoundError:
        found = Routing()
    except msgspec.DecodeError as error:
        message = f"{FILE}: {error}"
        raise InputError(message, field=FILE) from None
    if needed and not found.routes:
        message = f"there is no {FILE} with routes in {str(workspace)!r}; it says who is told of alerts"
        raise InputError(message, field="workspace")
    for one in found.routes:
        _check(one)
    if len({one.id for one in found.routes}) < len(found.routes):
        message = f"{FILE}: two routes have the same id"
        raise InputError(message, field="id")
    if min(found.hysteresis.opens, found.hysteresis.closes) < 1:
        message = f"{FILE}: it takes at least one look to open an incident, and one to close it"
        raise InputError(message, field="hysteresis")
    return found


def _check(route: Route) -> None:
    wrong, field = "", "url"
    if not route.id or not route.id.isprintable():
        wrong, field = "a route needs an id", "id"
    elif bool(route.url) == bool(route.apprise_variable):
        wrong = f"route {route.id!r} has either a url for webhooks or an apprise_variable"
    elif route.url and not route.url.startswith(("https://", "http://")):
        wrong = f"the url of route {route.id!r} must begin with https:// or http://"
    elif route.url and not route.secret_variable:
        wrong, field = f"route {route.id!r} needs a secret_variable: webhooks are signed", "secret_variable"
    elif route.attempts < 1 or route.timeout_s <= 0:
        wrong, field = f"attempts and timeout_s of route {route.id!r} must be positive", "attempts"
    for name in route.severities:
        if name not in SEVERITIES:
            known = f"severities are {', '.join(SEVERITIES)}, not {name!r}{did_you_mean(name, SEVERITIES)}"
            wrong, field = f"route {route.id!r}: {known}", "severities"
    if wrong:
        message = f"{FILE}: {wrong}"
        raise InputError(message, field=field)
