"""What a decision looks like: why it was made, what is usual beside it, its event, and its time line."""

from __future__ import annotations

from typing import Any

from adjudge.console import said
from adjudge.console.line import Line
from adjudge.console.markup import Markup, tag
from adjudge.service.card import StoredAnswer
from adjudge.service.find import Finder
from adjudge.service.usual import usual
from adjudge.service.verdict import Stored


def why(answer: StoredAnswer, stored: Stored) -> Markup:
    """Return the reasons in words, and the rules that fired."""
    if not stored.words:
        return tag("p", "Nothing spoke against it.", class_="quiet")
    items = [
        tag("li", said.mark("rule", "middle") if reason.kind == "rule" else said.mark("model"), " ", text)
        for reason, text in zip(answer.reasons, stored.words, strict=True)
    ]
    fired = (
        tag("p", "Rules that fired: ", tag("code", ", ".join(answer.rules)), class_="quiet") if answer.rules else None
    )
    return tag("div", tag("ol", items, class_="why"), fired)


def beside_usual(stored: Stored, *, brief: bool = False) -> Markup:
    """Return each number of an event beside what is usual; by which feature is left out where it has to be brief."""
    found = usual(stored)
    if not found:
        return tag("p", "No feature says what is usual for this customer.", class_="quiet")
    rows = [
        (
            one.field,
            said.number(one.value),
            said.number(one.mean),
            said.NOTHING if one.away is None else f"{one.away:+.1f} sd",
            one.feature,
        )
        for one in found
    ]
    heads, shown = ("Field", "Here", "Usual", "Away", "Says"), 4 if brief else 5
    rows_shown = [row[:shown] for row in rows]
    return said.table(
        heads[:shown], rows_shown, caption="This event and the mean before it", numbers=frozenset((1, 2, 3))
    )


def known(of: dict[str, bool | str]) -> str:
    """Return what was said of an event, in a few words.

    Examples
    --------
    >>> known({"fraud": True, "declined": "insufficient funds"}), known({"fraud": False}), known({})
    ('fraud, declined: insufficient funds', 'not fraud', '-')
    """
    words = [
        f"{name}: {value}" if isinstance(value, str) else name if value else f"not {name}" for name, value in of.items()
    ]
    return ", ".join(words) or said.NOTHING


def time_line(finder: Finder, line: Line, id_: str, *, blind: bool = False) -> Markup:
    """Return the newest decisions about whom an event is about.

    Parameters
    ----------
    finder
        Knows what can be decided.
    line
        The decisions.
    id_
        The event in hand.
    blind
        Whether what is known of it is withheld.
    """
    if line.hits is None or not line.hits.hits:
        return tag("p", "The event names nobody whose time line there is.", class_="quiet")
    rows = [
        (
            tag("strong", "this one") if hit.id == id_ else said.decision(hit.id, finder.system),
            said.at(hit.ts),
            said.action(hit.action, finder.actions),
            str(hit.score),
            said.money(hit.amount, line.hits.currency),
            said.NOTHING if blind and hit.id == id_ else known(line.said.get(hit.id, {})),
        )
        for hit in line.hits.hits
    ]
    heads = ("Event", "Time", "Decision", "Score", "Amount", "Known since")
    table = said.table(heads, rows, caption="Up to this event, newest first", numbers=frozenset((3, 4)))
    return tag("div", table, tag("p", "All that was decided: ", said.search(line.value, finder.system), class_="quiet"))


def event(finder: Finder, stored: Stored) -> Markup:
    """Return the fields of an event; a key leads to everything about whom it names."""

    def value(name: str, given: Any) -> Any:
        if name in finder.keys and isinstance(given, str):
            return said.search(given, finder.system)
        if isinstance(given, dict):
            return ", ".join(f"{key} {said.number(one)}" for key, one in given.items())
        return said.number(given)

    return said.facts([(name, value(name, given)) for name, given in stored.event.items()])
