"""Verbs that say something about earlier events: labels, outcomes, retractions; of a few by id, of many from a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from adjudge.commands import remote
from adjudge.commands.said import Said
from adjudge.errors import InputError

IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of events.")]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="File with a row each: CSV, JSON lines, Parquet; - for standard input.")
]
ValueOption = Annotated[
    bool | None, typer.Option("--true/--false", help="Whether it is so; ids that are named are, unless it is said.")
]
StreamOption = Annotated[str | None, typer.Option(help="The events' stream; not needed where one is decided.")]


def label(
    ids: IdsArgument = None,
    source: FromOption = None,
    value: ValueOption = None,
    label: Annotated[str | None, typer.Option(help="Which label; not needed where there is one.")] = None,
    stream: StreamOption = None,
    url: remote.UrlOption = remote.LOCAL,
    key: remote.KeyOption = "",
    format: remote.FormatOption = None,
    refused: remote.RefusedOption = None,
    json: remote.JsonOption = False,
) -> None:
    """Tell a service the truth about events: that they were fraud, or were not.

    A file has the columns id and value, and label and stream where they are
    needed; options fill in what a row leaves out. A run that was interrupted
    is simply started again: the last label that is told counts.

    Example: adjudge label p17 p18 --url http://127.0.0.1:8000

    Example: adjudge label p19 --false --label fraud

    Example: adjudge label --from chargebacks.csv --refused bad.jsonl
    """
    fill = {"value": value, "label": label, "stream": stream}
    _tell(Said("label", ids, source, format, fill), url, key, refused, json)


def outcome(
    ids: IdsArgument = None,
    source: FromOption = None,
    value: ValueOption = None,
    said: Annotated[str | None, typer.Option("--value", help="Which of the outcome's values it came to.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Which outcome; not needed where there is one.")] = None,
    stream: StreamOption = None,
    url: remote.UrlOption = remote.LOCAL,
    key: remote.KeyOption = "",
    format: remote.FormatOption = None,
    refused: remote.RefusedOption = None,
    json: remote.JsonOption = False,
) -> None:
    """Tell a service what a review or a verification of events came to.

    A file has the columns id and value, and outcome and stream where they are
    needed; options fill in what a row leaves out. A run that was interrupted
    is simply started again: the last value that is told counts.

    Example: adjudge outcome p17 --false --outcome declined

    Example: adjudge outcome p17 --outcome step_up --value failed

    Example: adjudge outcome --from reviews.jsonl --json
    """
    if value is not None and said is not None:
        message = "say what it came to once: by --true or --false, or by --value"
        raise InputError(message, field="value", code="two_values")
    fill = {"value": value if said is None else said, "outcome": outcome, "stream": stream}
    _tell(Said("outcome", ids, source, format, fill), url, key, refused, json)


def retract(
    ids: IdsArgument = None,
    source: FromOption = None,
    stream: StreamOption = None,
    url: remote.UrlOption = remote.LOCAL,
    key: remote.KeyOption = "",
    format: remote.FormatOption = None,
    refused: remote.RefusedOption = None,
    json: remote.JsonOption = False,
) -> None:
    """Take events back: they count for nothing from here on; decisions stand.

    A file has the column id, and stream where it is needed.

    Example: adjudge retract p17 p18

    Example: adjudge retract --from test-payments.csv --refused bad.jsonl
    """
    _tell(Said("retract", ids, source, format, {"stream": stream}), url, key, refused, json)


def _tell(said: Said, url: str, key: str, refused: Path | None, json: bool) -> NoReturn:
    from adjudge.client import AsyncClient
    from adjudge.commands.bulk import OPTIONS
    from adjudge.commands.job import finish

    finish(asyncio.run(said.to(AsyncClient(url, key, options=OPTIONS), refused)), json)


COMMANDS = (label, outcome, retract)
"""The verbs, in the order in which they are listed."""
