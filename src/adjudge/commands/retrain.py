"""The verb that makes a bundle from a log, holds it against what decides, and registers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from adjudge.commands.challengers import TermsOption, open_challengers, terms_of
from adjudge.commands.keys import JsonOption, UrlOption, WhoOption
from adjudge.commands.registry import open_releases
from adjudge.commands.show import as_json, err, grid, out, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError, did_you_mean
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.service.challengers.terms import Terms
    from adjudge.service.retrain.due import Reason
    from adjudge.service.retrain.recipe import Recipe
    from adjudge.service.retrain.run import Place, Retrained
    from adjudge.service.retrain.seat import Seated

DAY_US = 86_400_000_000

MOST_WORDS = 900
"""Characters of the reasons that go into an entry."""

ArchiveOption = Annotated[Path | None, typer.Option("--archive", help="Folder with the beginning of an archived log.")]
OfOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]


def retrain(
    kind: Annotated[
        str, typer.Option("--kind", "-k", help="full: train anew; incremental: add trees to those that decide.")
    ] = "full",
    system: OfOption = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the log.")] = "asked for",
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    archive: ArchiveOption = None,
    definitions: Annotated[
        str | None,
        typer.Option("--definitions", help="System whose model is trained; the package's of that name unless given."),
    ] = None,
    window: Annotated[float | None, typer.Option(min=0.01, help="Days on which both are judged.")] = None,
    queue: Annotated[
        float | None, typer.Option(help="Alerts a day that both are judged with; the policy's capacity unless given.")
    ] = None,
    confidence: Annotated[float | None, typer.Option(help="Chance that a verdict needs.")] = None,
    by: Annotated[list[str] | None, typer.Option("--by", help="Feature by which the window is cut up.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Most events to fit on.")] = None,
    seed: Annotated[int, typer.Option(help="Same log, same seed: same bundle.")] = 0,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Have it run in the shadow of what decides, unless it is worse.")
    ] = False,
    terms: TermsOption = None,
    if_due: Annotated[bool, typer.Option("--if-due", help="Retrain what is due, and nothing if nothing is.")] = False,
    why_not: Annotated[bool, typer.Option("--why-not", help="Tell what is due and why, and do nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Make a bundle from a workspace's log, hold it against what decides, and register it; nothing is activated.

    With --url it is registered by the service that runs on the workspace, which decides meanwhile. With --shadow it
    becomes a challenger: one of each kind, in whose place the next comes once its days are over.

    Every step is kept: what was cut short goes on where it stood when the same is asked for again.

    Example: adjudge retrain --workspace payments --why "labels of May"

    Example: adjudge retrain --kind incremental --workspace payments --why "hourly"

    Example: adjudge retrain --if-due --shadow --workspace payments --url http://127.0.0.1:8000

    Example: adjudge retrain --why-not --workspace payments
    """
    from adjudge.service.retrain.due import kind_due
    from adjudge.service.retrain.run import retrain as run

    trigger: dict[str, Any] = {}
    how = terms_of(terms)
    if if_due or why_not:
        found = _reasons(workspace, log, url, archive, system, definitions)
        due = kind_due(found)
        if why_not or due is None:
            _show_reasons(found, json)
            return
        kind = due
        trigger = {"reasons": [msgspec.to_builtins(one) for one in found if one.due]}
        why = "; ".join(one.words for one in found if one.due and one.kind == due)[:MOST_WORDS]
    make = recipe_from(kind, window=window, queue=queue, confidence=confidence, by=by, rows=rows, seed=seed)
    with (
        open_releases(workspace, log, url, who, why) as (desk, signed),
        place_of(workspace, log, archive) as place,
        Bars(err) as bars,
    ):
        name = system_in(place, system)
        model = estimator_of(name, definitions)
        made = run(place, name, make, desk, signed, estimator=model, trigger=trigger, told=bars)
    seat = _seated(made, workspace, log, url, who, why, how) if shadow else None
    show_retrained(made, json, seat)


def _seated(
    made: Retrained,
    workspace: Path | None,
    log: str | None,
    url: str | None,
    who: str | None,
    why: str,
    terms: Terms,
) -> Seated:
    """Have what was made run in the shadow of what decides, and return what became of it."""
    from adjudge.service.retrain.seat import seat
    from adjudge.service.verdict import wall_clock

    with open_challengers(workspace, log, url, who, why) as (desk, signed):
        return seat(made, desk, signed, wall_clock(), terms)


