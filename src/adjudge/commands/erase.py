"""The verb that erases a person, in a workspace that no service runs on."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.workspace import BundlesOption, LogOption, SystemsOption, WorkspaceOption, settings_of


def erase(
    person: Annotated[str, typer.Option(help="The value that names the person; - reads it from standard input.")],
    stream: Annotated[str, typer.Option(help="A stream whose person field has that value.")],
    who: Annotated[str, typer.Option(help="Who does it, for the log.")],
    why: Annotated[str, typer.Option(help="The reason, for the log.")],
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    archive: ArchiveOption = None,
) -> None:
    """Erase a person: destroy the key of the readable values and drop the histories; others are not touched.

    Give the archive of the log, if there is one: what stood beside the person is looked up there as well.

    The value is neither printed nor logged. Exit code 1 if there is nothing to erase.

    Example: adjudge erase --stream payment --person - --who officer --why "asked for it"
    """
    from adjudge.service.archive.joined import open_with
    from adjudge.service.decider import Decider
    from adjudge.service.follow import Follower, active_at
    from adjudge.service.home import bundles_of, holder, open_keys, snapshots_of
    from adjudge.service.resolver import Resolver
    from adjudge.service.run import plans_of, secret

    settings = settings_of(workspace, log)
    plans = plans_of(system or ["payments"], bundle or [])
    value = sys.stdin.readline().rstrip("\n") if person == "-" else person
    with closing(open_with(settings, archive)) as opened:
        snapshots, resolver = snapshots_of(settings), Resolver(plans, bundles_of(settings, secret()), gives=False)
        active = resolver.starting(active_at(opened, snapshots, len(opened)))
        follower = Follower(active, opened, snapshots, say=_say, keys=open_keys(active, settings))
        decider = Decider(active, opened, holder=holder(), follower=follower, resolver=resolver)
        done = decider.erase(stream, value, who=who, why=why)
    sys.stdout.write("erased\n" if done else "there is nothing to erase\n")
    raise typer.Exit(0 if done else 1)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


COMMANDS = (erase,)
"""The verbs, in the order in which they are listed."""
