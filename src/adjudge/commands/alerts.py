"""Verbs about alerts: what is the matter, who is told, and what nobody wants to hear of for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from adjudge.commands.keys import JsonOption, UrlOption, WhoOption, WhyOption, name_of
from adjudge.commands.remote import KEY_VARIABLE
from adjudge.commands.show import as_json, grid, out, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.monitor.alerts import Signal
    from adjudge.service.alerts.desks import Desk
    from adjudge.service.alerts.looks import Looked

app = typer.Typer(
    help="Tell people and programs what is the matter; alerts.yaml in the workspace's folder says whom.\n\n"
    "Example: adjudge alerts test --workspace payments",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}


@app.command("list")
def list_(
    workspace: WorkspaceOption = None, log: LogOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """List what is the matter, the worst first, and what is silent until when.

    Example: adjudge alerts list --workspace payments
    """
    with desk_of(workspace, log, url, None) as desk:
        found = desk.view()
    if json:
        as_json(found)
        return
    if not found.incidents:
        out.print("nothing is the matter")
    else:
        with grid("system", "since", "", "what") as table:
            for column in table.columns[1:]:
                column.justify = "left"
            for one in found.incidents:
                state = "silent" if one.silent else one.stage if one.stage != "open" else one.severity
                mark = Text(state, COLOURS.get(state, "dim"))
                table.add_row(one.system, f"{one.since:%Y-%m-%d %H:%M}", mark, Text(one.words))
    for silence in found.silences:
        of = f" of {silence.system}" if silence.system else ""
        text = f"{silence.keys}{of} is silent until {silence.until:%Y-%m-%d %H:%M}Z, by {silence.who}: {silence.why}"
        out.print(text, highlight=False, markup=False, soft_wrap=True)


@app.command()
def silence(
    keys: Annotated[str, typer.Argument(help="A key such as world:amount, or a pattern such as 'world:*'.")],
    why: WhyOption,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="When it ends, UTC; now ends it.")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="Of one system; all unless given.")] = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Hear nothing of some incidents until a time; what is still there then is told. Without --until a silence ends.

    Example: adjudge alerts silence 'world:*' --until 2026-12-27 --why "the holidays" --workspace payments
    """
    from adjudge.service.alerts.desks import NewSilence

    end = datetime(1970, 1, 1, tzinfo=UTC) if until is None else until.replace(tzinfo=UTC)
    with desk_of(workspace, log, url, who) as desk:
        done = desk.silence(NewSilence(keys, end, why, system))
    show({"silent": keys, "until": "now" if until is None else f"{end:%Y-%m-%d %H:%M}Z", "at": done.seq}, json)


@app.command("test")
def try_out(
    route: Annotated[str | None, typer.Argument(help="Id of one route; all unless given.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Send each route a message that says it is a test; exit code 1 if one did not arrive. Nothing is logged.

    Example: adjudge alerts test oncall --workspace payments
    """
    from adjudge.service.alerts import delivery
    from adjudge.service.verdict import wall_clock

    folder = Path(settings_of(workspace, None).workspace)
    found = delivery.try_out(folder, os.environ, wall_clock, route)
    show({id_: reply.error or "delivered" for id_, reply in found.items()}, json)
    raise typer.Exit(0 if all(reply.outcome == "confirmed" for reply in found.values()) else 1)


@contextmanager
def desk_of(workspace: Path | None, log: str | None, url: str | None, who: str | None) -> Iterator[Desk]:
    """Open the alerts of a workspace at rest, or of the service that runs on it."""
    if url is None:
        from adjudge.service.alerts.desks import at_rest

        with at_rest(settings_of(workspace, log), name_of(who)) as offline:
            yield offline
        return
    from adjudge.service.alerts.desks import RemoteAlerts

    if who is not None:
        msg = "a service knows who asks it from the key; leave out --who"
        raise InputError(msg, field="who")
    with RemoteAlerts(url, os.environ.get(KEY_VARIABLE, "")) as remote:
        yield remote


def record(
    signals: list[Signal], source: str, why: str, system: str | None, workspace: Path | None, url: str | None
) -> Looked:
    """Write down what a look has come to, in a workspace or by the service that runs on it.

    Parameters
    ----------
    signals
        What is the matter.
    source, why
        What has looked, and at what.
    system
        Whose; None where there is only one.
    workspace, url
        Where.
    """
    from adjudge.service.alerts.looks import NewLook
    from adjudge.service.alerts.routes import read_routing

    routing = read_routing(Path(settings_of(workspace, None).workspace))
    with desk_of(workspace, None, url, None) as desk:
        return desk.take(NewLook(why, source, signals, system, routing.hysteresis))


def tell(done: Looked) -> str:
    """Return what came of a look in a few words."""
    if not done.notices:
        return f"{done.open} incidents are open, and nothing is new"
    said = [f"{len(one.incidents)} {one.kind} ({one.group}, {one.severity})" for one in done.notices]
    return f"{', '.join(said)}; {done.open} are open"
