"""Verbs about public data sets: list them, check a copy, and bring one into the form that other verbs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from adjudge.commands.show import as_json, err, grid, out, show
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.learn.datasets import Dataset

app = typer.Typer(
    help="List public data sets of fraud, check a copy of one, and convert it.\n\n"
    "Example: adjudge data check sparkov ~/Downloads/sparkov",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

NameArgument = Annotated[str, typer.Argument(help="Name of the data set, as adjudge data list has it.")]
PathArgument = Annotated[Path, typer.Argument(help="The authors' file, or a folder that holds it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """List the data sets that can be read, how large they are, and where one gets them; none comes with the package.

    Example: adjudge data list
    """
    from adjudge.learn.datasets import DATASETS

    if json:
        as_json([_facts(one) for one in DATASETS.values()])
        return
    with grid("name", "rows", "frauds", "columns read") as table:
        for one in DATASETS.values():
            first = one.editions[0]
            table.add_row(one.name, f"{first.rows:,}", f"{first.frauds:,}", str(len(one.forms[0].columns)))
    for one in DATASETS.values():
        out.print()
        with grid("", "", heads=False) as table:
            for name in ("meaning", "licence", "obtain"):
                label = one.name if name == "meaning" else f"  {name}"
                table.add_row(Text(label), Text(getattr(one, name), justify="left"))


@app.command()
def check(name: NameArgument, path: PathArgument, json: JsonOption = False) -> None:
    """Count a copy of a data set and compare it with what was published; exit code 1 if it is another.

    Example: adjudge data check sparkov ~/Downloads/sparkov
    """
    from adjudge.learn.datasets import dataset

    known = dataset(name)
    with Bars(err) as bars:
        bars("read", 0, 1)
        found = known.check(path)
        bars("read", 1, 1)
    wrong = known.disagreement(found.rows, found.frauds)
    facts: dict[str, Any] = {
        "dataset": found.dataset,
        "files": list(found.files),
        "rows": found.rows,
        "frauds": found.frauds if json or found.frauds is not None else "no labels",
        "start": found.start.isoformat(),
        "end": found.end.isoformat(),
        "edition": found.edition if json or found.edition else "none that was published",
        "licence": known.licence,
    }
    show(facts | ({"notes": list(known.notes)} if json else {}), json)
    for note in () if json else known.notes:
        out.print(f"- {note}", highlight=False, markup=False)
    if wrong:
        err.print(f"{', '.join(found.files)}: {wrong}", style="red", markup=False, highlight=False)
    raise typer.Exit(1 if wrong else 0)


@app.command()
def convert(
    name: NameArgument,
    path: PathArgument,
    to: Annotated[Path, typer.Argument(help="Folder for events and labels, to be given to other verbs as --data.")],
    part: Annotated[bool, typer.Option("--part", help="Take a part, or an altered copy, of the set.")] = False,
) -> None:
    """Write a data set as events and labels, which other verbs read with --data, and --system of the same name.

    Whole sets need not be converted: --data may be the authors' file itself.

    Example: adjudge data convert sparkov fraudTrain.csv cards --part && adjudge train bundle -s sparkov -d cards
    """
    from adjudge.learn.datasets import dataset

    with Bars(err) as bars:
        bars("read", 0, 1)
        source = dataset(name).read(path, strict=not part)
        bars("read", 1, 1)
    for written in source.write(to):
        out.print(f"wrote {written}", highlight=False)


def _facts(one: Dataset) -> dict[str, Any]:
    return {
        "name": one.name,
        "meaning": one.meaning,
        "editions": [{"name": e.name, "rows": e.rows, "frauds": e.frauds} for e in one.editions],
        "columns": list(one.forms[0].columns),
        "files": list(one.files),
        "licence": one.licence,
        "obtain": one.obtain,
        "notes": list(one.notes),
    }
