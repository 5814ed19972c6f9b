"""Verbs that run a workspace: serve it, stand by for it, make a snapshot of it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adjudge.service.run import Served
    from adjudge.service.settings import Settings

SystemsOption = Annotated[
    list[str] | None, typer.Option("--system", "-s", help="Name or folder of a system; may be given several times.")
]
BundlesOption = Annotated[list[Path] | None, typer.Option("--bundle", "-b", help="One for each system, in order.")]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Folder of the workspace; adjudge-workspace unless given.")
]
LogOption = Annotated[
    str | None, typer.Option("--log", help="sqlite, memory, or an address such as postgresql://localhost/adjudge.")
]
DurabilityOption = Annotated[
    str | None, typer.Option(help="What an answer survives: process (kill -9) or fsync (loss of power).")
]
HostOption = Annotated[str | None, typer.Option(help="Address; this machine only unless given.")]
AuthOption = Annotated[
    str | None, typer.Option(help="Who is let in: keys (holders of API keys), or off (everybody on this machine).")
]
PortOption = Annotated[int | None, typer.Option(help="Port; 8000 unless given.")]
LogFormatOption = Annotated[str | None, typer.Option(help="How events of operation are written: text or json.")]
LogLevelOption = Annotated[str | None, typer.Option(help="The least that is written: debug, info, warning, error.")]


def serve(
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    host: HostOption = None,
    port: PortOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    durability: DurabilityOption = None,
    auth: AuthOption = None,
    max_waiting: Annotated[int | None, typer.Option(help="Events that may wait before 429 is answered.")] = None,
    snapshot_every: Annotated[int | None, typer.Option(help="Entries after which a snapshot is made.")] = None,
    history: Annotated[Path | None, typer.Option(help="The first system's past, imported before deciding.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Leave out the past from this time (UTC) on.")] = None,
    console: Annotated[str | None, typer.Option(help="Pages for people at /console: auto, on, off.")] = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Serve decisions over HTTP; the OpenAPI page is at /docs.

    What is decided is kept in the workspace's folder: the next start goes on where this one ended.

    Without --auth off every request needs an API key; `adjudge keys create` makes the first one.

    Example: adjudge serve --system payments --bundle demo/bundle --workspace payments
    """
    from adjudge.service.run import Served
    from adjudge.service.run import serve as run
    from adjudge.service.settings import Settings

    settings = Settings.read(
        host=host,
        port=port,
        workspace=_text(workspace),
        log=log,
        durability=durability,
        auth=auth,
        max_waiting=max_waiting,
        snapshot_every=snapshot_every,
        console=console,
        log_format=log_format,
        log_level=log_level,
    )
    end = until.replace(tzinfo=UTC) if until else None
    run(Served(system or ["payments"], bundle or [], history, end), settings)


def standby(
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    host: HostOption = None,
    port: PortOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    durability: DurabilityOption = None,
    auth: AuthOption = None,
    snapshot_every: Annotated[int | None, typer.Option(help="Entries after which a snapshot is made.")] = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Keep up with a log that another process decides on, and take over as soon as that one ends.

    Until then /readyz answers 503 and says how far it is, and snapshots are made here.

    Example: adjudge standby --system payments --workspace payments --port 8001
    """
    from adjudge.service.run import serve as run
    from adjudge.service.settings import Settings

    settings = Settings.read(
        host=host,
        port=port,
        workspace=_text(workspace),
        log=log,
        durability=durability,
        auth=auth,
        snapshot_every=snapshot_every,
        log_format=log_format,
        log_level=log_level,
    )
    run(_served(system, bundle), settings, standby=True)


def snapshot(
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    archive: Annotated[Path | None, typer.Option("--archive", help="Folder of an archive, to fold it first.")] = None,
) -> None:
    """Make a snapshot of the state, so that the next start need not fold the whole log; the service may go on.

    Definitions that are new, such as another feature, need all of the log: give the archive, if there is one.

    Example: adjudge snapshot --system payments --workspace payments
    """
    from adjudge.service.run import take_snapshot

    made = take_snapshot(_served(system, bundle), settings_of(workspace, log), archive)
    told = f"made snapshot {made}" if made is not None else "nothing is new since the last snapshot"
    sys.stdout.write(told + "\n")


def _served(system: list[str] | None, bundle: list[Path] | None) -> Served:
    from adjudge.service.run import Served

    return Served(system or ["payments"], bundle or [])


def settings_of(workspace: Path | None, log: str | None) -> Settings:
    """Return the settings that say where a workspace's log is."""
    from adjudge.service.settings import Settings

    return Settings.read(workspace=_text(workspace), log=log)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


COMMANDS = (serve, standby, snapshot)
"""The verbs, in the order in which they are listed."""
