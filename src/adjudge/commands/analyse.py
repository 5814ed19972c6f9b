"""Verbs for analysis: the log as Parquet, and SQL over it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.text import Text

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


class PersonalFields(StrEnum):
    """What becomes of personal fields."""

    HIDDEN = "hidden"
    SEALED = "sealed"
    READABLE = "readable"


PersonalOption = Annotated[
    PersonalFields | None,
    typer.Option(help="Personal fields: hidden (null), sealed beside that, or readable with ADJUDGE_MASTER_KEY."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def export(
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    to: ToOption = None,
    archive: ArchiveOption = None,
    personal: PersonalOption = None,
    json: JsonOption = False,
) -> None:
    """Bring Parquet files up to where the log ends now: events, decisions, features, labels and notes, by day.

    Only what is new since the last time is read. The service may go on meanwhile. A folder keeps to what becomes of
    personal fields; it is made anew when somebody was erased.

    Example: adjudge export --workspace payments --to lake/payments
    """
    settings = settings_of(workspace, log)
    found = _export(settings, to, archive, personal)
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

    The tables are events, decisions, second_decisions, features, labels and notes, and one for each stream. What is too
    wide for the terminal is shown row by row.

    Example: adjudge query "SELECT day, decision, count(*) FROM decisions GROUP BY ALL ORDER BY ALL" -w payments
    """
    from adjudge.service.export import query as run

    settings = settings_of(workspace, log)
    _export(settings, to)
    found = run(_folder(settings, to), sql)
    if json:
        as_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])
        return
    if not found.rows:
        out.print("  ".join(found.columns), highlight=False, markup=False, soft_wrap=True)
        out.print("0 rows")
        return
    texts = [["" if value is None else str(value) for value in row] for row in found.rows[:SHOWN]]
    if _fits(found.columns, texts):
        with grid(*found.columns) as table:
            for row in texts:
                table.add_row(*(Text(cell) for cell in row))
    else:
        for i, row in enumerate(texts, start=1):
            out.print(f"[bold]row {i}[/]")
            with grid("", "", heads=False) as table:
                for name, cell in zip(found.columns, row, strict=True):
                    table.add_row(Text(name), Text(cell, justify="left"))
    if len(found.rows) > SHOWN:
        out.print(f"and {len(found.rows) - SHOWN:,} rows more; --json prints all of them")


def _fits(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table is no wider than the terminal."""
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    return sum(widths) + 2 * len(widths) <= out.width


def _export(
    settings: Settings, to: Path | None, archive: Path | None = None, personal: PersonalFields | None = None
) -> Exported:
    from adjudge.service.archive.joined import open_with
    from adjudge.service.export import export as run
    from adjudge.service.export import made_for
    from adjudge.service.home import find_keys, snapshots_of

    folder = _folder(settings, to)
    with ExitStack() as stack:
        log = stack.enter_context(closing(open_with(settings, archive)))
        keys = None
        if (made_for(folder) if personal is None else personal.value) == "readable":
            keys = stack.enter_context(closing(find_keys(settings)))
        bars = stack.enter_context(Bars(err))
        return run(
            log,
            folder,
            snapshots=snapshots_of(settings),
            personal=None if personal is None else personal.value,
            keys=keys,
            told=lambda done, total: bars("export", done, total),
        )


def _folder(settings: Settings, to: Path | None) -> Path:
    return Path(settings.workspace) / FOLDER if to is None else to


COMMANDS: tuple[Any, ...] = (export, query)
"""The verbs, in the order in which they are listed."""
