"""Challengers: who runs beside the champion, on which share, what has become of each, and its end."""

from __future__ import annotations

from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.challengers.asked import ChallengerView, Ending


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    challengers = desk.service.challengers
    running = (await desk.read(Scope.MANAGE, challengers.desk.challengers)).challengers
    found = (await desk.read(Scope.MANAGE, challengers.desk.challengers, everything=True)).challengers
    if not found:
        then = "adjudge challenger seats one: in the shadow first, then on a share of the events."
        ui.html(said.panel("", empty("No challenger has run.", then)), sanitize=False)
        return
    ui.html(said.panel("", _table(found)), sanitize=False)
    for one in running:
        _ends(desk, one)


def _table(found: list[ChallengerView]) -> Markup:
    rows = [
        (
            one.name,
            one.system,
            said.mark(one.stage, "low" if one.stage in ("shadow", "share") else "plain"),
            said.share(one.share),
            said.NOTHING if one.since is None else f"{one.since:,}",
            tag("code", one.release[:12]) if one.release else ", ".join(one.changes) or said.NOTHING,
            f"{len(one.steps):,}",
        )
        for one in found
    ]
    heads = ("Name", "System", "Stage", "Share of events", "Since position", "Release, or what it changes", "Steps")
    return said.table(heads, rows, caption=f"{len(rows)} challengers", numbers=frozenset((3, 4, 6)))


def _ends(desk: Desk, one: ChallengerView) -> None:
    challengers = desk.service.challengers

    def promote(by: By) -> ChallengerView:
        return challengers.promote(one.system, one.name, Ending(by.why), by)

    def retire(by: By) -> ChallengerView:
        return challengers.retire(one.system, one.name, by)

    with ui.row():
        acts.button(desk, f"Promote {one.name}", Scope.MANAGE, promote, _told, key="p")
        acts.button(desk, f"Retire {one.name}", Scope.MANAGE, retire, _told, key="x")


def _told(done: ChallengerView) -> str:
    if done.proposal is not None:
        return f"Proposal {done.proposal} waits for a second person."
    return f"{done.name} is {done.stage} now."


PAGE = Page(
    "/challengers",
    "Challengers",
    Scope.MANAGE,
    show,
    nav="Challengers",
    key="c",
    keys=(("p", "promote the first challenger"), ("x", "retire it")),
)
