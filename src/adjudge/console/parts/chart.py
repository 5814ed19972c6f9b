"""Charts: lines, bars and histograms, drawn here as SVG in which every text is escaped.

A chart is a figure with a title, a unit on each axis and its numbers in a table that folds open. Series differ by dash,
shape and filling, never by colour alone: colours mean risk and status, and a series is neither.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeGuard

from adjudge.console import said
from adjudge.console.markup import Child, Markup, tag

WIDTH, HEIGHT = 600, 230
"""Of the drawing, in its own units; at the width of half a page they are pixels."""

LEFT, RIGHT, TOP, BOTTOM = 58, 18, 10, 40
"""Room around what is plotted: for the numbers of the axes and what they are of."""

TICKS = 4
"""About so many marks on an axis."""

MOST = 1e15
"""Numbers beyond this, which no chart can say, are left out of it."""

LETTER = 6.2
"""About the width of a letter."""

WHOLE = 10
"""Names up to this long, as days are, stand whole below an axis: rather every other one is left out."""

Style = Literal["solid", "dashed", "marks"]


class Point(NamedTuple):
    """One point of a line.

    Parameters
    ----------
    x
        Where; with names on the axis, the place of the name.
    y
        What; None leaves a gap.
    low, high
        Between what it lies; None where that is not known.
    """

    x: float
    y: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A series of points.

    Parameters
    ----------
    name
        In the legend.
    points
        From left to right.
    style
        ``solid`` and ``dashed`` are lines, with a band where points have ranges; ``marks`` are squares with whiskers.
    """

    name: str
    points: Sequence[Point]
    style: Style = "solid"

    @classmethod
    def of(cls, name: str, values: Sequence[float | None], style: Style = "solid") -> Line:
        """Return a line through values one place apart."""
        return cls(name, [Point(i, value) for i, value in enumerate(values)], style)


@dataclass(frozen=True)
class Bars:
    """A series of bars, one for each name or bin.

    Parameters
    ----------
    name
        In the legend.
    values
        At least 0; None for no bar.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Axis:
    """One axis.

    Parameters
    ----------
    of
        What it is of, with its unit, such as ``amount, EUR``.
    percent
        Whether its numbers are shares that are written in percent.
    low, high
        Where it begins and ends; None for where the numbers do.
    """

    of: str
    percent: bool = False
    low: float | None = None
    high: float | None = None

    def says(self, value: float | None) -> str:
        """Return a number of this axis in words.

        Examples
        --------
        >>> Axis("share", percent=True).says(0.123), Axis("EUR").says(1500.0), Axis("EUR").says(None)
        ('12.3 %', '1,500', '-')
        """
        if value is None:
            return said.NOTHING
        return f"{100 * value:.3g} %" if self.percent else said.number(float(f"{value:.5g}"))


class _Scale(NamedTuple):
    """From numbers to places in the drawing."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start), 1)


def lines(title: str, series: Sequence[Line], *, x: Axis, y: Axis, names: Sequence[str] = ()) -> Markup:
    """Return a chart of lines.

    Parameters
    ----------
    title
        What it shows.
    series
        The lines, at most one of each style, so that they can be told apart.
    x, y
        Its axes.
    names
        Of the places 0, 1, ... on the axis below, such as days; without them it has numbers.
    """
    points = [point for line in series for point in line.points]
    heights = [v for point in points for v in (point.y, point.low, point.high) if _drawable(v)]
    if not heights:
        return _figure(title, tag("p", "There is nothing to draw yet.", class_="quiet"))
    down = _scale(heights, y, HEIGHT - BOTTOM, TOP)
    spread = [-0.5, len(names) - 0.5] if names else [point.x for point in points]
    across = _scale(spread, Axis(x.of, low=spread[0], high=spread[-1]) if names else x, LEFT, WIDTH - RIGHT)
    ticks = _named(names, across) if names else _numbered(x, across)
    drawn = [_line(line, across, down, x, y, names) for line in series]
    svg = _svg(title, _grid(y, down), ticks, _titles(x, y), drawn)
    legend = _legend([(line.name, line.style) for line in series])
    return _figure(title, legend, svg, _numbers(title, series, x, y, names))


def bars(title: str, names: Sequence[str], series: Sequence[Bars], *, x: Axis, y: Axis) -> Markup:
    """Return a chart of bars, those of one name beside each other.

    Parameters
    ----------
    title
        What it shows.
    names
        Below the bars.
    series
        At most two: the first is hollow, the second is filled; one alone is filled.
    x, y
        Its axes.
    """
    across = _Scale(-0.5, max(len(names), 1) - 0.5, LEFT, WIDTH - RIGHT)
    return _barred(title, names, series, x, y, across, _named(names, across))


