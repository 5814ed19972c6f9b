"""Verbs of the schedule: run the jobs of a workspace at their times, one of them now, or list when they are due."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from adjudge.commands.keys import JsonOption, UrlOption
from adjudge.commands.remote import KEY_VARIABLE
from adjudge.commands.show import as_json, grid
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of

app = typer.Typer(
    help="Run verbs at their times; schedule.yaml in the workspace's folder says which and when.\n\n"
    "Example: adjudge schedule run --workspace payments",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command()
def init(
    workspace: WorkspaceOption = None,
    url: UrlOption = None,
    timezone: Annotated[str, typer.Option(help="By which clock, such as Europe/Berlin.")] = "UTC",
    json: JsonOption = False,
) -> None:
    """Write the learning loop as a schedule where there is none yet: watch, hot spots, retraining, telling of them.

    What is there already is left as it is. With --url the service that runs on the workspace is asked.

    Example: adjudge schedule init --workspace payments --url http://127.0.0.1:8000
    """
    from adjudge.service.schedule.loop import begin

    begin(Path(settings_of(workspace, None).workspace), timezone, url or "")
    list_(workspace, json)


@app.command("list")
def list_(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the jobs: what each runs, when it was last begun, and when it is due next.

    Example: adjudge schedule list --workspace payments
    """
    from adjudge.service.schedule.jobs import last_begun, next_due, read_schedule

    folder = Path(settings_of(workspace, None).workspace)
    schedule, now = read_schedule(folder), datetime.now(UTC)
    begun = last_begun(folder)
    rows: list[dict[str, Any]] = [
        {
            "id": job.id,
            "cron": job.cron,
            "run": job.run,
            "last": begun.get(job.id),
            "next": next_due(job, schedule.zone, now),
        }
        for job in schedule.jobs
    ]
    if json:
        as_json(rows)
        return
    with grid("job", "runs", "last", "next") as table:
        table.columns[1].justify = "left"
        for row in rows:
            times = ["" if row[name] is None else f"{row[name]:%Y-%m-%d %H:%M %Z}" for name in ("last", "next")]
            table.add_row(row["id"], f"adjudge {row['run']}", *times)


@app.command()
def run(workspace: WorkspaceOption = None, log: LogOption = None, url: UrlOption = None) -> None:
    """Run the jobs at their times until told to stop; what was missed meanwhile is made up for once.

    Jobs that fail are told as alerts; with --url by the service that runs on the workspace.

    Example: adjudge schedule run --workspace payments
    """
    from adjudge.service.schedule.run import run as keep_on

    keep_on(settings_of(workspace, log), url=url or "", key=os.environ.get(KEY_VARIABLE, ""))


@app.command()
def now(
    job: Annotated[str, typer.Argument(help="Id of the job.")],
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
) -> None:
    """Run one job now, and end with its exit code.

    Example: adjudge schedule now nightly --workspace payments
    """
    from adjudge.service.schedule.jobs import read_schedule
    from adjudge.service.schedule.run import Runner, job_of
    from adjudge.service.server import python

    settings = settings_of(workspace, log)
    schedule = read_schedule(Path(settings.workspace))

    def start(words: list[str]) -> int:
        return subprocess.run(python("adjudge", *words), check=False).returncode

    runner = Runner(settings, schedule, start, url=url or "", key=os.environ.get(KEY_VARIABLE, ""))
    raise typer.Exit(runner.run(job_of(schedule, job)))
