"""The verb that searches the settings of a system's estimator, and what training takes from it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjudge.commands.origin import DataOption, SeedOption, SimulateOption, SystemOption, source_of
from adjudge.commands.show import as_json, err, grid, out, words
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.define import System
    from adjudge.learn.bootstrap import Interval
    from adjudge.learn.tuned import Tried, Tuned

OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", help="A setting to search; again for more. All of them unless given.")
]
StudyOption = Annotated[
    Path | None, typer.Option(help="SQLite file of the trials; beside the result, under its name, unless given.")
]


def tune(
    to: Annotated[Path, typer.Argument(help="JSON file for the best settings.")] = Path("tuned.json"),
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Settings to try in all, those of an earlier run included.")] = 50,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which no further trial begins; no end unless given.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="What is best: average_precision, auc or recall_at_fpr_1pct.")
    ] = "average_precision",
    folds: Annotated[int, typer.Option(min=1, help="Stretches of time that the validation part is judged in.")] = 3,
    only: OnlyOption = None,
    study: StudyOption = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on with the trials of an earlier run, or throw them away.")
    ] = True,
    seed: SeedOption = 7,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Search the settings of a system's estimator; adjudge train --tuned takes what was found.

    Settings are judged on the validation part alone, in stretches of time, each by a model that was trained before it;
    the test part is never read. A run that was killed goes on where it was.

    Example: adjudge tune tuned.json --data world --trials 40 && adjudge train bundle --data world --tuned tuned.json
    """
    from adjudge.learn.tune import Search
    from adjudge.learn.tune import tune as run
    from adjudge.service.run import secret

    kept = study or to.with_suffix(".sqlite")
    if kept.absolute() == to.absolute():
        msg = f"{to} cannot hold both the trials and the best settings; name a JSON file for these"
        raise InputError(msg, field="to")
    if to.is_dir():
        msg = f"{to} is a folder; name a JSON file for the best settings"
        raise InputError(msg, field="to")
    search = Search(trials, timeout, metric, folds, tuple(only or ()), seed=seed)
    with Bars(err) as bars:
        found, source = source_of(system, data, simulate, seed, bars)
        made = run(
            found.build(source.lists),
            source,
            kept,
            search=search,
            secret=secret(),
            fresh=not resume,
            clock=time.monotonic,
            progress=bars,
        )
    made.write(to)
    if json:
        as_json(made)
    else:
        _show(made, to)


def tuned_estimator(system: System, path: Path) -> Any:
    """Return a system's estimator with the settings that a search found for it.

    Parameters
    ----------
    system
        The system that is trained.
    path
        What the search wrote.
    """
    from adjudge.learn.train import estimator_of
    from adjudge.learn.tuned import read

    return read(path).apply(system.name, estimator_of(system))


def _show(made: Tuned, to: Path) -> None:
    with grid("trial", "folds", "s", "mean", "settings") as table:
        table.columns[-1].justify = "left"
        for one in sorted(made.trials, key=_rank):
            settings = ", ".join(f"{name} {words(value)}" for name, value in one.parameters.items())
            table.add_row(str(one.number), str(one.folds), f"{one.seconds:.1f}", f"{one.value:.4f}", settings)
    for each in made.failed:
        out.print(f"could not be trained: {each.parameters}: {each.why}", highlight=False, markup=False)
    out.print()
    with grid("", "", heads=False) as table:
        table.add_row(f"{made.metric} with the settings as they were", _interval(made.before))
        if made.parameters:
            table.add_row(f"{made.metric} with the best", _interval(made.value))
    if not made.parameters:
        out.print("nothing that was tried is better; the settings stay as they are", highlight=False)
    out.print(f"wrote {to}", highlight=False)


def _rank(one: Tried) -> tuple[bool, float]:
    """Return by what trials are ordered: those that went through all folds first, the best of them above."""
    return one.given_up, -one.value


def _interval(one: Interval) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "none"
    return f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})"


COMMANDS = (tune,)
"""The verbs, in the order in which they are listed."""
