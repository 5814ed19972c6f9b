"""Endpoints: who gets which decisions, in what order, and with how much patience; read from ``outbox.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from adjudge.client.webhooks import secret_of
from adjudge.errors import InputError

FILE = "outbox.yaml"
"""Name of the file in the workspace's folder."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver of decisions.

    Parameters
    ----------
    id
        Stable name: what is owed is kept under it.
    url
        Where messages are posted to.
    secret_variable
        Environment variable with the secret that signs them; secrets stand in no file.
    systems, actions, streams
        Only decisions of these; all where empty.
    key
        Field of the event: decisions with the same value arrive in the order of the log. Where it is empty all do.
    batch
        Most decisions of one message.
    parallel
        Most messages under way at once, never two of the same key.
    attempts
        How often a message is tried before it is put aside as a dead letter. An endpoint that cannot be reached at all
        uses up none.
    timeout_s
        How long a receiver may take to answer.
    """

    id: str
    url: str
    secret_variable: str
    systems: list[str] = []
    actions: list[str] = []
    streams: list[str] = []
    key: str = ""
    batch: int = 1
    parallel: int = 4
    attempts: int = 12
    timeout_s: float = 10.0

    def wants(self, system: str, stream: str, action: str) -> bool:
        """Return whether a decision is for this endpoint."""
        asked = ((self.systems, system), (self.streams, stream), (self.actions, action))
        return all(not names or name in names for names, name in asked)

    def secret(self, environ: Mapping[str, str]) -> bytes:
        """Return the secret that signs messages; `InputError` if it is not there, or none."""
        try:
            return secret_of(environ.get(self.secret_variable, ""))
        except InputError:
            message = f"endpoint {self.id!r} needs its secret in the environment variable {self.secret_variable}"
            raise InputError(message, field=self.secret_variable) from None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    endpoints: list[Endpoint]


def read_endpoints(workspace: Path) -> list[Endpoint]:
    """Return the endpoints of a workspace.

    Raises
    ------
    InputError
        If the file is missing, or says something that cannot be meant.
    """
    path = workspace / FILE
    try:
        endpoints = msgspec.yaml.decode(path.read_bytes(), type=_File).endpoints
    except FileNotFoundError:
        message = f"there is no {FILE} in {str(workspace)!r}; it lists the endpoints that get decisions"
        raise InputError(message, field="workspace") from None
    except msgspec.DecodeError as error:
        message = f"{FILE}: {error}"
        raise InputError(message, field=FILE) from None
    for e in endpoints:
        _check(e)
    if len({e.id for e in endpoints}) < len(endpoints):
        message = f"{FILE}: two endpoints have the same id"
        raise InputError(message, field="id")
    return endpoints


def _check(endpoint: Endpoint) -> None:
    wrong = ""
    if not endpoint.id:
        wrong = "an endpoint needs an id"
    elif not endpoint.url.startswith(("https://", "http://")):
        wrong = f"the url of endpoint {endpoint.id!r} must begin with https:// or http://"
    elif min(endpoint.batch, endpoint.parallel, endpoint.attempts) < 1 or endpoint.timeout_s <= 0:
        wrong = f"batch, parallel, attempts and timeout_s of endpoint {endpoint.id!r} must be positive"
    if wrong:
        message = f"{FILE}: {wrong}"
        raise InputError(message, field=FILE)
