"""The command line: every verb is a function of the package that one could call from Python.

Results go to standard output, as text or with --json as one JSON document; progress and everything else go to standard
error. What the user did wrong is one sentence and exit code 2, a failed check exit code 1.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from adjudge.commands import (
    activate,
    alerts,
    analyse,
    archive,
    backup,
    cases,
    challengers,
    data,
    decide,
    erase,
    health,
    hotspots,
    inspect,
    judge,
    keys,
    monitor,
    nightly,
    outbox,
    proposals,
    refresh,
    registry,
    rekey,
    report,
    retrain,
    rings,
    rules,
    schedule,
    tell,
    tune,
    whatif,
    workspace,
)
from adjudge.commands.origin import DataOption, SeedOption, SimulateOption, SystemOption, source_of
from adjudge.commands.show import err, grid, out, show
from adjudge.errors import AdjudgeError, InputError
from adjudge.progress import Bars

app = typer.Typer(
    name="adjudge",
    help="Real-time machine-learning decisions: define once, train, serve, and prove that all of it agrees.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

BundleOption = Annotated[Path | None, typer.Option("--bundle", "-b", help="Directory of a bundle.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

START = "Define, train, evaluate"
"""Where help shows the verbs that come first."""


def main() -> None:
    """Run the command line; what is wrong with the input is one sentence and exit code 2."""
    # threads that wait for each other in training then sleep: spinning is many times slower where cores are shared
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except AdjudgeError as error:
        err.print(f"adjudge: {error}", style="red", markup=False, highlight=False)
        sys.exit(2)
    except OSError as error:
        err.print(f"adjudge: {error.filename or ''}: {error.strerror}", style="red", markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command(rich_help_panel=START)
def demo(
    events: Annotated[int, typer.Option(min=20_000, help="Payments to simulate, over three months.")] = 1_500_000,
    folder: Annotated[Path, typer.Option(help="Where bundle and report go.")] = Path("demo"),
    rate: Annotated[float, typer.Option(min=1, help="Requests per second of the load.")] = 1_000.0,
    requests: Annotated[int, typer.Option(min=100, help="Payments that are sent over HTTP.")] = 30_000,
    seed: SeedOption = 7,
) -> None:
    """Simulate payments, train, serve, decide and verify: the whole of it on one screen.

    Example: adjudge demo --events 200000
    """
    import importlib

    module = importlib.import_module("adjudge.systems.payments.demo")
    with Bars(err) as bars:
        result = module.run(events=events, folder=folder, rate=rate, requests=requests, seed=seed, told=bars)
    module.show(result, out)


@app.command(rich_help_panel=START)
def new(
    name: Annotated[str, typer.Argument(help="Name of the system, an identifier such as refunds.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Make the folder of a new system: definition, rules, data and README, ready to run.

    Example: adjudge new refunds && adjudge check --system refunds
    """
    from adjudge.scaffold import scaffold

    for path in scaffold(name, folder):
        out.print(f"made {path}", highlight=False)
    out.print(f"next: adjudge check --system {folder / name}", highlight=False)


@app.command(rich_help_panel=START)
def check(system: SystemOption = "payments", bundle: BundleOption = None, json: JsonOption = False) -> None:
    """Compile a system and say what it holds; every mistake in it is named.

    Example: adjudge check --system ./refunds
    """
    from adjudge.engine import catalogue
    from adjudge.service.run import plan_of

    plan = plan_of(system, bundle)
    rows = catalogue(plan)
    facts: dict[str, Any] = {
        "system": plan.system.name,
        "decides": plan.decides,
        "streams": list(plan.streams),
        "features": len(rows),
        "rules": len(plan.rules),
        "entities": [h.entity.name for h in plan.histories] + [p.entity.name for p in plan.profiles],
        "versions": dict(plan.versions),
    }
    show(facts, json)


@app.command(rich_help_panel=START)
def simulate(
    folder: Annotated[Path, typer.Argument(help="Where the tables go.")],
    system: SystemOption = "payments",
    events: Annotated[int, typer.Option(min=1, help="How many decided events.")] = 200_000,
    seed: SeedOption = 7,
    holdout: Annotated[
        float | None,
        typer.Option(min=1e-6, max=1, help="Decline what looks suspicious, but let this share of it through."),
    ] = None,
) -> None:
    """Make up data of a system that has a simulator and write it as parquet.

    Example: adjudge simulate world --events 100000
    """
    from adjudge.discover import find

    found = find(system)
    if found.simulate is None:
        msg = f"system {system!r} has no simulator"
        raise InputError(msg)
    with Bars(err) as bars:
        bars("simulate", 0, 1)
        extra = {} if holdout is None else {"holdout": holdout}
        if extra and "holdout" not in signature(found.simulate).parameters:
            msg = f"the simulator of system {system!r} declines nothing, so it has no --holdout"
            raise InputError(msg)
        source = found.simulate(events, seed=seed, **extra)
        bars("simulate", 1, 1)
    for path in source.write(folder):
        out.print(f"wrote {path}", highlight=False)


