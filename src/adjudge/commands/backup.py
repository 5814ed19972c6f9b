"""Verbs that copy a workspace away and bring it back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the backup.", show_default=False)]


def backup(folder: FolderArgument, workspace: WorkspaceOption = None, log: LogOption = None) -> None:
    """Copy a workspace into a new folder, as it is at one moment; the service may go on.

    A log in Postgres is not copied: pg_dump does that, and is to be run after this.

    Example: adjudge backup backups/monday --workspace payments
    """
    from adjudge.service.backup import backup as copy

    made = copy(settings_of(workspace, log), folder)
    sys.stdout.write(f"backed up {made.position:,} entries and {len(made.files)} files in {folder}\n")
    if made.log == "postgres":
        sys.stdout.write("the log itself is in Postgres; run pg_dump --format=custom on its database now\n")


def restore(folder: FolderArgument, workspace: WorkspaceOption = None) -> None:
    """Make a workspace anew from a backup; the folder of the workspace must not hold anything.

    Example: adjudge restore backups/monday --workspace payments
    """
    from adjudge.service.backup import restore as bring_back

    settings = settings_of(workspace, None)
    made = bring_back(folder, Path(settings.workspace))
    sys.stdout.write(f"restored {made.position:,} entries and {len(made.files)} files to {settings.workspace}\n")
    if made.log == "postgres":
        sys.stdout.write("the log itself is in Postgres; run pg_restore on its dump before serving\n")


COMMANDS = (backup, restore)
"""The verbs, in the order in which they are listed."""
