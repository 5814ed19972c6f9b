"""What a page of the console is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from adjudge.console.desk import Desk
from adjudge.service.access.routes import Need

Query = Mapping[str, str]
"""What the address of a page says: it holds the page's whole state, so that it can be sent to somebody else."""

Show = Callable[[Desk, Query], Awaitable[None]]
"""Builds a page."""

DIGITS = 15
"""Most digits of a number in an address; no log is that long."""


def whole(query: Query, name: str) -> int | None:
    """Return a whole number that an address says; None where it says none that a page could mean.

    Examples
    --------
    >>> whole({"start": "50"}, "start"), whole({"start": "-1"}, "start"), whole({}, "start")
    (50, None, None)
    """
    said = query.get(name, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= DIGITS else None


@dataclass(frozen=True)
class Page:
    """One page.

    Parameters
    ----------
    path
        Its address below the console's.
    title
        Its heading.
    need
        What reading it takes in the API.
    show
        Builds it.
    nav
        Its name in the navigation; empty where it is reached from another page.
    group
        What it belongs to in the navigation.
    key
        The key that goes to it, after ``g``.
    keys
        What else keys do on it, by key.
    """

    path: str
    title: str
    need: Need
    show: Show
    nav: str = ""
    group: str = ""
    key: str = ""
    keys: tuple[tuple[str, str], ...] = ()