@app.command(rich_help_panel=START)
def backfill(
    to: Annotated[Path, typer.Argument(help="Parquet file for the training table.")],
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    seed: SeedOption = 7,
) -> None:
    """Fold a history through the engine and write what each decided event saw, with labels at their own time.

    Example: adjudge backfill table.parquet --data world
    """
    from adjudge.learn.aligned import table_of
    from adjudge.service.run import secret

    with Bars(err) as bars:
        found, source = source_of(system, data, simulate, seed, bars)
        from adjudge.engine import compile

        table = table_of(compile(found.build(source.lists), secret=secret()), source, bars)
    table.write(to)
    out.print(f"wrote {to}: {len(table):,} events, {len(table.names)} features", highlight=False)


@app.command(rich_help_panel=START)
def train(
    bundle: Annotated[Path, typer.Argument(help="Directory for the bundle.")],
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    tuned: Annotated[Path | None, typer.Option(help="Settings that adjudge tune found.")] = None,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """Backfill, train on the first part of time, set thresholds on the second, judge on the last, write a bundle.

    Example: adjudge train bundle --data world
    """
    from adjudge.learn import pipeline
    from adjudge.service.run import secret

    with Bars(err) as bars:
        found, source = source_of(system, data, simulate, seed, bars)
        built = found.build(source.lists)
        estimator = None if tuned is None else tune.tuned_estimator(built, tuned)
        made = pipeline.run(built, source, secret=secret(), estimator=estimator, seed=seed, progress=bars)
        written = made.write(bundle, datetime.now(UTC))
    facts = {"bundle": str(bundle), "id": written.id, "thresholds": dict(made.trained.thresholds)}
    show(facts | judge.headline(made.evaluation), json)


@app.command(rich_help_panel=START)
def verify(
    system: SystemOption = "payments",
    data: DataOption = None,
    simulate: SimulateOption = None,
    events: Annotated[int, typer.Option(min=100, help="At most so many events.")] = 20_000,
    bundle: BundleOption = None,
    restarts: Annotated[int, typer.Option(min=0, help="How often to restart on the way through a log in a file.")] = 12,
    http: Annotated[bool, typer.Option(help="Go through HTTP as well.")] = True,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """Prove on data of your own that every way into the system gives the same bits; exit code 1 if one does not.

    Example: adjudge verify --data world --events 50000
    """
    from adjudge.service.verify import verify as run

    with Bars(err) as bars:
        found, source = source_of(system, data, simulate or (None if data else events), seed, bars)
        result = run(found, source, events=events, bundle=bundle, restarts=restarts, http=http, told=bars)
    _print_verification(result, json)
    raise typer.Exit(0 if result.passed else 1)


@app.command(rich_help_panel=START, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Run a benchmark of a source checkout: adjudge bench history --quick.

    Example: adjudge bench decide --quick
    """
    import subprocess

    if not Path("benchmarks/__main__.py").is_file():
        msg = "benchmarks belong to the source checkout; run this in its folder"
        raise InputError(msg)
    arguments = ["run", *context.args] if context.args else ["list"]
    raise typer.Exit(subprocess.call([sys.executable, "-m", "benchmarks", *arguments]))


def _print_verification(result: Any, json: bool) -> None:
    if json:
        document = msgspec.to_builtins(result) | {"passed": result.passed}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return
    with grid("entry point", "events", "features differing", "scores differing", "s") as table:
        for p in result.entry_points:
            features = f"{p.features_differing:,} of {p.features_compared:,}"
            table.add_row(p.name, f"{p.events:,}", features, f"{p.scores_differing:,}", f"{p.seconds:.0f}")
    caught = "caught" if result.negative_control_failed else "NOT CAUGHT"
    out.print(f"the kernel that was broken on purpose was {caught}", highlight=False)
    out.print("[green]all agree[/]" if result.passed else "[red]they do not agree[/]")


PANELS: dict[str, tuple[Any, ...]] = {
    START: (tune, judge, rings),
    "Serve and decide": (workspace, decide, nightly, tell),
    "Change what decides": (activate, whatif, retrain, refresh),
    "Look back and prove": (inspect, health, analyse, report),
    "Keep: copies, secrets, persons": (backup, archive, rekey, erase),
}
"""Modules of verbs, by where help shows them."""

GROUPS: dict[str, dict[str, typer.Typer]] = {
    START: {"data": data.app},
    "Serve and decide": {"outbox": outbox.app, "schedule": schedule.app},
    "Change what decides": {
        "rules": rules.rules,
        "lists": activate.lists,
        "proposals": proposals.app,
        "challengers": challengers.app,
        "registry": registry.app,
    },
    "Review and watch": {
        "cases": cases.app,
        "monitor": monitor.app,
        "hotspots": hotspots.app,
        "alerts": alerts.app,
    },
    "Keep: copies, secrets, persons": {"keys": keys.app},
}
"""Groups of verbs, likewise."""

for _panel, _modules in PANELS.items():
    for _module in _modules:
        for _command in _module.COMMANDS:
            app.command(rich_help_panel=_panel)(_command)
for _panel, _groups in GROUPS.items():
    for _name, _group in _groups.items():
        app.add_typer(_group, name=_name, rich_help_panel=_panel)
