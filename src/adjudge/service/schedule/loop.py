"""The learning loop as a schedule: what is written where nobody has one yet, to be edited from there on."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from adjudge.errors import ConflictError
from adjudge.service.schedule.jobs import FILE, Schedule, read_schedule

HEAD = """\
# The learning loop: `adjudge schedule run` keeps these times, `adjudge schedule list` tells them.
"""

JOBS = (
    (
        "watch",
        "0 6 * * *",
        "monitor watch --alert",
        "has the data, the scores or the figures moved? Tells as an alert.",
    ),
    ("spots", "30 */6 * * *", "hotspots find --alert", "where do more customers report fraud than usual?"),
    (
        "learn",
        "0 * * * *",
        "retrain --if-due --shadow",
        "hourly on new labels, in full after two months, drift or decay.",
    ),
    ("tell", "*/5 * * * *", "outbox run --once", "what is to be told leaves, and is tried again where it could not."),
)
"""Each job: its id, when, what, and why."""

HERE = frozenset({"tell"})
"""Jobs that ask no service."""


def text_of(zone: str, url: str) -> str:
    """Return the file of a schedule.

    Parameters
    ----------
    zone
        By which clock, such as ``Europe/Berlin``.
    url
        Address of the service that runs on the workspace; empty where none does.

    Examples
    --------
    >>> print(text_of("UTC", "").splitlines()[-1])
    - {id: tell, cron: "*/5 * * * *", run: "outbox run --once"}
    """
    lines = [f"timezone: {zone}", "jobs:"]
    for id_, cron, run, why in JOBS:
        asked = f" --url {shlex.quote(url)}" if url and id_ not in HERE else ""
        lines += [f"# {why}", f'- {{id: {id_}, cron: "{cron}", run: {json.dumps(run + asked)}}}']
    return HEAD + "\n".join(lines) + "\n"


def begin(folder: Path, zone: str, url: str) -> Schedule:
    """Write the schedule of a workspace that has none, and return it.

    Parameters
    ----------
    folder
        The workspace's.
    zone, url
        See `text_of`.

    Raises
    ------
    ConflictError
        If there is one: it is its owner's.
    InputError
        If there is no such time zone.
    """
    text = text_of(zone, url)
    Schedule([], zone).zone  # noqa: B018  # raises where there is none of that name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / FILE).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{folder / FILE} is there already: edit it, or remove it first"
        raise ConflictError(message, field="workspace") from None
    return read_schedule(folder)
