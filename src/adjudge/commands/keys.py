"""Verbs about API keys: make, list, rotate and revoke them, of a workspace at rest or of a running service."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from adjudge.commands.remote import KEY_VARIABLE
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.service.access.remote import Desk
    from adjudge.service.access.view import Issued, KeyView

app = typer.Typer(
    help="Make, list, rotate and revoke API keys.\n\n"
    'Example: adjudge keys create --owner checkout --scopes decide,label --why "payments of the shop"',
    no_args_is_help=True,
    rich_markup_mode="rich",
)

WhyOption = Annotated[str, typer.Option("--why", help="The reason, for the log.")]
WhoOption = Annotated[str | None, typer.Option("--who", help="Who does it, for the log; your user name unless given.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the key: what stands between its underscores.")]
UrlOption = Annotated[
    str | None, typer.Option(help="Address of the running service; it is asked with the key in ADJUDGE_KEY.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="The person or program that it is for.")],
    scopes: Annotated[str, typer.Option(help="What it may do: decide, label, review, manage, audit; with commas.")],
    why: WhyOption,
    days: Annotated[
        int | None, typer.Option(min=1, help="How long a secret of it is good; until revoked if absent.")
    ] = None,
    rate: Annotated[int, typer.Option(min=0, help="Events a second; 0 for as many as the settings say.")] = 0,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key and print it; it cannot be shown again, because only a hash of it is kept.

    Example: adjudge keys create --owner checkout --scopes decide,label --why "payments of the shop"
    """
    from adjudge.service.access.keys import DAY_US, Grant

    names = [name.strip() for name in scopes.split(",")]
    grant = Grant(owner, names, None if days is None else days * DAY_US, rate)
    with _desk(workspace, log, url, who, new=True) as desk:
        _show(desk.create(grant, why), json)


@app.command("list")
def list_(
    workspace: WorkspaceOption = None, log: LogOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """List the keys of a workspace, also those that have ended; a service may be running.

    Example: adjudge keys list --workspace payments
    """
    with _desk(workspace, log, url, None) as desk:
        keys = desk.views()
    if json:
        sys.stdout.write(msgspec.json.encode(keys).decode() + "\n")
    else:
        _table(keys)


@app.command()
def rotate(
    id_: IdArgument,
    why: WhyOption,
    grace_hours: Annotated[float, typer.Option(min=0, help="How long the present secret stays good.")] = 24,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Give a key a new secret and print it; the old one stays good for a while, so that nothing has to stop.

    Example: adjudge keys rotate 0123456789ab --why "every quarter" --url http://127.0.0.1:8000
    """
    with _desk(workspace, log, url, who) as desk:
        _show(desk.rotate(id_, round(grace_hours * 3.6e9), why), json)


@app.command()
def revoke(
    id_: IdArgument,
    why: WhyOption,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
) -> None:
    """End a key at once and for good.

    Example: adjudge keys revoke 0123456789ab --why "the laptop was stolen"
    """
    with _desk(workspace, log, url, who) as desk:
        key = desk.revoke(id_, why)
    sys.stdout.write(f"revoked key {key.id} of {key.owner}\n")


@contextmanager
def _desk(
    workspace: Path | None, log: str | None, url: str | None, who: str | None, *, new: bool = False
) -> Iterator[Desk]:
    """Open what manages the keys: the log of a workspace, or the service that runs on it."""
    from adjudge.service.access.offline import open_desk
    from adjudge.service.access.remote import RemoteDesk

    if url is None:
        with open_desk(settings_of(workspace, log), name_of(who), new=new) as offline:
            yield offline
        return
    if who is not None:
        msg = "a service knows who asks it from the key; leave out --who"
        raise InputError(msg, field="who")
    with RemoteDesk(url, os.environ.get(KEY_VARIABLE, "")) as remote:
        yield remote


def _show(issued: Issued, json: bool) -> None:
    """Print a secret on standard output alone, so that a script can take it, and what it is beside it."""
    if json:
        sys.stdout.write(msgspec.json.encode(issued).decode() + "\n")
        return
    key = issued.key
    until = "until it is revoked" if key.expires_at is None else f"until {key.expires_at:%Y-%m-%d %H:%M} UTC"
    told = f"key {key.id} of {key.owner} may {', '.join(key.scopes)}, {until}; this is the only time it is shown:\n"
    sys.stderr.write(told)
    sys.stderr.flush()
    sys.stdout.write(issued.secret + "\n")


def _table(keys: Sequence[KeyView]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "owner", "scopes", "state", "created", "secret of", "ends"):
        table.add_column(column, overflow="fold")
    for key in keys:
        ends = "" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"
        dates = [f"{at:%Y-%m-%d}" for at in (key.created_at, key.rotated_at)]
        table.add_row(key.id, key.owner, ", ".join(key.scopes), key.state, *dates, ends)
    Console().print(table)


def name_of(who: str | None) -> str:
    """Return who acts: as they say, or as the operating system knows them."""
    if who is not None:
        return who
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return f"user {os.getuid()}"
