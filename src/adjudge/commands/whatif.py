"""The verb that decides the past otherwise: both worlds side by side in money, and the decisions that change."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adjudge.commands.activate import document_of
from adjudge.commands.archive import ArchiveOption
from adjudge.commands.figures import CAUGHT, figure, money, percent, say
from adjudge.commands.origin import DataOption, SeedOption, SimulateOption, source_of
from adjudge.commands.past import Origin, SinceOption, UntilOption
from adjudge.commands.rules import MinutesOption
from adjudge.commands.show import as_json, err, grid
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    import polars as pl

    from adjudge.learn.whatif.compare import WhatIf
    from adjudge.learn.whatif.holdout import HoldOut
    from adjudge.learn.whatif.worlds import Worlds
    from adjudge.service.versions.revision import ListRevision, Revision
    from adjudge.service.whatif.change import Change

NameOption = Annotated[
    str | None, typer.Option("--system", "-s", help="Name or folder of a system; payments unless a log says which.")
]
RulesOption = Annotated[Path | None, typer.Option("--rules", exists=True, dir_okay=False, help="A rule file.")]
PolicyOption = Annotated[
    Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="A policy as JSON or YAML.")
]
DefinitionsOption = Annotated[
    str | None, typer.Option("--definitions", help="Name of a system, or path of a folder with its definition.")
]
ThresholdOption = Annotated[
    list[str] | None, typer.Option("--threshold", help="An action and its threshold, such as block=0.9; repeatable.")
]
OtherOption = Annotated[
    str, typer.Option("--bundle", "-b", help="Path of a bundle, or the id of one that the workspace keeps.")
]
ListsOption = Annotated[
    Path | None,
    typer.Option("--lists", exists=True, dir_okay=False, help="What becomes of named lists, as an activation says it."),
]
ChampionOption = Annotated[
    Path | None, typer.Option("--champion", help="Bundle that decides in fact, on data; rules alone without one.")
]
ApprovalsOption = Annotated[
    Path | None,
    typer.Option("--approvals", help="Table of events with approved and propensity: what was let through by chance."),
]
ChangedOption = Annotated[
    Path | None, typer.Option("--changed", help="Write every decision that changes: .csv or .parquet.")
]
ReportOption = Annotated[Path | None, typer.Option("--report", help="Write both worlds as a page: .html.")]


def whatif(
    rules: RulesOption = None,
    policy: PolicyOption = None,
    threshold: ThresholdOption = None,
    bundle: OtherOption = "",
    definitions: DefinitionsOption = None,
    lists: ListsOption = None,
    system: NameOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    archive: ArchiveOption = None,
    data: DataOption = None,
    simulate: SimulateOption = None,
    champion: ChampionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    approvals: ApprovalsOption = None,
    rounds: Annotated[int, typer.Option(min=0, help="Resamples of customers behind intervals; 0 for none.")] = 200,
    examples: Annotated[int, typer.Option(min=0, help="Changed decisions that are told one by one.")] = 10,
    review_minutes: MinutesOption = 5.0,
    seed: SeedOption = 7,
    changed: ChangedOption = None,
    report: ReportOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Decide the past again with other rules, policy, thresholds, model, features or lists: what it saves and changes.

    The log of a workspace is folded once more, and every event is decided by what is different; what that decides is
    what its later decisions see, and labels come when they came. What is not named stays as it was at each moment.
    Nothing is written to the workspace. What was stopped has no label: that is counted, and with --approvals
    estimated beside.

    Example: adjudge whatif --bundle bundles/june --workspace payments --since 2026-06-01

    Example: adjudge whatif --rules draft.yaml --threshold block=0.85 --workspace payments --changed changed.csv

    Example: adjudge whatif --policy policy.yaml --data world --champion bundle --report whatif.html
    """
    _check_files(changed, report)
    from adjudge.learn.whatif.compare import Asked, what_if
    from adjudge.learn.whatif.worlds import changed_frame
    from adjudge.service.whatif.change import Change

    origin = Origin(system, data, simulate, seed, None, None, workspace, log, since, until, archive)
    different = Change(_revision(rules, policy, bundle, definitions, lists), _thresholds(threshold or []))
    with Bars(err) as bars:
        worlds = _worlds(origin, different, champion, approvals, bars)
        bars("add up", 0, 1)
        found = what_if(worlds, Asked(review_minutes, rounds, seed, examples))
        bars("add up", 1, 1)
    if changed is not None:
        _write(changed_frame(worlds), changed)
    if report is not None:
        from adjudge.learn.whatif.report import write

        write(found, report)
    if json:
        as_json(found)
    else:
        _tell(found)


