"""Scopes: what somebody may do, and the principal who may."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from adjudge.errors import InputError, did_you_mean


class Scope(enum.StrEnum):
    """What somebody may do; a credential has one or several, and none implies another."""

    DECIDE = "decide"
    """Send events: have them decided or scored, or kept."""
    LABEL = "label"
    """Say what became known about events: labels, outcomes, retractions."""
    REVIEW = "review"
    """Read decisions with the events and features behind them."""
    MANAGE = "manage"
    """Change what decides and who may do what: keys, approvals."""
    AUDIT = "audit"
    """Read the log and the metrics."""


NEVER_US = 2**63 - 1
"""The end of what does not end."""

SOMEBODY = "somebody"
"""Who acts where nobody is asked who they are."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose credential was checked.

    Parameters
    ----------
    who
        Name for the log: the owner of a key, the subject of a token.
    scopes
        What they may do.
    until_us
        When the credential ends, in microseconds since 1970 UTC.
    key
        Id of the key; empty where it was no key.
    rate_per_s
        Events a second that the credential is good for; 0 for as many as the settings say.
    holders
        Everybody who has the credential, or has had it in hand when it was made.
    """

    who: str
    scopes: frozenset[Scope]
    until_us: int = NEVER_US
    key: str = ""
    rate_per_s: int = 0
    holders: frozenset[str] = frozenset()


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of some names.

    Raises
    ------
    InputError
        If there is no such scope, or no name at all.

    Examples
    --------
    >>> sorted(scopes_of(["label", "decide"]))
    [<Scope.DECIDE: 'decide'>, <Scope.LABEL: 'label'>]
    """
    known = [scope.value for scope in Scope]
    found = set()
    for name in names:
        if name not in known:
            message = f"there is no scope {name[:40]!r}{did_you_mean(name[:40], known)}; there are {', '.join(known)}"
            raise InputError(message, field="scopes", code="unknown_scope")
        found.add(Scope(name))
    if not found:
        message = f"say what the key may do: {', '.join(known)}"
        raise InputError(message, field="scopes", code="missing_field")
    return frozenset(found)
