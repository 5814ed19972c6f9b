"""Cases: what waits for a person, in the order in which it should be looked at; the address says which."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query, whole
from adjudge.console.shell import empty
from adjudge.errors import InputError, did_you_mean
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.cases.asked import Next
from adjudge.service.cases.view import CasePage, CaseView

LISTS = {
    "queue": "the queue",
    "mine": "in my hands",
    "late": "past their deadline",
    "escalated": "escalated",
    "deferred": "waiting for more",
    "second": "for a second opinion",
    "drawn": "drawn to learn from",
    "closed": "closed",
}
"""What can be listed, in words."""

ROWS = 50
"""Cases of one page."""

Turn = Callable[[CaseView | None, str], Awaitable[None]]
"""Shows a case in the place of the one before, and says what came of that; None is the end of the queue."""

NOBODY = {
    "queue": "Nothing waits that nobody has in hand.",
    "mine": "You have no case in hand.",
    "late": "Nothing is past its deadline.",
}
"""What is said where a list is empty."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    which, begin = query.get("list", "queue"), whole(query, "start") or 0
    if which not in LISTS:
        message = f"there is no list {which[:40]!r} of cases{did_you_mean(which[:40], LISTS)}"
        raise InputError(message, field="list")
    found = await desk.read(
        Scope.REVIEW,
        desk.service.cases.cases,
        which,  # type: ignore[arg-type]  # one of the lists
        who=desk.principal.who,
        limit=ROWS,
        start=begin,
        system=finder.system,
    )
    ui.html(_lists(desk, which, finder.system), sanitize=False)
    with ui.row():
        take(desk, finder.system)
    ui.html(_found(found, which, begin, finder.system, finder.currency, finder.actions), sanitize=False)


def taking(desk: Desk, system: str) -> Callable[[By], CaseView | None]:
    """Return what takes the next case for somebody."""
    return lambda by: desk.service.cases.next(Next(system=system), by)


def take(desk: Desk, system: str, turn: Turn | None = None) -> None:
    """Add the button that takes the next case and opens it; ``turn`` does so where a page shows a case already."""

    async def opened(case: CaseView | None) -> None:
        told = "Nothing waits for you." if case is None else f"{case.id} is yours."
        if turn is None:
            ui.run_javascript(leads_to(case, system, told))
        else:
            await turn(case, told)

    acts.at_once(
        desk, "Take the next case", Scope.REVIEW, Next().why, taking(desk, system), opened, key="n", primary=True
    )


def leads_to(case: CaseView | None, system: str, told: str) -> str:
    """Return the script that opens a case, or the queue where there is none, and says something there."""
    address = f"/console/cases?{urlencode({'system': system})}" if case is None else said.case_address(case.id, system)
    return f"adjudge.go({json.dumps(address)}, {json.dumps(told)})"


def _lists(desk: Desk, which: str, system: str) -> Markup:
    links = [
        tag(
            "a",
            words,
            href=f"/console/cases?{urlencode({'list': name, 'system': system})}",
            aria_current="true" if name == which else None,
        )
        for name, words in LISTS.items()
    ]
    systems = sorted(desk.service.decider.workspace.systems)
    others = [
        tag("a", name, href=f"/console/cases?{urlencode({'system': name})}") for name in systems if name != system
    ]
    return tag("nav", links, others, class_="lists", aria_label="Lists of cases")


def _found(found: CasePage, which: str, start: int, system: str, currency: str, actions: list[str]) -> Markup:
    if not found.cases:
        then = "A decision with a review action opens a case; how they are worked is said under Review."
        return said.panel("", empty(NOBODY.get(which, "There is none."), then))
    rows = [
        (
            tag("a", one.id, href=said.case_address(one.id, system)),
            said.money(one.expected_loss, currency),
            f"{one.minutes:.1f}",
            str(one.score),
            said.money(one.amount, currency),
            said.action(one.action, actions),
            " ".join(filter(None, (one.kind, one.lot))),
            state(one),
            deadline(one),
            f"{one.linked:,}",
        )
        for one in found.cases
    ]
    heads = ("Case", "Expected loss", "Minutes", "Score", "Amount", "Decision", "Opened by", "State", "Due", "Linked")
    fit = f", of which {found.within:,} from the top fit into a day's review" if which == "queue" else ""
    caption = f"{found.total:,} case{'s' if found.total != 1 else ''}{fit}"
    table = said.table(heads, rows, caption=caption, numbers=frozenset((1, 2, 3, 4, 9)))
    behind = start + len(found.cases)
    asked = urlencode({"list": which, "system": system, "start": behind})
    more = tag("a", "Further ones", href=f"/console/cases?{asked}", class_="button", data_key="e")
    return said.panel("", table, more if behind < found.total else None)


def state(one: CaseView) -> Markup:
    """Return what a case waits for, and in whose hands."""
    if one.until is not None:
        return tag("span", said.mark("deferred"), f" {one.assigned}")
    word = "escalated" if one.escalated and one.state != "closed" else one.state
    severity = {"disputed": "high", "escalated": "middle", "second": "middle", "closed": "low"}.get(word, "plain")
    return tag("span", said.mark(word, severity), f" {one.assigned}" if one.assigned else None)


def deadline(one: CaseView) -> Markup | str:
    """Return when a case should be done, and that it is late."""
    if one.due is None:
        return said.NOTHING
    return tag("span", said.at(one.due), [" ", said.mark("late", "high")] if one.late else None)


KEYS = (("n", "take the next case"), ("e", "further ones"))
"""What keys do here."""

PAGE = Page("/cases", "Cases", Scope.REVIEW, show, nav="Cases", group="Work", key="q", keys=KEYS)
