"""The log: how much it holds and whether it is whole, how far snapshots and deliveries have come, and who did what."""

from __future__ import annotations

import msgspec
from nicegui import ui

from adjudge.console import looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty
from adjudge.service.access.ledger import Act
from adjudge.service.access.scope import Scope
from adjudge.service.held import BACK, Held, held
from adjudge.service.now import Now, now

LEVELS = {"good": "low", "notice": "middle", "fault": "high"}
"""How the levels of findings are marked."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: what, how it is, and one sentence."""

    name: str
    level: str
    says: str


class Told(msgspec.Struct, frozen=True):
    """What `adjudge doctor` tells."""

    healthy: bool
    findings: list[Finding]


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    last = await desk.read(Scope.AUDIT, now, desk.service)
    found = await desk.read(Scope.AUDIT, held, desk.service.decider.log)
    ui.html(
        said.panels(
            said.panel("What it holds", _held(found, last), width=5),
            said.panel("Deliveries", _deliveries(desk), width=7),
            said.panel("Who did what lately", _told_acts(found.acts)),
        ),
        sanitize=False,
    )
    await looked.show(desk, Scope.AUDIT, ("doctor", "--json"), _examined)


def _held(found: Held, last: Now) -> Markup:
    storage = found.storage
    behind = "none yet" if last.snapshot is None else f"at {last.snapshot:,}, {found.end - last.snapshot:,} entries ago"
    failed = last.failed_appends
    return said.facts(
        [
            (
                "Positions",
                f"{found.begin:,} to {found.end:,}" + (", before that archived" if found.begin else ""),
            ),
            ("Newest link", tag("code", found.link[:24])),
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
