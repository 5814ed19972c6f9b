"""The verb that moves the beginning of a log to files."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from adjudge.commands.show import err, show
from adjudge.commands.workspace import BundlesOption, LogOption, SystemsOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

FOLDER = "archive"
"""Folder of the workspace that holds the archive unless another one is named."""

ArchiveOption = Annotated[Path | None, typer.Option("--archive", help="Folder of an archive, to read it as well.")]

_AGE = re.compile(r"(\d+)([dh])")


def archive(
    older_than: Annotated[str, typer.Option(help="What was admitted longer ago goes, such as 400d or 12h.")],
    who: Annotated[str, typer.Option(help="Who does it, for the log.")],
    why: Annotated[str, typer.Option(help="The reason, for the log.")],
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder; archive in the workspace's folder unless given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Move the oldest part of the log to files that prove what they hold, and keep all that the rest needs.

    While a service runs the files are written and the log stays as it is: stop it, and do the same again.

    Example: adjudge archive --older-than 400d --who ops --why "retention of 400 days" -w payments
    """
    from adjudge.service.archive.run import open_archiver
    from adjudge.service.run import plans_of
    from adjudge.service.verdict import wall_clock

    settings = settings_of(workspace, log)
    before_us = wall_clock() - _age(older_than) // timedelta(microseconds=1)
    folder = Path(settings.workspace) / FOLDER if to is None else to
    plans = plans_of(system or ["payments"], bundle or [])
    with open_archiver(plans, settings, folder, _say) as archiver, Bars(err) as bars:
        cut = archiver.cut(before_us, told=lambda done, total: bars("fold the log", done, total))
        files: list[Path] = []
        if not dry_run:
            files = archiver.write(cut, told=lambda done, total: bars("archive", done, total))
            archiver.drop(cut, who=who, why=why)
    facts = {
        "folder": str(folder),
        "entries": cut.entries,
        "positions": [cut.begin.position, cut.end.position],
        "link": cut.end.link.hex(),
        "files": [path.name for path in files],
        "dropped": bool(cut.entries) and not dry_run,
    }
    show(facts, json)


def _age(text: str) -> timedelta:
    """Return a duration that was given as text."""
    match = _AGE.fullmatch(text)
    if match is None:
        message = f"--older-than takes days or hours, such as 400d or 12h, not {text!r}"
        raise InputError(message, field="older_than")
    return timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False)


COMMANDS: tuple[Any, ...] = (archive,)
"""The verbs, in the order in which they are listed."""
