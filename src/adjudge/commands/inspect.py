"""Verbs that look at what was decided: replay it, explain it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.show import as_json, err, grid, out, show
from adjudge.commands.workspace import BundlesOption, LogOption, SystemsOption, WorkspaceOption, settings_of
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.service.explain import Explanation, FeatureMade, Seen

ROWS = 8
"""How many of the rows behind a feature are listed; all are counted."""


def replay(
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    start: Annotated[int, typer.Option("--from", min=0, help="First position of the log to compare.")] = 0,
    stop: Annotated[int | None, typer.Option("--to", min=0, help="Position after the last; the end if absent.")] = None,
    archive: ArchiveOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Decide again what a log holds, and report every feature, score and decision that differs: none should.

    What decided earlier with other rules, lists or models is made again from the log and the workspace's bundles.
    Exit code 1 if anything differs. The service may go on meanwhile.

    Example: adjudge replay --system payments --workspace payments --from 100000
    """
    from adjudge.service.archive.joined import open_with
    from adjudge.service.home import bundles_of, open_keys, snapshots_of
    from adjudge.service.replay import replay as run
    from adjudge.service.run import earlier_plans, plans_of, secret

    settings = settings_of(workspace, log)
    plans = plans_of(system or ["payments"], bundle or [])
    with (
        closing(open_with(settings, archive)) as opened,
        open_keys(plans, settings) as keys,
        Bars(err) as bars,
    ):
        found = run(
            plans,
            opened,
            start=start,
            stop=stop,
            snapshots=snapshots_of(settings),
            keys=keys,
            bundles=bundles_of(settings, secret()),
            earlier=earlier_plans(system or ["payments"], bundle or []),
            told=lambda done, total: bars("replay", done, total),
        )
    facts = {
        "events": found.events,
        "features_compared": found.features_compared,
        "features_differing": found.features_differing,
        "scores_compared": found.scores_compared,
        "scores_differing": found.scores_differing,
        "by_other_versions": found.other_versions,
        "of_erased_persons": found.erased,
        "of_archived_events": found.archived,
        "not_restored": found.not_restored,
        "differences": found.differences,
    }
    if json:
        as_json(facts | {"equal": found.equal})
    else:
        show({name: value for name, value in facts.items() if not isinstance(value, list)}, json=False)
        for difference in [*found.not_restored, *found.differences]:
            out.print(difference, highlight=False, markup=False)
        out.print("[green]all agree[/]" if found.equal else "[red]they do not agree[/]")
    raise typer.Exit(0 if found.equal else 1)


def explain(
    id: Annotated[str, typer.Argument(help="Id of a decided event.")],
    system: SystemsOption = None,
    bundle: BundlesOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    which: Annotated[str | None, typer.Option("--by", help="The system meant, where several decided.")] = None,
    archive: ArchiveOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Tell everything behind one earlier decision: event, features with the rows that made them, rules, model, labels.

    Example: adjudge explain p-1042 --system payments --workspace payments
    """
    from adjudge.service.archive.joined import open_with
    from adjudge.service.explain import explain as run
    from adjudge.service.home import bundles_of, open_keys, snapshots_of
    from adjudge.service.run import earlier_plans, plans_of, secret

    settings = settings_of(workspace, log)
    plans = plans_of(system or ["payments"], bundle or [])
    with (
        closing(open_with(settings, archive)) as opened,
        open_keys(plans, settings) as keys,
        Bars(err) as bars,
    ):
        found = run(
            plans,
            opened,
            id,
            system=which,
            snapshots=snapshots_of(settings),
            keys=keys,
            bundles=bundles_of(settings, secret()),
            earlier=earlier_plans(system or ["payments"], bundle or []),
            told=lambda done, total: bars("fold the log", done, total),
        )
    if json:
        as_json(found)
    else:
        _tell(found)


def _tell(found: Explanation) -> None:
    """Print an explanation for people."""
    answer = msgspec.json.decode(found.answer)
    facts = {
        "id": answer["id"],
        "decision": f"{answer['decision']}, score {answer['score']}, by {answer['method']}",
        "at": f"position {answer['seq']:,}, received {_time(found.received_at)}",
        "versions": answer["versions"],
        "event": found.event,
        "labels_since": found.labels or "none",
        "taken_back": "yes" if found.retracted else "no",
    }
    if answer["probability"] is not None:
        facts["probability"] = answer["probability"]
    if found.interval is not None:
        facts["interval"] = "{:.4g} to {:.4g}".format(*found.interval)
    show(facts, json=False)
    _section("Why")
    for sentence in found.words or ["nothing spoke against it"]:
        out.print(f"- {sentence}", highlight=False, markup=False)
    _section("Features, and the rows that made them")
    times = {seen.seq: seen for entity in found.entities for seen in entity.rows}
    with grid("feature", "value", "rows", "positions") as table:
        for f in found.features:
            value = "missing" if f.value is None else f"{f.value:,.6g}"
            table.add_row(f.name, value, f"{_events(f, times):,}" if f.entity else "", _positions(f))
    if found.contributions:
        _section(f"What each input added to the model's log-odds, from {found.bias:.3f}")
        with grid("input", "log-odds") as table:
            for name, added in list(found.contributions.items())[:12]:
                table.add_row(name, f"{added:+.3f}")
    agrees = {
        True: "[green]Computed again from the log, every bit is the same.[/]",
        False: "[red]Computed again from the log, it is NOT the same.[/]",
        None: "What decided it cannot be made again here, so nothing was computed again.",
    }
    out.print(agrees[found.agrees])


def _section(title: str) -> None:
    out.print(f"\n[bold]{title}[/]", highlight=False)


def _events(f: FeatureMade, times: dict[int, Seen]) -> int:
    return sum(times[seq].events for seq in f.rows)


def _positions(f: FeatureMade) -> str:
    shown = ", ".join(map(str, f.rows[-ROWS:]))
    return f"... {shown}" if len(f.rows) > ROWS else shown


def _time(micros: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat(timespec="milliseconds")


COMMANDS = (replay, explain)
"""The verbs, in the order in which they are listed."""
