"""Review: what waits and until when, what people found and how far they agree, and how they work from here on."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty
from adjudge.errors import InputError
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.cases.asked import Work
from adjudge.service.cases.entries import Routine
from adjudge.service.cases.people import PeopleList
from adjudge.service.cases.view import Summary


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    systems = sorted(desk.service.decider.workspace.systems)
    system = desk.service.decider.workspace.system(query.get("system") or systems[0]).name
    found = await desk.read(Scope.REVIEW, desk.service.cases.summary, system)
    currency = desk.finder(system).currency
    if len(systems) > 1:
        ui.html(_systems(systems, system), sanitize=False)
    ui.html(said.panel(f"Review of {system}", tag("div", _figures(found, currency), class_="figures")), sanitize=False)
    ui.html(
        said.panels(
            said.panel("How long a case takes", _minutes(found), width=4),
            said.panel("First and second opinions", _agreement(found), width=4),
            said.panel("Cases drawn at random", _estimate(found), width=4),
        ),
        sanitize=False,
    )
    if desk.may(Scope.MANAGE):
        theirs = await desk.read(Scope.MANAGE, desk.service.cases.people, system)
        ui.html(said.panel(f"Who reviewed, in {theirs.days:g} days", _people(theirs, currency)), sanitize=False)
    with ui.element("section").classes("panel"):
        ui.html(_routine(found.routine), sanitize=False)
        if desk.may(Scope.MANAGE):
            _change(desk, found)


def _systems(systems: list[str], system: str) -> Markup:
    links = [
        tag(
            "li",
            tag(
                "a",
                name,
                href=f"/console/review?{urlencode({'system': name})}",
                aria_current="true" if name == system else None,
            ),
        )
        for name in systems
    ]
    return said.panel("Systems", tag("ul", links, class_="plain"))


def _figures(found: Summary, currency: str) -> tuple[Markup, ...]:
    done = found.reviewed
    lately = f"in {done.days:g} days"
    return (
        said.figure("wait", f"{found.waiting:,}", "cases"),
        said.figure("of them past their deadline", f"{found.late:,}", "cases"),
        said.figure("in somebody's hands", f"{found.assigned:,}", "cases"),
        said.figure("closed", f"{found.closed:,}", "cases"),
        said.figure("work that waits", f"{found.minutes / 60:,.1f}", "h"),
        said.figure(f"reviewed {lately}", f"{done.cases:,}", "cases"),
        said.figure(f"took, {lately}", f"{done.hours:,.1f}", "h"),
        said.figure(f"loss found {lately}", said.money(done.found, currency)),
        said.figure(f"cost of review {lately}", said.money(done.cost, currency)),
        said.figure("loss found an hour", said.money(done.found_per_hour, currency)),
    )


def _minutes(found: Summary) -> Markup:
    if not found.by_kind:
        return empty("There has been no case.", "Decisions with a review action open some, and random draws do.")
    rows = [(kind, f"{minutes:,.1f}") for kind, minutes in found.by_kind.items()]
    return said.table(("Kind", "Minutes"), rows, caption="Likely minutes of a case", numbers=frozenset((1,)))


def _agreement(found: Summary) -> Markup:
    agreed = found.agreement
    if not agreed.pairs:
        return empty("No case has two opinions.", "A share of second opinions, below, asks two people for the same.")
    kappa = said.NOTHING
    if agreed.kappa is not None and agreed.error is not None:
        kappa = f"{agreed.kappa:.2f}, standard error {agreed.error:.2f}"
    return said.facts(
        [
            ("Pairs", f"{agreed.pairs:,}"),
            ("They agree on", said.share(agreed.share)),
            ("Beyond chance (Cohen's kappa)", kappa),
        ]
    )


def _people(found: PeopleList, currency: str) -> Markup:
    if not found.people:
        return empty("Nobody has given a verdict lately.", "Cases are worked under Cases, one key each.")
    rows = [
        (
            one.who,
            f"{one.verdicts:,}",
            said.NOTHING if one.minutes is None else f"{one.minutes:,.1f}",
            said.NOTHING if one.per_hour is None else f"{one.per_hour:,.1f}",
            f"{one.true:,} of {one.positive:,}",
            said.money(one.found, currency),
            said.NOTHING if one.agree is None else f"{said.share(one.agree)} of {one.pairs:,}",
            f"{one.overruled:,}",
        )
        for one in found.people
    ]
    heads = ("Who", "Verdicts", "Minutes, median", "An hour", "Fraud, true by now", "Loss found", "Agree", "Overruled")
    caption = "Agree: with whoever else looked at the same case. Overruled: not the truth by now."
    return said.table(heads, rows, caption=caption, numbers=frozenset(range(1, 8)))


def _estimate(found: Summary) -> Markup:
    drawn = found.estimate
    if not drawn.cases:
        return empty("None has been drawn.", "adjudge cases routine --random has some drawn.")
    within = f"{said.share(drawn.low)} to {said.share(drawn.high)}"
    return said.facts(
        [
            ("Drawn", f"{drawn.cases:,}"),
            ("Known", f"{drawn.known:,}"),
            ("Positive among all decisions", said.share(drawn.rate)),
            ("95 % interval", said.NOTHING if drawn.low is None else within),
        ]
    )


def _routine(routine: Routine) -> Markup:
    due, minutes = routine.due_hours, routine.minutes_per_day
    return tag(
        "div",
        tag("h2", "How cases are worked"),
        said.facts(
            [
                ("Due after", "no deadline" if due is None else f"{due:g} h"),
                ("People review", "as the policy's capacity says" if minutes is None else f"{minutes:g} min a day"),
                ("Second opinions", said.share(routine.second)),
                ("Drawn at random", said.share(routine.random)),
                ("Drawn to learn from", said.share(routine.learn)),
            ]
        ),
    )


def _change(desk: Desk, found: Summary) -> None:
    now = found.routine
    with ui.row().classes("row-form after"):
        due = ui.input("Due after, hours", value=_typed(now.due_hours)).props("outlined dense")
        minutes = ui.input("Review a day, minutes", value=_typed(now.minutes_per_day)).props("outlined dense")
        second = ui.input("Second opinions, percent", value=_typed(100 * now.second)).props("outlined dense")

        def work(by: By) -> Summary:
            routine = msgspec.structs.replace(
                now,
                due_hours=_number(due.value, "due_hours"),
                minutes_per_day=_number(minutes.value, "minutes_per_day"),
                second=(_number(second.value, "second") or 0.0) / 100,
            )
            return desk.service.cases.work(Work(routine, by.why, found.system), by)

        acts.button(desk, "Work like this", Scope.MANAGE, work, lambda _: "Cases are worked like this now.", key="v")


def _typed(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _number(text: str | None, field: str) -> float | None:
    """Return what somebody typed as a number, and None where they left it empty."""
    if not (text or "").strip():
        return None
    try:
        return float(text or "")
    except ValueError:
        message = f"{field} is a number, not {(text or '')[:40]!r}"
        raise InputError(message, field=field, code="wrong_type") from None


PAGE = Page(
    "/review",
    "Review",
    Scope.REVIEW,
    show,
    nav="Review",
    group="Work",
    key="m",
    keys=(("v", "have cases worked in another way, with a reason"),),
)
