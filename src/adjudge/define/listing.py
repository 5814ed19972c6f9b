"""Listing: what a rule has put on a named list once it is confirmed that an event it fired for was fraud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from adjudge.define.duration import duration_text
from adjudge.errors import DefinitionError, did_you_mean

_DURATION = re.compile(r"([1-9][0-9]{0,5})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_KEYS = ("list", "add", "for")


@dataclass(frozen=True, slots=True)
class Listing:
    """What goes on which list, and for how long.

    Parameters
    ----------
    list
        Name of the list.
    add
        The field whose value goes on it.
    lasts
        For how long, from when the fraud is confirmed; None for good.

    Examples
    --------
    >>> Listing.read({"list": "blocked_cards", "add": "card", "for": "30d"})
    Listing(list='blocked_cards', add='card', lasts=datetime.timedelta(days=30))
    >>> Listing("blocked_cards", "card").document()
    {'list': 'blocked_cards', 'add': 'card'}
    """

    list: str
    add: str
    lasts: timedelta | None = None

    @classmethod
    def read(cls, given: object) -> Listing:
        """Return what a rule file says; `DefinitionError` says what is wrong with it."""
        if isinstance(given, Listing):
            return given
        if not isinstance(given, Mapping):
            message = f"on_fraud is written as {{list: blocked_cards, add: card, for: 30d}}, not {given!r}"
            raise DefinitionError(message)
        for key in given:
            if key not in _KEYS:
                message = f"on_fraud: unknown key {key!r}{did_you_mean(str(key), _KEYS)}"
                raise DefinitionError(message)
        for key in ("list", "add"):
            if not isinstance(given.get(key), str) or not given[key].isidentifier():
                message = f"on_fraud: {key!r} must be a plain name, not {given.get(key)!r}"
                raise DefinitionError(message)
        return cls(given["list"], given["add"], _duration(given.get("for")))

    def document(self) -> dict[str, Any]:
        """Return it as a rule file says it."""
        said: dict[str, Any] = {"list": self.list, "add": self.add}
        return said | ({} if self.lasts is None else {"for": duration_text(self.lasts)})


def _duration(given: object) -> timedelta | None:
    if given is None:
        return None
    found = _DURATION.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        message = f"on_fraud: 'for' is a duration such as 30d, 12h or 45m, not {given!r}"
        raise DefinitionError(message)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
