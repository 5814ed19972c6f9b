"""Verbs about releases: what is registered, who approved it, where it decides, and how it moves between workspaces."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from adjudge.commands.activate import show_activated
from adjudge.commands.keys import JsonOption, WhoOption, WhyOption, name_of
from adjudge.commands.show import as_json, grid, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of

if TYPE_CHECKING:
    from adjudge.engine import Plan
    from adjudge.service.bundles import Bundles
    from adjudge.service.registry.entries import Release
    from adjudge.service.registry.registrars import AtRest

app = typer.Typer(
    help="List, approve, promote and move bundles and rule sets; each is named by the hash of its content.\n\n"
    "Example: adjudge registry list --workspace payments",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of a release, or how it begins; or latest, of one system.")
]
EnvironmentOption = Annotated[
    str, typer.Option("--environment", "-e", help="Where it is to decide: development, staging or production.")
]
OriginOption = Annotated[
    str, typer.Option("--environment", "-e", help="Which one the workspace is; as its log says, where it does.")
]
KeyOption = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Ed25519 private key (PEM) to sign the package with.")
]
OfOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]


@app.command("list")
def list_(
    system: OfOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was neither approved nor ever decided.")] = False,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """List what is registered: made how, judged how, approved by whom, and where it was put in force.

    Example: adjudge registry list --all --workspace payments
    """
    with _registry(workspace, log, None) as registrar:
        found = [one for one in registrar.releases if system in (None, one.system)]
    shown = found if everything else [one for one in found if one.approvals or one.stages] or found[-1:]
    if json:
        as_json(msgspec.to_builtins(shown))
        return
    with grid("id", "what", "how", "verdict", "registered", "approved for", "decides in") as table:
        for one in shown:
            approved = ", ".join(dict.fromkeys(a.environment for a in one.approvals))
            stages = ", ".join(dict.fromkeys(s.environment for s in one.stages))
            at = datetime.fromtimestamp(one.at_us / 1e6, UTC)
            table.add_row(one.id[:12], one.what, one.how, one.verdict, f"{at:%Y-%m-%d %H:%M}", approved, stages)


@app.command("show")
def show_(
    id_: IdArgument,
    system: OfOption = None,
    card: Annotated[bool, typer.Option("--card", help="Print the model card of its bundle.")] = False,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Tell all that is known of a release: parents, evidence, approvals, stages; or print its model card.

    Example: adjudge registry show 3f2a --workspace payments

    Example: adjudge registry show 3f2a --card --workspace payments > card.md
    """
    from adjudge.errors import NotFoundError
    from adjudge.learn.modelcard import CARD_TEXT

    with _registry(workspace, log, None) as registrar:
        one = registrar.releases.find(id_, system)
    if not card:
        facts: dict[str, Any] = msgspec.to_builtins(one)
        show(facts if json else _plain(one), json)
        return
    text = _bundles(workspace, log).read(one.id).paper(CARD_TEXT) if one.what == "bundle" else None
    if text is None:
        msg = f"{one.what} {one.id[:12]} has no model card"
        raise NotFoundError(msg)
    sys.stdout.write(text.decode())


@app.command()
def add(
    path: Annotated[Path, typer.Argument(exists=True, help="Directory of a bundle, or a rule file.")],
    why: WhyOption,
    evidence: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="How it was judged, as JSON; see adjudge rules test."),
    ] = None,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Register a bundle or a rule set that somebody has made, with how it was judged.

    Example: adjudge registry add rules.yaml --evidence test.json --why "fewer reviews" --workspace payments
    """
    from adjudge.service.registry import moves

    with _registry(workspace, log, who) as registrar:
        plan, bundles = _plan(registrar, workspace, log, system)
        made = moves.add(registrar, plan, bundles, why, path=path, evidence=evidence)
    show({"id": made.id, "what": made.what, "registered at": made.seq, "judged": bool(made.evidence)}, json)


@app.command()
def approve(
    id_: IdArgument,
    why: WhyOption,
    environment: EnvironmentOption,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Approve a release for an environment; what lacks evidence cannot be approved.

    Example: adjudge registry approve 3f2a --environment production --why "seen two weeks of shadow" --who bob
    """
    from adjudge.service.registry.promote import approve as run

    with _registry(workspace, log, who) as registrar:
        one = registrar.releases.find(id_, system)
        seq = run(registrar, one, environment, why)
    show({"id": one.id, "approved for": environment, "by": name_of(who), "at": seq}, json)


