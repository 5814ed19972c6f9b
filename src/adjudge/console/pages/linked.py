"""Linked entities: users, devices, merchants and addresses that share events, walked from one to the next."""

from __future__ import annotations

from nicegui import ui

from adjudge.console import said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.parts.graph import graph
from adjudge.console.shell import empty
from adjudge.service.access.scope import Scope
from adjudge.service.around.linked import Linked, Node


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    field, value = query.get("field") or finder.keys[0], query.get("value", "")
    if not value:
        nobody = empty("Nobody is in the middle.", "Open a decision or a case, and follow one of its links from there.")
        ui.html(said.panel("", nobody), sanitize=False)
        return
    linked = await desk.read(Scope.REVIEW, desk.service.around.linked, field, value, finder.system)
    ui.html(
        said.panels(
            said.panel("", _head(linked), graph(linked)),
            said.panel("As a table", _table(linked)),
        ),
        sanitize=False,
    )


def _head(linked: Linked) -> Markup:
    middle = linked.nodes[0]
    figures = [
        said.figure("decisions", f"{middle.decisions:,}"),
        said.figure("known fraud", f"{middle.true:,}"),
        said.figure("cases that wait", f"{middle.waiting:,}"),
        said.figure("linked within two steps", f"{len(linked.nodes) - 1:,}", "entities"),
    ]
    line = tag("p", f"{linked.field} ", said.search(linked.value, linked.system), class_="mono")
    return tag("div", line, tag("div", figures, class_="figures"))


def _table(linked: Linked) -> Markup:
    ties = {tie.b if tie.a == 0 else tie.a: tie.events for tie in linked.ties if 0 in (tie.a, tie.b)}
    rows = [
        (
            _name(linked, node),
            str(node.hops),
            f"{ties[i]:,}" if i in ties else said.NOTHING,
            f"{node.decisions:,}",
            said.mark(f"{node.true:,}", "high") if node.true else "0",
            said.mark(f"{node.waiting:,}", "middle") if node.waiting else "0",
        )
        for i, node in enumerate(linked.nodes)
        if i
    ]
    heads = ("Entity", "Steps", "Shared events", "Decisions", "Known fraud", "Cases that wait")
    return said.table(heads, rows, caption=f"Linked to {linked.field} {linked.value}", numbers=frozenset(range(1, 6)))


def _name(linked: Linked, node: Node) -> Markup:
    if not node.value:
        return tag("span", f"{node.field} (erased)")
    return tag("a", f"{node.field} {node.value}", href=said.linked_address(node.field, node.value, linked.system))


PAGE = Page("/linked", "Linked", Scope.REVIEW, show)
