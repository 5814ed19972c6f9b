"""The verb that decides a whole table at night, and goes on where it was interrupted."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from adjudge.commands import remote
from adjudge.commands.lines import Format
from adjudge.commands.show import err, show
from adjudge.commands.workspace import BundlesOption, LogOption, SystemsOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.client import AsyncClient
    from adjudge.commands.lines import Line
    from adjudge.service.nightly import Done, Manifest, Night


def nightly(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Events as CSV, JSON lines or Parquet.")],
    to: Annotated[Path, typer.Option(help="Folder for decisions.jsonl, refused.jsonl and summary.json.")],
    below: Annotated[
        float, typer.Option(min=0, help="Only rows below this amount: the others are decided at once. 0 for all.")
    ] = 0.0,
    amount: Annotated[str, typer.Option(help="Field with the amount.")] = "amount",
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    url: Annotated[
        str | None, typer.Option("--url", "-u", help="Service that decides; the workspace if absent.")
    ] = None,
    key: remote.KeyOption = "",
    format: remote.FormatOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: remote.JsonOption = False,
) -> None:
    """Decide a whole table, and log it; what was interrupted is started again with the same words and goes on.

    What the log knows is answered as it was decided then, so rows that were decided at once during the day may be in
    the table. Exit code 1 if a row was refused.

    Example: adjudge nightly claims.parquet --to nights/2026-05-01 --below 500 --url http://127.0.0.1:8000

    Example: adjudge nightly claims.parquet --to nights/2026-05-01 --system payments --workspace payments
    """
    from adjudge.service.nightly import PIECE, Manifest, Night, hash_of

    if len(system or []) > 1:
        msg = "a table is one system's: name one"
        raise InputError(msg, field="system")
    if url is not None and bundle:
        msg = "a service decides with bundles of its own: give --url or --bundle"
        raise InputError(msg, field="bundle")
    named = (system or [""])[0]
    manifest = Manifest(hash_of(source), named, below, amount if below else "", PIECE)
    night = Night(to, manifest)
    done = night.summary()
    if done is None:
        with _client(url, key, system, bundle, workspace, log) as client:
            done = asyncio.run(_decide(client, night, manifest, source, format))
    show(msgspec.to_builtins(done) | {"folder": str(to)}, json)
    raise typer.Exit(1 if done.refused else 0)


@contextmanager
def _client(
    url: str | None,
    key: str,
    system: list[str] | None,
    bundle: list[Path] | None,
    workspace: Path | None,
    log: str | None,
) -> Iterator[AsyncClient]:
    """Give a client of the service, or of one in this process that decides on a workspace at rest."""
    from adjudge.client import AsyncClient
    from adjudge.commands.bulk import INSIDE, OPTIONS

    if url is not None:
        yield AsyncClient(url, key, options=OPTIONS)
        return
    import httpx

    from adjudge.service.app import Service
    from adjudge.service.nightly import decider_at_rest
    from adjudge.service.run import Served
    from adjudge.service.settings import Settings

    with decider_at_rest(Served(system or ["payments"], bundle or []), settings_of(workspace, log)) as decider:
        transport = httpx.ASGITransport(Service(decider, Settings(auth="off")))  # nobody else can ask it
        yield AsyncClient("http://127.0.0.1", options=INSIDE, transport=transport)


async def _decide(client: AsyncClient, night: Night, manifest: Manifest, source: Path, format: Format | None) -> Done:
    """Decide what is still to be done of a table, piece by piece."""
    from adjudge.commands.decide import named
    from adjudge.commands.job import Rows, roles_of

    rows, number = Rows(source, format), 0
    async with client:
        system = named(manifest.system or None)
        roles = {} if rows.format is Format.JSONL else roles_of(await client.catalogue(), system)
        with rows.open(roles) as lines, Bars(err) as bars:
            total = rows.count()
            while piece := list(islice(lines, manifest.piece)):
                if night.piece(number) is None:
                    await _piece(client, night, manifest, number, piece, system)
                number += 1
                bars("decide", min(number * manifest.piece, total or number * manifest.piece), total)
    return night.finish(number)


async def _piece(
    client: AsyncClient, night: Night, manifest: Manifest, number: int, piece: list[Line], system: str | None
) -> None:
    from adjudge.commands.bulk import Report, send
    from adjudge.commands.job import tell
    from adjudge.service.nightly import Done, at_night

    wanted = [line for line in piece if line.error is not None or at_night(line.text, manifest.field, manifest.below)]
    decided, refused = io.BytesIO(), io.BytesIO()
    report = Report(decided, refused, tell)
    if wanted:
        await send(wanted, lambda some: client.decide_many(some, system=system), report, lambda done: None)
    found = report.summary()
    done = Done(len(piece), found.answers, found.repeated, found.refused, len(piece) - len(wanted))
    night.keep(number, done, decided.getvalue(), refused.getvalue())


COMMANDS = (nightly,)
"""The verbs, in the order in which they are listed."""
