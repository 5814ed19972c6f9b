"""Verbs about hot spots: where more customers report fraud than usual, and the switch that stops it for a while."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from adjudge.commands.activate import desk_of, show_activated
from adjudge.commands.keys import JsonOption, UrlOption, WhoOption, WhyOption, name_of
from adjudge.commands.show import as_json, err, grid, out
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.define import System
    from adjudge.monitor.hotspots import Field, Spot
    from adjudge.service.settings import Settings

app = typer.Typer(
    help="Find where fraud gathers, by area, merchant, device, hour, and switch such a place off for a while.\n\n"
    "Example: adjudge hotspots find --workspace payments",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

OfOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]
MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]


@app.command()
def find(
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    system: OfOption = None,
    by: Annotated[
        list[str] | None, typer.Option(help="Only this field or column; may be given several times. Of a file: which.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Parquet or CSV file with fraud and known_at instead.")
    ] = None,
    time: Annotated[str, typer.Option(help="Column of a file with the time of each event.")] = "at",
    victim: Annotated[str, typer.Option(help="Column of a file that says whose event it is.")] = "",
    as_of: Annotated[datetime | None, typer.Option(formats=MOMENT, help="When somebody looks, UTC; now.")] = None,
    rate: Annotated[float, typer.Option(min=1e-6, max=0.2, help="Share of false ones among what is told.")] = 0.01,
    alert: Annotated[bool, typer.Option("--alert", help="Log what is found; the outbox tells it.")] = False,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Tell where more customers have reported fraud than the place is used to, and what chance does not explain.

    Exit code 1 if there is anything. A file has the columns id, fraud and known_at beside its own.

    Example: adjudge hotspots find --workspace payments --by merchant --by postal_area

    Example: adjudge hotspots find --data payments.parquet --by browser --victim user --as-of 2026-04-01
    """
    from adjudge.monitor.hotspots import scan
    from adjudge.service.verdict import wall_clock

    moment = wall_clock() if as_of is None else int(as_of.replace(tzinfo=UTC).timestamp()) * 1_000_000
    with Bars(err) as bars:
        bars("scan", 0, 1)
        name = system
        if data is not None:
            field = _of_table(data, by or [], time, victim)
            moment = moment if as_of is not None else int(field.ts[-1])
        else:
            settings = settings_of(workspace, log)
            definitions = _definitions(settings, system)
            name, field = definitions.name, _of_log(settings, definitions, moment, by or [])
        found = scan(field, moment, rate=rate)
        bars("scan", 1, 1)
    if alert:
        _alert(found, name, data, workspace, url)
    if json:
        as_json(msgspec.to_builtins(found))
    else:
        _tell(found, rate)
    raise typer.Exit(1 if found else 0)


@app.command()
def block(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The hot spot: field=value, as find tells it.")],
    until: Annotated[str, typer.Option(help="From when on it is over: a day, or a time with its offset.")],
    why: WhyOption,
    action: Annotated[str, typer.Option(help="What is done with events there, of the policy's actions.")] = "block",
    to_list: Annotated[
        str, typer.Option("--list", help="Name of a list that a rule asks already: put it there instead.")
    ] = "",
    number: Annotated[bool, typer.Option("--number", help="The value is a number, as an hour is.")] = False,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Switch a hot spot off until a time: one rule with an expiry, or one element of a list.

    A change like any other: approved where rules must be, and logged. Again, it replaces what it has said before.

    Example: adjudge hotspots block merchant=m-17 --until 2026-12-31 --why "seven customers in four days" -w payments

    Example: adjudge hotspots block hour=3 --number --action review --until 2026-12-31 --why "bots" -w payments
    """
    from adjudge.service.hotspots import Switch, check

    switch = Switch(id_, until, action, why, to_list, number)
    revision = switch.revision(system, "" if url is not None else name_of(who))
    if url is None:
        check(_definitions(settings_of(workspace, log), system), switch)
    with desk_of(workspace, log, url, who) as desk:
        show_activated(desk.revise(revision), json)


def _definitions(settings: Settings, system: str | None) -> System:
    """Return the definitions that decide in a workspace."""
    from adjudge.define.spec import from_spec
    from adjudge.service.columns import named_system
    from adjudge.service.follow import Last
    from adjudge.service.home import open_log, snapshots_of

    with closing(open_log(settings)) as log:
        active = Last.before(log, snapshots_of(settings), len(log)).active
    if not active:
        msg = "nothing has decided on this log yet: serve it once"
        raise InputError(msg, field="workspace")
    spec = active[named_system(active, system)].spec
    if spec is None:
        msg = "the log is from before definitions were kept in it"
        raise InputError(msg, field="workspace")
    return from_spec(spec)


def _of_log(settings: Settings, system: System, moment: int, by: Sequence[str]) -> Field:
    from adjudge.commands import analyse
    from adjudge.service.hotspots import DAYS, logged

    analyse._export(settings, None)
    last = datetime.fromtimestamp(moment // 1_000_000, UTC).date()
    return logged(analyse._folder(settings, None), system, last - timedelta(days=DAYS), last, by)


def _of_table(path: Path, by: Sequence[str], time: str, victim: str) -> Field:
    from adjudge.learn.source import read_table
    from adjudge.service.hotspots import Columns, tabled

    if not by:
        msg = "say which columns are looked at, such as --by merchant"
        raise InputError(msg, field="by", code="missing_field")
    frame = read_table(path)
    for name in ("fraud", "known_at", "id"):
        if name not in frame.columns:
            msg = f"{path.name} has no column {name!r}"
            raise InputError(msg, field=name, code="missing_field")
    known = frame.select("id", "known_at", value="fraud")
    columns = Columns(time, by, victim, "amount" if "amount" in frame.columns else "")
    return tabled(frame.unique("id", keep="first", maintain_order=True), columns, known)


def _alert(
    found: Sequence[Spot], system: str | None, data: Path | None, workspace: Path | None, url: str | None
) -> None:
    from adjudge.commands import alerts
    from adjudge.service.hotspots import GROUP, signal

    if data is not None:
        msg = "alerts belong to a workspace: scan its log, without --data"
        raise InputError(msg, field="data")
    done = alerts.record([signal(spot) for spot in found], GROUP, "looked for hot spots", system, workspace, url)
    err.print(alerts.tell(done), highlight=False, soft_wrap=True)


def _tell(found: Sequence[Spot], rate: float) -> None:
    """Print for people what a scan has found."""
    if not found:
        out.print(f"nowhere is more fraud than usual, at a false discovery rate of {rate:.1%}", highlight=False)
        return
    with grid("hot spot", "customers", "usual", "days", "amount", "events a day", "false discovery") as table:
        for spot in found:
            table.add_row(
                Text(spot.id, overflow="fold"),
                f"{spot.victims}",
                f"{spot.expected:.2f}",
                f"{spot.days}",
                f"{spot.amount:,.0f}",
                f"{spot.events_a_day:,.1f}",
                f"{spot.q:.1g}",
            )
    out.print(f"of these, {rate:.1%} are false; switch one off with adjudge hotspots block ID --until DAY --why WHY")
