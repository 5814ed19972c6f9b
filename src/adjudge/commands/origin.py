"""Where a verb gets a system and its data from: the options that say so, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.discover import Found
    from adjudge.learn.source import Source

SystemOption = Annotated[
    str, typer.Option("--system", "-s", help="Name of a system of the package, or path of a folder with one.")
]
DataOption = Annotated[Path | None, typer.Option("--data", "-d", help="Folder or file with the system's data.")]
SimulateOption = Annotated[int | None, typer.Option("--simulate", min=1, help="Make up so many events instead.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Same seed, same result.")]


def source_of(system: str, data: Path | None, simulate: int | None, seed: int, bars: Bars) -> tuple[Found, Source]:
    """Return a system and its data.

    Parameters
    ----------
    system
        Its name, or a folder.
    data, simulate
        A folder or file, or how many events to make up; one of the two.
    seed
        Of what is made up.
    bars
        Shows how far it is.

    Raises
    ------
    InputError
        If neither or both are given, or what is given does not exist.
    """
    from adjudge.discover import find

    found = find(system)
    if (data is None) == (simulate is None):
        msg = "say where the events come from: --data PATH or --simulate N"
        raise InputError(msg)
    if data is not None:
        return found, found.read(data)
    if found.simulate is None:
        msg = f"system {system!r} has no simulator; use --data"
        raise InputError(msg)
    bars("simulate", 0, 1)
    source = found.simulate(simulate, seed=seed)
    bars("simulate", 1, 1)
    return found, source
