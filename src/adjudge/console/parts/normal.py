"""What is usual for somebody, beside an event: small drawings of amounts and hours, and the values seen most."""

from __future__ import annotations

from collections.abc import Sequence

from adjudge.console import said
from adjudge.console.markup import Markup, tag
from adjudge.service.around.view import Around, Bin, Count

WIDTH, HEIGHT = 200, 82
"""Of a drawing, in its own units."""

TOP, FOOT = 12, 28
"""Room above for the mark of this event, and below for numbers and what they are of."""


def normal(around: Around) -> Markup:
    """Return what was usual when an event was decided, and where the event stands in it."""
    usual, this = around.normal, around.this
    if this is None or not usual.events:
        return tag("p", "Nothing of them was known before this event.", class_="quiet")
    who = f"{usual.events:,} earlier events of {around.field} {around.value}"
    amount = None if this.amount is None else said.money(this.amount, around.currency)
    parts = [tag("p", f"{who}, as far as they were known by then.", class_="quiet")]
    drawings = []
    if usual.amounts and amount is not None:
        told = f"more than {said.share(usual.below)} of them" if usual.below is not None else "the first one"
        drawings.append(_amounts(usual.amounts, this.amount or 0.0, around.currency, f"{amount} here: {told}"))
    drawings.append(_hours(usual.hours, this.hour))
    parts.append(tag("div", drawings, class_="smalls"))
    parts.append(tag("ul", [_values(name, seen) for name, seen in usual.values.items() if seen], class_="plain seen"))
    return tag("div", parts)


def _amounts(bins: Sequence[Bin], mine: float, currency: str, told: str) -> Markup:
    here = next((i for i, one in enumerate(bins) if one.low <= mine < one.high), None)
    names = [f"{said.number(one.low)} to {said.number(one.high)} {currency}".rstrip() for one in bins]
    step = max(1, -(-len(bins) // 5))
    ticks = [(i - 0.5, said.number(one.low)) for i, one in enumerate(bins) if i % step == 0]
    of = f"amount, {currency}" if currency else "amount"
    return _bars("Amounts", told, names, [one.count for one in bins], here, ticks, of)


def _hours(counts: Sequence[int], mine: int) -> Markup:
    names = [f"{hour:02d}:00 to {hour:02d}:59" for hour in range(24)]
    told = f"{mine:02d} h here: {counts[mine]:,} of {sum(counts):,} were in that hour"
    return _bars(
        "Hours of the day", told, names, counts, mine, [(h, f"{h:02d}") for h in range(0, 24, 6)], "local hour"
    )


def _bars(
    title: str,
    told: str,
    names: Sequence[str],
    counts: Sequence[int],
    here: int | None,
    ticks: Sequence[tuple[float, str]],
    of: str,
) -> Markup:
    """Return bars in ink, the one of this event below a mark of its own."""
    room, most, floor = WIDTH / len(counts), max(max(counts), 1), HEIGHT - FOOT
    drawn = [tag("line", x1=0, x2=WIDTH, y1=floor, y2=floor, class_="zero")]
    for i, (name, count) in enumerate(zip(names, counts, strict=True)):
        high = (floor - TOP) * count / most
        drawn.append(
            tag(
                "rect",
                tag("title", f"{name}: {count:,} events" + (", and this one" if i == here else "")),
                x=round(i * room + 1, 1),
                y=round(floor - high, 1),
                width=round(max(room - 2, 1), 1),
                height=round(high, 1),
                class_=f"column {'filled' if i == here else 'hollow'}",
            )
        )
        if i == here:
            at = round((i + 0.5) * room, 1)
            tip = round(floor - high - 2, 1)
            drawn.append(tag("path", d=f"M{at} {tip} l-5 -8 h10 Z", class_="here"))
    drawn += [
        tag("text", text, x=round((at + 0.5) * room, 1), y=floor + 11, text_anchor="start" if at <= 0 else "middle")
        for at, text in ticks
    ]
    drawn.append(tag("text", of, x=WIDTH, y=HEIGHT - 3, text_anchor="end", class_="of"))
    drawn.append(tag("text", f"most: {most:,} events", x=0, y=HEIGHT - 3, class_="of"))
    svg = tag(
        "svg", drawn, viewbox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{title}: {told}", class_="chart small"
    )
    return tag("figure", tag("figcaption", title, tag("span", f" {told}", class_="quiet")), svg, class_="drawn")


def _values(name: str, seen: Sequence[Count]) -> Markup:
    shown = [
        tag(
            "span",
            tag("strong", one.value) if one.here else one.value,
            f" {one.count:,} times ",
            said.mark("new", "middle") if one.here and not one.count else said.mark("here") if one.here else None,
            class_="value",
        )
        for one in seen
    ]
    return tag("li", tag("span", f"{name} ", class_="quiet"), shown)
