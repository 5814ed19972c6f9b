"""Verbs that end what is known of persons, in a workspace that no service runs on."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.show import err
from adjudge.commands.workspace import BundlesOption, LogOption, SystemsOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars


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
    from adjudge.service.retrain.forget import forget_runs
    from adjudge.service.retrain.request import RUNS
    from adjudge.service.run import plans_of, secret

    settings = settings_of(workspace, log)
    plans = plans_of(system or ["payments"], bundle or [])
    value = sys.stdin.readline().rstrip("\n") if person == "-" else person
    with closing(open_with(settings, archive)) as opened, ExitStack() as stack:
        snapshots, resolver = snapshots_of(settings), Resolver(plans, bundles_of(settings, secret()), gives=False)
        active = resolver.starting(active_at(opened, snapshots, len(opened)))
        keys = stack.enter_context(open_keys(active, settings))
        follower = Follower(active, opened, snapshots, say=_say, keys=keys)
        decider = Decider(active, opened, holder=holder(), follower=follower, resolver=resolver)
        done = decider.erase(stream, value, who=who, why=why)
        forget_runs(Path(settings.workspace) / RUNS)  # also where there was nothing: a kill may have come between
    sys.stdout.write("erased\n" if done else "there is nothing to erase\n")
    raise typer.Exit(0 if done else 1)


def forget(
    who: Annotated[str, typer.Option(help="Who does it, for the log.")],
    why: Annotated[str, typer.Option(help="The reason, for the log.")],
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    archive: ArchiveOption = None,
    archive_is_gone: Annotated[
        bool, typer.Option("--archive-is-gone", help="What was archived is deleted, or need never be read again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many there are, and change nothing.")] = False,
) -> None:
    """Destroy the keys of persons of whom neither the log nor its archive has an event left.

    A key that something in an archive is sealed with is kept if that archive is given, and destroyed if it is not.

    Example: adjudge forget --who ops --why "what is older was deleted" --archive payments/archive -w payments
    """
    from adjudge.service.access.offline import OfflineLedger
    from adjudge.service.archive.joined import open_with
    from adjudge.service.home import find_keys, holder, snapshots_of
    from adjudge.service.personal.unused import Unused

    settings = settings_of(workspace, log)
    with closing(open_with(settings, archive)) as opened, closing(find_keys(settings)) as keys, Bars(err) as bars:
        if archive is None and opened.begin().position and not archive_is_gone:
            message = "part of the log was archived: give its folder with --archive, or say that it is gone"
            raise InputError(message, field="archive")
        unused = Unused(opened, keys)
        count = len(unused.find(lambda done, total: bars("look through the log", done, total)))
        if not dry_run:
            ledger = OfflineLedger(opened, snapshots_of(settings), holder=holder())
            count = unused.destroy(ledger, who=who, why=why)
    sys.stdout.write(f"{count:,} keys of persons {'would be' if dry_run else 'were'} destroyed\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


COMMANDS = (erase, forget)
"""The verbs, in the order in which they are listed."""
