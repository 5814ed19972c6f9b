"""What a run is about, and which of those that were cut short is taken up: the same one, about the same persons."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

from adjudge.errors import InputError
from adjudge.learn.evaluate import DAY_US
from adjudge.log import Log
from adjudge.service.personal.erased import erasures
from adjudge.service.retrain.recipe import Recipe

REQUEST, DONE = "request.json", "done.json"
"""Files of a run's folder: what it is about, and what came of it."""

RUNS = "retrain"
"""Name of the folder in a workspace's folder that runs have their folders in."""

MAKING = ".making-"
"""How the folder begins in which a step is made: one that is left, a killed process has left behind."""

STALE_US = 2 * DAY_US
"""Time of the log after which a run is not taken up: labels have come since, and the window is no longer the last."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is about: the same request leads to the same bundle.

    Parameters
    ----------
    system, recipe
        The system, and how.
    position, link
        Where the log ended but for entries of management, and the hash of it until there.
    champion
        Id of the bundle that decided then; empty for rules alone.
    definitions
        Versions of what decided.
    estimator
        What a full retrain fits.
    erased
        Digest of who was erased, see `erased_by`.
    """

    system: str
    recipe: Recipe
    position: int
    link: str
    champion: str
    definitions: dict[str, str]
    estimator: str
    erased: str


def erased_by(log: Log) -> str:
    """Return a digest of everybody whom a log says was erased, in hexadecimal; empty where nobody was.

    All of the log counts, also what lies behind the position that a run keeps to: who was erased is not learnt from.

    Parameters
    ----------
    log
        Only read.
    """
    found = erasures(log)
    return hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest() if found else ""


def taken_up(folder: Path, request: Request, log: Log) -> Request:
    """Return the request of a run that was cut short and is about the same, else the given one.

    A run that can no longer be taken up is removed: something else decides by now, it is wanted otherwise, the log has
    gone on for longer than `STALE_US`, or it holds rows of somebody who was erased since, whatever it is about. So is
    what a killed process has left behind in any other.

    Parameters
    ----------
    folder
        Where runs have their folders; nobody else works in it.
    request
        What is asked for now.
    log
        Only read.
    """
    for home in sorted(path for path in folder.iterdir() if path.is_dir()):
        for draft in home.glob(f"{MAKING}*"):
            shutil.rmtree(draft, ignore_errors=True)
        if (home / DONE).is_file():
            continue
        before = _read(home / REQUEST)
        if before is None or before.erased != request.erased or _stale(log, before, request):
            shutil.rmtree(home, ignore_errors=True)
        elif msgspec.structs.replace(before, position=request.position, link=request.link) == request:
            return before
        elif before.system == request.system and before.recipe.kind == request.recipe.kind:
            shutil.rmtree(home, ignore_errors=True)
    return request


def _stale(log: Log, before: Request, now: Request) -> bool:
    """Return whether a log has gone on for too long since a run began, or does not reach back to it."""
    if not log.begin().position < before.position <= now.position:
        return True
    then, newest = (next(iter(log.read(one.position - 1, one.position))) for one in (before, now))
    return newest.received_at - then.received_at > STALE_US


def _read(path: Path) -> Request | None:
    """Return a request, None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Request)
    except (OSError, msgspec.DecodeError, InputError):
        return None
