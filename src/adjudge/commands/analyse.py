"""Verbs for analysis: the log as Parquet, and SQL over it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.show import as_json, err, grid, out, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.service.export import Exported
    from adjudge.service.settings import Settings

FOLDER = "export"
"""Folder of the workspace into which is exported unless another one is named."""

SHOWN = 200
"""Rows that are shown to people; programs get all of them."""

ToOption = Annotated[Path | None, typer.Option("--to", help="Folder; export in the workspace's folder unless given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def export(
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    to: ToOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> None:
    """Bring Parquet files up to where the log ends now: events, decisions, features, labels and notes, by day.

    Only what is new since the last time is read. The service may go on meanwhile.

    Example: adjudge export --workspace payments --to lake/payments
    """
    settings = settings_of(workspace, log)
    found = _export(settings, to, archive)
    facts = {"positions": [found.start, found.stop], "rows": found.rows, "files": found.files}
    show({"folder": str(_folder(settings, to)), **facts}, json)


def query(
    sql: Annotated[str, typer.Argument(help="The question, in DuckDB's SQL.")],
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    to: ToOption = None,
    json: JsonOption = False,
) -> None:
    """Export what is new, and answer a question about all of it.

    The tables are events, decisions, features, labels and notes, and one for each stream.

    Example: adjudge query "SELECT day, decision, count(*) FROM decisions GROUP BY ALL ORDER BY ALL" -w payments
    """
    from adjudge.service.export import query as run

    settings = settings_of(workspace, log)
    _export(settings, to)
    found = run(_folder(settings, to), sql)
    if json:
        as_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])
        return
    with grid(*found.columns) as table:
        for row in found.rows[:SHOWN]:
            table.add_row(*("" if value is None else str(value) for value in row))
    if len(found.rows) > SHOWN:
        out.print(f"and {len(found.rows) - SHOWN:,} rows more; --json prints all of them")


def _export(settings: Settings, to: Path | None, archive: Path | None = None) -> Exported:
    from adjudge.service.archive.joined import open_with
    from adjudge.service.export import export as run
    from adjudge.service.home import snapshots_of

    with closing(open_with(settings, archive)) as opened, Bars(err) as bars:
        return run(
            opened,
            _folder(settings, to),
            snapshots=snapshots_of(settings),
            told=lambda done, total: bars("export", done, total),
        )


def _folder(settings: Settings, to: Path | None) -> Path:
    return Path(settings.workspace) / FOLDER if to is None else to


COMMANDS: tuple[Any, ...] = (export, query)
"""The verbs, in the order in which they are listed."""
