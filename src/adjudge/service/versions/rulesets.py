"""The rule sets that have decided in a log: since which position, by whom, why, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adjudge.define import Rules
from adjudge.errors import InputError, did_you_mean
from adjudge.log import Kind, Log
from adjudge.log.codec import Note
from adjudge.log.scan import scan
from adjudge.service.activation import Activation, SystemActivation


@dataclass(frozen=True)
class RuleSet:
    """One version of the rules of a system.

    Parameters
    ----------
    position
        Since which position of the log it decides.
    received_at
        When that was, microseconds UTC.
    who, why
        Who had it decide, and the reason given.
    version
        Short hash of what it says, with its lists.
    rules
        What it says, and what its lists held when it began.
    """

    position: int
    received_at: int
    who: str
    why: str
    version: str
    rules: Rules


def rule_sets(log: Log, system: str | None = None) -> list[RuleSet]:
    """Return the rule sets of a system in the order in which they have decided; a changed list alone begins no other.

    Parameters
    ----------
    log
        Only read.
    system
        Its name; None where there is only one.

    Raises
    ------
    InputError
        If there is no such system.
    """
    found: list[RuleSet] = []
    known: set[str] = set()
    for stretch in scan(log, parts=()):
        block = stretch.block
        if not isinstance(block, Note) or block.kind != Kind.ACTIVATION:
            continue
        systems = Activation.read(block).systems
        known.update(systems)
        active = systems.get(system or next(iter(systems)))
        rules = None if active is None else _rules(active)
        if active is not None and rules is not None and (not found or found[-1].rules.rules != rules.rules):
            found.append(
                RuleSet(stretch.first, stretch.received_at, block.who, block.why, active.card.versions["rules"], rules)
            )
    if system is None and len(known) > 1:
        message = f"there are several systems in this workspace; name one of {', '.join(sorted(known))}"
        raise InputError(message, field="system", code="unknown_system")
    if not found:
        message = f"there is no system {system!r} in this workspace{did_you_mean(system or '', known)}"
        raise InputError(message, field="system", code="unknown_system")
    return found


def rule_set(sets: Sequence[RuleSet], which: str) -> RuleSet:
    """Return one of some rule sets.

    Parameters
    ----------
    sets
        What has decided, in order.
    which
        ``active`` for the last, ``first``, a position of the log, or the beginning of a version.

    Raises
    ------
    InputError
        If there is none of them.
    """
    if which in ("active", "first"):
        return sets[-1 if which == "active" else 0]
    versions = [one for one in sets if one.version.startswith(which)]
    if versions:
        return versions[-1]
    if which.isdecimal() and len(which) < 20:  # no log is longer
        before = [one for one in sets if one.position <= int(which)]
        if before:
            return before[-1]
    message = (
        f"no rules {which[:80]!r} have decided here; name a position, or one of {', '.join(s.version for s in sets)}"
    )
    raise InputError(message, field="version")


def _rules(active: SystemActivation) -> Rules | None:
    """Return the rules of an activation, None in logs from before they were kept."""
    if active.spec is None:
        return None
    return Rules.from_document(active.spec.get("rules", {"version": 1}))
