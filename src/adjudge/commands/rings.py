"""The verb that lists rings: users who are tied together by what they share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adjudge.commands.origin import DataOption, SeedOption, SimulateOption, SystemOption, source_of
from adjudge.commands.show import as_json, err, grid, out
from adjudge.progress import Bars

DAY_US = 86_400_000_000

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def rings(
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    who: Annotated[str, typer.Option(help="Field of those who are tied together.")] = "user",
    over: Annotated[str, typer.Option(help="Fields of what they share, with commas.")] = "device,card,address",
    as_of: Annotated[
        datetime | None, typer.Option(help="The moment (UTC); just after the newest event if absent.")
    ] = None,
    days: Annotated[float, typer.Option(min=0, help="How long a tie lasts after its last event.")] = 90.0,
    hub: Annotated[int, typer.Option(min=1, help="What more users than that share ties nobody.")] = 50,
    least: Annotated[int, typer.Option(min=2, help="Least users of a ring that is told.")] = 3,
    top: Annotated[int, typer.Option(min=1, help="How many are shown.")] = 20,
    to: Annotated[Path | None, typer.Option("--to", help="File for all, with their members: .parquet or .csv.")] = None,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """List rings: users who can be reached from each other over what they share, the most known frauds first.

    Only what was there and known at the moment counts. The file has a row for each ring, with its members and what they
    share.

    Example: adjudge rings --data world --as-of 2025-03-01 --to rings.parquet
    """
    import polars as pl

    from adjudge.learn.roster import Asked, roster, write

    with Bars(err) as bars:
        found, source = source_of(system, data, simulate, seed, bars)
        bars("rings", 0, 1)
        moment = None if as_of is None else round(as_of.replace(tzinfo=UTC).timestamp() * 1e6)
        fields = tuple(name.strip() for name in over.split(",") if name.strip())
        asked = Asked(who, fields, moment, round(days * DAY_US), hub)
        made, every = roster(found.build(source.lists), source, asked)
        bars("rings", 1, 1)
    table = every.filter(pl.col("users") >= least)
    if to is not None:
        write(table, to)
    shown = table.head(top)
    if json:
        facts: dict[str, Any] = {"as_of": datetime.fromtimestamp(made.as_of / 1e6, UTC).isoformat(), "hubs": made.hubs}
        as_json({**facts, "rings": table.height, "shown": shown.to_dicts()})
        return
    heads = ("users", "shared", "events", "frauds", "amount", "of frauds", "first seen", "last seen", "members")
    with grid(*heads) as rows:
        for row in shown.iter_rows(named=True):
            members = row["members"][:3] + ["..."] * (len(row["members"]) > 3)
            numbers = (f"{row[name]:,}" for name in ("users", "shared", "events", "frauds"))
            money = (f"{row[name]:,.2f}" for name in ("amount", "fraud_amount"))
            seen = (f"{row[name]:%Y-%m-%d}" for name in ("first_seen", "last_seen"))
            rows.add_row(*numbers, *money, *seen, " ".join(members))
    out.print(f"{table.height:,} rings of {least} users or more; {made.hubs:,} hubs were left out", highlight=False)
    if to is not None:
        out.print(f"wrote {to}", highlight=False)


COMMANDS = (rings,)
"""The verbs, in the order in which they are listed."""
