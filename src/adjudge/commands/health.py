"""Verbs that check a workspace: prove its log whole, examine everything that can be damaged."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.show import as_json, err, grid, out
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.log import End
    from adjudge.service.settings import Settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
KnownOption = Annotated[
    list[str] | None,
    typer.Option("--known", help="An end noted earlier, as position:link; may be given several times."),
]

COLORS = {"good": "green", "notice": "yellow", "fault": "red"}
"""How the levels of findings look."""


def audit(
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    known: KnownOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Prove the log whole, commit by commit, or name the first link that is broken; exit code 1 if one is.

    The links that snapshots noted are checked as well. Note the end that is printed somewhere else: given later with
    --known, it proves that nothing up to it was rewritten. With --archive the archive is proven too, and that the log
    follows it.

    Example: adjudge audit --workspace payments
    """
    from adjudge.log.audit import audit as run
    from adjudge.service.archive.joined import Joined, open_with

    settings = settings_of(workspace, log)
    with closing(open_with(settings, archive)) as opened, Bars(err) as bars:
        joint = opened.join if isinstance(opened, Joined) else None
        found = run(opened, known=_known(settings, known), told=lambda done, total: bars("audit", done, total))
        short = _is_short(settings, len(opened))
    if json:
        facts = {"whole": found.whole, "begin": found.begin, "end": found.end, "broken": found.broken}
        as_json(facts if joint is None else facts | {"archived_to": joint})
    elif found.broken is None:
        out.print(f"[green]whole[/]: {found.commits:,} commits, positions {found.begin[0]:,} to {found.end[0]:,}")
        if joint is not None:
            out.print(f"the log begins at position {joint:,} and follows the archive")
        elif found.begin[0]:
            out.print("what came before was archived: --archive FOLDER proves that the log follows it")
        out.print(f"to note elsewhere: {found.end[0]}:{found.end[1]}", highlight=False, soft_wrap=True)
    else:
        out.print(f"[red]broken[/] at position {found.broken.position:,}: {found.broken.reason}")
    raise typer.Exit(0 if found.whole and not short else 1)


def doctor(
    workspace: WorkspaceOption = None, log: LogOption = None, known: KnownOption = None, json: JsonOption = False
) -> None:
    """Examine a workspace: its log, who holds it, and every snapshot; exit code 1 if there is a fault.

    Example: adjudge doctor --workspace payments
    """
    from adjudge.log.doctor import Finding, examine, examine_file
    from adjudge.service.home import LOG_FILE, open_log, snapshots_of
    from adjudge.service.snapshot import SnapshotError, check, check_reach, found, position_of

    settings = settings_of(workspace, log)
    links = _known(settings, known)
    findings: list[Finding]
    with Bars(err) as bars:

        def told(done: int, total: int) -> None:
            bars("examine", done, total)

        if settings.log == "sqlite":
            findings = examine_file(Path(settings.workspace) / LOG_FILE, known=links, told=told)
        else:
            with closing(open_log(settings)) as opened:
                findings = examine(opened, known=links, told=told)
    end = None
    if all(f.name != "file" for f in findings):  # else it could not be opened
        with closing(open_log(settings)) as opened:
            end = len(opened)
    folder = snapshots_of(settings)
    for path in found(folder) if folder is not None else ():
        try:
            check(path)
            if end is not None:
                check_reach(position_of(path), end, path.name)
            findings.append(Finding(f"snapshot {path.name}", "good", "every file is as it was written"))
        except SnapshotError as error:
            findings.append(Finding(f"snapshot {path.name}", "fault", str(error)))
    faults = any(f.level == "fault" for f in findings)
    if json:
        as_json({"healthy": not faults, "findings": findings})
    else:
        with grid("what", "", "") as table:
            table.columns[1].justify = table.columns[2].justify = "left"
            for f in findings:
                table.add_row(f.name, f"[{COLORS[f.level]}]{f.level}[/]", f.says)
    raise typer.Exit(1 if faults else 0)


def _is_short(settings: Settings, end: int) -> bool:
    """Whether a log ends before its newest snapshot was made; says so."""
    from adjudge.service.home import snapshots_of
    from adjudge.service.snapshot import LogShorterError, check_reach, found, position_of

    folder = snapshots_of(settings)
    for path in (found(folder) if folder is not None else [])[:1]:
        try:
            check_reach(position_of(path), end, path.name)
        except LogShorterError as error:
            err.print(str(error), style="red", markup=False, highlight=False)
            return True
    return False


def _known(settings: Settings, noted: list[str] | None) -> list[End]:
    """Return the ends that snapshots have noted, and those given by hand, which count where both name a position."""
    from adjudge.log import End
    from adjudge.service.home import snapshots_of
    from adjudge.service.snapshot import SnapshotError, facts_of, found

    ends = []
    folder = snapshots_of(settings)
    for path in found(folder) if folder is not None else ():
        try:
            ends.append(facts_of(path).end)
        except SnapshotError as error:
            err.print(str(error), markup=False, highlight=False)
    for text in noted or ():
        position, _, link = text.partition(":")
        try:
            ends.append(End(int(position), bytes.fromhex(link)))
        except ValueError:
            message = f"--known takes a position and a link such as 120:5f0c..., not {text!r}"
            raise InputError(message, field="known") from None
    return ends


COMMANDS: tuple[Any, ...] = (audit, doctor)
"""The verbs, in the order in which they are listed."""
