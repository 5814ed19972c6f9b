"""The desk at which alerts are looked at, recorded and silenced: of a running service, of a log at rest, over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Protocol

import msgspec

from adjudge.define import System
from adjudge.define.spec import from_spec
from adjudge.errors import InputError
from adjudge.log import Log
from adjudge.monitor.alerts import Severity, is_silent
from adjudge.service.access.ledger import By
from adjudge.service.access.offline import OfflineLedger
from adjudge.service.access.remote import RemoteDesk
from adjudge.service.alerts import looks
from adjudge.service.alerts.entries import Alerts, Standing, worst_first
from adjudge.service.alerts.looks import Looked, NewLook
from adjudge.service.alerts.words import time_of
from adjudge.service.columns import named_system
from adjudge.service.decider import Decider
from adjudge.service.follow import Last
from adjudge.service.home import holder, open_log, snapshots_of
from adjudge.service.settings import Settings


class IncidentView(msgspec.Struct, frozen=True):
    """One thing that is, or was just, the matter.

    Parameters
    ----------
    system, source
        Whose, and what has seen it.
    key, words, group, severity, stage
        What it is.
    since, seen
        When its signal came first and last.
    silent
        Whether nobody wants to hear of it now.
    """

    system: str
    source: str
    key: str
    words: str
    group: str
    severity: Severity
    stage: str
    since: datetime
    seen: datetime
    silent: bool


class SilenceView(msgspec.Struct, frozen=True):
    """What nobody wants to hear of: until when, who said so, and why; of all systems where none is named."""

    keys: str
    system: str
    until: datetime
    who: str
    why: str


class AlertsView(msgspec.Struct, frozen=True):
    """What is the matter, the worst first, and what is silent."""

    incidents: list[IncidentView]
    silences: list[SilenceView]

    @classmethod
    def of(cls, alerts: Alerts, now_us: int) -> AlertsView:
        """Return what there is at a moment."""
        muted = [
            SilenceView(one.silence.keys, one.system, time_of(one.silence.until_us), one.silence.who, one.silence.why)
            for one in alerts.muted(now_us)
        ]
        return cls([view for one in alerts for view in _views(alerts, one, now_us)], muted)


class NewSilence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What nobody wants to hear of for a while.

    Parameters
    ----------
    keys
        Pattern of keys, such as ``world:*``.
    until
        When it ends; a time that has come ends it now.
    why
        The reason, for the log.
    system
        Whose; absent for all.
    """

    keys: str
    until: datetime
    why: str
    system: str | None = None


class Noted(msgspec.Struct, frozen=True):
    """Where something was written down."""

    seq: int


class Desk(Protocol):
    """Where alerts are looked at."""

    def view(self) -> AlertsView:
        """Return what is the matter, and what is silent."""
        ...

    def take(self, asked: NewLook) -> Looked:
        """Write down what a look has come to."""
        ...

    def silence(self, asked: NewSilence) -> Noted:
        """Write down that nobody wants to hear of something."""
        ...


