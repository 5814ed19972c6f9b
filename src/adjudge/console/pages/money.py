"""Money: what deciding has saved and cost in a period, and what was decided day by day."""

from __future__ import annotations

import msgspec
from nicegui import ui

from adjudge.console import looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.parts.chart import Axis, Bars, Line, bars, lines
from adjudge.console.parts.period import days_of, periods, short, span
from adjudge.console.shell import empty
from adjudge.learn.bootstrap import Interval
from adjudge.learn.slices import Slicing
from adjudge.service.access.scope import Scope
from adjudge.service.find import Daily, Finder
from adjudge.service.governance.facts import Report


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    days = days_of(query, 30)
    newest = await desk.read(Scope.REVIEW, finder.newest_us)
    ui.html(periods("/console/money", days, finder.system), sanitize=False)
    if newest is None:
        nothing = empty("Nothing has been decided yet.", "Send an event to /v1/decide and reload; /docs says how.")
        ui.html(said.panel("", nothing), sanitize=False)
        return
    daily = await desk.read(Scope.REVIEW, finder.daily, days)
    ui.html(said.panel("Decided day by day", tag("div", _daily(daily, finder), class_="drawings")), sanitize=False)
    first, end = span(newest, days)
    words = ("report", "--json", "--system", finder.system, "--since", first, "--until", end)
    await looked.show(desk, Scope.REVIEW, words, lambda found: _money(found, finder.currency))


def _daily(daily: Daily, finder: Finder) -> tuple[Markup, ...]:
    """Return a chart of each action: they differ by orders of magnitude."""
    x = Axis("month-day, UTC")
    return tuple(
        lines(
            name,
            [Line.of("decisions", daily.counts[name])],
            x=x,
            y=Axis("decisions a day", low=0),
            names=short(daily.days),
        )
        for name in finder.actions
        if any(daily.counts.get(name, ()))
    )


def _money(found: bytes, currency: str) -> Markup:
    told = msgspec.json.decode(found, type=Report)
    worth, weeks = told.savings, told.weeks
    spent = worth.false_declines + worth.reviews
    caught = sum(week.reviews for week in weeks)
    figures = (
        said.figure("saved, net", said.money(worth.net, currency)),
        said.figure("loss prevented", said.money(worth.prevented, currency)),
        said.figure("lost", said.money(worth.lost, currency)),
        said.figure("false declines", f"{sum(week.false_declines for week in weeks):,.0f}", "events"),
        said.figure("cost of false declines", said.money(worth.false_declines, currency)),
        said.figure("reviews", f"{caught:,}", "events"),
        said.figure("review", f"{sum(week.review_hours for week in weeks):,.1f}", "h"),
        said.figure("cost of reviews", said.money(worth.reviews, currency)),
        said.figure("spent", said.money(spent, currency)),
        said.figure("label known", said.share(worth.known), "of the events"),
    )
    names, x = [week.date for week in weeks], Axis("week from, UTC")
    unit = currency or "money"
    charts = (
        bars(
            "Loss by week",
            names,
            [Bars("prevented", [w.prevented for w in weeks]), Bars("lost", [w.loss for w in weeks])],
            x=x,
            y=Axis(unit, low=0),
        ),
        bars(
            "False declines by week",
            names,
            [Bars("events", [w.false_declines for w in weeks])],
            x=x,
            y=Axis("events", low=0),
        ),
        bars("Review by week", names, [Bars("hours", [w.review_hours for w in weeks])], x=x, y=Axis("hours", low=0)),
        lines(
            "Cost of each bad event that was caught",
            [Line.of("cost per case", [w.cost_per_case for w in weeks])],
            x=x,
            y=Axis(unit, low=0),
            names=names,
        ),
    )
    otherwise = [
        (
            one.action,
            f"{one.decisions:,}",
            f"{one.against:,}",
            ", ".join(f"{k} {v:,}" for k, v in one.said.items()) or said.NOTHING,
        )
        for one in told.overrides
    ]
    heads = ("Action", "Decisions", "Label says otherwise", "Told since")
    table = said.table(heads, otherwise, caption="What was told of decisions", numbers=frozenset((1, 2)))
    return tag(
        "div",
        said.panel(f"{told.start:%Y-%m-%d} to {told.end:%Y-%m-%d}", tag("div", figures, class_="figures")),
        said.panel("By week", tag("div", charts, class_="drawings")),
        said.panels(
            said.panel("By action", table, width=7),
            said.panel("Before relying on it", tag("ul", [tag("li", text) for text in told.limits]), width=5),
        ),
        said.panels(*(said.panel(f"Recall by {one.field}", _recall(one), width=6) for one in told.slices))
        if told.slices
        else None,
        class_="stack",
    )


def _recall(found: Slicing) -> Markup:
    """Return what was caught of each kind of fraud, and how often an alert was right, where enough stand behind it."""
    rows = [
        (
            one.name,
            f"{one.events:,}",
            f"{one.frauds:,}",
            *(_between(one.figures.get(name)) for name in ("recall", "precision", "false_positive_rate")),
        )
        for one in found.slices
    ]
    heads = (found.field, "Known", "Fraud", "Recall", "Precision", "False alarms")
    return said.table(heads, rows, caption="Of events whose label is known", numbers=frozenset(range(1, 6)))


def _between(figure: Interval | None) -> Markup | str:
    if figure is None or figure.value is None:
        return said.NOTHING
    if figure.low is None or figure.high is None:
        return said.share(figure.value)
    return tag("span", said.share(figure.value), title=f"{said.share(figure.low)} to {said.share(figure.high)}")


PAGE = Page("/money", "Money", Scope.REVIEW, show, nav="Money", group="Worth", key="m", keys=looked.KEYS)
