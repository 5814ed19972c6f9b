"""Verbs about challengers: have one run in the shadow or on a share of the events, promote it, take it back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from adjudge.commands.activate import OfOption, document_of
from adjudge.commands.keys import JsonOption, UrlOption, WhoOption, WhyOption, name_of
from adjudge.commands.remote import KEY_VARIABLE
from adjudge.commands.show import as_json, grid, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.service.access.ledger import By
    from adjudge.service.challengers.asked import ChallengerView
    from adjudge.service.challengers.remote import Desk
    from adjudge.service.challengers.rule import Standing
    from adjudge.service.challengers.terms import Terms

app = typer.Typer(
    help="Have challengers run beside what decides, in its shadow or on a share of the events; promote and retire them."
    '\n\nExample: adjudge challengers shadow latest --why "labels of May" --url http://127.0.0.1:8000',
    no_args_is_help=True,
    rich_markup_mode="rich",
)

NameArgument = Annotated[str, typer.Argument(help="Name of the challenger.")]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Entity by which the traffic is split, such as user; the event unless given.")
]
TermsOption = Annotated[
    Path | None, typer.Option("--terms", exists=True, dir_okay=False, help="How it is judged, as JSON or YAML.")
]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also those that run no more.")] = False,
    system: OfOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """List the challengers: in the shadow or with which share, since when, and what is different about them.

    Example: adjudge challengers list --workspace payments
    """
    with open_challengers(workspace, log, url, None) as (desk, _):
        found = desk.challengers(system, everything=everything).challengers
    if json:
        as_json(msgspec.to_builtins(found))
        return
    with grid("name", "system", "stage", "share", "since", "differs in", "release") as table:
        for one in found:
            share = f"{100 * one.share:g} % by {one.by or 'event'}" if one.share else ""
            since = _day(one.steps[-1].at_us) if one.steps else ""
            table.add_row(one.name, one.system, one.stage, share, since, ", ".join(one.changes), one.release[:12])


@app.command()
def shadow(
    why: WhyOption,
    release: Annotated[
        str, typer.Argument(metavar="[ID]", help="Id of a registered release, or how it begins; or latest.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="What it is called; the beginning of its id unless given.")] = "",
    rules: Annotated[Path | None, typer.Option("--rules", exists=True, dir_okay=False, help="A rule file.")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="A policy as JSON or YAML.")
    ] = None,
    bundle: Annotated[str, typer.Option("--bundle", "-b", help="Id of a bundle, or its path in the workspace.")] = "",
    share: Annotated[
        float, typer.Option("--share", min=0, max=1, help="Share of the events that it decides at once; 0 for none.")
    ] = 0.0,
    by: ByOption = None,
    terms: TermsOption = None,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Have a challenger decide every event without effect: a registered release, or other rules, policy or model.

    It needs the histories that the champion keeps; what needs others is activated, and its state folded beside.

    Example: adjudge challengers shadow latest --why "labels of May" --url http://127.0.0.1:8000

    Example: adjudge challengers shadow --name strict --rules rules.yaml --why "fewer reviews" --workspace payments
    """
    from adjudge.define import Rules
    from adjudge.service.challengers.asked import Challenge

    given = {
        "rules": None if rules is None else Rules.load(rules).document(),
        "policy": document_of(policy),
        "bundle": bundle,
    }
    revision = {part: value for part, value in given.items() if value}
    how = terms_of(terms)
    asked = Challenge(why, name, system, release, revision, share, by or "", how)
    with open_challengers(workspace, log, url, who, why) as (desk, who_):
        _show(desk.seat(asked, who_), json)