@app.command()
def promote(
    id_: IdArgument,
    why: WhyOption,
    environment: EnvironmentOption,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Have a release decide in a workspace at rest, if it has evidence and whoever must has approved it.

    The first approval or promotion says which environment the workspace is, for good.

    Approval is needed where it was imported or made for another environment, where its evidence does not say that it
    is better than what decides now, and where ADJUDGE_SECOND_PERSON names bundle or rules: then by somebody else than
    who registered it.

    Example: adjudge registry promote 3f2a --environment production --why "better on the last two weeks"
    """
    from adjudge.service.access.approval import parts_of
    from adjudge.service.home import snapshots_of
    from adjudge.service.registry.moves import deciding
    from adjudge.service.registry.promote import promotion
    from adjudge.service.run import secret
    from adjudge.service.versions.offline import open_desk

    settings = settings_of(workspace, log)
    with _registry(workspace, log, who) as registrar:
        releases = registrar.releases
        one = releases.find(id_, system)
        champion = deciding(registrar.log, snapshots_of(settings), one.system)
    second = parts_of(settings.second_person)
    revision, note = promotion(one, releases, champion, environment, name_of(who), why, second_person=second)
    with open_desk(settings, secret(), name_of(who)) as desk:
        show_activated(desk.revise(revision, [note]), json)


@app.command()
def export(
    id_: IdArgument,
    to: Annotated[Path, typer.Argument(dir_okay=False, help="The package: one file.")],
    system: OfOption = None,
    environment: OriginOption = "",
    key: KeyOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Write a release with its evidence and approvals into one file, for another workspace.

    Example: adjudge registry export 3f2a may.adjudge --environment staging --key signing.pem --workspace payments
    """
    from adjudge.service.registry import moves

    with _registry(workspace, log, who) as registrar:
        one = registrar.releases.find(id_, system)
        plan, bundles = _plan(registrar, workspace, log, one.system)
        sha256 = moves.export(registrar, one, plan, bundles, to, environment=environment, key=key)
    show({"id": one.id, "package": str(to), "sha256": sha256, "signed": key is not None}, json)


@app.command("import")
def import_(
    package: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What adjudge registry export wrote.")],
    why: WhyOption,
    trust: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Ed25519 public key (PEM) that must have signed it."),
    ] = None,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Take a package in, after checking every byte, its signature, schema, layout and evidence; nothing is activated.

    Example: adjudge registry import may.adjudge --trust signing.pub --why "the bundle of May" --workspace production
    """
    from adjudge.service.registry import moves

    with _registry(workspace, log, who) as registrar:
        plan, bundles = _plan(registrar, workspace, log, system)
        id_, seq = moves.take_in(registrar, plan, bundles, package, why, trust)
    show({"id": id_, "registered at": seq, "signed": trust is not None}, json)


@app.command()
def mirror(
    id_: IdArgument,
    server: Annotated[str, typer.Option("--server", help="Address of an MLflow tracking server.")],
    environment: OriginOption = "",
    key: KeyOption = None,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Write a release to an MLflow tracking server: parameters, metrics, model card and package, and a model version.

    Needs the extra mlflow. What is there already is left as it is.

    Example: adjudge registry mirror latest --server http://127.0.0.1:5000 --workspace payments
    """
    from adjudge.service.registry import moves, tracking

    with _registry(workspace, log, who) as registrar, TemporaryDirectory() as scratch:
        one = registrar.releases.find(id_, system)
        plan, bundles = _plan(registrar, workspace, log, one.system)
        packed = Path(scratch) / tracking.FILE
        moves.export(registrar, one, plan, bundles, packed, environment=environment, key=key)
        made = tracking.mirror(one, bundles.read(one.id) if one.what == "bundle" else None, packed, server)
    show(msgspec.to_builtins(made), json)


@app.command()
def fetch(
    reference: Annotated[str, typer.Argument(help="runs:/RUN, models:/NAME/VERSION or models:/NAME@ALIAS.")],
    to: Annotated[Path, typer.Argument(dir_okay=False, help="File for the package.")],
    server: Annotated[str, typer.Option("--server", help="Address of an MLflow tracking server.")],
) -> None:
    """Fetch the package of a release from an MLflow tracking server; `adjudge registry import` takes it in.

    Needs the extra mlflow.

    Example: adjudge registry fetch models:/adjudge-payments/3 may.adjudge --server http://127.0.0.1:5000
    """
    from adjudge.service.registry import tracking

    sys.stdout.write(f"wrote {tracking.fetch(reference, server, to)}\n")


@contextmanager
def _registry(workspace: Path | None, log: str | None, who: str | None) -> Iterator[AtRest]:
    from adjudge.service.registry.registrars import at_rest

    with at_rest(settings_of(workspace, log), name_of(who)) as registrar:
        yield registrar


def _bundles(workspace: Path | None, log: str | None) -> Bundles:
    from adjudge.service.home import bundles_of
    from adjudge.service.run import secret

    return bundles_of(settings_of(workspace, log), secret())


def _plan(registrar: AtRest, workspace: Path | None, log: str | None, system: str | None) -> tuple[Plan, Bundles]:
    """Return what decides in a workspace, and where its bundles are."""
    from adjudge.service.home import snapshots_of
    from adjudge.service.registry.moves import active_plan

    bundles = _bundles(workspace, log)
    return active_plan(registrar.log, snapshots_of(settings_of(workspace, log)), bundles, system), bundles


def _plain(one: Release) -> dict[str, Any]:
    """Return what people want to know of a release."""
    facts: dict[str, Any] = {
        "id": one.id,
        "what": f"{one.what} of {one.system}, {one.how}",
        "registered": f"at {one.seq:,} by {one.who}: {one.why}",
        "parents": ", ".join(parent[:12] for parent in one.parents) or "none",
        "verdict": one.verdict or "none",
        "origin": one.origin,
    }
    for figure, found in one.evidence.get("figures", {}).items():
        values = [found[side]["value"] for side in ("champion", "challenger")]
        facts[figure] = " to ".join("" if v is None else f"{v:.4g}" for v in values)
    facts |= {f"approved for {a.environment}": f"by {a.who}: {a.why}" for a in one.approvals}
    facts |= {f"elsewhere for {a.environment}": f"by {a.who}, says its package: {a.why}" for a in one.history}
    return facts | {f"decides in {s.environment}": f"since {_day(s.at_us)} by {s.who}: {s.why}" for s in one.stages}


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
