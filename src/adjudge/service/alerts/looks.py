"""Looking: signals become incidents and notices, and both become one entry of the log."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from adjudge.errors import InputError
from adjudge.monitor.alerts import SEVERITIES, Hysteresis, Notice, Signal, look
from adjudge.service.access.ledger import By, Ledger
from adjudge.service.alerts.entries import LOOKED, MOST, SILENCED, Alerts, Look
from adjudge.service.alerts.words import withheld

DAY_US = 86_400_000_000

LONGEST_KEY, LONGEST_WORDS = 300, 500
"""Characters of a key, and of what is said; longer words are cut."""

LONGEST_US = 90 * DAY_US
"""The longest silence: what is to be quiet for good is to be mended, or not to be watched."""


class Looked(msgspec.Struct, frozen=True):
    """What came of a look.

    Parameters
    ----------
    seq
        Position of its entry; None where nothing was the matter and nothing had been.
    notices
        What is told.
    open
        How many incidents are open.
    """

    seq: int | None
    notices: list[Notice]
    open: int


class NewLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A look that somebody has taken.

    Parameters
    ----------
    why
        What was looked at, for the log.
    source
        What has looked.
    signals
        What is the matter.
    system
        Whose; absent where there is only one.
    hysteresis
        How many looks it takes.
    """

    why: str
    source: str
    signals: list[Signal]
    system: str | None = None
    hysteresis: Hysteresis = Hysteresis()


def take(alerts: Alerts, ledger: Ledger, asked: NewLook, by: By, *, system: str, personal: Collection[str]) -> Looked:
    """Write down what a look has come to.

    Parameters
    ----------
    alerts
        The projection, which the ledger feeds.
    ledger
        Where it is written.
    asked
        What was seen.
    by
        Who has looked.
    system
        Name of the system.
    personal
        Its personal fields: what is said of those is said without their values, because messages leave the house.

    Raises
    ------
    InputError
        If the source has no name, or the look is not signed.
    """
    if not asked.source.isidentifier():
        message = f"a look has a source such as monitor, not {asked.source[:40]!r}"
        raise InputError(message, field="source", code="bad_value")
    for one in asked.signals:
        if not one.key or len(one.key) > LONGEST_KEY:
            message = f"a signal has a key of up to {LONGEST_KEY} characters, not {one.key[:40]!r}"
            raise InputError(message, field="signals", code="bad_value")
    at_us = ledger.clock()
    worst = sorted(asked.signals, key=lambda one: -SEVERITIES.index(one.severity))[:MOST]
    signals = [withheld(_cut(one), personal) for one in worst]
    before = alerts.incidents(system, asked.source)
    after, notices = look(before, signals, at_us, hysteresis=asked.hysteresis, silences=alerts.silences(system, at_us))
    opened = sum(one.stage != "pending" for one in after.values())
    if not before and not after:
        return Looked(None, [], 0)
    entry = Look(system=system, source=asked.source, at_us=at_us, incidents=list(after.values()), notices=list(notices))
    seq = ledger.record(LOOKED, by.who, by.why, msgspec.to_builtins(entry))
    return Looked(seq, list(notices), opened)


def _cut(signal: Signal) -> Signal:
    if len(signal.words) <= LONGEST_WORDS and len(signal.group) <= LONGEST_KEY:
        return signal
    words = signal.words[: LONGEST_WORDS - 1] + "…" if len(signal.words) > LONGEST_WORDS else signal.words
    return msgspec.structs.replace(signal, words=words, group=signal.group[:LONGEST_KEY])


def silence(ledger: Ledger, keys: str, until_us: int, by: By, *, system: str = "") -> int:
    """Write down that nobody wants to hear of some incidents until a time; a time that has come ends it.

    Parameters
    ----------
    ledger
        Where it is written.
    keys
        Pattern of keys, such as ``world:*``.
    until_us
        When it ends, microseconds UTC.
    by
        Who wants it, and why.
    system
        Name of the system; empty for all.

    Raises
    ------
    InputError
        If there is no pattern, or it would last too long.
    """
    if not keys.strip() or not keys.isprintable() or len(keys) > 200:
        message = "say what is to be quiet: a key such as world:amount, or a pattern such as world:*"
        raise InputError(message, field="keys", code="missing_field")
    if until_us > ledger.clock() + LONGEST_US:
        message = f"a silence lasts up to {LONGEST_US // DAY_US} days"
        raise InputError(message, field="until", code="out_of_range")
    return ledger.record(SILENCED, by.who, by.why, {"keys": keys, "until_us": until_us, "system": system})