@app.command()
def share(
    name: NameArgument,
    part: Annotated[float, typer.Argument(metavar="SHARE", min=0, max=1, help="Share of the events; 0 is the shadow.")],
    why: WhyOption,
    by: ByOption = None,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Have a challenger decide a share of the events from the next position on.

    Which ones is a function of the event alone: a share that grows keeps whom it has.

    Example: adjudge challengers share strict 0.1 --by user --why "a week of shadow was fine" --url http://127.0.0.1:8000
    """
    from adjudge.service.challengers.asked import Sharing

    with open_challengers(workspace, log, url, who, why) as (desk, who_):
        _show(desk.share(system, name, Sharing(why, part, by), who_), json)


@app.command()
def promote(
    name: NameArgument,
    why: WhyOption,
    environment: Annotated[
        str, typer.Option("--environment", "-e", help="Which one the workspace is, where its log does not say so yet.")
    ] = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where the rule of its terms is not met.")] = False,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Have a challenger decide alone from the next position on, if the rule of its terms is met.

    Example: adjudge challengers promote strict --why "better by 0.02 a decision" --url http://127.0.0.1:8000
    """
    from adjudge.service.challengers.asked import Ending

    with open_challengers(workspace, log, url, who, why) as (desk, who_):
        _show(desk.promote(system, name, Ending(why, environment, anyway), who_), json)


@app.command()
def retire(
    name: NameArgument,
    why: WhyOption,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Have a challenger run no more from the next position on.

    Example: adjudge challengers retire strict --why "no better" --url http://127.0.0.1:8000
    """
    with open_challengers(workspace, log, url, who, why) as (desk, who_):
        _show(desk.retire(system, name, who_), json)


@app.command()
def status(
    system: OfOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Tell what is known of each challenger on mature labels, the sequential verdict, and what its rule still asks for.

    Looking at it every day changes nothing about how often it errs.

    Example: adjudge challengers status --workspace payments
    """
    with open_challengers(workspace, log, url, None) as (desk, _):
        found = desk.standings(system).standings
    if json:
        as_json(msgspec.to_builtins(found))
        return
    for one in found:
        show(_plain(one), json=False)


@app.command("why")
def why_(
    name: NameArgument,
    system: OfOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Tell all that has become of a challenger: what, when, who wanted it, and for what reason.

    Example: adjudge challengers why strict --workspace payments
    """
    with open_challengers(workspace, log, url, None) as (desk, _):
        view = desk.view(system, name)
    if json:
        as_json(msgspec.to_builtins(view))
        return
    with grid("when", "position", "what", "who", "why") as table:
        for step in view.steps:
            what = f"{step.what} {100 * step.share:g} %" if step.share else step.what.replace("_", " ")
            table.add_row(_day(step.at_us), f"{step.seq:,}", what, step.who, step.why)


@contextmanager
def open_challengers(
    workspace: Path | None, log: str | None, url: str | None, who: str | None, why: str = "asked"
) -> Iterator[tuple[Desk, By]]:
    """Open where challengers are seated, a workspace at rest or the service that runs on it, and say who asks."""
    from adjudge.service.access.ledger import By

    if url is None:
        from adjudge.service.challengers.offline import open_desk
        from adjudge.service.run import secret

        with open_desk(settings_of(workspace, log), secret()) as offline:
            yield offline, By(name_of(who), why)
        return
    from adjudge.service.challengers.remote import RemoteChallengers

    if who is not None:
        msg = "a service knows who asks it from the key; leave out --who"
        raise InputError(msg, field="who")
    with RemoteChallengers(url, os.environ.get(KEY_VARIABLE, "")) as remote:
        yield remote, By("", why)


def terms_of(path: Path | None) -> Terms:
    """Return how a challenger is judged, by a file; as usual where there is none."""
    from adjudge.service.challengers.terms import Terms

    said = document_of(path)
    if said is None:
        return Terms()
    try:
        return msgspec.convert(said, Terms).check()
    except msgspec.ValidationError as error:
        msg = f"terms: {error}"
        raise InputError(msg, field="terms", code="wrong_type") from None


def _show(view: ChallengerView, json: bool) -> None:
    if json:
        as_json(msgspec.to_builtins(view))
        return
    facts: dict[str, Any] = {"challenger": f"{view.name} of {view.system}", "stage": view.stage.replace("_", " ")}
    if view.share:
        facts["decides"] = f"{100 * view.share:g} % of the events, by {view.by or 'event'}"
    if view.since is not None:
        facts["since position"] = view.since
    if view.proposal is not None:
        facts["proposal"] = f"{view.proposal} waits for a second person"
    show(facts, json)


def _plain(one: Standing) -> dict[str, Any]:
    """Return what people want to know of a challenger."""
    facts: dict[str, Any] = {
        "challenger": f"{one.name} of {one.system}, in the {one.stage}, for {one.days:.1f} days",
        "verdict": one.verdict,
    }
    known = one.figures
    if known is not None:
        for who, side in (("champion", known.champion), ("challenger", known.challenger)):
            cost = "unknown" if side.cost is None else f"{side.cost:.4g}"
            mature = f"{side.mature:,} of them mature at {cost} each"
            facts[who] = f"{side.decisions:,} decisions, {mature}; acts on {side.acting:.1%}"
            if side.latency_ms is not None:
                facts[who] += f", p99 {side.latency_ms:.2f} ms"
        if known.bound is not None:
            low = "nothing is sure yet" if known.bound.low is None else f"at least {known.bound.low:.4g} for sure"
            facts["saves a decision"] = f"{known.bound.gain:.4g}, error {known.bound.error:.2g}; {low}"
        facts["frauds"], facts["stopped without a label"] = known.frauds, known.unknown
        if known.differ is not None:
            facts["decided otherwise"] = known.differ
        if known.missed:
            facts["not kept up with"] = known.missed
    facts["lacks"] = "\n".join(one.lacks) or "nothing: its rule is met"
    return facts


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