class LiveDesk:
    """The alerts of a running service.

    Parameters
    ----------
    decider
        Of the workspace; it goes on meanwhile.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    @property
    def _alerts(self) -> Alerts:
        return self._decider.workspace.management.alerts

    def view(self) -> AlertsView:
        """Return what is the matter, and what is silent."""
        return AlertsView.of(self._alerts, self._decider.clock())

    def take(self, asked: NewLook, by: By) -> Looked:
        """Write down what a look has come to."""
        running = self._decider.workspace.system(asked.system)
        personal = personal_of(running.plan.system)
        return looks.take(self._alerts, self._decider, asked, by, system=running.name, personal=personal)

    def silence(self, asked: NewSilence, by: By) -> Noted:
        """Write down that nobody wants to hear of something."""
        name = "" if asked.system is None else self._decider.workspace.system(asked.system).name
        return Noted(looks.silence(self._decider, asked.keys, _micros(asked.until), by, system=name))


class AtRest:
    """The alerts of a log that no service runs on.

    Parameters
    ----------
    ledger
        Of the workspace.
    log, settings
        The log, and where it is.
    who
        Who does what is done.
    """

    def __init__(self, ledger: OfflineLedger, log: Log, settings: Settings, who: str) -> None:
        self._ledger, self._log, self._settings, self._who = ledger, log, settings, who

    def view(self) -> AlertsView:
        """Return what is the matter, and what is silent."""
        return AlertsView.of(self._ledger.management.alerts, self._ledger.clock())

    def take(self, asked: NewLook) -> Looked:
        """Write down what a look has come to."""
        name, personal = self._system(asked.system)
        by = By(self._who, asked.why)
        return looks.take(self._ledger.management.alerts, self._ledger, asked, by, system=name, personal=personal)

    def silence(self, asked: NewSilence) -> Noted:
        """Write down that nobody wants to hear of something."""
        name = "" if asked.system is None else self._system(asked.system)[0]
        by = By(self._who, asked.why)
        return Noted(looks.silence(self._ledger, asked.keys, _micros(asked.until), by, system=name))

    def _system(self, name: str | None) -> tuple[str, Collection[str]]:
        """Return a system's name and its personal fields."""
        active = Last.before(self._log, snapshots_of(self._settings), len(self._log)).active
        if not active:
            message = "nothing has decided on this log yet: serve it once"
            raise InputError(message, field="workspace")
        found = active[named_system(active, name)]
        personal = () if found.spec is None else personal_of(from_spec(found.spec))
        return found.card.system, personal


class RemoteAlerts(RemoteDesk):
    """The alerts of a service; see `RemoteDesk`."""

    def view(self) -> AlertsView:
        """Return what is the matter, and what is silent."""
        return self._ask("GET", "/v1/alerts", AlertsView)

    def take(self, asked: NewLook) -> Looked:
        """Have a look written down."""
        return self._ask("POST", "/v1/alerts/looks", Looked, asked)

    def silence(self, asked: NewSilence) -> Noted:
        """Have a silence written down."""
        return self._ask("POST", "/v1/alerts/silences", Noted, asked)


@contextmanager
def at_rest(settings: Settings, who: str) -> Iterator[AtRest]:
    """Open the alerts of a workspace that no service runs on.

    Parameters
    ----------
    settings
        Where it is.
    who
        Who does what is done.

    Raises
    ------
    InputError
        If there is no such workspace, or its log does not outlive a process.
    UnavailableError
        From the first entry, if a process decides on the log.
    """
    if settings.log == "memory":
        message = "a log in memory ends with its process; ask the service that has it, with --url"
        raise InputError(message, field="log")
    with closing(open_log(settings)) as log:
        yield AtRest(OfflineLedger(log, snapshots_of(settings), holder=holder()), log, settings, who)


def personal_of(system: System) -> frozenset[str]:
    """Return the names of all fields of a system's streams that are personal."""
    return frozenset(name for schema in system.schemas.values() for name in schema.personal_fields)


def _views(alerts: Alerts, standing: Standing, now_us: int) -> Iterator[IncidentView]:
    silences = alerts.silences(standing.system, now_us)
    for one in worst_first(standing.incidents):
        yield IncidentView(
            system=standing.system,
            source=standing.source,
            key=one.key,
            words=one.words,
            group=one.group,
            severity=one.severity,
            stage=one.stage,
            since=time_of(one.since_us),
            seen=time_of(one.seen_us),
            silent=is_silent(one.key, now_us, silences),
        )


def _micros(at: datetime) -> int:
    """Return a time as microseconds; `InputError` if it does not say its offset."""
    if at.tzinfo is None:
        message = "the end of a silence needs an offset, such as 2026-12-31T00:00:00Z"
        raise InputError(message, field="until", code="wrong_type")
    return int(at.timestamp()) * 1_000_000
