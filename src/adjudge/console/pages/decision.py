"""One decision: what was decided and why, the customer's normal beside it, what came before and what came of it."""

from __future__ import annotations

import msgspec
from nicegui import ui

from adjudge.console import again, said
from adjudge.console.desk import Desk, words_of
from adjudge.console.line import line_of
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.parts import decided
from adjudge.console.parts.graph import small
from adjudge.console.parts.map import places
from adjudge.console.parts.normal import normal
from adjudge.console.parts.timeline import timeline
from adjudge.console.shell import empty, refusal
from adjudge.service.access.scope import Scope
from adjudge.service.card import StoredAnswer
from adjudge.service.find import Finder
from adjudge.service.verdict import Stored

EARLIER = 40
"""Events before this one on the time line."""

HOW = {True: "yes", False: "no"}


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    system, id_ = query.get("system") or None, query.get("id", "")
    finder = desk.finder(system)
    stored = await desk.read(Scope.REVIEW, desk.service.decider.decision, id_, finder.system)
    answer = msgspec.json.decode(stored.record, type=StoredAnswer)
    decider, cases = desk.service.decider, desk.service.cases
    line = await desk.read(Scope.REVIEW, line_of, decider, finder, stored, answer.seq)
    around = await desk.read(Scope.REVIEW, desk.service.around.around, id_, finder.system, earlier=EARLIER)
    linked = await desk.read(Scope.REVIEW, desk.service.around.linked_of, around)
    is_case = await desk.read(Scope.REVIEW, cases.knows, id_, finder.system)
    ui.html(
        said.panels(
            _head(finder, answer, stored, is_case=is_case),
            said.panel("Why", decided.why(answer, stored), width=5),
            said.panel("Beside the usual", decided.beside_usual(stored), width=4),
            said.panel("What is known since", _known(stored), width=3),
            said.panel("What is usual", normal(around), width=4),
            said.panel("Places", places(around), width=4),
            said.panel("Linked", small(linked), width=4),
            said.panel(line.title, timeline(around, finder.actions), decided.time_line(finder, line, id_), width=8),
            said.panel("Event", decided.event(finder, stored), width=4),
            said.panel("Features", _features(stored), width=8),
            said.panel("Versions", said.facts(list(answer.versions.items())), width=4),
        ),
        sanitize=False,
    )
    if query.get("again"):
        _compute_again(desk, id_, finder.system)


def _head(finder: Finder, answer: StoredAnswer, stored: Stored, *, is_case: bool) -> Markup:
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
        [" · ", tag("a", "Its case", href=said.case_address(answer.id, finder.system), data_key="o")]
        if is_case
        else None,
    )
    return said.panel("", links, tag("div", figures, class_="figures"))


def _known(stored: Stored) -> Markup:
    if not stored.said:
        return tag("p", "Nobody has said what this came to.", class_="quiet")
    return said.facts(
        [(name, HOW.get(value, value) if isinstance(value, bool) else value) for name, value in stored.said.items()]
    )


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


PAGE = Page(
    "/decision",
    "Decision",
    Scope.REVIEW,
    show,
    keys=(("c", "compute it again"), ("e", "walk what is linked"), ("o", "its case, where it has one")),
)
