"""The verb that replaces the secret of a workspace that no service runs on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.show import err
from adjudge.commands.workspace import BundlesOption, LogOption, SystemsOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

NEW_VARIABLE = "ADJUDGE_NEW_SECRET"
"""Environment variable with the secret that is to replace the workspace's: 32 hexadecimal digits."""


def rekey(
    who: Annotated[str, typer.Option(help="Who does it, for the log.")],
    why: Annotated[str, typer.Option(help="The reason, for the log.")],
    new_secret: Annotated[
        Path | None, typer.Option(help=f"File with the new secret; the variable {NEW_VARIABLE} unless given.")
    ] = None,
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    archive: ArchiveOption = None,
) -> None:
    """Replace the secret that keys, ids and texts are hashed with (ADJUDGE_SECRET), and move everything to the new one.

    No decision changes. Set ADJUDGE_SECRET to the new secret before the next start, and keep the old one for replay.

    Example: adjudge rekey --new-secret ./secret --who officer --why "once a year" --workspace payments
    """
    from adjudge.service.home import check_log
    from adjudge.service.rekey.run import replace_secret
    from adjudge.service.run import EARLIER_VARIABLE, SECRET_VARIABLE, plans_of, secret_from

    settings = settings_of(workspace, log)
    check_log(settings)
    text, source = os.environ.get(NEW_VARIABLE), NEW_VARIABLE
    if new_secret is not None:
        text, source = new_secret.read_text("ascii", errors="replace").strip(), str(new_secret)
    if text is None:
        message = f"give the new secret in a file with --new-secret, or in {NEW_VARIABLE}"
        raise InputError(message, field="new_secret")
    new = secret_from(text, source)
    systems, bundles = system or ["payments"], bundle or []
    with Bars(err) as bars:
        done = replace_secret(
            plans_of(systems, bundles),
            plans_of(systems, bundles, new),
            settings,
            who=who,
            why=why,
            archive=archive,
            told=lambda done, total: bars("fold the log", done, total),
        )
    sys.stdout.write(
        f"the secret with fingerprint {done.earlier[-1]} was replaced by the one with fingerprint {done.new}\n"
        f"set {SECRET_VARIABLE} to the new one; replay of what was before needs the old one in {EARLIER_VARIABLE}\n"
    )


COMMANDS = (rekey,)
"""The verbs, in the order in which they are listed."""
