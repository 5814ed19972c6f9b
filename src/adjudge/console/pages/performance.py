"""Rules at work: what each rule in force catches and costs, which are dead or redundant, and what expires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from nicegui import ui

from adjudge.console import looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.parts.chart import Axis, Bars, bars
from adjudge.console.parts.period import days_of, periods, short, span
from adjudge.console.shell import empty
from adjudge.learn.rulereport import RuleLife, RuleReport
from adjudge.service.access.scope import Scope

CHARTS = 6
"""Rules whose hits are drawn, the busiest first."""

NOTES = {"dead": "high", "never fired": "middle", "expired": "middle", "expires soon": "middle", "no owner": "plain"}
"""How a note about a rule is marked."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    days = days_of(query, 90)
    newest = await desk.read(Scope.REVIEW, finder.newest_us)
    ui.html(periods("/console/performance", days, finder.system), sanitize=False)
    if newest is None:
        nothing = empty("Nothing has been decided yet.", "Rules are judged by what they fired on.")
        ui.html(said.panel("", nothing), sanitize=False)
        return
    first, end = span(newest, days)
    words = ("rules", "report", "--json", "--system", finder.system, "--since", first, "--until", end)
    await looked.show(desk, Scope.REVIEW, words, lambda found: _report(found, finder.currency))


def _report(found: bytes, currency: str) -> Markup:
    told = msgspec.json.decode(found, type=RuleReport)
    if not told.rules:
        return said.panel("", empty("No rule is in force.", "Write one under Rules, and try it on the past first."))
    basis = f"{told.events:,} events, {said.share(told.mature)} of them with a label that is old enough"
    return tag(
        "div",
        said.panel(basis, _table(told.rules, currency)),
        said.panel("Redundant", _redundant(told)),
        said.panel("Hits by week", tag("div", _weeks(told.rules), class_="drawings")),
        class_="stack",
    )


def _table(rules: Sequence[RuleLife], currency: str) -> Markup:
    rows = [
        (
            one.rule,
            one.action,
            one.owner or said.NOTHING,
            f"{one.hits:,}",
            said.NOTHING if one.last_hit is None else _at(one.last_hit),
            said.number(one.caught.alerts),
            said.share(one.caught.precision.value),
            said.share(one.caught.recall.value),
            said.money(one.caught.saved.value, currency),
            said.NOTHING if one.expires is None else tag("time", one.expires[:10]),
            tag("span", [said.mark(note, NOTES.get(note, "plain")) for note in one.notes])
            if one.notes
            else said.NOTHING,
        )
        for one in rules
    ]
    heads = (
        "Rule",
        "Action",
        "Owner",
        "Hits",
        "Last hit",
        "Alerts a day",
        "Precision",
        "Recall",
        "Saved a day",
        "Expires",
        "Note",
    )
    return said.table(
        heads, rows, caption="Rules in force, in the order in which they are asked", numbers=frozenset((3, 5, 6, 7, 8))
    )


def _at(text: str) -> Any:
    moment = datetime.fromisoformat(text)
    return said.at(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _redundant(told: RuleReport) -> Markup:
    if not told.redundant:
        return tag("p", "No rule is made superfluous by another one.", class_="quiet")
    rows = [(one.rule, one.by, f"{one.events:,}", said.share(one.share)) for one in told.redundant]
    heads = ("Rule", "Fires only with", "Events", "Share of its hits")
    return said.table(heads, rows, caption="The other rule asks for at least as much", numbers=frozenset((2, 3)))


def _weeks(rules: Sequence[RuleLife]) -> list[Markup]:
    busiest = sorted((one for one in rules if one.weeks), key=lambda one: -one.hits)[:CHARTS]
    return [
        bars(
            one.rule,
            short([week.begins[:10] for week in one.weeks]),
            [Bars("hits", [float(week.alerts) for week in one.weeks])],
            x=Axis("week from, UTC"),
            y=Axis("hits a week", low=0),
        )
        for one in busiest
    ]


PAGE = Page(
    "/performance", "Rules at work", Scope.REVIEW, show, nav="Rules at work", group="Worth", key="u", keys=looked.KEYS
)
