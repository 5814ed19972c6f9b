"""The verb that decides a file: in this process, or by a service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adjudge.commands import remote
from adjudge.commands.lines import Format
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.client import AsyncClient
    from adjudge.commands.bulk import Summary
    from adjudge.commands.job import Job, Rows
    from adjudge.engine import Plan


def decide(
    source: Annotated[Path, typer.Argument(help="Events as CSV, JSON lines or Parquet; - for standard input.")],
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="Name of a system, or its folder; payments unless given.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", "-b", help="Directory of a bundle.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", "-u", help="Service that decides; this process if absent.")
    ] = None,
    key: remote.KeyOption = "",
    format: remote.FormatOption = None,
    to: Annotated[Path | None, typer.Option(help="Where decisions go as JSON lines; - for standard output.")] = None,
    refused: remote.RefusedOption = None,
    json: remote.JsonOption = False,
) -> None:
    """Decide the events of a file in order; a bad row is named and the others decided.

    With --url a service decides them and logs them. What was sent before is
    answered as it was decided then, so a run that was interrupted is simply
    started again. Without, they are decided here, and nothing is logged.

    Of a CSV file an empty cell is missing, and a place has the columns
    place.lat and place.lon. Decisions go to standard output unless --to or
    --json is given.

    Example: adjudge decide payments.csv --bundle demo/bundle --to out.jsonl

    Example: adjudge decide payments.parquet --url http://127.0.0.1:8000 --json

    Example: adjudge decide - --url https://decide.example --refused bad.jsonl
    """
    if url is not None and bundle is not None:
        message = "a service decides with bundles of its own: give --url or --bundle"
        raise InputError(message, field="bundle")
    from adjudge.client import AsyncClient
    from adjudge.commands.bulk import OPTIONS
    from adjudge.commands.job import Job, Rows, finish

    rows, job = Rows(source, format), Job("decide", to or (None if json else Path("-")), refused)
    if url is None:
        from adjudge.service.run import plan_of

        summary = asyncio.run(_decide(inside(plan_of(system or "payments", bundle)), rows, job, None))
    else:
        summary = asyncio.run(_decide(AsyncClient(url, key, options=OPTIONS), rows, job, named(system)))
    finish(summary, json)


def named(system: str | None) -> str | None:
    """Return the name that a service knows a system by, which may be given by its folder.

    Parameters
    ----------
    system
        A name, which is returned as it is, or the path of a folder with a definition; None stays None.

    Examples
    --------
    >>> named("payments")
    'payments'
    """
    if system is None or not (Path(system) / "definition.py").is_file():
        return system
    from adjudge.discover import find

    return find(system).build({}).name


def inside(plan: Plan) -> AsyncClient:
    """Return a client of a service in this process: a file goes the same way here as over a network.

    Nothing can be lost in between, and the first batch may have to wait for kernels to be compiled: so each is sent
    once and waited for.

    Parameters
    ----------
    plan
        The system.
    """
    import httpx

    from adjudge.client import AsyncClient
    from adjudge.commands.bulk import INSIDE
    from adjudge.service.app import Service
    from adjudge.service.decider import Decider
    from adjudge.service.settings import Settings

    transport = httpx.ASGITransport(Service(Decider([plan]), Settings(auth="off")))  # nobody else can ask it
    return AsyncClient("http://127.0.0.1", options=INSIDE, transport=transport)


async def _decide(client: AsyncClient, rows: Rows, job: Job, system: str | None) -> Summary:
    from adjudge.commands.job import roles_of

    async with client:
        told = rows.format is Format.JSONL  # what a value is stands in the row itself
        roles = {} if told else roles_of(await client.catalogue(), system)
        with rows.open(roles) as lines:
            return await job.run(lines, rows.count(), lambda some: client.decide_many(some, system=system))


COMMANDS = (decide,)
"""The verbs, in the order in which they are listed."""
