"""The time line of an entity as a drawing: when, how much, what was decided, and what became known of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from adjudge.console import said
from adjudge.console.markup import Markup, tag
from adjudge.service.around.view import Around, Nearby

WIDTH, HEIGHT = 600, 130
"""Of the drawing, in its own units."""

LEFT, RIGHT, TOP, FOOT = 46, 10, 10, 30
"""Room around what is drawn."""


def severity(name: str, actions: Sequence[str]) -> str:
    """Return how severe an action is, as `said.action` marks it.

    Examples
    --------
    >>> severity("block", ["approve", "review", "block"]), severity("review", ["approve", "review", "block"])
    ('high', 'middle')
    """
    place = actions.index(name) if name in actions else 0
    return "low" if place == 0 else "high" if place == len(actions) - 1 else "middle"


def shape(kind: str, x: float, y: float) -> Markup:
    """Return the shape that stands for a severity, as beside its word."""
    if kind == "low":
        return tag("circle", cx=x, cy=y, r=5, class_="shape")
    if kind == "middle":
        return tag("path", d=f"M{x} {y - 6} l6 11 h-12 Z", class_="shape")
    return tag("rect", x=x - 5, y=y - 5, width=10, height=10, class_="shape")


def timeline(around: Around, actions: Sequence[str], *, blind: bool = False) -> Markup:
    """Return the time line around an event; every event on it leads to its decision.

    Parameters
    ----------
    around
        The events.
    actions
        What can be decided, mildest first.
    blind
        Whether what is known of the event in hand is withheld.
    """
    events, this = around.events, around.this
    if this is None:
        return tag("p", "The event names nobody whose time line there is.", class_="quiet")
    first, last = events[0].at, events[-1].at
    top = max((one.amount or 0.0 for one in events), default=0.0)
    places = [(_x(one.at, first, last), _y(one.amount, top)) for one in events]
    at = _x(this.at, first, last)
    marks = [_event(around, one, place, actions, blind) for one, place in zip(events, places, strict=True)]
    drawn = [*_amounts(top), *_times(first, last), tag("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - FOOT, class_="now")]
    of = f"amount, {around.currency}" if around.currency else "amount"
    titles = [
        tag("text", of, x=0, y=HEIGHT - 3, class_="of"),
        tag("text", "time, UTC", x=WIDTH - RIGHT, y=HEIGHT - 3, text_anchor="end", class_="of"),
    ]
    shown = sum(one.when == "earlier" for one in events)
    told = (
        f"{shown:,} of {around.earlier:,} events before this one, {len(events) - shown - 1:,} of {around.later:,} after"
    )
    label = f"Time line of {around.field} {around.value}: {told}"
    svg = tag(
        "svg",
        drawn,
        titles,
        marks,
        viewbox=f"0 0 {WIDTH} {HEIGHT}",
        role="group",
        aria_label=label,
        class_="chart line",
    )
    return tag("figure", svg, _legend(told, actions), class_="drawn wide")


def _x(at: datetime, first: datetime, last: datetime) -> float:
    span = (last - first).total_seconds()
    share = (at - first).total_seconds() / span if span else 0.5
    return round(LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16), 1)


def _y(amount: float | None, top: float) -> float:
    """Return how high an amount stands: by its logarithm, for amounts differ by decades."""
    floor = HEIGHT - FOOT - 8
    if amount is None or amount <= 0 or top <= 0:
        return floor
    return round(floor - math.log1p(amount) / math.log1p(top) * (floor - TOP - 6), 1)


def _amounts(top: float) -> list[Markup]:
    floor = HEIGHT - FOOT
    drawn = [tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor, class_="zero")]
    decades = [10.0**k for k in range(0, 16) if 10.0**k <= top]
    for value in decades[-3:]:
        y = _y(value, top)
        drawn.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        drawn.append(tag("text", said.number(value), x=LEFT - 5, y=y + 4, text_anchor="end"))
    return drawn


def _times(first: datetime, last: datetime) -> list[Markup]:
    """Return the times at both ends and in the middle, as exactly as they differ."""
    span = last - first
    form = (
        "%Y-%m-%d" if span > timedelta(days=4) else "%m-%d %H:%M" if span > timedelta(minutes=5) else "%m-%d %H:%M:%S"
    )
    if not span:
        return [_time(first, form, _x(first, first, last), "middle")]
    middle = first + span / 2
    ends = [(first, "start"), (middle, "middle"), (last, "end")]
    return [_time(at, form, _x(at, first, last), anchor) for at, anchor in ends]


def _time(at: datetime, form: str, x: float, anchor: str) -> Markup:
    return tag("text", at.strftime(form), x=x, y=HEIGHT - FOOT + 13, text_anchor=anchor)


def _event(around: Around, one: Nearby, place: tuple[float, float], actions: Sequence[str], blind: bool) -> Markup:
    x, y = place
    here = one.when == "this"
    truth = None if here and blind else one.truth
    kind = severity(one.action, actions)
    drawn = [shape(kind, x, y)]
    if truth:
        known_then = one.truth_then or here
        drawn.append(
            tag("path", d=f"M{x - 8} {y - 8} l16 16 m0 -16 l-16 16", class_="fraud" if known_then else "fraud since")
        )
    if one.retracted:
        drawn.append(tag("line", x1=x - 9, x2=x + 9, y1=y, y2=y, class_="gone"))
    told = _told(one, around.currency, truth)
    return tag(
        "a",
        tag("title", told),
        drawn,
        href=said.decision_address(one.id, around.system),
        aria_label=told,
        aria_current="true" if here else None,
        class_=f"event {kind} {one.when}",
    )


def _told(one: Nearby, currency: str, truth: bool | None) -> str:
    """Return an event in words."""
    parts = [f"{one.at:%Y-%m-%d %H:%M:%S} UTC", one.id, one.action, f"score {one.score}"]
    parts += [said.money(one.amount, currency)] if one.amount is not None else []
    if truth is not None:
        since = "" if one.truth_then == truth or one.when != "earlier" else ", which was not known then"
        parts.append(("fraud" if truth else "not fraud") + since)
    parts += ["taken back"] if one.retracted else []
    parts += [{"this": "this event", "later": "came later"}[one.when]] if one.when != "earlier" else []
    return " · ".join(parts)


def _legend(told: str, actions: Sequence[str]) -> Markup:
    kinds = dict.fromkeys(severity(name, actions) for name in actions)
    named = {kind: ", ".join(name for name in actions if severity(name, actions) == kind) for kind in kinds}
    items = [tag("li", _sample(shape(kind, 8, 7), f"event {kind}"), words) for kind, words in named.items()]
    cross = tag("path", d="M2 2 l11 11 m0 -11 l-11 11", class_="fraud")
    items.append(tag("li", _sample(cross, "event"), "known fraud; dotted where it was not known then"))
    hollow = tag("circle", cx=8, cy=7, r=5, class_="shape")
    items.append(tag("li", _sample(hollow, "event low later"), "hollow: later"))
    return tag("ul", items, tag("li", told), class_="legend")


def _sample(drawn: Markup, kind: str) -> Markup:
    inside = tag("g", drawn, class_=kind)
    return tag("svg", inside, viewbox="0 0 16 15", width=16, height=15, aria_hidden="true", class_="chart sample")
