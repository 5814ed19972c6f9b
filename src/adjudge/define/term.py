"""Terms: until when an element of a named list is one, and why; an element without a term stays until it is removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adjudge.define.moment import Moment, moment, moment_text
from adjudge.errors import DefinitionError, did_you_mean

LIMIT_TEXT = 1_000
"""The longest reason, in characters."""


@dataclass(frozen=True, slots=True)
class Term:
    """What is said of one element of a named list.

    Parameters
    ----------
    expires
        Time of the event from which on it is no element; None for one that stays.
    reason
        Why it is one.

    Examples
    --------
    >>> Term("2026-12-31", "reported stolen").document()
    {'expires': '2026-12-31', 'reason': 'reported stolen'}
    """

    expires: datetime | None = None
    reason: str = ""

    def __init__(self, expires: Moment | None = None, reason: str = "") -> None:
        if not isinstance(reason, str) or len(reason) > LIMIT_TEXT:
            message = f"the reason of an element must be a text of at most {LIMIT_TEXT} characters"
            raise DefinitionError(message)
        object.__setattr__(self, "expires", None if expires is None else moment(expires, "expires"))
        object.__setattr__(self, "reason", reason)

    def document(self) -> dict[str, str]:
        """Return it as plain values, what it does not say left out."""
        ends = {} if self.expires is None else {"expires": moment_text(self.expires)}
        return ends | ({"reason": self.reason} if self.reason else {})


Terms = Mapping[str, Mapping[Any, Term]]
"""For a named list what is said of its elements, which are texts or numbers."""


def write_terms(terms: Terms) -> dict[str, list[dict[str, Any]]]:
    """Return terms as plain JSON values, in a fixed order.

    Examples
    --------
    >>> write_terms({"blocked": {"c1": Term("2026-12-31")}})
    {'blocked': [{'value': 'c1', 'expires': '2026-12-31'}]}
    """
    return {
        name: [{"value": value, **terms[name][value].document()} for value in sorted(terms[name], key=_order)]
        for name in sorted(terms)
        if terms[name]
    }


def read_terms(content: Mapping[str, Any], where: str) -> dict[str, dict[str | float, Term]]:
    """Return what `write_terms` wrote; `DefinitionError` names the place of what is wrong."""
    return {name: dict(read_term(each, f"{where}: {name}") for each in entries) for name, entries in content.items()}


def read_term(entry: Any, where: str) -> tuple[str | float, Term]:
    """Return the element and the term of one entry.

    Parameters
    ----------
    entry
        A mapping with ``value`` and perhaps ``expires`` and ``reason``.
    where
        Its place, for errors.
    """
    if not isinstance(entry, Mapping) or "value" not in entry:
        message = f"{where}: an entry is a mapping with value, and perhaps expires and reason"
        raise DefinitionError(message)
    for key in entry:
        if key not in ("value", "expires", "reason"):
            message = f"{where}: unknown key {key!r}{did_you_mean(str(key), ('value', 'expires', 'reason'))}"
            raise DefinitionError(message)
    value = entry["value"]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        message = f"{where}: a value is a text or a number, not {value!r}"
        raise DefinitionError(message)
    try:
        return (value if isinstance(value, str) else float(value)), Term(entry.get("expires"), entry.get("reason", ""))
    except DefinitionError as error:
        message = f"{where}: {value!r}: {error}"
        raise DefinitionError(message) from None


def _order(value: str | float) -> tuple[bool, str | float]:
    return isinstance(value, str), value
