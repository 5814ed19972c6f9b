"""Decisions: search by id, by whom they were about, or by amount; what is looked for is in the address."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui

from adjudge.console import said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query, whole
from adjudge.console.shell import empty
from adjudge.service.access.scope import Scope
from adjudge.service.find import Finder, Hits, Wanted

ASKED = "An id, a user, card or device, an amount such as 250, or 100..500"


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    wanted = Wanted(query.get("q", ""), query.get("action", ""), before=whole(query, "before"))
    found = await desk.read(Scope.REVIEW, finder.find, wanted)
    ui.html(tag("div", _form(desk, finder, wanted), _found(finder, wanted, found)), sanitize=False)


def _form(desk: Desk, finder: Finder, wanted: Wanted) -> Markup:
    systems = list(desk.service.decider.workspace.systems)
    chosen = [("", "any"), *((name, name) for name in finder.actions)]
    return tag(
        "form",
        tag(
            "label",
            "Search",
            tag("input", type="search", name="q", value=wanted.text, placeholder=ASKED, autocomplete="off"),
        ),
        tag("label", "Decision", _select("action", chosen, wanted.action)),
        tag("label", "System", _select("system", [(s, s) for s in systems], finder.system))
        if len(systems) > 1
        else None,
        tag("button", "Search", type="submit", class_="primary"),
        method="get",
        action="/console/decisions",
        class_="row-form",
        role="search",
    )


def _select(name: str, options: list[tuple[str, str]], chosen: str) -> Markup:
    return tag("select", [tag("option", text, value=v, selected=v == chosen) for v, text in options], name=name)


def _found(finder: Finder, wanted: Wanted, found: Hits) -> Markup:
    if not found.hits and not (wanted.text or wanted.action):
        return empty("Nothing has been decided yet.", "Send an event to /v1/decide and reload; /docs says how.")
    if not found.hits:
        return empty(
            "Nothing was found.", "Values are looked for as they were sent, in full: look for a whole id or key."
        )
    actions = finder.actions
    rows = [
        (
            said.decision(hit.id, finder.system),
            said.at(hit.ts),
            said.action(hit.action, actions),
            str(hit.score),
            said.money(hit.amount, found.currency),
            f"{hit.seq:,}",
        )
        for hit in found.hits
    ]
    by = f", found by {', '.join(found.by)}" if found.by else ", newest first"
    heads = ("Event", "Time", "Decision", "Score", "Amount", "Position")
    caption = f"{found.total:,} decision{'s' if found.total != 1 else ''}{by}"
    table = said.table(heads, rows, caption=caption, numbers=frozenset((3, 4, 5)))
    more = None
    if len(found.hits) == wanted.limit:
        asked = {"q": wanted.text, "action": wanted.action, "system": finder.system, "before": found.hits[-1].seq}
        more = tag("a", "Earlier ones", href=f"/console/decisions?{urlencode(asked)}", class_="button", data_key="e")
    return tag("div", said.panel("", table, more), class_="after")


PAGE = Page(
    "/decisions", "Decisions", Scope.REVIEW, show, nav="Decisions", group="Work", key="d", keys=(("e", "earlier ones"),)
)
