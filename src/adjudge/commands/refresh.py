"""The verb that brings the graphs of a model up to date, on a schedule."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from adjudge.commands.activate import show_activated
from adjudge.commands.keys import JsonOption, UrlOption, WhoOption
from adjudge.commands.show import err, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.service.versions.desk import Activated
    from adjudge.service.versions.revision import Revision

DAY_US = 86_400_000_000

OfOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]


def refresh(
    workspace: WorkspaceOption = None,
    system: OfOption = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the log.")] = "refresh on schedule",
    who: WhoOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    days: Annotated[float, typer.Option("--days", min=1, help="Events older than that are forgotten.")] = 400.0,
    only: Annotated[bool, typer.Option("--only", help="Make the bundle and keep it, and activate nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Compute the vectors of all entities anew for a model that looks back on a graph, and decide with them.

    The log is read up to where it ends now. What comes of it is a bundle of its own, kept in the workspace and
    activated like any other; with --url by the service that runs on the workspace, which goes on deciding meanwhile.

    Example: adjudge refresh --workspace payments --url http://127.0.0.1:8000
    """
    from adjudge.service.refresh import refresh as run
    from adjudge.service.run import secret
    from adjudge.service.versions.revision import Revision

    settings, key = settings_of(workspace, log), secret()
    with Bars(err) as bars:
        made = run(settings, key, system, memory_us=round(days * DAY_US), told=bars)
    revision = Revision(why, made.system, bundle=made.bundle, before=made.before)
    activated = None if only else _activated(revision, workspace, log, url, who)
    facts: dict[str, Any] = msgspec.to_builtins(made)
    if json:
        facts["activated"] = None if activated is None else msgspec.to_builtins(activated)
        sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
        return
    around = facts.pop("neighbourhood")
    shown = {f"neighbourhood {name}": around[name] for name in ("p50", "p95", "largest", "largest_kept", "sampled")}
    show(facts | shown, json=False)
    if around["alert"]:
        err.print(f"adjudge: {around['alert']}", style="yellow", markup=False, highlight=False)
    if activated is not None:
        show_activated(activated, json)


def _activated(
    revision: Revision, workspace: Path | None, log: str | None, url: str | None, who: str | None
) -> Activated:
    from adjudge.commands.activate import desk_of

    with desk_of(workspace, log, url, who) as desk:
        return desk.revise(revision)


COMMANDS = (refresh,)
"""The verbs, in the order in which they are listed."""
