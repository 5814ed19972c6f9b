"""What rules want listed: a label has confirmed fraud of events that they fired for (`Rule(on_fraud=...)`).

What comes of it is a revision like any other, by the rule's name: one entry of the log, at one position, which replay
follows. It does not ask a second person: whoever approved the rule has approved what it lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import Rule, Term
from adjudge.define.listing import Listing
from adjudge.define.moment import moment_text, moment_us
from adjudge.engine.compile import lists_of
from adjudge.log import Kind
from adjudge.log.codec import Changes, Events
from adjudge.log.scan import scan
from adjudge.service.changed import Change
from adjudge.service.fold import changes_of
from adjudge.service.running import Running
from adjudge.service.versions.revision import Entry, ListRevision, Revision
from adjudge.service.workspace import Workspace

if TYPE_CHECKING:
    from adjudge.log import Log

LOOKED_BACK = 100_000
"""Positions before the end of a log that are looked at for what an earlier process did not come to list."""

Wanted = tuple[str, Revision]
"""Who wants it, and what."""


def listing_rules(running: Running) -> dict[str, Rule]:
    """Return the rules in force of a system that list something, by id."""
    return {rule.id: rule for rule in running.plan.rules if rule.on_fraud is not None}


def wanted(workspace: Workspace, changes: Sequence[Change], now_us: int) -> list[Wanted]:
    """Return what rules want listed because of some changes, one revision for each rule.

    Parameters
    ----------
    workspace
        Only read; nothing may be folded meanwhile.
    changes
        Labels that have been set.
    now_us
        When they were set, microseconds UTC: what is listed for a time is listed from then on.
    """
    found: list[Wanted] = []
    for running in workspace.systems.values():
        label, rules = running.plan.system.label, listing_rules(running)
        if label is None or not rules:
            continue
        frauds = [c for c in changes if (c.kind, c.stream, c.name, c.value) == _confirming(running, label.name)]
        hits: dict[str, dict[str, str]] = {}
        for change in frauds:
            for rule, value in _fired(workspace, running, rules, change.id):
                hits.setdefault(rule, {}).setdefault(value, change.id)
        for rule, values in hits.items():
            revision = _revision(workspace, running, rules[rule], values, now_us)
            if revision is not None:
                found.append((f"rule {rule}", revision))
    return found


def left_over(log: Log, workspace: Workspace) -> dict[int, list[Change]]:
    """Return the labels at the end of a log after which nobody has had anything else decide, by when they were set.

    An earlier process may have ended between a label and what a rule wanted listed because of it. What somebody has
    activated since has to stay as it is, so labels before that are left alone. What rules have listed since is no such
    thing: it may have been one of several listings, and those that were made are found to be made.
    """
    rules = {f"rule {id_}" for running in workspace.systems.values() for id_ in listing_rules(running)}
    if not rules:
        return {}
    found: list[tuple[int, Change]] = []
    for stretch in scan(log, max(len(log) - LOOKED_BACK, log.begin().position), parts=()):
        block = stretch.block
        if isinstance(block, Changes) and block.kind == Kind.LABEL:
            found += [(stretch.received_at, change) for change in changes_of(block)]
        elif getattr(block, "kind", None) == Kind.ACTIVATION and getattr(block, "who", "") not in {"", *rules}:
            found.clear()
    last = {(change.stream, change.id, change.name): (at, change) for at, change in found}  # the last label counts
    by_time: dict[int, list[Change]] = {}
    for at, change in last.values():
        by_time.setdefault(at, []).append(change)
    return by_time


def _confirming(running: Running, label: str) -> tuple[Kind, str, str, float]:
    return Kind.LABEL, running.plan.decides, label, 1.0


def _fired(workspace: Workspace, running: Running, rules: dict[str, Rule], id_: str) -> Iterator[tuple[str, str]]:
    """Yield the rules that fired for an event and list something, each with the value that it lists."""
    stream = running.plan.decides
    position = workspace.ids[stream].get(id_)
    if position is None or position < workspace.log.begin().position:
        return
    first, block = workspace.lookup.block(position)
    if not isinstance(block, Events):
        return  # imported, and never decided
    recorded = workspace.made_of(first, block, [id_] * len(block)).get(running.name)
    if recorded is None:
        return
    card, record = recorded.card, recorded.records[position - first]
    fired = np.unpackbits(record["fired"], bitorder="little", count=len(card.rules)) if card.rules else ()
    ids = [rule.id for rule, fires in zip(card.rules, fired, strict=True) if fires and rule.id in rules]
    read = workspace.vault.read(stream, id_, block.bodies[position - first])
    if not ids or read.erased:
        return
    event = msgspec.json.decode(read.body)
    for rule in ids:
        listing = rules[rule].on_fraud
        value = event.get(listing.add) if listing is not None else None
        if isinstance(value, str) and value:
            yield rule, value


def _revision(
    workspace: Workspace, running: Running, rule: Rule, values: dict[str, str], now_us: int
) -> Revision | None:
    """Return the revision that lists some values, None where all of them are listed as long already.

    What has ended before any event that may still come is removed with it, so that a list does not grow without end.
    """
    listing = rule.on_fraud
    assert listing is not None  # it is one of those that list something
    system = running.plan.system
    held, terms = set(lists_of(system)[listing.list]), system.terms.get(listing.list, {})
    until = _until(listing, now_us)
    add = [
        Entry(value, None if until is None else moment_text(until), f"fraud of {id_} confirmed")
        for value, id_ in values.items()
        if not (value in held and _lasts(terms.get(value), until))
    ]
    if not add:
        return None
    ended = (workspace.newest_us or 0) - running.plan.lateness_us
    adding = {entry.value for entry in add}
    gone = [
        v for v, t in terms.items() if v in held and v not in adding and t.expires and moment_us(t.expires) <= ended
    ]
    what = f"fraud confirmed of {len(values)} event{'s' * (len(values) > 1)} that it fired for"
    return Revision(what, running.name, {listing.list: ListRevision(add=[*add], remove=gone)})


def _until(listing: Listing, now_us: int) -> datetime | None:
    if listing.lasts is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us) + listing.lasts


def _lasts(term: Term | None, until: datetime | None) -> bool:
    """Whether what is on a list stays there at least until a time."""
    if term is None or term.expires is None:
        return True
    return until is not None and term.expires >= until