def _revision(
    rules: Path | None, policy: Path | None, bundle: str, definitions: str | None, lists: Path | None
) -> Revision:
    """Return what is different, as for an activation."""
    from adjudge.define import Rules
    from adjudge.define.spec import to_spec
    from adjudge.discover import find
    from adjudge.service.versions.revision import Revision

    return Revision(
        "what if",
        lists={} if lists is None else _lists(lists),
        rules=None if rules is None else Rules.load(rules).document(),
        policy=document_of(policy),
        bundle=bundle,
        definitions=None if definitions is None else to_spec(find(definitions).build({})),
    )


def _lists(path: Path) -> dict[str, ListRevision]:
    """Return what a file says of lists."""
    import msgspec

    from adjudge.service.versions.revision import ListRevision

    try:
        return msgspec.convert(document_of(path), dict[str, ListRevision])
    except msgspec.ValidationError as error:
        msg = f"{path.name} must say of each list what it adds, removes or is set to: {error}"
        raise InputError(msg, field="lists", code="bad_definition") from None


def _thresholds(given: list[str]) -> dict[str, float]:
    """Return thresholds by action, of texts such as ``block=0.9``."""
    found = {}
    for text in given:
        action, _, value = text.partition("=")
        try:
            found[action] = float(value)
        except ValueError:
            msg = f"a threshold is an action and a number, such as block=0.9, not {text!r}"
            raise InputError(msg, field="threshold") from None
        if not math.isfinite(found[action]):
            msg = f"a threshold must be a finite number, not {value!r}"
            raise InputError(msg, field="threshold")
    return found


def _worlds(origin: Origin, different: Change, champion: Path | None, approvals: Path | None, bars: Bars) -> Worlds:
    """Return both worlds of a log, or of a system's own data."""
    from adjudge.learn.source import read_table

    of_data = origin.data is not None or origin.simulate is not None
    if of_data and (origin.workspace is not None or origin.log is not None or origin.archive is not None):
        msg = "name one past: --workspace, or --data or --simulate"
        raise InputError(msg, field="data")
    if champion is not None and not of_data:
        msg = "a log says itself which bundle decided; --champion is for --data and --simulate"
        raise InputError(msg, field="champion")
    table = None if approvals is None else read_table(approvals)
    return _of_data(origin, different, champion, table, bars) if of_data else _of_log(origin, different, table, bars)


def _of_log(origin: Origin, different: Change, approvals: pl.DataFrame | None, bars: Bars) -> Worlds:
    from adjudge.service.archive.joined import open_with
    from adjudge.service.home import bundles_of, snapshots_of
    from adjudge.service.run import secret
    from adjudge.service.whatif.change import Beside
    from adjudge.service.whatif.run import Span, counterfactual

    settings = settings_of(origin.workspace, origin.log)
    bundles = Beside(bundles_of(settings, secret()))
    with closing(open_with(settings, origin.archive)) as log:
        return counterfactual(
            log,
            different.ready(bundles),
            bundles,
            span=Span(origin.system, origin.span, approvals=approvals),
            snapshots=snapshots_of(settings),
            told=bars,
        )


