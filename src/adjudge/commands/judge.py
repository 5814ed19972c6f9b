"""Verbs that judge: what a bundle is worth on events that it has not seen, and what other thresholds would cost."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjudge.commands.origin import DataOption, SeedOption, SimulateOption, SystemOption, source_of
from adjudge.commands.past import ExportOption, Origin, SinceOption, UntilOption, past_from
from adjudge.commands.show import as_json, err, grid, out, show
from adjudge.commands.workspace import LogOption, WorkspaceOption
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.define import Policy
    from adjudge.learn.evaluate import Evaluation
    from adjudge.learn.report import Report
    from adjudge.learn.tradeoff import TradeOffs

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NameOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]
MinutesOption = Annotated[float, typer.Option("--review-minutes", min=0, help="Minutes that one case takes.")]


class Part(StrEnum):
    """Which part of time is looked at."""

    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Directory of a bundle.")],
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    report: Annotated[Path, typer.Option(help="HTML report; its figures go beside it as JSON.")] = Path("report.html"),
    folds: Annotated[int, typer.Option(min=0, help="Train and judge anew in so many rolling folds.")] = 0,
    by: Annotated[list[str] | None, typer.Option(help="Field or feature to cut the test up by; repeatable.")] = None,
    leakage: Annotated[bool, typer.Option("--leakage", help="Test whether a feature knows what it must not.")] = False,
    drop_known: Annotated[
        bool, typer.Option("--drop-known", help="Leave customers out from when a fraud of theirs is known.")
    ] = False,
    review_minutes: MinutesOption = 5.0,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """Judge a bundle on the last part of a history, beside rules alone; write report.html and report.json.

    Exit code 1 if a feature is proven to peek.

    Example: adjudge evaluate bundle --data world --folds 4 --by channel --leakage
    """
    from adjudge.learn import pipeline
    from adjudge.learn.report import write, write_json
    from adjudge.service.run import secret

    if report.suffix == ".json" or report.is_dir():
        msg = f"{report} cannot be the HTML report: its figures go beside it as JSON"
        raise InputError(msg, field="report")
    report.parent.mkdir(parents=True, exist_ok=True)
    asked = pipeline.Asked(folds, tuple(by or ()), leakage, drop_known, review_minutes, seed)
    with Bars(err) as bars:
        found, source = source_of(system, data, simulate, seed, bars)
        made = pipeline.judged(found.build, bundle, source, secret=secret(), asked=asked, progress=bars)
    figures = write_json(made, report.with_suffix(".json"))
    write(made, report)
    err.print(f"wrote {report} and {figures}", highlight=False)
    for note in made.notes:
        err.print(note, style="yellow", highlight=False, markup=False)
    show(headline(made.evaluation) | _beyond(made), json)
    if made.leakage is not None and made.leakage.proven:
        raise typer.Exit(1)


def thresholds(
    bundle: Annotated[Path, typer.Argument(help="Directory of a bundle.")],
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    capacity: Annotated[float | None, typer.Option(min=0.01, help="Alerts a day that people can look at.")] = None,
    false_positives: Annotated[
        float | None, typer.Option(min=1e-6, max=0.999, help="Largest share of honest events with an alert.")
    ] = None,
    costs: Annotated[bool, typer.Option("--by-costs", help="Leave capacity aside: let the costs decide.")] = False,
    review_cost: Annotated[float | None, typer.Option(min=0, help="Money that one look costs.")] = None,
    insult: Annotated[float | None, typer.Option(min=0, help="Money that stopping an honest customer costs.")] = None,
    insult_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="The same, as a share of the amount beside it.")
    ] = None,
    part: Annotated[
        Part, typer.Option(help="Part of time to look at; choosing on the test flatters.")
    ] = Part.VALIDATION,
    review_minutes: MinutesOption = 5.0,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """Say which thresholds follow from costs, capacity and ceiling, and what every other choice would cost.

    Nothing is changed: what you choose goes into the system's policy, or a new bundle.

    Example: adjudge thresholds bundle --data world --capacity 100 --false-positives 0.005
    """
    from adjudge.learn import pipeline
    from adjudge.learn.choices import trade_offs
    from adjudge.learn.train import probabilities, thresholds_for
    from adjudge.service.run import secret

    with Bars(err) as bars:
        found, source = source_of(system, data, simulate, seed, bars)
        made = pipeline.loaded(found.build, bundle, source, secret=secret(), progress=bars)
    policy = _policy(made.plan.policy, capacity, false_positives, costs)
    given = {"review": review_cost, "insult": insult, "insult_share": insult_share}
    policy = replace(policy, costs=replace(policy.costs, **{k: v for k, v in given.items() if v is not None}))
    held_out, model = made.trained.parts.validation, made.trained.scorer
    assert held_out is not None  # the split has one
    chosen = thresholds_for(policy, held_out, probabilities(model, held_out))
    table = held_out if part == Part.VALIDATION else made.trained.parts.test
    tables = trade_offs(policy, table, probabilities(model, table), chosen, review_minutes=review_minutes)
    if json:
        as_json({"thresholds": chosen, "part": part.value, "trade_offs": tables})
        return
    show({"thresholds": chosen, "in the bundle": dict(made.trained.thresholds), "looked at": part.value}, json=False)
    for one in tables:
        _print_trade_off(one)


def tradeoff(
    system: NameOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    export: ExportOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    points: Annotated[int, typer.Option(min=2, max=500, help="How many thresholds are tried of each kind.")] = 16,
    review_minutes: MinutesOption = 5.0,
    json: JsonOption = False,
) -> None:
    """Say what every threshold would have meant over what a log holds: alerts, money, honest customers declined.

    Only events whose label is old enough count. What was stopped and never labelled is left out: nobody will ever know
    what it was, so a milder threshold than the one in force looks safer than it is.

    Example: adjudge tradeoff --workspace payments --since 2026-06-01
    """
    from adjudge.learn.choices import logged_trade_offs

    origin = Origin(system, export=export, workspace=workspace, log=log, since=since, until=until)
    with Bars(err) as bars:
        past, _ = past_from(origin, (), bars)
    found = logged_trade_offs(past, review_minutes=review_minutes, points=points)
    if json:
        as_json(found)
        return
    show({"events": found.events, "frauds": found.frauds, "left out": found.left_out}, json=False)
    for one in found.trade_offs:
        _print_trade_off(one)


def headline(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of an evaluation that a verb shows."""
    lines = {line.id: line.model for line in evaluation.lines}
    return {"test_events": evaluation.events, "test_frauds": evaluation.frauds, "k": evaluation.k, **lines}


