"""One case on one screen: what is asked, why, what is usual, what hangs together, and a key for every verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.line import Line, line_of
from adjudge.console.markup import Markup, join, tag
from adjudge.console.page import Page, Query
from adjudge.console.pages.cases import Turn, deadline, leads_to, state, take, taking
from adjudge.console.parts import decided
from adjudge.console.parts.graph import small
from adjudge.console.parts.map import places
from adjudge.console.parts.normal import normal
from adjudge.console.parts.timeline import timeline
from adjudge.console.shell import empty
from adjudge.errors import ErasedError
from adjudge.service.access.ledger import By
from adjudge.service.access.routes import Need
from adjudge.service.access.scope import Scope
from adjudge.service.around.linked import Linked
from adjudge.service.around.view import Around
from adjudge.service.card import StoredAnswer
from adjudge.service.cases.asked import Assign, Decide, Defer, Escalate, HandBack, Next, Undo, Write
from adjudge.service.cases.view import CaseDetail, CaseView, DoneList, Link
from adjudge.service.find import Finder
from adjudge.service.verdict import Stored

UNSAID = "looked at on the desk"
"""The reason in the log of whoever decides by a key and writes no note."""

EARLIER = 24
"""Events before this one on the time line."""

SHOWN = 6
"""Ids that are shown of a link."""


@dataclass(frozen=True)
class Shown:
    """What the page shows.

    Parameters
    ----------
    detail
        The case.
    stored
        Its decision; None where the person was erased.
    line
        What else was decided about them.
    around, linked
        What is usual for them and what came before, and who is linked to them.
    """

    detail: CaseDetail
    stored: Stored | None
    line: Line
    around: Around | None = None
    linked: Linked | None = None

    @property
    def case(self) -> CaseView:
        """The case itself."""
        return self.detail.case

    @property
    def blind(self) -> bool:
        """Whether what others found is withheld."""
        return self.case.state == "second"


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    found = await desk.read(Scope.REVIEW, _read, desk, finder, query.get("id", ""))
    place = ui.element("div").classes("stack")

    async def turn(case: CaseView | None, told: str) -> None:
        if case is None:
            ui.run_javascript(leads_to(None, finder.system, told))
            return
        found = await desk.read(Scope.REVIEW, _read, desk, finder, case.id)
        with place:
            place.clear()
            _build(desk, finder, found, turn)
            address = said.case_address(case.id, finder.system)
            ui.run_javascript(f"adjudge.turn({json.dumps(address)}, {json.dumps(told)})")

    with place:
        _build(desk, finder, found, turn)


def _build(desk: Desk, finder: Finder, found: Shown, turn: Turn) -> None:
    ui.html(_head(finder, found), sanitize=False)
    with ui.element("section").classes("panel verdicts").props('aria-label="Verdict"'):
        _buttons(desk, finder, found, turn)
    ui.html(tag("div", _parts(finder, found), class_="panels fit"), sanitize=False)


def _read(desk: Desk, finder: Finder, id_: str) -> Shown:
    detail = desk.service.cases.case(id_, finder.system)
    decider = desk.service.decider
    try:
        stored = decider.decision(id_, finder.system)
    except ErasedError:
        return Shown(detail, None, Line())
    around = desk.service.around.around(id_, finder.system, earlier=EARLIER)
    line = line_of(decider, finder, stored, detail.case.seq)
    return Shown(detail, stored, line, around, desk.service.around.linked_of(around))


def _head(finder: Finder, found: Shown) -> Markup:
    case = found.case
    figures = [
        said.figure("decision", said.action(case.action, finder.actions)),
        said.figure("risk score", str(case.score), "of 100"),
        said.figure("probability of fraud", said.share(case.probability)),
        said.figure("amount", said.money(case.amount, finder.currency)) if case.amount is not None else None,
        said.figure("expected loss", said.money(case.expected_loss, finder.currency)),
        said.figure("likely to take", f"{case.minutes:.1f}", "min"),
        said.figure("due", tag("span", deadline(case), class_="small")),
    ]
    line = tag(
        "p",
        tag("a", case.id, href=said.decision_address(case.id, finder.system), class_="mono"),
        tag("span", f" · opened by {' '.join(filter(None, (case.kind, case.lot)))} · ", class_="quiet"),
        said.at(case.at),
        " ",
        state(case),
    )
    return said.panel("", line, tag("div", figures, class_="figures"))


def _buttons(desk: Desk, finder: Finder, found: Shown, turn: Turn) -> None:
    """Add everything that can be done about a case, each with its key; a note is the reason that the log keeps."""
    case, system, cases = found.case, finder.system, desk.service.cases
    note = ui.input("Note, which is the reason in the log").props('outlined dense data-key="i" maxlength=900')
    note.classes("note")

    def act(name: str, key: str, need: Need, does: Callable[[By], DoneList], word: str, *, stays: bool = False) -> None:
        async def after(done: DoneList) -> None:
            told = f"{case.id}: {word.format(done.results[0].status)}"
            await turn(case if stays else await desk.act(Scope.REVIEW, Next().why, taking(desk, system)), told)

        acts.at_once(desk, name, need, lambda: (note.value or "").strip() or UNSAID, does, after, key=key)

    ids = [case.id]

    def verdict(value: bool) -> Callable[[By], DoneList]:
        return lambda by: cases.decide(Decide(ids, value, by.why, system=system), by)

    with ui.row().classes("answers"):
        if case.state in ("open", "second", "disputed"):
            act("Fraud", "f", Scope.LABEL, verdict(True), "fraud, {}")
            act("Legitimate", "l", Scope.LABEL, verdict(False), "legitimate, {}")
            act("Need more", "m", Scope.REVIEW, lambda by: cases.defer(Defer(ids, by.why, None, system), by), "{}")
            act("Escalate", "x", Scope.REVIEW, lambda by: cases.escalate(Escalate(ids, by.why, system), by), "{}")
            if case.assigned == desk.principal.who:
                act("Give back", "b", Scope.REVIEW, lambda by: cases.release(HandBack(ids, by.why, system), by), "{}")
            else:
                mine = Assign(ids, UNSAID, "", system)
                act("Take", "a", Scope.REVIEW, lambda by: cases.assign(mine, by), "{}", stays=True)
        if case.verdicts and case.verdicts[-1].who == desk.principal.who:
            last = Undo(ids, UNSAID, system)
            act("Undo", "u", Scope.LABEL, lambda by: cases.undo(last, by), "{} again", stays=True)
        act("Note", "w", Scope.REVIEW, lambda by: cases.note(Write(ids, by.why, system), by), "{}", stays=True)
        if len(found.detail.ring) > 1 and case.state != "retracted":
            _ring(desk, found, system)
        take(desk, system, turn)


def _ring(desk: Desk, found: Shown, system: str) -> None:
    """Add the verdict about a whole ring, which asks first: it says how many cases it is about."""
    cases, many = desk.service.cases, len(found.detail.ring)

    def decide(value: bool) -> Callable[[By], DoneList]:
        return lambda by: cases.decide(Decide([found.case.id], value, by.why, ring=True, system=system), by)

    def told(done: DoneList) -> str:
        return f"{sum(one.status == 'decided' for one in done.results):,} cases of the ring are decided."

    for name, value, key in (("Ring is fraud", True, "F"), ("Ring is legitimate", False, "L")):
        asks = f"All of the {many:,} cases that hang together and wait"
        acts.button(desk, name, Scope.LABEL, decide(value), told, asks=asks, key=key)


def _parts(finder: Finder, found: Shown) -> Markup:
    notes = said.panel("Notes and verdicts", _said(found), width=3, scrolls=True)
    if found.stored is None or found.around is None:
        gone = empty("The person was erased.", "The case stays in the figures; nothing about anybody is left.")
        together = said.panel("Hangs together", _together(finder, found), width=4)
        return join((said.panel("Decision", gone, width=4), together, notes))
    answer = msgspec.json.decode(found.stored.record, type=StoredAnswer)
    return join(
        (
            said.panel("Why", decided.why(answer, found.stored), width=3, scrolls=True),
            said.panel(
                "What is usual",
                normal(found.around),
                decided.beside_usual(found.stored, brief=True),
                width=3,
                scrolls=True,
            ),
            said.panel("Places", places(found.around), width=3, scrolls=True),
            said.panel("Linked", small(found.linked), _together(finder, found), width=3),
            said.panel(
                found.line.title,
                timeline(found.around, finder.actions, blind=found.blind),
                decided.time_line(finder, found.line, found.case.id, blind=found.blind),
                width=6,
            ),
            said.panel("Event", decided.event(finder, found.stored), width=3),
            notes,
        )
    )


def _together(finder: Finder, found: Shown) -> Markup:
    if not found.detail.links:
        return tag("p", "No other case shares a key with it.", class_="quiet")
    ring = tag("p", f"{len(found.detail.ring):,} cases hang together, itself among them.")
    return tag("div", ring, tag("ul", [_link(finder, one) for one in found.detail.links], class_="plain"))


def _link(finder: Finder, one: Link) -> Markup:
    ids = [tag("a", id_, href=said.case_address(id_, finder.system)) for id_ in one.cases[:SHOWN]]
    true = said.mark(f"{one.true:,} fraud", "high") if one.true else said.mark("none known to be fraud")
    more = f" and {one.total - len(ids):,} more" if one.total > len(ids) else None
    return tag("li", f"same {one.field}: {one.total:,} ", true, " ", join(ids, " "), more)


def _said(found: Shown) -> Markup:
    case = found.case
    items = [tag("li", said.at(n.at), f" {n.who}: {n.text}") for n in case.notes]
    items += [
        tag(
            "li",
            said.at(v.at),
            " ",
            said.mark("fraud", "high") if v.value else said.mark("legitimate", "low"),
            f" {v.who}: {v.why}",
        )
        for v in case.verdicts
    ]
    blind = tag("p", "A second opinion is asked for: what the first one found is not shown.") if found.blind else None
    passed = tag("p", f"Escalated by {', '.join(case.escalated)}.") if case.escalated else None
    nothing = (
        tag("p", "Nobody has written anything.", class_="quiet") if not items and not blind and not passed else None
    )
    return tag("div", blind, passed, tag("ul", items, class_="plain") if items else None, nothing)


KEYS = (
    ("f", "fraud"),
    ("l", "legitimate"),
    ("m", "need more: it comes again in a day"),
    ("x", "escalate to somebody who knows more"),
    ("u", "undo my verdict"),
    ("i", "write a note, the reason for what is done next"),
    ("w", "keep the note with the case"),
    ("a", "take it"),
    ("b", "give it back"),
    ("F", "the whole ring is fraud"),
    ("L", "the whole ring is legitimate"),
    ("e", "walk what is linked"),
    ("n", "take the next case"),
)
"""What keys do here."""

PAGE = Page("/case", "Case", Scope.REVIEW, show, keys=KEYS)