def _of_data(
    origin: Origin, different: Change, champion: Path | None, approvals: pl.DataFrame | None, bars: Bars
) -> Worlds:
    from adjudge.engine import compile
    from adjudge.learn.pipeline import with_bundle
    from adjudge.service.bundles import Bundles
    from adjudge.service.run import secret
    from adjudge.service.whatif.change import Beside
    from adjudge.service.whatif.data import lived
    from adjudge.service.whatif.run import Span, counterfactual

    key = secret()
    found, source = source_of(origin.system or "payments", origin.data, origin.simulate, origin.seed, bars)
    bundles = Beside(Bundles(None, key, Path.cwd()))
    if champion is None:
        plan = compile(found.build(source.lists), secret=key)
    else:
        plan = with_bundle(found.build, champion, key)
        bundles.add(str(champion))
    ready = different.ready(bundles)
    ready.applied(plan, bundles)  # what makes no sense is told before anything is decided
    log, as_of = lived(plan, source, bundles, lambda done, of: bars("decide", done, of))
    table = source.approvals if approvals is None else approvals
    return counterfactual(log, ready, bundles, span=Span(None, origin.span, as_of, table, complete=True), told=bars)


def _check_files(changed: Path | None, report: Path | None) -> None:
    """Refuse files that nothing could be written to, before anything is done."""
    for path, kinds in ((changed, (".csv", ".parquet")), (report, (".html",))):
        if path is None:
            continue
        if path.suffix not in kinds:
            msg = f"{path.name}: write {' or '.join(kinds)}"
            raise InputError(msg, field="changed" if path is changed else "report")
        path.parent.mkdir(parents=True, exist_ok=True)


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Write the decisions that change; the old file stays whole until the new one is."""
    import polars as pl

    draft = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        frame.write_parquet(draft)
    else:
        lists = [pl.col(name).list.join(" ") for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
        frame.with_columns(lists).write_csv(draft)
    draft.replace(path)


def _tell(found: WhatIf) -> None:
    """Print both worlds for people."""
    say(
        f"{found.system}: {found.events:,} events, {found.start[:10]} to {found.end[:10]}, seen {found.as_of[:10]}; "
        f"different: {', '.join(found.parts)}"
    )
    say(
        f"{100 * found.mature:.1f} % have a label that is old enough ({found.matures_days:g} days): "
        f"{found.frauds:,} frauds, {found.fraud_amount:,.0f}"
    )
    with grid("a day", "in fact", "", "otherwise", "") as table:
        for name, unit in CAUGHT:
            cells = [figure(getattr(side.caught, name), unit) for side in (found.actual, found.other)]
            table.add_row(name.replace("_", " "), *(cell for pair in cells for cell in pair))
    share = 100 * found.differing / found.events
    say(f"{found.differing:,} decisions change ({share:.1f} %); that saves {money(found.saved)} a day")
    if found.moved:
        with grid(
            "in fact", "otherwise", "events", "amount", "fraud", "honest", "unknown", "young", "saved/d"
        ) as table:
            for one in found.moved:
                counts = (one.frauds, one.honest, one.unlabelled, one.young)
                table.add_row(
                    one.actual,
                    one.other,
                    f"{one.events:,}",
                    f"{one.amount:,.0f}",
                    *(f"{count:,}" for count in counts),
                    f"{one.saved.value or 0:,.0f}",
                )
    say(found.hidden.words)
    if found.degraded:
        say(f"{found.degraded:,} events were decided without a layer then, and are so here")
    if found.holdout is not None:
        _tell_holdout(found.holdout)
    for each in found.examples:
        saved = "nobody knows" if each.saved is None else f"{each.saved:+,.2f}"
        say(f"{each.id} at {each.seq:,}: {each.actual} to {each.other}, {each.known}, {saved}")


def _tell_holdout(found: HoldOut) -> None:
    say(
        f"by the random hold-out: {found.declined:,} did not take place, {found.tried:,} did by chance only "
        f"(at least {percent(found.least_propensity)}), as good as {found.effective:,.0f} events"
    )
    units = {"recall": "share", "value_recall": "share", "precision": "share", "saved": "money"}
    with grid("a day", "in fact", "", "otherwise", "", "difference", "") as table:
        for name in found.actual:
            each = (found.actual, found.other, found.difference)
            cells = [figure(side[name].weighted, units.get(name, "")) for side in each]
            table.add_row(name.replace("_", " "), *(cell for pair in cells for cell in pair))
    if found.uncovered:
        say(
            f"{found.uncovered:,} events worth {found.uncovered_amount:,.0f} had no chance of taking place: "
            "nothing stands for them"
        )


COMMANDS = (whatif,)
"""The verbs, in the order in which they are listed."""
