"""Maps: where an entity was and its way to the event in hand, and where fraud gathers, over degrees and a scale.

It needs nothing from outside: no tiles and no coast. Degrees of longitude are drawn as wide as they are in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from adjudge.console import said
from adjudge.console.markup import Markup, tag
from adjudge.monitor.hotspots import Spot as Hot
from adjudge.service.around.travel import KM_PER_DEGREE, east_of
from adjudge.service.around.view import Around, Nearby, Spot

WIDTH, HEIGHT, EDGE = 290, 125, 12
"""Of the drawing and its margin, in its own units."""

WORDS = 50
"""About the width of the degrees at a line."""

STEPS = tuple(m * 10.0**k for k in range(-4, 2) for m in (1, 2, 5))
"""Degrees between lines of the grid, of which the finest is taken that gives few."""

LEAST = 0.02
"""A map shows at least so many degrees, about two kilometres."""


class _View:
    """From degrees to places in the drawing, around a middle."""

    def __init__(self, spots: Sequence[Spot], middle: Spot) -> None:
        self.own = middle.lon
        lats, easts = [s.lat for s in spots], [east_of(s.lon, self.own) for s in spots]
        self.lat = (min(lats) + max(lats)) / 2
        self.east = (min(easts) + max(easts)) / 2
        self.wide = max(math.cos(math.radians(self.lat)), 0.05)
        tall, broad = max(max(lats) - min(lats), LEAST), max((max(easts) - min(easts)) * self.wide, LEAST)
        self.scale = min((HEIGHT - 2 * EDGE) / tall, (WIDTH - 2 * EDGE) / broad) * 0.86

    def at(self, spot: Spot) -> tuple[float, float]:
        """Return where a place is drawn."""
        return self.across(east_of(spot.lon, self.own)), self.down(spot.lat)

    def across(self, east: float) -> float:
        return round(WIDTH / 2 + (east - self.east) * self.wide * self.scale, 1)

    def down(self, lat: float) -> float:
        return round(HEIGHT / 2 - (lat - self.lat) * self.scale, 1)


def places(around: Around) -> Markup:
    """Return the map of the places around an event."""
    placed = sorted((e for e in around.events if e.place is not None), key=lambda e: e.when == "this")
    this = around.this
    if not placed or this is None:
        return tag("p", "No event of theirs says where it was.", class_="quiet")
    spots = [one.place for one in placed if one.place is not None]
    view = _View(spots, this.place or spots[-1])
    drawn = [*_grid(view), *_way(around, this, view)]
    drawn += [_spot(around, one, spot, view) for one, spot in zip(placed, spots, strict=True)]
    words = _words(around, this, len(placed))
    svg = tag(
        "svg",
        drawn,
        _bar(view),
        viewbox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"Map: {words}",
        class_="chart map",
    )
    return tag("figure", svg, tag("figcaption", words, class_="quiet"), class_="drawn")


def gathered(spots: Sequence[Hot]) -> Markup | None:
    """Return the map of hot spots, a circle each, the larger the more customers; None where none says where it is."""
    placed = [(one, Spot(one.lat, one.lon)) for one in spots if one.lat is not None and one.lon is not None]
    if not placed:
        return None
    view = _View([spot for _, spot in placed], placed[0][1])
    most = max(one.victims for one, _ in placed)
    drawn = []
    for one, spot in placed:
        x, y = view.at(spot)
        words = f"{one.id} · {one.victims:,} customers in {one.days} days, where {one.expected:.2f} are usual"
        r = round(3 + 6 * math.sqrt(one.victims / most), 1)
        drawn.append(tag("circle", tag("title", words), cx=x, cy=y, r=r, class_="hot"))
    more = len(spots) - len(placed)
    words = f"{len(placed):,} on the map" + (f"; {more:,} do not say where they are" if more else "")
    box = f"0 0 {WIDTH} {HEIGHT}"
    svg = tag("svg", *_grid(view), *drawn, _bar(view), viewbox=box, role="img", aria_label=words, class_="chart map")
    return tag("figure", svg, tag("figcaption", words, class_="quiet"), class_="drawn")


def _words(around: Around, this: Nearby, many: int) -> str:
    if this.place is None:
        return f"{many:,} places of {around.value}; this event does not say where it was."
    here = f"This event at {_degrees(this.place.lat, 'NS')}, {_degrees(this.place.lon, 'EW')}"
    if this.km is None:
        return f"{here}; no place was known before it."
    return f"{here}: {_travel(this)} from the place before it."


def _travel(this: Nearby) -> str:
    speed = "" if this.kmh is None else f" at {this.kmh:,.0f} km/h"
    return f"{this.km or 0.0:,.1f} km{speed}"


def _degrees(value: float, names: str, digits: int = 2) -> str:
    """Return degrees with their side.

    Examples
    --------
    >>> _degrees(-9.139, "EW"), _degrees(52.5, "NS", 0)
    ('9.14° W', '52° N')
    """
    return f"{abs(value):.{digits}f}° {names[value < 0]}"


def _grid(view: _View) -> list[Markup]:
    """Return the lines of the grid, named by their degrees."""
    drawn = []
    tall, broad = HEIGHT / view.scale, WIDTH / view.scale / view.wide
    step = next((s for s in STEPS if tall / s <= 4), STEPS[-1])
    digits = max(0, -math.floor(math.log10(step)))
    for k in range(math.ceil((view.lat - tall / 2) / step), math.floor((view.lat + tall / 2) / step) + 1):
        if abs(k * step) <= 90:
            y = view.down(k * step)
            drawn.append(tag("line", x1=0, x2=WIDTH, y1=y, y2=y, class_="grid"))
            drawn.append(tag("text", _degrees(k * step, "NS", digits), x=2, y=y - 2))
    step = next((s for s in STEPS if broad / s <= 5), STEPS[-1])
    digits = max(0, -math.floor(math.log10(step)))
    left = view.own + view.east - broad / 2
    for k in range(math.ceil(left / step), math.floor((left + broad) / step) + 1):
        x = view.across(k * step - view.own)
        drawn.append(tag("line", x1=x, x2=x, y1=0, y2=HEIGHT, class_="grid"))
        if x < WIDTH - WORDS:
            drawn.append(tag("text", _degrees(east_of(k * step, 0.0), "EW", digits), x=x + 2, y=9))
    return drawn


def _way(around: Around, this: Nearby, view: _View) -> list[Markup]:
    """Return the way from the place before the event in hand."""
    before = [e for e in around.events if e.place is not None and e.seq < this.seq and e.at <= this.at]
    if this.place is None or not before or before[-1].place is None:
        return []
    (x1, y1), (x2, y2) = view.at(before[-1].place), view.at(this.place)
    return [tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="way")]


def _spot(around: Around, one: Nearby, spot: Spot, view: _View) -> Markup:
    x, y = view.at(spot)
    words = f"{one.at:%Y-%m-%d %H:%M:%S} UTC · {one.id} · {said.money(one.amount, around.currency)}"
    if one.when == "this":
        mark = tag("path", tag("title", f"{words} · this event"), d=f"M{x} {y} l-7 -14 h14 Z", class_="here")
        return tag("g", mark, tag("circle", cx=x, cy=y, r=2, class_="here"))
    return tag("circle", tag("title", f"{words} · {one.when}"), cx=x, cy=y, r=4, class_=f"place {one.when}")


def _bar(view: _View) -> Markup:
    """Return the scale: a length in kilometres."""
    per_km = view.scale / KM_PER_DEGREE
    lengths = [m * 10.0**k for k in range(-2, 5) for m in (1, 2, 5)]
    km = max((length for length in lengths if length * per_km <= WIDTH / 4), default=lengths[0])
    end, y = WIDTH - 8, HEIGHT - 8
    start = round(end - km * per_km, 1)
    line = tag("path", d=f"M{start} {y - 4} v4 H{end} v-4", class_="scale")
    return tag("g", line, tag("text", f"{said.number(km)} km", x=end, y=y - 6, text_anchor="end", class_="of"))
