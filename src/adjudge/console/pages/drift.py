"""Drift: what has changed of the data and the scores, whose change it is, and how decisions do by what is known."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import msgspec
from nicegui import ui

from adjudge.console import looked, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.parts.chart import Axis, Bars, Line, Point, bars, lines
from adjudge.console.parts.period import days_of, periods, short, span
from adjudge.console.shell import empty
from adjudge.monitor.overview import Course, Episode, Overview
from adjudge.monitor.performance import Performance
from adjudge.monitor.watch import Watched
from adjudge.service.access.scope import Scope

SHOWN = 12
"""Drifts of one change, and fields of a table, that are shown at once."""

FEW = 3
"""Drifts of one day that are named."""

FIGURES = {"precision": "Precision", "recall": "Recall", "average_precision": "Average precision"}
"""Figures that are drawn with their estimate and the truth, where there are such."""

CAUSES = {"world": ("the world's", "middle"), "pipeline": ("the pipeline's", "high")}
"""Whose change it is, in words and by a mark of its own."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    finder = desk.finder(query.get("system") or None)
    days = days_of(query, 7)
    newest = await desk.read(Scope.AUDIT, finder.newest_us)
    ui.html(periods("/console/drift", days, finder.system), sanitize=False)
    if newest is None:
        nothing = empty("Nothing has been decided yet.", "Six weeks of decisions say what is usual.")
        ui.html(said.panel("", nothing), sanitize=False)
        return
    first, end = span(newest, days)
    words = ("monitor", "watch", "--json", "--system", finder.system, "--since", first, "--until", end)
    await looked.show(desk, Scope.AUDIT, words, _overview)


def _overview(found: bytes) -> Markup:
    told = msgspec.json.decode(found, type=Overview)
    return tag(
        "div",
        said.panel(f"Against {told.reference[0]} to {told.reference[1]}", _days(told.days)),
        [_episode(one) for one in told.episodes],
        said.panel("How far each field is from its usual mix, on the last day", _distances(told.days[-1])),
        _performance(told.performance) if told.performance else None,
        class_="stack",
    )


def _days(days: Sequence[Watched]) -> Markup:
    rows = [
        (
            tag("time", one.date),
            f"{one.events:,}",
            said.mark(*CAUSES[one.verdict.cause]) if one.verdict else said.mark("as usual", "low"),
            tag("div", [tag("p", e.words) for e in one.verdict.evidence[:2]]) if one.verdict else said.NOTHING,
            _few(dict.fromkeys(d.name for d in one.drifts)),
            _few(dict.fromkeys(b.words for b in one.breaches)),
        )
        for one in days
    ]
    heads = ("Day", "Events", "Change", "Evidence", "Drifted", "Not as expected")
    return said.table(heads, rows, caption="Every day that was watched", numbers=frozenset((1,)))


def _few(words: Collection[str]) -> str:
    """Return the first of some words, and how many there are more.

    Examples
    --------
    >>> _few([]), _few(["amount", "place"]), _few("abcdef")
    ('-', 'amount, place', 'a, b, c and 3 more')
    """
    more = f" and {len(words) - FEW:,} more" if len(words) > FEW else ""
    return ", ".join(itertools.islice(words, FEW)) + more or said.NOTHING


def _episode(one: Episode) -> Markup:
    word, severity = CAUSES[one.cause]
    span_ = one.first if one.first == one.last else f"{one.first} to {one.last}"
    rows = [
        (
            d.name,
            d.kind,
            d.value,
            said.number(d.usual),
            said.number(d.seen),
            said.share(d.effect),
            f"{d.z:+.1f}",
            f"{d.p:.1g}",
        )
        for d in one.drifts[:SHOWN]
    ]
    heads = ("Field", "Question", "Value", "Usual", "Seen", "Concerns", "z", "p")
    table = said.table(heads, rows, caption="What has drifted, the surest first", numbers=frozenset((3, 4, 5, 6, 7)))
    apart = None
    if one.apart is not None:
        fields = ", ".join(f"{name} {share:.0%}" for name, share in one.apart.fields[:5])
        apart = tag(
            "p", f"Told apart from usual days with an area under the curve of {one.apart.auc.value:.3f}: {fields}."
        )
    more = len(one.evidence) - SHOWN
    evidence = tag(
        "ul",
        [tag("li", e.words) for e in one.evidence[:SHOWN]],
        tag("li", f"and {more:,} more", class_="quiet") if more > 0 else None,
    )
    head = tag("p", said.mark(word, severity), f" change, {span_}")
    drawn = tag("div", [_course(course) for course in one.courses], class_="drawings")
    return said.panel(f"Change of {span_}", head, evidence, apart, table, drawn)