def _policy(policy: Policy, capacity: float | None, false_positives: float | None, by_costs: bool) -> Policy:
    """Return a policy whose thresholds training would set by these terms."""
    from adjudge.define import Capacity

    kept = None if by_costs else policy.capacity
    return replace(
        policy,
        bands={},
        thresholds={},
        by_cost=False,
        capacity=kept if capacity is None else Capacity(capacity),
        false_positives=policy.false_positives if false_positives is None else false_positives,
    )


def _beyond(made: Report) -> dict[str, Any]:
    """Return what a verb shows of the rest of a report, in a few words each."""
    facts: dict[str, Any] = {}
    if made.folds is not None:
        means = made.folds.means["model"]
        facts["folds"] = {name: means[name].value for name in ("auc", "average_precision", "card_precision")}
    gaps = [(one.field, gap) for one in made.slices for gap in one.gaps if gap.p < 0.05]
    if made.slices:
        facts["gaps"] = [f"{field} {gap.figure} {gap.low} to {gap.high}" for field, gap in gaps] or ["none"]
    if made.unseen is not None:
        both = made.unseen.figures["fraud_share"]
        facts["fraud_share"] = {"naive": both.naive.value, "weighted": both.weighted.value}
    if made.leakage is not None:
        facts["leakage"] = [f"{one.feature} ({one.test})" for one in made.leakage.found] or ["none found"]
    return facts


def _print_trade_off(table: TradeOffs) -> None:
    what = "looked at" if table.moved == "review" else "stopped"
    unit = "expected loss" if table.compare == "loss" else "probability"
    out.print(f"\n{what} above an {unit} of" if unit[0] == "e" else f"\n{what} above a {unit} of", highlight=False)
    queue = "alerts/d" if table.moved == "review" else "stops/d"
    with grid("above", queue, "fraud/d", "recall", "FP", "decl/d", "h/d", "saved/d", "") as rows:
        for row in table.rows:
            rows.add_row(
                "never" if row.threshold is None else f"{row.threshold:.4g}",
                f"{row.alerts_per_day if table.moved == 'review' else row.blocked_per_day:,.1f}",
                f"{row.frauds_per_day:,.1f}",
                "-" if row.recall is None else f"{100 * row.recall:.1f}%",
                "-" if row.false_positive_rate is None else f"{100 * row.false_positive_rate:.2f}%",
                f"{row.false_declines_per_day:,.1f}",
                f"{row.review_hours_per_day:,.1f}",
                f"{row.saved_per_day:,.0f}",
                ", ".join(row.marks),
                style="bold" if "set" in row.marks else None,
            )
    out.print(
        "a day: alerts, frauds caught, honest events declined, hours of review, money saved against passing all",
        highlight=False,
    )


COMMANDS = (evaluate, thresholds, tradeoff)
"""Verbs of this module."""
