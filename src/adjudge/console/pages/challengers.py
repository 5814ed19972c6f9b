"""Challengers: who runs beside the champion, on which share, what has become of each, and its end."""

from __future__ import annotations

from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk, words_of
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.parts.chart import Axis, Line, Point, lines
from adjudge.console.shell import empty, refusal
from adjudge.learn.sequential import Bound
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.challengers.asked import ChallengerView, Ending
from adjudge.service.challengers.rule import Standing

VERDICTS = {"better": "low", "worse": "high", "undecided": "plain"}
"""How a verdict is marked."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    challengers = desk.service.challengers
    running = (await desk.read(Scope.MANAGE, challengers.desk.challengers)).challengers
    found = (await desk.read(Scope.MANAGE, challengers.desk.challengers, everything=True)).challengers
    if not found:
        then = "adjudge challenger seats one: in the shadow first, then on a share of the events."
        ui.html(said.panel("", empty("No challenger has run.", then)), sanitize=False)
        return
    ui.html(said.panel("", _table(found)), sanitize=False)
    if running:
        _standings(desk)
    for one in running:
        _ends(desk, one)


def _table(found: list[ChallengerView]) -> Markup:
    rows = [
        (
            one.name,
            one.system,
            said.mark(one.stage, "low" if one.stage in ("shadow", "share") else "plain"),
            said.share(one.share),
            said.NOTHING if one.since is None else f"{one.since:,}",
            tag("code", one.release[:12]) if one.release else ", ".join(one.changes) or said.NOTHING,
            f"{len(one.steps):,}",
        )
        for one in found
    ]
    heads = ("Name", "System", "Stage", "Share of events", "Since position", "Release, or what it changes", "Steps")
    return said.table(heads, rows, caption=f"{len(rows)} challengers", numbers=frozenset((3, 4, 6)))


def _standings(desk: Desk) -> None:
    """Show what is known of each, as soon as all that was decided since it runs is read."""
    shown = ui.html(said.panel("What is known", empty("Reading what was decided since…")), sanitize=False)

    async def fill() -> None:
        try:
            found = await desk.read(Scope.MANAGE, desk.service.challengers.judge.standings)
            currency = {name: desk.finder(name).currency for name in desk.service.decider.workspace.systems}
            shown.set_content(
                tag("div", [_standing(one, currency[one.system]) for one in found.standings], class_="stack")
            )
        except Exception as error:
            shown.set_content(refusal(words_of(error)))

    ui.timer(0.05, fill, once=True)


def _standing(one: Standing, currency: str) -> Markup:
    title = f"{one.name} of {one.system}, in the {one.stage} for {one.days:.1f} days"
    verdict = said.mark(one.verdict, VERDICTS.get(one.verdict, "plain"))
    lacks = tag("ul", [tag("li", text) for text in one.lacks]) if one.lacks else tag("p", "Its rule is met.")
    asks = (tag("h3", "What its rule still asks for"), lacks)
    if one.figures is None:
        return said.panel(title, tag("p", verdict), asks)
    known = one.figures
    rows = [
        (
            who,
            f"{side.decisions:,}",
            f"{side.mature:,}",
            said.NOTHING if side.cost is None else f"{side.cost:,.4g} {currency}".rstrip(),
            said.share(side.acting),
            said.share(side.lacking),
            said.NOTHING if side.latency_ms is None else f"{side.latency_ms:.2f} ms",
        )
        for who, side in (("champion", known.champion), ("challenger", known.challenger))
    ]
    heads = ("", "Decisions", "With a mature label", "Cost of one", "Acts on", "Lack a part", "p99")
    table = said.table(heads, rows, caption="Both on what was decided since", numbers=frozenset((1, 2, 3, 4, 5, 6)))
    slices = [
        (
            f"{s.field} {s.value}",
            said.mark("worse", "high") if s.worse else said.mark("not worse", "low"),
            f"{s.gain:+.4g}",
            f"{s.error:.2g}",
        )
        for s in known.slices
    ]
    guarded = (
        said.table(
            ("Slice", "", "Saves a decision", "Error"), slices, caption="Guarded slices", numbers=frozenset((2, 3))
        )
        if slices
        else None
    )
    return said.panel(title, tag("p", verdict), _bound(known.bound, currency), table, guarded, asks)


def _bound(bound: Bound | None, currency: str) -> Markup | None:
    """Return the state of the sequential test: the estimate with its error, and what is sure at every look together."""
    if bound is None:
        return None
    unit = f"{currency or 'money'} a decision"
    low = bound.gain - 1.96 * bound.error
    points = [Line("estimate, 95 %", [Point(0, bound.gain, low, bound.gain + 1.96 * bound.error)], "marks")]
    if bound.low is not None:
        points.append(Line("at least, at all looks together", [Point(1, bound.low)], "marks"))
    points.append(Line("no difference", [Point(0, 0.0), Point(1, 0.0)], "dashed"))
    title = (
        f"What the challenger saves, over {bound.decisions:,} decisions and {bound.entities:,} customers that differ"
    )
    drawn = lines(title, points, x=Axis("sequential test"), y=Axis(unit), names=("estimate", "sure"))
    sure = "nothing is sure yet" if bound.low is None else f"at least {bound.low:,.4g} {unit} for sure"
    return tag("div", tag("p", f"Saves {bound.gain:+,.4g} {unit}, error {bound.error:,.2g}; {sure}."), drawn)


def _ends(desk: Desk, one: ChallengerView) -> None:
    challengers = desk.service.challengers

    def promote(by: By) -> ChallengerView:
        return challengers.promote(one.system, one.name, Ending(by.why), by)

    def retire(by: By) -> ChallengerView:
        return challengers.retire(one.system, one.name, by)

    with ui.row():
        acts.button(desk, f"Promote {one.name}", Scope.MANAGE, promote, _told, key="p")
        acts.button(desk, f"Retire {one.name}", Scope.MANAGE, retire, _told, key="x")


def _told(done: ChallengerView) -> str:
    if done.proposal is not None:
        return f"Proposal {done.proposal} waits for a second person."
    return f"{done.name} is {done.stage} now."


PAGE = Page(
    "/challengers",
    "Challengers",
    Scope.MANAGE,
    show,
    nav="Challengers",
    group="Change",
    key="c",
    keys=(("p", "promote the first challenger"), ("x", "retire it")),
)
