"""Thresholds: what every cut would have meant in alerts, money and honest customers, before anything is changed."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import msgspec
from nicegui import ui
from nicegui.events import GenericEventArguments

from adjudge.console import acts, looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query, whole
from adjudge.console.pages.releases import came_of
from adjudge.console.parts.chart import Axis, Line, Point, lines
from adjudge.console.parts.period import days_of, periods, span
from adjudge.console.shell import empty
from adjudge.errors import InputError
from adjudge.learn.choices import LoggedTradeOffs
from adjudge.learn.tradeoff import TradeOff, TradeOffs
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.find import Finder
from adjudge.service.versions.desk import Activated
from adjudge.service.versions.revision import Revision
from adjudge.service.whatif.change import with_thresholds

POINTS = 60
"""Cuts that the slider goes through."""

WORDS = {"review": "looked at", "block": "stopped"}
"""What is done above a threshold that moves."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    days = days_of(query, 90)
    newest = await desk.read(Scope.REVIEW, finder.newest_us)
    ui.html(periods("/console/thresholds", days, finder.system), sanitize=False)
    if newest is None:
        ui.html(
            said.panel("", empty("Nothing has been decided yet.", "Labels say what a threshold is worth.")),
            sanitize=False,
        )
        return
    first, end = span(newest, days)
    words = ("tradeoff", "--json", "--system", finder.system, "--since", first, "--until", end, "--points", str(POINTS))
    await looked.show(
        desk, Scope.REVIEW, words, _basis, then=lambda found: _sliders(desk, finder, _read(found), query, days)
    )


def _read(found: bytes) -> LoggedTradeOffs:
    return msgspec.json.decode(found, type=LoggedTradeOffs)


def _basis(found: bytes) -> Markup:
    told = _read(found)
    return said.panel(
        "What it rests on",
        tag(
            "p",
            f"{told.events:,} events whose label is old enough, {told.frauds:,} of them frauds. "
            f"{told.left_out:,} are left out: too young, scored by no model, or stopped and never labelled. "
            "Nobody will ever know what those were: a milder threshold than the one in force looks safer than it is.",
        ),
    )


def _sliders(desk: Desk, finder: Finder, told: LoggedTradeOffs, query: Query, days: int) -> None:
    for one in told.trade_offs:
        action = told.actions.get(one.moved)
        with ui.element("section").classes("panel"):
            ui.html(tag("h2", f"Above which {one.compare} an event is {WORDS[one.moved]}"), sanitize=False)
            _slider(desk, finder, one, action, query, days)


def _slider(desk: Desk, finder: Finder, one: TradeOffs, action: str | None, query: Query, days: int) -> None:
    rows, now = one.rows, _place(one)
    given = whole(query, one.moved)
    at = given if given is not None and given < len(rows) else now
    figures = ui.html(_figures(rows[at], rows[now], finder.currency), sanitize=False)
    slider = ui.element("input").props(f"type=range min=0 max={len(rows) - 1}").classes("cut")
    slider.props["^value"] = str(at)  # where it begins: as a property, each drawing anew would put it back there
    slider.props(f'aria-label="Threshold above which an event is {WORDS[one.moved]}: further right are more of them"')
    chosen = at

    def moved(event: GenericEventArguments) -> None:
        nonlocal chosen
        chosen = min(max(int(event.args), 0), len(rows) - 1)
        figures.set_content(_figures(rows[chosen], rows[now], finder.currency))
        address = urlencode({"system": finder.system, "days": days, one.moved: chosen})
        ui.run_javascript(f"history.replaceState(null, '', {json.dumps('/console/thresholds?' + address)})")

    slider.on("input", moved, js_handler="(event) => emit(event.target.value)")
    ui.html(_charts(one, finder.currency), sanitize=False)
    if action is not None:

        def decide(by: By) -> Activated:
            threshold = rows[chosen].threshold
            if threshold is None:
                message = "there nothing would be done any more: choose a cut that something is above"
                raise InputError(message, field="thresholds")
            plan = desk.service.decider.workspace.system(finder.system).plan
            policy = with_thresholds(plan, {action: threshold})
            return desk.service.second.revise(Revision(by.why, finder.system, policy=policy), by)

        name = f"Have {action} begin there"
        acts.button(desk, name, Scope.MANAGE, decide, came_of, asks="The policy decides so from the next position on")


def _place(one: TradeOffs) -> int:
    """Return the row of the threshold that is set; the cheapest where none is."""
    marked = one.marked("set") or one.marked("least cost")
    return 0 if marked is None else one.rows.index(marked)


def _figures(row: TradeOff, now: TradeOff, currency: str) -> Markup:
    """Return what a cut means, each figure beside that of the cut in force."""

    def against(value: float | None, before: float | None, form: str = "{:+,.1f}") -> str:
        return "" if value is None or before is None or value == before else f" ({form.format(value - before)})"

    cut = said.NOTHING if row.threshold is None else f"{row.threshold:.4g}"
    figures = (
        said.figure("threshold", cut),
        said.figure("alerts", f"{row.alerts_per_day:,.1f}", f"a day{against(row.alerts_per_day, now.alerts_per_day)}"),
        said.figure(
            "stopped", f"{row.blocked_per_day:,.1f}", f"a day{against(row.blocked_per_day, now.blocked_per_day)}"
        ),
        said.figure(
            "false declines",
            f"{row.false_declines_per_day:,.2f}",
            f"a day{against(row.false_declines_per_day, now.false_declines_per_day, '{:+,.2f}')}",
        ),
        said.figure(
            "saved a day",
            said.money(row.saved_per_day, currency),
            against(row.saved_per_day, now.saved_per_day, "{:+,.2f}").strip(),
        ),
        said.figure("review", f"{row.review_hours_per_day:,.1f}", "h a day"),
        said.figure("precision", said.share(row.precision)),
        said.figure("recall", said.share(row.recall)),
    )
    marks = tag("p", [said.mark(mark, "low" if mark == "set" else "plain") for mark in row.marks], class_="quiet")
    return tag("div", tag("div", figures, class_="figures"), marks, role="status")


def _charts(one: TradeOffs, currency: str) -> Markup:
    x = Axis("alerts a day" if one.moved == "review" else "stopped a day", low=0)
    at = [row.alerts_per_day if one.moved == "review" else row.blocked_per_day for row in one.rows]
    drawn = (
        lines(
            "Saved against passing everything",
            [Line("money", [Point(x_, row.saved_per_day) for x_, row in zip(at, one.rows, strict=True)])],
            x=x,
            y=Axis(f"{currency or 'money'} a day"),
        ),
        lines(
            "Recall and precision",
            [
                Line("recall", [Point(x_, row.recall) for x_, row in zip(at, one.rows, strict=True)]),
                Line("precision", [Point(x_, row.precision) for x_, row in zip(at, one.rows, strict=True)], "dashed"),
            ],
            x=x,
            y=Axis("share", percent=True, low=0, high=1),
        ),
    )
    return tag("div", drawn, class_="drawings")


PAGE = Page("/thresholds", "Thresholds", Scope.REVIEW, show, nav="Thresholds", group="Worth", key="x", keys=looked.KEYS)
