"""One decision: what was decided and why, the customer's normal beside it, what came before and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec
from nicegui import ui

from adjudge.console import again, said
from adjudge.console.desk import Desk, words_of
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty, refusal
from adjudge.service.access.scope import Scope
from adjudge.service.card import StoredAnswer
from adjudge.service.find import Finder, Hits, Wanted
from adjudge.service.usual import usual
from adjudge.service.verdict import Stored

EARLIER = 8
"""Decisions of the time line."""

HOW = {True: "yes", False: "no"}


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    system, id_ = query.get("system") or None, query.get("id", "")
    finder = desk.finder(system)
    stored = await desk.read(Scope.REVIEW, desk.service.decider.decision, id_, finder.system)
    answer = msgspec.json.decode(stored.record, type=StoredAnswer)
    of, line = await desk.read(Scope.REVIEW, _line, finder, stored)
    ui.html(
        said.panels(
            _head(finder, answer, stored),
            said.panel("Why", _why(answer, stored), width=5),
            said.panel("Beside the usual", _usual(stored), width=4),
            said.panel("What is known since", _known(stored), width=3),
            said.panel(f"Time line of {of}" if of else "Time line", _earlier(finder, line, id_), width=8),
            said.panel("Event", _event(finder, stored), width=4),
            said.panel("Features", _features(stored), width=8),
            said.panel("Versions", said.facts(list(answer.versions.items())), width=4),
        ),
        sanitize=False,
    )
    if query.get("again"):
        _compute_again(desk, id_, finder.system)


def _line(finder: Finder, stored: Stored) -> tuple[str, Hits | None]:
    """Return whose time line is shown, and it: that of the first key field that the event has."""
    for name in finder.keys:
        value = stored.event.get(name)
        if value:
            return f"{name} {value}", finder.find(Wanted(str(value), limit=EARLIER))
    return "", None


def _head(finder: Finder, answer: StoredAnswer, stored: Stored) -> Markup:
    amount = stored.event.get(finder.amount) if finder.amount else None
    figures = [
        said.figure("decision", said.action(answer.decision, finder.actions)),
        said.figure("risk score", str(answer.score), "of 100"),
        said.figure("probability of fraud", said.share(answer.probability)),
        said.figure("amount", said.number(amount), finder.currency) if amount is not None else None,
        said.figure("decided by", answer.method),
        said.figure("latency", f"{answer.latency_ms:.1f}", "ms"),
        said.figure("received", tag("span", said.at(stored.received_at), class_="small")),
    ]
    marks = [said.mark("degraded", "middle")] if answer.degraded else []
    marks += [said.mark("taken back", "middle")] if stored.retracted else []
    links = tag(
        "p",
        tag("span", answer.id, class_="mono"),
        tag("span", f" · position {answer.seq:,} · {finder.system} ", class_="quiet"),
        marks,
        tag(
            "a",
            "Compute it again",
            href=f"{said.decision_address(answer.id, finder.system)}&again=1#again",
            data_key="c",
        ),
    )
    return said.panel("", links, tag("div", figures, class_="figures"))


def _why(answer: StoredAnswer, stored: Stored) -> Markup:
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


def _usual(stored: Stored) -> Markup:
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
    heads = ("Field", "Here", "Usual", "Away", "Says")
    return said.table(heads, rows, caption="This event and the mean before it", numbers=frozenset((1, 2, 3)))


def _known(stored: Stored) -> Markup:
    if not stored.said:
        return tag("p", "Nobody has said what this came to.", class_="quiet")
    return said.facts(
        [(name, HOW.get(value, value) if isinstance(value, bool) else value) for name, value in stored.said.items()]
    )


def _earlier(finder: Finder, line: Hits | None, id_: str) -> Markup:
    if line is None or not line.hits:
        return tag("p", "The event names nobody whose time line there is.", class_="quiet")
    rows = [
        (
            tag("strong", "this one") if hit.id == id_ else said.decision(hit.id, finder.system),
            said.at(hit.ts),
            said.action(hit.action, finder.actions),
            str(hit.score),
            said.money(hit.amount, line.currency),
        )
        for hit in line.hits
    ]
    heads = ("Event", "Time", "Decision", "Score", "Amount")
    caption = f"The newest {len(line.hits)} of {line.total:,}"
    return said.table(heads, rows, caption=caption, numbers=frozenset((3, 4)))


def _event(finder: Finder, stored: Stored) -> Markup:
    def value(name: str, given: Any) -> Any:
        if name in finder.keys and isinstance(given, str):
            return said.search(given, finder.system)
        if isinstance(given, dict):
            return ", ".join(f"{key} {said.number(one)}" for key, one in given.items())
        return said.number(given)

    return said.facts([(name, value(name, given)) for name, given in stored.event.items()])


def _features(stored: Stored) -> Markup:
    rows = [(name, said.number(value)) for name, value in stored.features.items()]
    return said.table(("Feature", "Value"), rows, caption=f"{len(rows)} features, as recorded", numbers=frozenset((1,)))


def _compute_again(desk: Desk, id_: str, system: str) -> None:
    """Have the decision computed again from the log, beside what decides, and show what came of it."""
    shown = ui.html(said.panel("Computed again", empty("Folding the log up to this event…")), sanitize=False)
    shown.props('id="again"')

    async def fill() -> None:
        try:
            found = await again.explained(desk, id_, system)
            shown.set_content(said.panel("Computed again", again.told(found)))
        except Exception as error:
            shown.set_content(refusal(words_of(error)))

    ui.timer(0.05, fill, once=True)


PAGE = Page("/decision", "Decision", Scope.REVIEW, show, keys=(("c", "compute it again"),))