def _reasons(
    workspace: Path | None,
    log: str | None,
    url: str | None,
    archive: Path | None,
    system: str | None,
    definitions: str | None,
) -> list[Reason]:
    """Return what is due in a workspace, and why or why not."""
    from adjudge.service.retrain.due import reasons
    from adjudge.service.verdict import wall_clock

    with open_releases(workspace, log, url, None) as (desk, _), place_of(workspace, log, archive) as place:
        name = system_in(place, system)
        model = estimator_of(name, definitions)
        return reasons(place, desk.releases(name).releases, name, wall_clock(), estimator=model)


def _show_reasons(found: list[Reason], json: bool) -> None:
    if json:
        as_json(msgspec.to_builtins(found))
        return
    with grid("retrain", "asked by", "due", "why") as table:
        for one in found:
            table.add_row(one.kind, one.trigger, "yes" if one.due else "no", one.words)


def recipe_from(kind: str, **given: Any) -> Callable[[int], Recipe]:
    """Return the recipe of a kind for a label delay, with what is given in place of what is usual."""
    from adjudge.service.retrain.recipe import KINDS, recipe_of

    if kind not in KINDS:
        msg = f"there is no kind of retraining {kind!r}{did_you_mean(kind, KINDS)}; there are {' and '.join(KINDS)}"
        raise InputError(msg, field="kind")
    names = {"queue": "queue_per_day", "by": "slices"}
    changes = {names.get(name, name): value for name, value in given.items() if value is not None}
    if "window" in changes:
        changes["window_us"] = round(changes.pop("window") * DAY_US)
    if "slices" in changes:
        changes["slices"] = tuple(changes["slices"])
    return lambda delay_us: msgspec.structs.replace(recipe_of(kind, delay_us), **changes)


@contextmanager
def place_of(workspace: Path | None, log: str | None, archive: Path | None = None) -> Iterator[Place]:
    """Open a workspace for retraining in it."""
    from adjudge.service.archive.joined import open_with
    from adjudge.service.home import bundles_of, snapshots_of
    from adjudge.service.retrain.request import RUNS
    from adjudge.service.retrain.run import Place
    from adjudge.service.run import secret

    settings, key = settings_of(workspace, log), secret()
    with closing(open_with(settings, archive)) as opened:
        yield Place(opened, bundles_of(settings, key), Path(settings.workspace) / RUNS, snapshots_of(settings))


def system_in(place: Place, system: str | None) -> str:
    """Return the name of the system that is meant."""
    from adjudge.service.columns import active_of, named_system

    active, _ = active_of(place.log, place.bundles.secret, place.snapshots)
    return named_system(active.systems, system)


def estimator_of(name: str, definitions: str | None) -> Any:
    """Return what a system trains: by its definitions, which no log holds; None for boosted trees as they are.

    Definitions that are there and broken are no reason to train something else.
    """
    from adjudge.discover import find

    try:
        found = find(definitions or name)
    except InputError as error:
        if definitions is not None or error.code != "unknown_system":
            raise
        return None  # the definitions are only in the log
    return found.build({}).model


def show_retrained(made: Retrained, json: bool, seat: Seated | None = None) -> None:
    """Print what came of a run, and of the seat it was to have."""
    if json:
        as_json(msgspec.to_builtins(made) | ({} if seat is None else {"seat": seat._asdict()}))
        return
    from adjudge.learn.modelcard import NAMES, moment

    duel = made.duel
    facts = {
        "bundle": made.bundle,
        "held against": made.champion[:16] or "rules alone",
        "window": f"{moment(duel.start_us)} to {moment(duel.end_us)}: {duel.events:,} events, {duel.frauds:,} frauds",
        "verdict": made.verdict,
        "registered at": made.seq,
    } | ({} if seat is None else {"shadow": seat.words})
    show(facts, json=False)
    out.print()
    with grid("", "champion", "challenger", "difference", "better with") as table:
        for name, one in duel.figures.items():
            cells = [_told(i.value) for i in (one.champion, one.challenger, one.difference)]
            table.add_row(NAMES[name], *cells, "" if one.chance is None else f"{one.chance:.1%}")


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


COMMANDS = (retrain,)
"""The verbs, in the order in which they are listed."""