def histogram(title: str, edges: Sequence[float], series: Sequence[Bars], *, x: Axis, y: Axis) -> Markup:
    """Return a histogram; bins are drawn equally wide, whatever they span.

    Parameters
    ----------
    title
        What it shows.
    edges
        Of the bins, one more than there are bins; the outermost may be infinite.
    series
        As for `bars`.
    x, y
        Its axes.

    Examples
    --------
    >>> before, y = Bars("before", [0.5, 0.5]), Axis("share of events", percent=True)
    >>> drawn = histogram("Amount", [0, 10, 20], [before], x=Axis("amount, EUR"), y=y)
    >>> "0 to 10 EUR, before: 50 %" in drawn
    True
    """
    names = [_between(low, high, x) for low, high in itertools.pairwise(edges)]
    across = _Scale(-0.5, max(len(names), 1) - 0.5, LEFT, WIDTH - RIGHT)
    step = max(1, math.ceil(len(edges) / 8))
    inner = [i for i in range(1, len(edges) - 1) if (i - 1) % step == 0]
    marks = [_tick(across.at(i - 0.5), x.says(edges[i])) for i in inner]
    return _barred(title, names, series, x, y, across, marks)


def _barred(
    title: str, names: Sequence[str], series: Sequence[Bars], x: Axis, y: Axis, across: _Scale, ticks: list[Markup]
) -> Markup:
    heights = [value for one in series for value in one.values if _drawable(value)]
    if not heights:
        return _figure(title, tag("p", "There is nothing to draw yet.", class_="quiet"))
    down = _scale([0.0, *heights], Axis(y.of, y.percent, 0.0, y.high), HEIGHT - BOTTOM, TOP)
    room = (across.stop - across.start) / len(names)
    wide = room * 0.8 / len(series)
    kinds = ["filled"] if len(series) == 1 else ["hollow", "filled"]
    drawn = [
        _bar(across.at(i) - room * 0.4 + k * wide, wide, down, value, kind, f"{name}{_unit(x)}, {one.name}: ", y)
        for k, (one, kind) in enumerate(zip(series, kinds, strict=True))
        for i, (name, value) in enumerate(zip(names, one.values, strict=True))
        if _drawable(value)
    ]
    rows = [[name, *(y.says(one.values[i]) for one in series)] for i, name in enumerate(names)]
    heads = [x.of, *(one.name for one in series)]
    legend = _legend([(one.name, kind) for one, kind in zip(series, kinds, strict=True)])
    svg = _svg(title, _grid(y, down), ticks, _titles(x, y), drawn)
    return _figure(title, legend, svg, _folded(title, heads, rows))


def _drawable(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) <= MOST


def _unit(x: Axis) -> str:
    """Return the unit of an axis as it stands behind a number of it."""
    _, comma, unit = x.of.rpartition(", ")
    return f" {unit}" if comma else ""


def _between(low: float, high: float, x: Axis) -> str:
    if math.isinf(low):
        return f"below {x.says(high)}"
    return f"from {x.says(low)}" if math.isinf(high) else f"{x.says(low)} to {x.says(high)}"


