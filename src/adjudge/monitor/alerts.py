"""Who is told, and when: signals become incidents, with hysteresis, grouping and silence; the time is passed in.

A signal that comes once may be luck, and one that stays away once may come back: an incident opens after a signal has
come some looks in a row, and closes after it has stayed away for some. What belongs together is told together. What is
silenced goes on being kept, and is told when the silence ends and it is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

Stage = Literal["pending", "open", "closing"]

Severity = Literal["info", "warning", "critical"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From what can wait to what cannot."""


class Signal(msgspec.Struct, frozen=True):
    """Something that is the matter at one look.

    Parameters
    ----------
    key
        What, as a stable name such as ``drift:amount``.
    words
        One sentence.
    group
        What it is told with, such as ``pipeline``.
    urgent
        Whether it opens at once, however many looks are asked for.
    severity
        How bad it is.
    """

    key: str
    words: str
    group: str = ""
    urgent: bool = False
    severity: Severity = "warning"


class Hysteresis(msgspec.Struct, frozen=True):
    """How many looks it takes.

    Parameters
    ----------
    opens
        Looks in a row with the signal.
    closes
        Looks in a row without it.
    """

    opens: int = 1
    closes: int = 2


class Silence(msgspec.Struct, frozen=True):
    """Something that nobody wants to be told of for a while.

    Parameters
    ----------
    keys
        Pattern of keys, such as ``drift:*``.
    until_us
        When it ends, microseconds UTC.
    who, why
        Who asked for it, and why.
    """

    keys: str
    until_us: int
    who: str
    why: str


class Incident(msgspec.Struct, frozen=True):
    """One thing that is, or was just, the matter.

    Parameters
    ----------
    key, words, group
        Of its last signal.
    stage
        ``pending`` before it opens, ``open``, or ``closing`` while its signal stays away.
    since_us, seen_us
        When its signal came first and last.
    looks
        Looks in a row in its stage: with the signal while pending or open, without while closing.
    told
        Whether anybody was told that it is open.
    severity
        Of its last signal.
    """

    key: str
    words: str
    group: str
    stage: Stage
    since_us: int
    seen_us: int
    looks: int
    told: bool
    severity: Severity = "warning"


class Notice(msgspec.Struct, frozen=True):
    """What somebody is told at one look: what has opened or closed in one group.

    Parameters
    ----------
    kind
        ``opened`` or ``closed``.
    group
        Which.
    at_us
        The look.
    incidents
        At least one, the oldest first.
    """

    kind: Literal["opened", "closed"]
    group: str
    at_us: int
    incidents: tuple[Incident, ...]

    @property
    def severity(self) -> Severity:
        """The worst of its incidents."""
        return max((one.severity for one in self.incidents), key=SEVERITIES.index)


def look(
    state: Mapping[str, Incident],
    signals: Iterable[Signal],
    at_us: int,
    *,
    hysteresis: Hysteresis | None = None,
    silences: Sequence[Silence] = (),
) -> tuple[dict[str, Incident], tuple[Notice, ...]]:
    """Return the incidents after a look, and who is to be told what.

    Parameters
    ----------
    state
        Incidents by key, as the look before returned them.
    signals
        What is the matter now.
    at_us
        The moment of the look.
    hysteresis
        How many looks it takes.
    silences
        What nobody wants to be told of.

    Examples
    --------
    >>> twice = Hysteresis(opens=2, closes=1)
    >>> state, notices = look({}, [Signal("drift:amount", "amount is up")], 1, hysteresis=twice)
    >>> state["drift:amount"].stage, notices
    ('pending', ())
    >>> state, notices = look(state, [Signal("drift:amount", "amount is up")], 2, hysteresis=twice)
    >>> [(notice.kind, [one.key for one in notice.incidents]) for notice in notices]
    [('opened', ['drift:amount'])]
    >>> state, notices = look(state, [], 3, hysteresis=twice)
    >>> state, [notice.kind for notice in notices]
    ({}, ['closed'])
    """
    how = hysteresis or Hysteresis()
    after: dict[str, Incident] = {}
    closed: list[Incident] = []
    by_key = {signal.key: signal for signal in signals}
    for key in sorted({*state, *by_key}):
        before, signal = state.get(key), by_key.get(key)
        if signal is not None:
            after[key] = _seen(before, signal, at_us, how)
        elif before is not None and before.stage != "pending":
            missed = before.looks + 1 if before.stage == "closing" else 1
            if missed < how.closes:
                after[key] = msgspec.structs.replace(before, stage="closing", looks=missed)
            elif before.told:
                closed.append(before)
    opened = []
    for key, incident in after.items():
        if incident.stage == "open" and not incident.told and not is_silent(key, at_us, silences):
            after[key] = told = msgspec.structs.replace(incident, told=True)
            opened.append(told)
    heard = [one for one in closed if not is_silent(one.key, at_us, silences)]
    return after, (*_grouped("opened", opened, at_us), *_grouped("closed", heard, at_us))


def is_silent(key: str, at_us: int, silences: Sequence[Silence]) -> bool:
    """Whether nobody wants to be told of a key at a moment."""
    return any(at_us < silence.until_us and fnmatchcase(key, silence.keys) for silence in silences)


def _seen(before: Incident | None, signal: Signal, at_us: int, how: Hysteresis) -> Incident:
    """Return an incident whose signal has come."""
    if before is None or before.stage == "pending":
        looks = 1 if before is None else before.looks + 1
        stage: Stage = "open" if signal.urgent or looks >= how.opens else "pending"
        since, told = at_us if before is None else before.since_us, False
    else:
        looks, stage, since, told = (
            (before.looks + 1 if before.stage == "open" else 1),
            "open",
            before.since_us,
            before.told,
        )
    return Incident(signal.key, signal.words, signal.group, stage, since, at_us, looks, told, signal.severity)


def _grouped(kind: Literal["opened", "closed"], incidents: Sequence[Incident], at_us: int) -> list[Notice]:
    groups: dict[str, list[Incident]] = {}
    for incident in sorted(incidents, key=lambda one: (one.since_us, one.key)):
        groups.setdefault(incident.group, []).append(incident)
    return [Notice(kind, group, at_us, tuple(members)) for group, members in groups.items()]
