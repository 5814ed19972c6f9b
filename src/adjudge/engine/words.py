"""Words: the reasons of a decision as sentences, the same whether it was just made or is read back."""

from __future__ import annotations

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


def in_words(reasons: Iterable[Reason], sentences: Iterable[str], values: Mapping[str, object]) -> list[str]:
    """Return reasons as sentences.

    Parameters
    ----------
    reasons
        What a decision was made for.
    sentences
        For each rule among them, in order, the text that `sentence_of` returns.
    values
        What fills the placeholders, by name.

    Examples
    --------
    >>> from adjudge.engine.decision import Reason
    >>> reasons = [Reason("listed", "rule", 1.0), Reason("user_count_1h", "model", 0.25, 7.0)]
    >>> in_words(reasons, ["{card} is listed."], {"card": "c1"})
    ['c1 is listed.', 'user count 1h is 7 and raises the risk by 0.25 log-odds']

    Where the values hold what is usual for the customer, the sentence says so:

    >>> usual = {"user_amount_mean_30d": 40.0, "user_amount_std_30d": 22.0}
    >>> in_words([Reason("amount", "model", 1.5, 812.0)], [], usual)
    ['amount is 812 against a usual 40 +- 22 and raises the risk by 1.50 log-odds']
    """
    texts = iter(sentences)
    return [render(next(texts), values) if r.kind == "rule" else _pushed(r, values) for r in reasons]


def normal_of(name: str, names: Iterable[str]) -> tuple[str, str | None] | None:
    """Return the features that hold the usual value of a field, by the rule that features are named by.

    The normal of a field ``x`` is the mean ``{entity}_x_mean_{window}`` with the longest window, with the standard
    deviation over the same window where there is one.

    Examples
    --------
    >>> normal_of("amount", ["user_amount_mean_7d", "user_amount_mean_30d", "user_amount_std_30d"])
    ('user_amount_mean_30d', 'user_amount_std_30d')
    """
    known = dict.fromkeys(names)  # of two equally long windows the one declared first: the customer's, mostly
    pattern = re.compile(rf"(\w+)_{re.escape(name)}_mean_(\d+)([smhd])")
    found = [match for other in known if (match := pattern.fullmatch(other))]
    if not found:
        return None
    longest = max(found, key=lambda match: int(match[2]) * _SECONDS[match[3]])
    std = f"{longest[1]}_{name}_std_{longest[2]}{longest[3]}"
    return longest[0], std if std in known else None


def _pushed(reason: Reason, values: Mapping[str, object]) -> str:
    shown = "missing" if reason.value is None else f"{reason.value:.4g}"
    usual = "" if reason.value is None else _usual(reason.code, values)
    return f"{reason.code.replace('_', ' ')} is {shown}{usual} and raises the risk by {reason.weight:.2f} log-odds"


def _usual(code: str, values: Mapping[str, object]) -> str:
    """Return what is normal for the customer, where the values of the event say so."""
    normal = normal_of(code, values)
    if normal is None:
        return ""
    mean, std = (values.get(name) if name else None for name in normal)
    if not isinstance(mean, float) or math.isnan(mean):
        return ""
    spread = f" +- {std:.4g}" if isinstance(std, float) and not math.isnan(std) else ""
    return f" against a usual {mean:.4g}{spread}"