def _scale(values: Sequence[float], axis: Axis, start: float, stop: float) -> _Scale:
    finite = [value for value in values if _drawable(value)] or [0.0]
    low = min(finite) if axis.low is None else axis.low
    high = max(finite) if axis.high is None else axis.high
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-200):
        low, high = (low, low + 1.0) if axis.low is not None or low == 0 else (low - abs(low) / 2, low + abs(low) / 2)
    reach = (high - low) * 0.06
    return _Scale(
        low if axis.low is not None else low - reach, high if axis.high is not None else high + reach, start, stop
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two.

    Examples
    --------
    >>> _ticks(0, 1)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    >>> _ticks(-30, 170)
    [0.0, 50.0, 100.0, 150.0]
    """
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    return [round(k * step, 12) + 0.0 for k in range(math.ceil(low / step), math.floor(high / step * (1 + 1e-9)) + 1)]


def _grid(y: Axis, down: _Scale) -> list[Markup]:
    drawn = []
    for value in _ticks(down.low, down.high):
        at = down.at(value)
        drawn.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="zero" if value == 0 else "grid"))
        drawn.append(tag("text", y.says(value), x=LEFT - 6, y=at + 4, text_anchor="end"))
    return drawn


def _tick(at: float, text: str) -> Markup:
    return tag("text", text, x=at, y=HEIGHT - BOTTOM + 15, text_anchor="middle")


def _numbered(x: Axis, across: _Scale) -> list[Markup]:
    return [_tick(across.at(value), x.says(value)) for value in _ticks(across.low, across.high)]


def _named(names: Sequence[str], across: _Scale) -> list[Markup]:
    room = (across.stop - across.start) / max(len(names), 1)
    longest = max((len(name) for name in names), default=1)
    step = max(1, math.ceil((min(longest, WHOLE) + 1) * LETTER / room))
    letters = int(step * room / LETTER) - 1
    return [
        _tick(across.at(i), name if len(name) <= letters else f"{name[: letters - 1]}…")
        for i, name in enumerate(names)
        if i % step == 0
    ]


def _titles(x: Axis, y: Axis) -> list[Markup]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return [
        tag("text", x.of, x=WIDTH - RIGHT, y=HEIGHT - 6, text_anchor="end", class_="of"),
        tag("text", y.of, x=0, y=0, transform=f"translate(11 {middle}) rotate(-90)", text_anchor="middle", class_="of"),
    ]


def _line(line: Line, across: _Scale, down: _Scale, x: Axis, y: Axis, names: Sequence[str]) -> Markup:
    whole = [p for p in line.points if _drawable(p.y)]
    parts: list[Child] = []
    if line.style == "marks":
        parts += [_whisker(p, across, down) for p in whole]
    else:
        parts.append(_band(whole, across, down))
        parts += [_path(run, across, down) for run in _runs(line.points)]
    parts += [
        _spot(across.at(p.x), down.at(p.y), line.style, f"{_place(p.x, x, names)}, {line.name}: {_told(p, y)}")
        for p in whole
        if p.y is not None
    ]
    return tag("g", parts, class_=f"series {line.style}")


def _place(at: float, x: Axis, names: Sequence[str]) -> str:
    return names[int(at)] if names else f"{x.says(at)}{_unit(x)}"


def _told(p: Point, y: Axis) -> str:
    between = f" ({y.says(p.low)} to {y.says(p.high)})" if p.low is not None and p.high is not None else ""
    return y.says(p.y) + between


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Return the stretches of a line between its gaps."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if not _drawable(point.y):
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if len(run) > 1]


def _path(run: Sequence[Point], across: _Scale, down: _Scale) -> Markup:
    places = " L".join(f"{across.at(p.x)} {down.at(p.y or 0.0)}" for p in run)
    return tag("path", d=f"M{places}", class_="line")


def _band(points: Sequence[Point], across: _Scale, down: _Scale) -> Markup | None:
    ranged = [p for p in points if p.low is not None and p.high is not None]
    if len(ranged) < 2:
        return None
    above = [f"{across.at(p.x)} {down.at(p.high or 0.0)}" for p in ranged]
    below = [f"{across.at(p.x)} {down.at(p.low or 0.0)}" for p in reversed(ranged)]
    return tag("path", d=f"M{' L'.join([*above, *below])} Z", class_="band")


def _whisker(p: Point, across: _Scale, down: _Scale) -> Markup | None:
    if p.low is None or p.high is None:
        return None
    at = across.at(p.x)
    return tag("line", x1=at, x2=at, y1=down.at(p.low), y2=down.at(p.high), class_="line")


def _spot(at: float, down: float, style: Style, told: str) -> Markup:
    title = tag("title", told)
    if style == "marks":
        return tag("rect", title, x=at - 4, y=down - 4, width=8, height=8, class_="spot")
    return tag("circle", title, cx=at, cy=down, r=3, class_="spot")


def _bar(at: float, wide: float, down: _Scale, value: float, kind: str, told: str, y: Axis) -> Markup:
    top = down.at(value)
    title = tag("title", told + y.says(value))
    return tag(
        "rect",
        title,
        x=round(at, 1),
        y=top,
        width=round(max(wide - 1, 1), 1),
        height=max(round(down.start - top, 1), 0.5 if value > 0 else 0),
        class_=f"column {kind}",
    )


def _svg(title: str, *drawn: Child) -> Markup:
    return tag("svg", drawn, viewbox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title, class_="chart")


def _legend(names: Sequence[tuple[str, str]]) -> Markup:
    shown = [tag("li", _sample(kind), name) for name, kind in names]
    return tag("ul", shown, class_="legend")


def _sample(kind: str) -> Markup:
    if kind in ("hollow", "filled"):
        drawn = tag("rect", x=5, y=1, width=12, height=10, class_=f"column {kind}")
    elif kind == "marks":
        drawn = tag("rect", x=7, y=2, width=8, height=8, class_="spot")
    else:
        drawn = tag("line", x1=0, x2=22, y1=6, y2=6, class_="line")
    group = tag("g", drawn, class_=f"series {kind}")
    return tag("svg", group, viewbox="0 0 22 12", width=22, height=12, aria_hidden="true", class_="chart sample")


def _numbers(title: str, series: Sequence[Line], x: Axis, y: Axis, names: Sequence[str]) -> Markup:
    at = sorted({p.x for line in series for p in line.points})
    by = [{p.x: p for p in line.points} for line in series]
    rows = [
        [_place(one, x, names), *(_told(found[one], y) if one in found else said.NOTHING for found in by)] for one in at
    ]
    return _folded(title, [x.of, *(f"{line.name}, {y.of}" for line in series)], rows)


def _folded(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    table = said.table(heads, rows, caption=title, numbers=frozenset(range(1, len(heads))))
    return tag("details", tag("summary", "Numbers"), table, class_="numbers")


def _figure(title: str, *parts: Child) -> Markup:
    return tag("figure", tag("figcaption", title), parts, class_="drawn")
