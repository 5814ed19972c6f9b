"""Hot spots: where more customers report fraud than usual, with the switch that stops it for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec
from nicegui import ui

from adjudge.console import acts, looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.pages.releases import came_of
from adjudge.console.parts.map import gathered
from adjudge.console.shell import empty
from adjudge.monitor.hotspots import Spot
from adjudge.service.access.keys import DAY_US
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.find import Finder
from adjudge.service.hotspots import Switch, check, hours_of
from adjudge.service.versions.desk import Activated

DAYS = 14
"""Days until a switch is over, unless somebody says otherwise."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    newest = await desk.read(Scope.REVIEW, finder.newest_us)
    if newest is None:
        ui.html(
            said.panel("", empty("Nothing has been decided yet.", "Reports of fraud say where it gathers.")),
            sanitize=False,
        )
        return
    words = ("hotspots", "find", "--json", "--system", finder.system)
    await looked.show(
        desk,
        Scope.REVIEW,
        words,
        lambda found: _spots(finder, _read(found)),
        then=lambda found: _switches(desk, finder, _read(found)),
        more=lambda: ("--as-of", _end(desk, newest)),
    )


def _end(desk: Desk, newest_us: int) -> str:
    """Return up to when reports count: now, or a day after the newest event where nothing has come for longer."""
    return f"{datetime.fromtimestamp(min(desk.now_us, newest_us + DAY_US) / 1e6, UTC):%Y-%m-%dT%H:%M}"


def _read(found: bytes) -> list[Spot]:
    return msgspec.json.decode(found, type=list[Spot])


def _spots(finder: Finder, found: list[Spot]) -> Markup:
    if not found:
        then = "Reports of the last hundred days were looked at, by every key, category and hour."
        return said.panel("", empty("Nowhere is more fraud than usual.", then))
    rows = [
        (
            tag(
                "a",
                one.id,
                href=f"/console/decisions?q={quote(one.value, safe='')}&system={quote(finder.system, safe='')}",
            ),
            f"{one.victims:,}",
            f"{one.expected:.2f}",
            tag(
                "span",
                tag("meter", value=min(one.ratio, 50.0), max=50, aria_label=f"{one.ratio:.0f} times"),
                f" {one.ratio:,.0f} x",
            ),
            str(one.days),
            said.money(one.amount, finder.currency),
            f"{one.events_a_day:,.1f}",
            said.at(one.first_us),
            f"{one.q:.1g}",
        )
        for one in found
    ]
    heads = (
        "Hot spot",
        "Customers",
        "Usual",
        "Against usual",
        "Days",
        "Amount",
        "Events a day",
        "First report",
        "False discovery",
    )
    caption = "Customers who have reported fraud, against how many would have"
    table = said.table(heads, rows, caption=caption, numbers=frozenset((1, 2, 4, 5, 6, 8)))
    drawn = gathered(found)
    if drawn is None:
        return said.panel("", table)
    return tag("div", said.panel("", table), said.panel("Where they are", drawn), class_="stack")


def _switches(desk: Desk, finder: Finder, found: list[Spot]) -> None:
    """Add a switch for each spot: one rule more, which is over by itself."""
    if not found or not desk.may(Scope.MANAGE):
        return
    end = (datetime.fromtimestamp(desk.now_us / 1e6, UTC) + timedelta(days=DAYS)).date()
    with ui.element("section").classes("panel"):
        ui.html(tag("h2", "Switch off for a while"), sanitize=False)
        with ui.row().classes("answers"):
            action = ui.select(finder.actions[1:], value=finder.actions[-1], label="Action").props("outlined dense")
            until = ui.input("Until (UTC day)", value=str(end)).props("outlined dense")
        with ui.row().classes("answers after"):
            for one in found:
                _switch(desk, finder, one, action, until)


def _switch(desk: Desk, finder: Finder, one: Spot, action: ui.select, until: ui.input) -> None:
    def switch_off(by: By) -> Activated:
        definitions = desk.service.decider.workspace.system(finder.system).plan.system
        number = one.field in hours_of(definitions)
        switch = Switch(one.id, str(until.value or ""), str(action.value), by.why, number=number)
        check(definitions, switch)
        return desk.service.second.revise(switch.revision(finder.system, by.who), by)

    acts.button(
        desk, f"Stop {one.id}", Scope.MANAGE, switch_off, came_of, asks=f"{one.victims} customers in {one.days} days"
    )


PAGE = Page("/hotspots", "Hot spots", Scope.REVIEW, show, nav="Hot spots", group="Worth", key="h", keys=looked.KEYS)
