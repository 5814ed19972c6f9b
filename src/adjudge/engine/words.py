"""Words: the reasons of a decision as sentences, the same whether it was just made or is read back."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from adjudge.define.rule import render

if TYPE_CHECKING:
    from adjudge.define.rule import Rule
    from adjudge.engine.decision import Reason

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def sentence_of(rule: Rule) -> str:
    """Return the text of a rule's reason, with placeholders; its id in words where it gives none."""
    return rule.reason or rule.id.replace("_", " ")


def in_words(
    reasons: Iterable[Reason], sentences: Iterable[str], values: Mapping[str, object], names: Iterable[str]
) -> list[str]:
    """Return reasons as sentences.

    Parameters
    ----------
    reasons
        What a decision was made for.
    sentences
        For each rule among them, in order, the text that `sentence_of` returns.
    values
        What fills the placeholders, and texts of categories, by name; None is missing.
    names
        The system's features in their order, among them those that say what is usual.

    Examples
    --------
    >>> from adjudge.engine.decision import Reason
    >>> reasons = [Reason("listed", "rule", 1.0), Reason("user_count_1h", "model", 0.25, 7.0)]
    >>> in_words(reasons, ["{card} is listed."], {"card": "c1"}, ["user_count_1h"])
    ['c1 is listed.', 'user count 1h is 7 (+0.25 log-odds)']

    Where the features say what is usual, so does the sentence, and for whom:

    >>> usual = {"user_amount_mean_30d": 40.0, "user_amount_std_30d": 22.0}
    >>> in_words([Reason("amount", "model", 1.5, 812.0)], [], usual, usual)
    ['amount is 812 against a usual 40 +- 22 of this user (+1.50 log-odds)']
    """
    texts, known = iter(sentences), tuple(names)
    return [render(next(texts), values) if r.kind == "rule" else _pushed(r, values, known) for r in reasons]


def normal_of(field: str, names: Iterable[str]) -> tuple[str, str | None] | None:
    """Return the features that hold the usual value of a field, by the rule that features are named by.

    The normal of a field ``x`` is the mean ``{entity}_x_mean_{window}`` with the longest window, with the standard
    deviation over the same window where there is one. Of means over equally long windows one with a deviation goes
    first, because a mean alone does not say what is far from it, and then the one that the system declares first.

    Examples
    --------
    >>> usual = ["user_amount_mean_7d", "shop_amount_mean_30d", "user_amount_mean_30d", "user_amount_std_30d"]
    >>> normal_of("amount", usual)
    ('user_amount_mean_30d', 'user_amount_std_30d')
    """
    known = dict.fromkeys(names)
    found = [
        (_span(match), std in known, mean, std)
        for mean in known
        if (match := _mean_of(field).fullmatch(mean))
        for std in [f"{match[1]}_{field}_std_{match[2]}"]
    ]
    if not found:
        return None
    _, has_std, mean, std = max(found, key=lambda one: one[:2])
    return mean, std if has_std else None


@functools.lru_cache(maxsize=1024)
def _mean_of(field: str) -> re.Pattern[str]:
    """Return what matches the means of a field: the entity, and the window."""
    return re.compile(rf"(\w+)_{re.escape(field)}_mean_(\d+[smhd])")


def _span(match: re.Match[str]) -> int:
    return int(match[2][:-1]) * _SECONDS[match[2][-1]]


def _pushed(reason: Reason, values: Mapping[str, object], names: tuple[str, ...]) -> str:
    """Return what a feature added to the score; the value of a category is said where its text is known."""
    code, told = reason.code, values.get(reason.code) if reason.value is None else reason.value
    shown = "" if told is None else f" is {_shown(told)}{_usual(code, values, names)}"
    if told is None and code in values:
        shown = " is missing"
    return f"{code.replace('_', ' ')}{shown} ({reason.weight:+.2f} log-odds)"


def _shown(value: object) -> str:
    """Return a value as people read it: numbers with two decimals or, below one, three digits that count."""
    if not isinstance(value, float):
        return str(value)
    if not 1 <= abs(value) < 1e15:
        return f"{value + 0.0:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _usual(code: str, values: Mapping[str, object], names: tuple[str, ...]) -> str:
    """Return what is normal, and for whom, where the values of the event say so."""
    normal = normal_of(code, names)
    if normal is None:
        return ""
    mean, std = (values.get(name) if name else None for name in normal)
    if not isinstance(mean, float) or math.isnan(mean):
        return ""
    spread = f" +- {_shown(std)}" if isinstance(std, float) and not math.isnan(std) else ""
    whose = normal[0][: normal[0].index(f"_{code}_mean_")].replace("_", " ")
    return f" against a usual {_shown(mean)}{spread} of this {whose}"
