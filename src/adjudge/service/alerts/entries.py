"""Entries of alerts, and the fold over them: which incidents there are, and what nobody wants to hear of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from adjudge.monitor.alerts import Incident, Notice, Silence
from adjudge.service.access.ledger import Act

LOOKED, SILENCED = "alerts_looked", "alerts_silenced"
"""The actions: somebody has looked and this is the matter; somebody wants to hear nothing of it for a while."""

MOST = 200
"""Most incidents of one look, so that an entry stays small."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one look has come to.

    Parameters
    ----------
    system, source
        What was looked at, and by what: ``monitor``, ``hotspots``, ``schedule``. Looks of one source at one system
        follow each other.
    at_us
        When, microseconds UTC.
    incidents
        All that is the matter now.
    notices
        What is to be told of it.
    """

    system: str
    source: str
    at_us: int
    incidents: list[Incident] = []
    notices: list[Notice] = []


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is the matter with one system, as one source sees it.

    Parameters
    ----------
    system, source, at_us, incidents
        Of its last look.
    told
        Position of the entry that told of each open incident, by key.
    """

    system: str
    source: str
    at_us: int
    incidents: list[Incident]
    told: dict[str, int] = {}


class Muted(msgspec.Struct, frozen=True):
    """A silence, and for which system; an empty name means all."""

    system: str
    silence: Silence


class _Silenced(msgspec.Struct, frozen=True):
    """What the entry of a silence says."""

    keys: str
    until_us: int
    system: str = ""


class AlertFacts(msgspec.Struct, frozen=True):
    """The projection as plain JSON."""

    standing: list[Standing] = []
    muted: list[Muted] = []


class Pair(NamedTuple):
    """Whose looks follow each other."""

    system: str
    source: str


class Alerts:
    """Every incident of a workspace.

    Parameters
    ----------
    facts
        Those of a snapshot.

    Examples
    --------
    >>> from adjudge.service.access.ledger import MemoryLedger
    >>> alerts = Alerts()
    >>> ledger = MemoryLedger(lambda: 5, alerts)
    >>> seq = ledger.record(SILENCED, "ada", "a migration", {"keys": "world:*", "until_us": 9})
    >>> [one.keys for one in alerts.silences("shop", 8)], alerts.silences("shop", 9)
    (['world:*'], [])
    """

    def __init__(self, facts: AlertFacts | None = None) -> None:
        facts = facts or AlertFacts()
        self._standing = {Pair(one.system, one.source): one for one in facts.standing}
        self._muted = [*facts.muted]

    def __iter__(self) -> Iterator[Standing]:
        return iter([*self._standing.values()])  # somebody may look meanwhile, on another thread

    def facts(self) -> AlertFacts:
        """Return what `Alerts` starts from."""
        return AlertFacts([*self._standing.values()], [*self._muted])

    def incidents(self, system: str, source: str) -> dict[str, Incident]:
        """Return what was the matter at the last look, by key."""
        found = self._standing.get(Pair(system, source))
        return {} if found is None else {one.key: one for one in found.incidents}

    def muted(self, now_us: int) -> list[Muted]:
        """Return the silences that have not ended."""
        return [one for one in [*self._muted] if now_us < one.silence.until_us]

    def silences(self, system: str, now_us: int) -> list[Silence]:
        """Return what nobody wants to hear of a system."""
        return [one.silence for one in self.muted(now_us) if one.system in ("", system)]

    def first_told(self) -> int | None:
        """Return the position of the oldest entry that told of something that is still open."""
        return min((seq for one in self for seq in one.told.values()), default=None)

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action == LOOKED:
            self._look(act.seq, msgspec.convert(act.content, Look))
        elif act.action == SILENCED:
            said = msgspec.convert(act.content, _Silenced)
            kept = [one for one in self.muted(act.at_us) if (one.system, one.silence.keys) != (said.system, said.keys)]
            made = Muted(said.system, Silence(said.keys, said.until_us, act.who, act.why))
            self._muted = [*kept, made] if act.at_us < said.until_us else kept

    def _look(self, seq: int, look: Look) -> None:
        pair = Pair(look.system, look.source)
        before = self._standing.pop(pair, None)
        known = {} if before is None else before.told
        told = {one.key: known.get(one.key, seq) for one in look.incidents if one.told}
        if look.incidents:
            self._standing[pair] = Standing(
                system=look.system, source=look.source, at_us=look.at_us, incidents=look.incidents, told=told
            )


def worst_first(incidents: Iterable[Incident]) -> list[Incident]:
    """Return incidents as people should read them: the worst first, and of these the oldest."""
    from adjudge.monitor.alerts import SEVERITIES

    return sorted(incidents, key=lambda one: (-SEVERITIES.index(one.severity), one.since_us, one.key))