def _course(one: Course) -> Markup:
    usual = [
        Point(
            i,
            value,
            None if value is None else max(value - 2 * one.spread, 0.0),
            None if value is None else value + 2 * one.spread,
        )
        for i, value in enumerate(one.usual)
    ]
    series = [Line.of("seen", one.seen), Line("usual, two deviations", usual, "dashed")]
    return lines(one.title, series, x=Axis("month-day, UTC"), y=Axis("share", percent=True), names=short(one.dates))


def _distances(day: Watched) -> Markup:
    rows = [
        (
            one.field,
            said.mark("beyond usual days", "middle") if one.psi > one.usual_psi else said.mark("usual", "low"),
            f"{one.psi:.4f}",
            f"{one.usual_psi:.4f}",
            f"{one.js:.4f}",
            said.NOTHING if one.ks is None else f"{one.ks:.4f}",
        )
        for one in sorted(day.distances, key=lambda d: d.usual_psi - d.psi)
    ]
    heads = ("Field", "", "PSI", "PSI of nine in ten usual days", "Jensen-Shannon", "Kolmogorov-Smirnov")
    numbers, caption = frozenset((2, 3, 4, 5)), f"Mix of {day.date} against the reference"
    table = said.table(heads, rows[:SHOWN], caption=caption, numbers=numbers)
    if len(rows) <= SHOWN:
        return table
    further = said.table(heads, rows[SHOWN:], caption="Those nearer to their usual mix", numbers=numbers)
    return tag("div", table, tag("details", tag("summary", f"{len(rows) - SHOWN:,} more"), further, class_="card"))


def _performance(told: Sequence[Performance]) -> Markup:
    names, x = short([one.date for one in told]), Axis("month-day, UTC")
    drawn = [
        lines(
            words,
            [
                Line("estimated, before labels are known", _points([one.expected.get(name) for one in told]), "dashed"),
                Line("by the labels that have come", _points([one.truth.get(name) for one in told]), "marks"),
            ],
            x=x,
            y=Axis("share", percent=True),
            names=names,
        )
        for name, words in FIGURES.items()
        if any(name in one.expected for one in told)
    ]
    calibration = bars(
        "Calibration: bad events among those whose label is known",
        names,
        [
            Bars("expected by the probabilities", [one.bad_expected for one in told]),
            Bars("seen", [one.bad_seen for one in told]),
        ],
        x=x,
        y=Axis("events", low=0),
    )
    apart = [
        f"{one.date} {one.calibration_z:+.1f}"
        for one in told
        if one.calibration_z is not None and abs(one.calibration_z) > 3
    ]
    note = (
        tag("p", "More than three standard deviations apart: ", ", ".join(apart))
        if apart
        else tag("p", "No day is more than three standard deviations apart.", class_="quiet")
    )
    return said.panel("Performance, estimated and true", tag("div", drawn, calibration, class_="drawings"), note)


def _points(values: Sequence[object]) -> list[Point]:
    return [
        Point(i, None) if value is None else Point(i, value.value, value.low, value.high)  # type: ignore[attr-defined]
        for i, value in enumerate(values)
    ]


PAGE = Page("/drift", "Drift and performance", Scope.AUDIT, show, nav="Drift", group="Watch", key="f", keys=looked.KEYS)
