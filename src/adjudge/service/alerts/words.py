"""What a message says: the same facts for programs, as JSON, and for people, as a title and a few lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from adjudge.monitor.alerts import SEVERITIES, Notice, Severity, Signal
from adjudge.service.alerts.entries import worst_first

SHOWN = 10
"""Incidents that a message for people names; one for programs has all of them."""


class Told(msgspec.Struct, frozen=True):
    """One incident in a message.

    Parameters
    ----------
    key, words, severity
        What is the matter.
    since
        Since when.
    """

    key: str
    words: str
    severity: Severity
    since: datetime


class Alert(msgspec.Struct, frozen=True):
    """What is told of one group of incidents at once.

    Parameters
    ----------
    seq
        Position of the entry that it stands in; -1 for a test.
    system
        Whose.
    kind
        ``opened``, ``closed``, or ``test``.
    group, severity
        What the incidents have in common, and the worst of them.
    at
        When somebody has looked.
    incidents
        The incidents.
    """

    seq: int
    system: str
    kind: str
    group: str
    severity: Severity
    at: datetime
    incidents: list[Told]

    @classmethod
    def of(cls, seq: int, system: str, notice: Notice) -> Alert:
        """Return what is told by a notice of an entry."""
        told = [Told(one.key, one.words, one.severity, time_of(one.since_us)) for one in worst_first(notice.incidents)]
        return cls(seq, system, notice.kind, notice.group, notice.severity, time_of(notice.at_us), told)

    @classmethod
    def test(cls, at_us: int) -> Alert:
        """Return an alert that says that alerts arrive."""
        words = "this is a test: alerts of adjudge arrive here"
        return cls(-1, "", "test", "test", "info", time_of(at_us), [Told("test", words, "info", time_of(at_us))])


class Message(msgspec.Struct, frozen=True):
    """What is sent: the body of a webhook."""

    type: str
    alerts: list[Alert]


class Text(NamedTuple):
    """A message for people."""

    title: str
    body: str
    severity: Severity


def text_of(alerts: Sequence[Alert]) -> Text:
    """Return a message for people.

    Parameters
    ----------
    alerts
        What is told, at least one.

    Examples
    --------
    >>> at = time_of(0)
    >>> told = Told("world:a", "a is up", "warning", at)
    >>> found = text_of([Alert(7, "shop", "opened", "world", "warning", at, [told])])
    >>> found.title
    'warning: shop, world'
    >>> found.body
    'a is up (since 1970-01-01 00:00Z)'
    """
    titles, lines = [], []
    for one in alerts:
        word = {"opened": one.severity, "closed": "over"}.get(one.kind, one.kind)
        titles.append(": ".join(filter(None, (word, ", ".join(filter(None, (one.system, one.group)))))))
        lines += [f"{told.words} (since {told.since:%Y-%m-%d %H:%M}Z)" for told in one.incidents[:SHOWN]]
        if len(one.incidents) > SHOWN:
            lines.append(f"and {len(one.incidents) - SHOWN} more")
    severity = max((one.severity for one in alerts), key=SEVERITIES.index)
    return Text("; ".join(titles), "\n".join(lines), severity)


def withheld(signal: Signal, personal: Collection[str]) -> Signal:
    """Return a signal that tells no value of a personal field.

    Parameters
    ----------
    signal
        What is the matter.
    personal
        Names of personal fields.

    Examples
    --------
    >>> withheld(Signal("world:email", "email ada@example.org is new"), ["email"]).words
    'email is not as usual'
    >>> withheld(Signal("world:amount", "amount is up"), ["email"]).words
    'amount is up'
    """
    named = [name for name in sorted(personal) if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", signal.words)]
    if not named:
        return signal
    words = f"{' and '.join(named)} {'is' if len(named) == 1 else 'are'} not as usual"
    return msgspec.structs.replace(signal, words=words)


def time_of(at_us: int) -> datetime:
    """Return a moment in microseconds as a time in UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC)
