"""Settings of the service: one frozen record, read from the environment and from the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from adjudge.engine.watch import Budget
from adjudge.errors import InputError, did_you_mean
from adjudge.service.access.address import is_loopback, safe_address
from adjudge.service.access.approval import parts_of
from adjudge.service.access.routes import needs
from adjudge.service.logs import FORMATS, LEVELS

PREFIX = "ADJUDGE_"
"""Environment variables are the settings' names in capitals behind this."""

LOGS = ("sqlite", "memory")
"""Logs that are no database elsewhere."""

DATABASES = ("postgresql://", "postgres://")
"""How the address of a database begins."""

UNBOUNDED = ("budget_ms", "model_budget_ms", "fast_budget_ms", "deep_budget_ms", "graph_budget_ms", "rate_per_s")
"""Settings of which 0 sets no bound."""

AUTHS = ("keys", "off")
"""How requests may be authenticated."""

CONSOLES = ("auto", "on", "off")
"""Whether there are pages for people."""

DURABILITIES = ("process", "fsync")
"""What an answered decision may survive."""


@dataclass(frozen=True)
class Settings:
    """How the service listens and where its limits are.

    Parameters
    ----------
    host
        Address to listen on; this machine only unless said otherwise.
    port
        Port to listen on.
    max_body_bytes
        Largest body accepted; a larger one is answered with 413.
    max_rows
        Most events of one request, or `max_waiting`, if that is less; more are answered with 413.
    max_batch
        Most events that are decided in one step; bounds how long others wait.
    max_waiting
        Most events that may wait to be decided; beyond it requests are answered with 429.
    max_waiting_labels
        Most labels, outcomes and retractions that may wait for events that have not come; beyond it, 429.
    retry_after_s
        What a 429 or 503 asks a client to wait.
    workspace
        Folder of the workspace: its log, its snapshots.
    log
        ``sqlite`` keeps the log in the workspace's folder, ``memory`` forgets it with the process, and an address such
        as ``postgresql://user@host/name`` keeps it in that database.
    person_keys
        Where the keys of persons are: ``sqlite`` for a file in the workspace's folder, or the address of a database;
        empty for the same kind of place as the log.
    durability
        What an answered decision survives: ``process`` the end of the process (kill -9), ``fsync`` the loss of power.
    snapshot_every
        Entries of the log after which a snapshot of the state is due.
    log_format
        How events of operation are written to standard error: ``text`` for people, ``json`` for programs.
    log_level
        The least of them that is written: ``debug``, ``info``, ``warning`` or ``error``.
    budget_ms
        Milliseconds from the arrival of a request after which no model is begun: the policy's fallback answers, beside
        the rules. 0 sets no bound.
    model_budget_ms
        Milliseconds that a model may take for a batch: it is not begun where less is left of `budget_ms`, and left
        alone for a while where it keeps taking longer. 0 sets no bound.
    fast_budget_ms
        The same for the first layer of a model in layers, where there is a `budget_ms`; budgets of layers that come to
        more than that are shortened alike. Of 50 milliseconds in all, it is begun in the first 40.
    deep_budget_ms
        The same for the layer of nets; of 50 milliseconds in all, it is begun in the first 30.
    graph_budget_ms
        The same for the layer of graph models.
    auth
        Who is let in: holders of ``keys``, or with ``off`` everybody, which is only served on this machine.
    public
        What is open to all: ``metrics``, ``docs``, or both with a comma.
    rate_per_s
        Events a second of one key or subject, unless the key has a rate of its own; 0 for no limit.
    second_person
        What a running service activates only once a second person approves: ``bundle``, ``rules``, ``policy``,
        ``lists``, ``definitions``, or several with commas; definitions count as rules, policy and lists, too.
    trust
        File with the Ed25519 public key (PEM) that must have signed a package of a release before it is taken in; empty
        asks for no signature.
    oidc_issuer
        Address of an OpenID Connect issuer whose tokens are accepted beside keys; empty for none.
    oidc_audience
        What a token has to be for.
    oidc_claim
        Under which name a token has its scopes: a text with blanks between, or a list.
    console
        Whether there are pages for people at ``/console``: ``on``, ``off``, or ``auto`` where the extra ``console`` is
        installed.

    Examples
    --------
    >>> Settings.read({"ADJUDGE_PORT": "9000"}).port
    9000
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 8 * 1024 * 1024
    max_rows: int = 10_000
    max_batch: int = 512
    max_waiting: int = 20_000
    max_waiting_labels: int = 100_000
    retry_after_s: int = 1
    workspace: str = "adjudge-workspace"
    log: str = "sqlite"
    person_keys: str = ""
    durability: str = "process"
    snapshot_every: int = 1_000_000
    log_format: str = "text"
    log_level: str = "info"
    budget_ms: int = 0
    model_budget_ms: int = 0
    fast_budget_ms: int = 10
    deep_budget_ms: int = 20
    graph_budget_ms: int = 20
    auth: str = "keys"
    public: str = ""
    rate_per_s: int = 0
    second_person: str = ""
    trust: str = ""
    oidc_issuer: str = ""
    oidc_audience: str = "adjudge"
    oidc_claim: str = "scope"
    console: str = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65_536:
            message = f"port must be between 0 and 65535, not {self.port}"
            raise InputError(message, field="port")
        for name, known in (("log_format", FORMATS), ("log_level", LEVELS)):
            value = getattr(self, name)
            if value not in known:
                message = f"{name} must be one of {', '.join(known)}, not {value!r}{did_you_mean(value, known)}"
                raise InputError(message, field=name)
        if self.durability not in DURABILITIES:
            message = f"durability must be process or fsync, not {self.durability!r}"
            message += did_you_mean(self.durability, DURABILITIES)
            raise InputError(message, field="durability")
        if self.log not in LOGS and not self.log.startswith(DATABASES):
            message = (
                f"log must be sqlite, memory or an address such as postgresql://localhost/adjudge, not {self.log!r}"
            )
            raise InputError(message + did_you_mean(self.log, LOGS), field="log")
        if self.console not in CONSOLES:
            message = f"console must be one of {', '.join(CONSOLES)}, not {self.console!r}"
            raise InputError(message + did_you_mean(self.console, CONSOLES), field="console")
        if self.auth not in AUTHS:
            message = f"auth must be {' or '.join(AUTHS)}, not {self.auth!r}{did_you_mean(self.auth, AUTHS)}"
            raise InputError(message, field="auth")
        if self.auth == "off" and not is_loopback(self.host):
            message = f"without authentication only this machine may be served, and {self.host!r} is open to others"
            raise InputError(message, field="auth")
        if self.oidc_issuer:
            safe_address(self.oidc_issuer)
            if self.auth == "off":
                message = "with auth off nobody is asked for a token; leave out the issuer, or auth"
                raise InputError(message, field="oidc_issuer")
        if parts_of(self.second_person) and self.auth == "off":
            message = "with auth off nobody can be told from anybody else, so nobody is a second person"
            raise InputError(message, field="second_person")
        if self.trust and not Path(self.trust).is_file():
            message = f"trust must name a file with a public key, and there is none at {self.trust!r}"
            raise InputError(message, field="trust")
        needs(self.public)
        if self.person_keys and self.person_keys != "sqlite" and not self.person_keys.startswith(DATABASES):
            message = "person_keys must be sqlite or an address such as postgresql://localhost/keys"
            raise InputError(message, field="person_keys")
        for name in (f.name for f in fields(self) if f.type == "int" and f.name != "port"):
            least = 0 if name in UNBOUNDED else 1
            if getattr(self, name) < least:
                message = f"{name} must be at least {least}, not {getattr(self, name)}"
                raise InputError(message, field=name)
        if 0 < self.budget_ms < self.model_budget_ms:
            message = f"model_budget_ms must leave room in budget_ms ({self.budget_ms}), not {self.model_budget_ms}"
            raise InputError(message, field="model_budget_ms")

    @property
    def budget(self) -> Budget:
        """How long a decision, its model and the layers of one may take, as the engine takes it."""
        most = {"model": self.model_budget_ms / 1e3}
        if self.budget_ms:
            layers_ms = {"fast": self.fast_budget_ms, "deep": self.deep_budget_ms, "graph": self.graph_budget_ms}
            whole_ms = max(sum(layers_ms.values()), self.budget_ms)
            most |= {name: ms * self.budget_ms / whole_ms / 1e3 for name, ms in layers_ms.items()}
        return Budget(self.budget_ms / 1e3, most)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, **given: str | int | None) -> Settings:
        """Return the settings that the environment and a command line ask for.

        Parameters
        ----------
        environ
            Environment variables; those of this process where absent.
        given
            Settings that go before the environment; None for not given.

        Raises
        ------
        InputError
            If a value cannot be read, naming the variable.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, str | int] = {}
        for f in fields(cls):
            text = given.get(f.name)
            source = f"--{f.name.replace('_', '-')}"
            if text is None:
                source = PREFIX + f.name.upper()
                text = environ.get(source)
            if text is not None:
                values[f.name] = text if f.type == "str" else _number(source, text)
        return cls(**values)  # type: ignore[arg-type]


def _number(source: str, text: str | int) -> int:
    try:
        return int(text)
    except ValueError:
        message = f"{source} must be a whole number, not {text!r}"
        raise InputError(message, field=source) from None
