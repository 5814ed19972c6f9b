"""How verbs show figures: money, shares and counts, with the range in which resampling puts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adjudge.commands.show import out

if TYPE_CHECKING:
    from adjudge.learn.bootstrap import Interval


CAUGHT = (
    ("alerts", ""),
    ("frauds", ""),
    ("fraud_amount", "money"),
    ("precision", "share"),
    ("recall", "share"),
    ("value_recall", "share"),
    ("false_alerts", ""),
    ("false_declines", ""),
    ("review_hours", ""),
    ("prevented", "money"),
    ("handling", "money"),
    ("insult", "money"),
    ("saved", "money"),
)
"""Members of `Caught` in the order in which they are shown, and what they are measured in."""


def figure(value: float | Interval, unit: str) -> tuple[str, str]:
    """Return a figure and its range, as they are shown."""
    if isinstance(value, int | float):
        return in_unit(value, unit), ""
    if value.low is None or value.high is None:
        return in_unit(value.value, unit), ""
    return in_unit(value.value, unit), f"{in_unit(value.low, unit)} to {in_unit(value.high, unit)}"


def in_unit(value: float | None, unit: str) -> str:
    """Return a number as it is shown: a ``share``, ``money``, or anything else with two decimals."""
    if value is None:
        return "-"
    return percent(value) if unit == "share" else f"{value:,.0f}" if unit == "money" else f"{value:,.2f}"


def percent(value: float | None) -> str:
    """Return a share as it is shown."""
    return "-" if value is None else f"{100 * value:.1f}%"


def money(value: Interval) -> str:
    """Return a sum of money with its range."""
    value_, around = figure(value, "money")
    return f"{value_} ({around})" if around else value_


def say(text: str, *, whole: bool = False) -> None:
    """Print a sentence, broken to the terminal's width unless programs read its lines."""
    out.print(text, highlight=False, markup=False, soft_wrap=whole)
