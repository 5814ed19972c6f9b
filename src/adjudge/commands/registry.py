"""Verbs about releases: what is registered, who approved it, where it decides, and how it moves between workspaces."""

from __future__ import annotations

import os
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
from adjudge.commands.keys import JsonOption, UrlOption, WhoOption, WhyOption, name_of
from adjudge.commands.remote import KEY_VARIABLE
from adjudge.commands.show import as_json, grid, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.service.access.ledger import By
    from adjudge.service.bundles import Bundles
    from adjudge.service.registry.entries import Release
    from adjudge.service.registry.remote import Desk

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
EXPORTED = "exported for another workspace"
"""The reason that an export gives."""

OfOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]


@app.command("list")
def list_(
    system: OfOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was neither approved nor ever decided.")] = False,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """List what is registered: made how, judged how, approved by whom, and where it was put in force.

    Example: adjudge registry list --all --workspace payments
    """
    with open_releases(workspace, log, url, None) as (desk, _):
        found = desk.releases(system).releases
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
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Tell all that is known of a release: parents, evidence, approvals, stages; or print its model card.

    Example: adjudge registry show 3f2a --workspace payments

    Example: adjudge registry show 3f2a --card --workspace payments > card.md
    """
    with open_releases(workspace, log, url, None) as (desk, _):
        if card:
            sys.stdout.write(desk.card(id_, system))
            return
        one = desk.release(id_, system)
    facts: dict[str, Any] = msgspec.to_builtins(one)
    show(facts if json else _plain(one), json)


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
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Register a bundle or a rule set that somebody has made, with how it was judged.

    With --url a bundle must lie in the service's workspace already; from elsewhere it comes as a package.

    Example: adjudge registry add rules.yaml --evidence test.json --why "fewer reviews" --workspace payments
    """
    from adjudge.define import Rules
    from adjudge.service.registry.asked import Registration
    from adjudge.service.registry.moves import evidence_of

    said = evidence_of(evidence)
    if path.is_dir():
        id_ = _bundles(workspace, log, keep=url is None).keep(path).id
        asked = Registration(why, system, id_, evidence=said)
    else:
        asked = Registration(why, system, rules=Rules.load(path).document(), evidence=said)
    with open_releases(workspace, log, url, who, why) as (desk, by):
        made = desk.register(asked, by)
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
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Approve a release for an environment; what lacks evidence cannot be approved.

    Example: adjudge registry approve 3f2a --environment production --why "seen two weeks of shadow" --who bob
    """
    from adjudge.service.registry.asked import Assent

    with open_releases(workspace, log, url, who, why) as (desk, by):
        one = desk.approve(id_, Assent(why, environment), by, system)
    word = one.approvals[-1]
    show({"id": one.id, "approved for": word.environment, "by": word.who, "at": _day(word.at_us)}, json)


@app.command()
def promote(
    id_: IdArgument,
    why: WhyOption,
    environment: EnvironmentOption,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Have a release decide, if it has evidence and whoever must has approved it.

    The first approval or promotion says which environment the workspace is, for good.

    Approval is needed where it was imported or made for another environment, where its evidence does not say that it
    is better than what decides now, and where ADJUDGE_SECOND_PERSON names bundle or rules: then by somebody else than
    who registered it.

    Example: adjudge registry promote 3f2a --environment production --why "better on the last two weeks"
    """
    from adjudge.service.registry.asked import Assent

    with open_releases(workspace, log, url, who, why) as (desk, by):
        show_activated(desk.promote(id_, Assent(why, environment), by, system), json)


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
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Write a release with its evidence and approvals into one file, for another workspace.

    Example: adjudge registry export 3f2a may.adjudge --environment staging --key signing.pem --workspace payments
    """
    from adjudge.service.registry.asked import Assent

    with open_releases(workspace, log, url, who, EXPORTED) as (desk, by):
        one = desk.release(id_, system)
        sha256 = desk.export(one.id, to, Assent(EXPORTED, environment), by, system, key)
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
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Take a package in, after checking every byte, its signature, schema, layout and evidence; nothing is activated.

    Example: adjudge registry import may.adjudge --trust signing.pub --why "the bundle of May" --workspace production
    """
    with open_releases(workspace, log, url, who, why) as (desk, by):
        made = desk.take_in(package, by, system, trust)
    show({"id": made.id, "registered at": made.seq, "signed": trust is not None}, json)


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
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Write a release to an MLflow tracking server: parameters, metrics, model card and package, and a model version.

    Needs the extra mlflow. What is there already is left as it is.

    Example: adjudge registry mirror latest --server http://127.0.0.1:5000 --workspace payments
    """
    from adjudge.service.registry import tracking
    from adjudge.service.registry.asked import Assent
    from adjudge.service.run import secret

    with open_releases(workspace, log, url, who, EXPORTED) as (desk, by), TemporaryDirectory() as scratch:
        packed = Path(scratch) / tracking.FILE
        desk.export(id_, packed, Assent(EXPORTED, environment), by, system, key)
        made = tracking.mirror(packed, server, secret())
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
def open_releases(
    workspace: Path | None, log: str | None, url: str | None, who: str | None, why: str = "asked"
) -> Iterator[tuple[Desk, By]]:
    """Open a registry, of a workspace at rest or of the service that runs on it, and say who asks."""
    from adjudge.service.access.ledger import By

    if url is None:
        from adjudge.service.registry.desk import open_desk
        from adjudge.service.run import secret

        with open_desk(settings_of(workspace, log), secret()) as offline:
            yield offline, By(name_of(who), why)
        return
    from adjudge.service.registry.remote import RemoteReleases

    if who is not None:
        msg = "a service knows who asks it from the key; leave out --who"
        raise InputError(msg, field="who")
    with RemoteReleases(url, os.environ.get(KEY_VARIABLE, "")) as remote:
        yield remote, By("", why)


def _bundles(workspace: Path | None, log: str | None, *, keep: bool) -> Bundles:
    """Return where a bundle is read, and kept if it is to be."""
    from adjudge.service.bundles import Bundles
    from adjudge.service.home import bundles_of
    from adjudge.service.run import secret

    return bundles_of(settings_of(workspace, log), secret()) if keep else Bundles(None, secret())


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
