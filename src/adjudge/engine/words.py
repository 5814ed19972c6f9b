"""Words: the reasons of a decision as sentences, the same whether it was just made or is read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from adjudge.define.rule import render

if TYPE_CHECKING:
    from adjudge.define.rule import Rule
    from adjudge.engine.decision import Reason


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
    """
    texts = iter(sentences)
    return [render(next(texts), values) if r.kind == "rule" else _pushed(r) for r in reasons]


def _pushed(reason: Reason) -> str:
    shown = "missing" if reason.value is None else f"{reason.value:.4g}"
    return f"{reason.code.replace('_', ' ')} is {shown} and raises the risk by {reason.weight:.2f} log-odds"
