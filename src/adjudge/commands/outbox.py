"""Verbs of the outbox: send decisions to their endpoints, list what could not be delivered, try it again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from adjudge.commands.workspace import LogOption, WorkspaceOption

app = typer.Typer(
    name="outbox",
    help="Deliver decisions to endpoints as signed webhooks.\n\nExample: adjudge outbox run --workspace payments",
    no_args_is_help=True,
)

EndpointOption = Annotated[str | None, typer.Option("--endpoint", "-e", help="Id of one endpoint; all unless given.")]


@app.command()
def run(
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    start: Annotated[
        int | None,
        typer.Option("--from", min=0, help="Position of the log at which new endpoints begin; its end unless given."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Deliver what is due and end.")] = False,
) -> None:
    """Deliver decisions until told to stop; may be ended at any moment and goes on where it was.

    The file outbox.yaml in the workspace's folder names the endpoints.

    Example: adjudge outbox run --workspace payments
    """
    from adjudge.service.outbox.run import run as deliver
    from adjudge.service.settings import Settings

    deliver(Settings.read(workspace=_text(workspace), log=log), start=start, once=once)


@app.command("list")
def list_(workspace: WorkspaceOption = None, log: LogOption = None) -> None:
    """Say of every endpoint how far it has come, and of every decision that was given up why.

    Example: adjudge outbox list --workspace payments
    """
    from adjudge.service.outbox.run import report
    from adjudge.service.settings import Settings

    for line in report(Settings.read(workspace=_text(workspace), log=log)):
        sys.stdout.write(line + "\n")


@app.command()
def retry(
    workspace: WorkspaceOption = None,
    endpoint: EndpointOption = None,
    seq: Annotated[int | None, typer.Option(min=0, help="Position of one decision; all unless given.")] = None,
) -> None:
    """Owe decisions again that were given up; whatever is newer may have arrived before them.

    Example: adjudge outbox retry --workspace payments --endpoint processor
    """
    from adjudge.service.outbox.run import revive
    from adjudge.service.settings import Settings

    count = revive(Settings.read(workspace=_text(workspace)), endpoint, seq)
    sys.stdout.write(f"{count:,} decisions will be tried again\n")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
