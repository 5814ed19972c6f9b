"""Verbs about what waits for a second person in a running service: list, approve and refuse it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from adjudge.commands import remote
from adjudge.commands.activate import show_activated
from adjudge.commands.keys import JsonOption, WhyOption

if TYPE_CHECKING:
    from adjudge.service.versions.remote import RemoteVersions

app = typer.Typer(
    help="List, approve and refuse what waits for a second person.", no_args_is_help=True, rich_markup_mode="rich"
)

IdArgument = Annotated[int, typer.Argument(min=0, help="Number of the proposal.")]


@app.command("list")
def list_(url: remote.UrlOption = remote.LOCAL, json: JsonOption = False) -> None:
    """List what waits, and what came to its end lately.

    Example: adjudge proposals list --url https://decisions.example
    """
    with _desk(url) as desk:
        found = desk.proposals().proposals
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for one in found:
        answered = one.approved_by or one.refused_by
        said = f"{one.state} by {answered}" if answered else one.state
        sys.stdout.write(f"{one.id}  {said}, until {one.until:%Y-%m-%d %H:%M}Z  {one.who}: {one.why}\n")
        sys.stdout.write(f"    {msgspec.json.encode(one.content).decode()}\n")


@app.command()
def approve(id_: IdArgument, why: WhyOption, url: remote.UrlOption = remote.LOCAL, json: JsonOption = False) -> None:
    """Approve what somebody else has proposed, and have it decide from the next position on.

    Example: adjudge proposals approve 1207 --why "seen in the back-test" --url https://decisions.example
    """
    with _desk(url) as desk:
        show_activated(desk.approve(id_, why), json)


@app.command()
def refuse(id_: IdArgument, why: WhyOption, url: remote.UrlOption = remote.LOCAL) -> None:
    """Refuse what somebody has proposed, or take back what you have.

    Example: adjudge proposals refuse 1207 --why "too many reviews" --url https://decisions.example
    """
    with _desk(url) as desk:
        refused = desk.refuse(id_, why)
    sys.stdout.write(f"refused proposal {refused.id} of {refused.who}\n")


def _desk(url: str) -> RemoteVersions:
    from adjudge.service.versions.remote import RemoteVersions

    return RemoteVersions(url, os.environ.get(remote.KEY_VARIABLE, ""))
