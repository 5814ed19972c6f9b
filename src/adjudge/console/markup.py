"""Markup: HTML that is written by functions, in which every text is escaped unless a function has made it.

Most of a page is one piece of it. That is light on the loop that also decides, and nobody's name becomes a script.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias, Union

ADDRESSES = frozenset(("href", "src", "action"))
"""Attributes that name a place; only places of this service are written."""

VOID = frozenset(("input", "br", "hr", "col", "meta", "link"))
"""Elements that hold nothing."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_INSIDE = re.compile(r"[/?#](?![/\\])|$")


class Markup(str):
    """Text that is markup already; only functions of this module make it out of anything else."""

    __slots__ = ()


Child: TypeAlias = Union[str, int, Iterable["Child"], None]  # noqa: UP007  # one of them is named in its own words
"""What an element may hold: markup as it is, text escaped, None for nothing, or several."""


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Return an element.

    Parameters
    ----------
    name
        Such as ``td``.
    children
        What it holds.
    attributes
        By name, with ``_`` for ``-`` and one at the end to spare Python's own words; True writes the name alone, and
        None or False nothing.

    Raises
    ------
    ValueError
        If an attribute would run something, or names a place outside.

    Examples
    --------
    >>> tag("td", "<b>", class_="name")
    '<td class="name">&lt;b&gt;</td>'
    """
    written = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Return several children as one piece of markup.

    Examples
    --------
    >>> join(["a", tag("i", "b"), None], between=" & ")
    'a &amp; <i>b</i>'
    """
    return Markup(html.escape(between).join(_written(child) for child in children if child is not None))


def _written(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return html.escape(child)
    if isinstance(child, Iterable):
        return join(child)
    return html.escape(str(child))


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    if not _NAME.fullmatch(name) or name.startswith("on") or name in ("style", "srcdoc"):
        message = f"attribute {name!r} could run something"
        raise ValueError(message)
    if value is True:
        return f" {name}"
    text = str(value)
    if name in ADDRESSES and not _INSIDE.match(text):
        message = f"attribute {name!r} names a place outside: {text[:80]!r}"
        raise ValueError(message)
    return f' {name}="{html.escape(text)}"'
