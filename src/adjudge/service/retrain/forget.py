"""Erasing a person takes with it what runs keep: the table of one that was cut short has the person's rows."""

from __future__ import annotations

import shutil
from pathlib import Path

from adjudge.errors import UnavailableError
from adjudge.service.retrain.request import DONE, REQUEST
from adjudge.service.retrain.steps import alone


def forget_runs(folder: Path) -> int:
    """Remove every run that was cut short, with all rows that it holds; return how many there were.

    Nothing of a run that was done is left but what came of it, so those stay. One that is at work keeps its folder:
    it looks before it registers anything, and ends with nothing where somebody was erased meanwhile.

    Parameters
    ----------
    folder
        Where runs have their folders; it may be missing.
    """
    if not folder.is_dir():
        return 0
    try:
        with alone(folder):
            # only what a run has made itself
            cut_short = [home for home in sorted(folder.iterdir()) if home.is_dir() and not (home / DONE).is_file()]
            mine = [home for home in cut_short if (home / REQUEST).is_file() or not any(home.iterdir())]
            for home in mine:
                shutil.rmtree(home)
            return len(mine)
    except UnavailableError:
        return 0
