"""Lists: what each holds, why and until when; something is put on one, or taken off it."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query, whole
from adjudge.console.pages.releases import came_of
from adjudge.console.shell import empty
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.versions.desk import Activated, HeldList
from adjudge.service.versions.revision import Entry, ListRevision, Revision

KEYS = (("p", "put the element on the list"), ("x", "take it off"), ("e", "further ones"))
"""What keys do here."""

ROWS = 50
"""Elements of one page."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    live = desk.service.second.desk
    systems = (await desk.read(Scope.MANAGE, live.active)).systems
    known = [(one.system, name, size) for one in systems for name, size in one.lists.items()]
    if not known:
        ui.html(empty("There are no lists.", "A rule file names them: lists: {blocked_cards: []}."), sanitize=False)
        return
    named = (query.get("system", ""), query.get("list", ""))
    system, name = next(((s, n) for s, n, _ in known if (s, n) == named), known[0][:2])
    held = await desk.read(Scope.MANAGE, live.held, name, system)
    links = [
        tag(
            "li",
            tag("a", f"{s}: {n}", href=_address(s, n), aria_current="true" if (s, n) == (system, name) else None),
            tag("span", f" {size:,}", class_="quiet"),
        )
        for s, n, size in known
    ]
    with ui.element("div").classes("panels"):
        ui.html(tag("div", tag("h2", "Lists"), tag("ul", links, class_="plain")), sanitize=False).classes("panel w3")
        with ui.element("section").classes("panel w9"):
            ui.html(_held(held, whole(query, "start") or 0), sanitize=False)
            _change(desk, system, name)


def _address(system: str, name: str, start: int = 0) -> str:
    return f"/console/lists?{urlencode({'system': system, 'list': name} | ({'start': start} if start else {}))}"


def _held(held: HeldList, start: int) -> Markup:
    title = tag("h2", f"{held.name} of {held.system}")
    if not held.entries:
        return tag("div", title, empty("It holds nothing.", "Put something on it below."))
    many = len(held.entries)
    start = min(start, (many - 1) // ROWS * ROWS)
    behind = min(start + ROWS, many)
    rows = [(str(e.value), e.expires or "never", e.reason or said.NOTHING) for e in held.entries[start:behind]]
    which = f", {start + 1:,} to {behind:,}" if many > ROWS else ""
    caption = f"{many:,} element{'s' if many != 1 else ''}{which}"
    table = said.table(("Element", "Expires", "Reason"), rows, caption=caption)
    address = _address(held.system, held.name, behind)
    more = tag("a", "Further ones", href=address, class_="button", data_key="e") if behind < many else None
    return tag("div", title, table, more)


def _change(desk: Desk, system: str, name: str) -> None:
    with ui.row().classes("row-form after"):
        value = ui.input("Element").props("outlined dense")
        expires = ui.input("Expires, such as 2026-12-31").props("outlined dense")

        def put(by: By) -> Activated:
            entry = Entry(value.value.strip(), expires.value.strip() or None, by.why)
            return desk.service.second.revise(Revision(by.why, system, lists={name: ListRevision(add=[entry])}), by)

        def take(by: By) -> Activated:
            gone = ListRevision(remove=[value.value.strip()])
            return desk.service.second.revise(Revision(by.why, system, lists={name: gone}), by)

        acts.button(desk, "Put on the list", Scope.MANAGE, put, came_of, key="p")
        acts.button(desk, "Take off the list", Scope.MANAGE, take, came_of, key="x")


PAGE = Page("/lists", "Lists", Scope.MANAGE, show, nav="Lists", group="Change", key="l", keys=KEYS)
