"""The log: how much it holds and whether it is whole, how far snapshots and deliveries have come, and who did what."""

from __future__ import annotations

from collections import deque
from itertools import islice

import msgspec
from nicegui import ui

from adjudge.console import looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty
from adjudge.log import Kind, Log
from adjudge.log.codec import Note, blocks_of
from adjudge.log.doctor import Finding
from adjudge.log.protocol import Storage
from adjudge.service.access.ledger import Act
from adjudge.service.access.scope import Scope
from adjudge.service.now import Now, now

BACK = 5_000
"""Positions from the end of the log in which it is looked for who did what."""

SHOWN = 20
"""Of these, how many are shown."""

LEVELS = {"good": "low", "notice": "middle", "fault": "high"}
"""How the levels of findings are marked."""


class Told(msgspec.Struct, frozen=True):
    """What `adjudge doctor` tells."""

    healthy: bool
    findings: list[Finding]


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    log = desk.service.decider.log
    last = await desk.read(Scope.AUDIT, now, desk.service)
    storage = await desk.read(Scope.AUDIT, log.storage)
    acts = await desk.read(Scope.AUDIT, _acts, log)
    ui.html(
        said.panels(
            said.panel("What it holds", _held(log, storage, last), width=5),
            said.panel("Deliveries", _deliveries(desk), width=7),
            said.panel("Who did what lately", _told_acts(acts)),
        ),
        sanitize=False,
    )
    await looked.show(desk, Scope.AUDIT, ("doctor", "--json"), _examined)


def _held(log: Log, storage: Storage, last: Now) -> Markup:
    begin, end = log.begin(), log.end()
    behind = (
        "none yet" if last.snapshot is None else f"at {last.snapshot:,}, {end.position - last.snapshot:,} entries ago"
    )
    failed = last.failed_appends
    return said.facts(
        [
            (
                "Positions",
                f"{begin.position:,} to {end.position:,}" + (", before that archived" if begin.position else ""),
            ),
            ("Newest link", tag("code", end.link.hex()[:24])),
            ("Size", f"{storage.size_bytes / 2**20:,.1f} MiB"),
            ("Kept as", f"{storage.segments:,} segments, {storage.commits:,} commits that are not in one yet"),
            ("Newest snapshot", behind),
            (
                "Writing",
                said.mark(f"{failed:,} appends failed", "high")
                if failed
                else said.mark("every append succeeded", "low"),
            ),
            ("Held by", last.holder or "nobody"),
        ]
    )


def _deliveries(desk: Desk) -> Markup:
    rows = [
        (name, f"{position:,}", f"{owed:,}", said.mark(f"{gone:,}", "high") if gone else "0")
        for name, (position, owed, gone) in sorted(desk.service.gauges.outbox.items())
    ]
    if not rows:
        return empty("Nothing is delivered.", "outbox.yaml names endpoints, and adjudge outbox run sends to them.")
    heads = ("Endpoint", "Has come to position", "Owed", "Given up")
    return said.table(heads, rows, caption="Signed webhooks and alerts", numbers=frozenset((1, 2, 3)))


def _acts(log: Log) -> list[Act]:
    """Return what people did last, the newest first."""
    found: deque[Act] = deque(maxlen=SHOWN)
    for commit in log.read(max(log.end().position - BACK, log.begin().position)):
        for first, block in blocks_of(commit):
            if isinstance(block, Note) and block.kind == Kind.MANAGEMENT:
                found.append(Act.read(first, commit.received_at, block))
    return list(islice(reversed(found), SHOWN))


def _told_acts(acts: list[Act]) -> Markup:
    if not acts:
        return tag("p", f"Nobody has changed anything in the last {BACK:,} positions.", class_="quiet")
    rows = [(f"{one.seq:,}", said.at(one.at_us), one.action.replace("_", " "), one.who, one.why) for one in acts]
    heads = ("Position", "Time", "What", "Who", "Why")
    return said.table(heads, rows, caption="Entries of management, newest first", numbers=frozenset((0,)))


def _examined(found: bytes) -> Markup:
    told = msgspec.json.decode(found, type=Told)
    rows = [(one.name, said.mark(one.level, LEVELS[one.level]), one.says) for one in told.findings]
    word = said.mark("whole", "low") if told.healthy else said.mark("not what was appended", "high")
    table = said.table(("What", "Level", "Says"), rows, caption="Every commit was hashed again")
    return said.panel("Examined", tag("p", "The log is ", word), table)


PAGE = Page("/log", "Log", Scope.AUDIT, show, nav="Log", group="Watch", key="p", keys=looked.KEYS)
