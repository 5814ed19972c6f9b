"""What decides, what waits for a second person, and what was released: activation, approval and roll-back."""

from __future__ import annotations

from nicegui import ui

from adjudge.console import acts, said
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.shell import empty
from adjudge.errors import AdjudgeError
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.registry.asked import Assent
from adjudge.service.registry.desk import ReleaseDesk
from adjudge.service.registry.entries import ENVIRONMENTS, Release
from adjudge.service.versions.desk import Activated, ActiveSystems
from adjudge.service.versions.revision import Revision
from adjudge.service.versions.second import ProposalView

SEVERITY = {"open": "middle", "approved": "low", "used": "low", "refused": "high", "expired": "plain"}
"""How a proposal's state is marked."""

KEYS = (("y", "approve the first proposal, with a reason"), ("n", "refuse it"))
"""What keys do here."""


CARDS = 5
"""Bundles whose card is shown."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    second = desk.service.second
    active = await desk.read(Scope.MANAGE, second.desk.active)
    proposals = (await desk.read(Scope.MANAGE, second.views)).proposals
    management = desk.service.decider.workspace.management
    releases = [one for one in management.releases if one.approvals or one.stages or one.evidence]
    ui.html(said.panel("What decides", _active(active)), sanitize=False)
    waiting = [p for p in proposals if p.state in ("open", "approved")]
    with ui.element("section").classes("panel"):
        ui.html(tag("h2", "Waiting for a second person"), sanitize=False)
        if not waiting:
            then = "What the setting second_person names is proposed here before it decides."
            ui.html(empty("Nothing waits.", then), sanitize=False)
        for proposal in waiting:
            _proposal(desk, proposal)
    with ui.element("section").classes("panel"):
        ui.html(_releases(releases), sanitize=False)
        environment = management.releases.environment or ENVIRONMENTS[0]
        deciding = {one.bundle for one in active.systems}
        for release in releases:
            if release.id not in deciding:
                _acts(desk, release, environment)
    cards = await desk.read(Scope.MANAGE, _cards, desk.service.releases, releases)
    if cards:
        ui.html(said.panel("Model cards", *cards), sanitize=False)
    ended = [p for p in proposals if p not in waiting]
    if ended:
        ui.html(said.panel("Answered lately", _ended(ended)), sanitize=False)


def _active(found: ActiveSystems) -> Markup:
    rows = [
        (
            one.system,
            f"{one.seq:,}",
            tag("code", one.bundle[:12]) if one.bundle else "rules alone",
            ", ".join(f"{name} {hash_}" for name, hash_ in one.versions.items()),
            ", ".join(f"{name} ({size:,})" for name, size in one.lists.items()) or said.NOTHING,
        )
        for one in found.systems
    ]
    heads = ("System", "Since position", "Bundle", "Versions", "Lists")
    coming = [
        tag("p", said.mark("folding", "middle"), f" {c.system}: {c.folded:,} of {c.entries:,} entries")
        for c in found.coming
    ]
    return tag("div", said.table(heads, rows, caption="By system", numbers=frozenset((1,))), coming)


def _proposal(desk: Desk, proposal: ProposalView) -> None:
    revision = {name: value for name, value in proposal.content.items() if value}
    parts = ", ".join(name for name in revision if name != "system")
    ui.html(
        said.facts(
            [
                ("Proposal", f"{proposal.id} of {proposal.who}"),
                ("State", said.mark(proposal.state, SEVERITY[proposal.state])),
                ("Changes", f"{parts} of {revision.get('system', 'the system')}"),
                ("Reason", proposal.why),
                ("Until", said.at(proposal.until)),
            ]
        ),
        sanitize=False,
    )
    second = desk.service.second

    def approve(by: By) -> Activated:
        return second.approve(proposal.id, by)

    def refuse(by: By) -> ProposalView:
        return second.refuse(proposal.id, by)

    with ui.row():
        acts.button(
            desk, "Approve", Scope.MANAGE, approve, lambda done: f"Decides from position {done.seq:,}.", key="y"
        )
        acts.button(desk, "Refuse", Scope.MANAGE, refuse, lambda done: f"Proposal {done.id} is {done.state}.", key="n")


def _releases(releases: list[Release]) -> Markup:
    title = tag("h2", "Releases")
    if not releases:
        nothing = empty(
            "Nothing is registered.", "adjudge registry add, or a retrain, registers bundles and rule sets."
        )
        return tag("div", title, nothing)
    rows = [
        (
            tag("code", one.id[:12]),
            one.what,
            one.system,
            one.how,
            said.at(one.at_us),
            one.who,
            one.verdict or said.NOTHING,
            ", ".join(a.who for a in one.approvals) or said.NOTHING,
            ", ".join(s.environment for s in one.stages) or said.NOTHING,
        )
        for one in releases
    ]
    heads = ("Id", "What", "System", "How", "Registered", "By", "Verdict", "Approved by", "In force")
    return tag("div", title, said.table(heads, rows, caption=f"{len(rows)} registered"))


def _cards(registry: ReleaseDesk, releases: list[Release]) -> list[Markup]:
    """Return what the newest bundles say of themselves, folded up."""
    found = []
    for one in [one for one in reversed(releases) if one.what == "bundle"][:CARDS]:
        try:
            text = registry.card(one.id, one.system)
        except AdjudgeError as error:  # it is gone, or was made without one
            text = str(error)
        found.append(tag("details", tag("summary", f"Card of {one.id[:12]}"), tag("pre", text), class_="card"))
    return found


def _acts(desk: Desk, release: Release, environment: str) -> None:
    """Add what may be done with a release: what decided before is gone back to, anything else needs its evidence."""
    registry, second, name = desk.service.releases, desk.service.second, release.id[:12]

    def approve(by: By) -> Release:
        return registry.approve(release.id, Assent(by.why, environment), by, release.system)

    def promote(by: By) -> Activated:
        return registry.promote(release.id, Assent(by.why, environment), by, release.system)

    def go_back(by: By) -> Activated:
        change = {"bundle": release.id} if release.what == "bundle" else {"rules": release.rules}
        return second.revise(Revision(by.why, release.system, **change), by)

    with ui.row():
        if release.stages:
            acts.button(desk, f"Go back to {name}", Scope.MANAGE, go_back, came_of)
            return
        acts.button(
            desk,
            f"Approve {name}",
            Scope.MANAGE,
            approve,
            lambda done: f"Approved for {environment}.",
            asks=f"For {environment}",
        )
        acts.button(desk, f"Decide with {name}", Scope.MANAGE, promote, came_of, asks=f"In {environment}")


def came_of(done: Activated) -> str:
    """Return what came of a revision, in words."""
    if done.proposal is not None:
        return f"Proposal {done.proposal} waits for a second person."
    if done.status == "folding":
        return "It decides as soon as its state is folded."
    return "Nothing would be different." if done.status == "unchanged" else f"Decides from position {done.seq:,}."


def _ended(ended: list[ProposalView]) -> Markup:
    rows = [
        (
            str(one.id),
            said.mark(one.state, SEVERITY[one.state]),
            one.who,
            one.why,
            one.approved_by or one.refused_by or said.NOTHING,
            said.at(one.made_at),
        )
        for one in ended
    ]
    heads = ("Proposal", "State", "Proposed by", "Reason", "Answered by", "Made")
    return said.table(heads, rows, caption="The log has them for good")


PAGE = Page(
    "/releases", "Releases and approvals", Scope.MANAGE, show, nav="Releases", group="Change", key="a", keys=KEYS
)
