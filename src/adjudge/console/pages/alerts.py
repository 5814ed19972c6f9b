"""Alerts: what is the matter as the last looks have it, and what nobody wants to hear of for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.alerts.desks import AlertsView, IncidentView, LiveDesk, NewSilence, Noted

SEVERITY = {"critical": "high", "warning": "middle", "info": "plain"}
"""How the severity of an incident is marked."""

HOURS = 24
"""How long one press keeps an incident silent."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    live = LiveDesk(desk.service.decider)
    found = await desk.read(Scope.AUDIT, live.view)
    with ui.element("section").classes("panel"):
        ui.html(_incidents(found), sanitize=False)
        if desk.may(Scope.MANAGE):
            for one in [one for one in found.incidents if not one.silent]:
                _silence(desk, live, one)
    ui.html(said.panel("Silent", _silences(found)), sanitize=False)


def _incidents(found: AlertsView) -> Markup:
    title = tag("h2", "What is the matter")
    if not found.incidents:
        then = "adjudge monitor watch --alert looks, and writes down what it finds."
        return tag("div", title, empty("Nothing is the matter, as far as anybody has looked.", then))
    rows = [
        (
            one.words,
            said.mark(one.severity, SEVERITY[one.severity]),
            one.stage,
            one.system,
            said.at(one.since),
            said.at(one.seen),
            "yes" if one.silent else "no",
        )
        for one in found.incidents
    ]
    heads = ("What", "Severity", "Stage", "System", "Since", "Seen last", "Silent")
    return tag("div", title, said.table(heads, rows, caption=f"{len(rows)} incidents"))


def _silence(desk: Desk, live: LiveDesk, one: IncidentView) -> None:
    def silence(by: By) -> Noted:
        until = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=desk.now_us) + timedelta(hours=HOURS)
        return live.silence(NewSilence(one.key, until, by.why, one.system), by)

    acts.button(desk, f"Silence {one.key} for a day", Scope.MANAGE, silence, lambda done: f"Silent, at {done.seq:,}.")


def _silences(found: AlertsView) -> Markup:
    if not found.silences:
        return empty("Nothing is silent.")
    rows = [(one.keys, one.system or "every system", said.at(one.until), one.who, one.why) for one in found.silences]
    return said.table(("Incidents", "System", "Until", "By", "Reason"), rows, caption=f"{len(rows)} silences")


PAGE = Page("/alerts", "Alerts", Scope.AUDIT, show, nav="Alerts", group="Watch", key="w")
