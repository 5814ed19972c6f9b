"""How things are said on every page: times, money, numbers and what was decided, each in one way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from adjudge.console.markup import Child, Markup, tag

NOTHING = "-"
"""What stands where nothing is known."""


def at(micros: int | datetime) -> Markup:
    """Return a time: in the reader's zone, which their browser knows, with the exact UTC on hover.

    Examples
    --------
    >>> at(1_767_225_600_000_000)
    '<time datetime="2026-01-01T00:00:00+00:00" title="2026-01-01 00:00:00.000 UTC">2026-01-01 00:00:00 UTC</time>'
    """
    moment = (
        micros if isinstance(micros, datetime) else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    )
    moment = moment.astimezone(UTC)
    exact = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"
    return tag("time", f"{moment:%Y-%m-%d %H:%M:%S} UTC", datetime=moment.isoformat(), title=exact)


def money(amount: float | None, currency: str) -> str:
    """Return an amount with its currency.

    Examples
    --------
    >>> money(1234.5, "EUR"), money(None, "EUR")
    ('1,234.50 EUR', '-')
    """
    return NOTHING if amount is None else f"{amount:,.2f} {currency}".rstrip()


def number(value: object) -> str:
    """Return a number as people read it.

    Examples
    --------
    >>> number(1234567), number(0.1234567), number(None), number("x")
    ('1,234,567', '0.1235', '-', 'x')
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:,.4g}"
    return str(value)


def share(value: float | None) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> share(0.0123)
    '1.2 %'
    """
    return NOTHING if value is None else f"{100 * value:.1f} %"


def mark(word: str, severity: str = "plain") -> Markup:
    """Return a word that is marked: ``low``, ``middle``, ``high`` or ``plain``; each has a shape of its own."""
    return tag("span", word, class_=f"mark {severity}")


def action(name: str, actions: Sequence[str]) -> Markup:
    """Return what was decided, marked by how severe it is among what could have been.

    Examples
    --------
    >>> action("block", ["approve", "review", "block"])
    '<span class="mark high">block</span>'
    """
    place = actions.index(name) if name in actions else 0
    severity = "low" if place == 0 else "high" if place == len(actions) - 1 else "middle"
    return mark(name, severity)


def decision(id_: str, system: str) -> Markup:
    """Return a link to a decision."""
    return tag("a", id_, href=decision_address(id_, system))


def decision_address(id_: str, system: str) -> str:
    """Return where a decision is shown."""
    return f"/console/decision?id={quote(id_, safe='')}&system={quote(system, safe='')}"


def case_address(id_: str, system: str) -> str:
    """Return where a case is worked."""
    return f"/console/case?id={quote(id_, safe='')}&system={quote(system, safe='')}"


def linked_address(field: str, value: str, system: str) -> str:
    """Return where what is linked to an entity is shown."""
    return (
        f"/console/linked?field={quote(field, safe='')}&value={quote(value, safe='')}&system={quote(system, safe='')}"
    )


def search(text: str, system: str) -> Markup:
    """Return a link to every decision about somebody."""
    return tag("a", text, href=f"/console/decisions?q={quote(text, safe='')}&system={quote(system, safe='')}")


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Child]], *, caption: str, numbers: frozenset[int] = frozenset()
) -> Markup:
    """Return a table.

    Parameters
    ----------
    heads
        Of its columns.
    rows
        Its cells; the first of each row names it.
    caption
        What it shows.
    numbers
        Which columns are numbers.
    """
    right = [("number" if i in numbers else None) for i in range(len(heads))]
    head = tag("tr", [tag("th", text, scope="col", class_=c) for text, c in zip(heads, right, strict=True)])
    body = [
        tag(
            "tr",
            [
                tag("th", cell, scope="row") if i == 0 and c is None else tag("td", cell, class_=c)
                for i, (cell, c) in enumerate(zip(row, right, strict=True))
            ],
            data_row=True,
        )
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", whole, class_="scroll")


def facts(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Return names with what belongs to each."""
    return tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in pairs], class_="facts")


def panel(title: str, *children: Child, width: int = 12, scrolls: bool = False) -> Markup:
    """Return a part of a page; widths of a row come to 12. One that may scroll by itself can be reached by `Tab`."""
    focus = "0" if scrolls else None
    inside = (tag("h2", title) if title else None, children)
    return tag("section", inside, class_=f"panel w{width}", tabindex=focus, aria_label=title if scrolls else None)


def panels(*children: Child) -> Markup:
    """Return several parts beside each other."""
    return tag("div", children, class_="panels")


def figure(name: str, value: Child, unit: str = "") -> Markup:
    """Return one figure with its name and unit."""
    told = tag("span", value, tag("span", f" {unit}", class_="unit") if unit else None, class_="value")
    return tag("div", told, tag("span", name, class_="name"), class_="figure")
