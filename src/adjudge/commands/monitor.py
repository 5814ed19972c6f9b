"""Verbs that watch: what data should look like, and whether the days of a table or a log are as usual."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from adjudge.commands import analyse
from adjudge.commands.keys import UrlOption
from adjudge.commands.origin import SystemOption
from adjudge.commands.show import err, grid, out
from adjudge.commands.workspace import WorkspaceOption, settings_of
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    import polars as pl

    from adjudge.define import Costs
    from adjudge.monitor.overview import Decisions, Overview

app = typer.Typer(
    help="Watch data, scores and decisions day by day against a reference, and say whose change it is.\n\n"
    "Example: adjudge monitor watch --data payments.parquet --since 2026-03-30",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

DAY_US = 86_400_000_000

OFFSETS = ("at_offset_minutes", "utc_offset_min")
"""Columns by which the minutes are known that the local clock is ahead."""

BADGES = {"world": ("● world", "blue"), "pipeline": ("▲ pipeline", "red")}

DataOption = Annotated[
    Path | None,
    typer.Option("--data", "-d", help="Parquet or CSV file, or a folder of the system; else the workspace."),
]
TimeOption = Annotated[str, typer.Option("--time", help="Column of a file with the time of each event.")]
SinceOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day that is watched, UTC.")]
UntilOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day that is not looked at any more, UTC.")
]
ReferenceOption = Annotated[int, typer.Option("--reference-days", min=7, help="Days before that are the reference.")]


@dataclass(frozen=True)
class Looked:
    """Rows to be watched, and where things are in them.

    Parameters
    ----------
    frame
        The rows.
    time, offset
        Columns of time and local offset.
    ignore
        Columns that are not watched.
    title
        What they are.
    """

    frame: pl.DataFrame
    time: str
    offset: str | None
    ignore: tuple[str, ...]
    title: str


@app.command()
def learn(
    to: Annotated[Path, typer.Argument(help="YAML file for the expectations.")] = Path("expectations.yaml"),
    data: DataOption = None,
    workspace: WorkspaceOption = None,
    system: SystemOption = "payments",
    time: TimeOption = "at",
    until: UntilOption = None,
    reference_days: ReferenceOption = 42,
) -> None:
    """Learn what data should look like, and write it as a file to be edited.

    Example: adjudge monitor learn expectations.yaml --data payments.parquet --until 2026-03-30
    """
    from adjudge.monitor import expectations
    from adjudge.monitor.watch import learned

    end = None if until is None else _micros(until)
    with Bars(err) as bars:
        looked = _looked(data, workspace, system, time, (end, reference_days, end), bars)
        seen = looked.frame if end is None else _before(looked, end)
        found = learned(seen, time=looked.time, offset=looked.offset, ignore=looked.ignore)
    expectations.write(found, to)
    out.print(f"wrote {to}: {len(found.fields)} fields", highlight=False, soft_wrap=True)


@app.command()
def watch(
    data: DataOption = None,
    workspace: WorkspaceOption = None,
    system: SystemOption = "payments",
    time: TimeOption = "at",
    since: SinceOption = None,
    until: UntilOption = None,
    reference_days: ReferenceOption = 42,
    expectations: Annotated[Path | None, typer.Option(help="What adjudge monitor learn wrote.")] = None,
    label: Annotated[str, typer.Option(help="Label, or column of a file, that says what was bad.")] = "fraud",
    label_days: Annotated[float, typer.Option(min=0, help="Days after which silence is a good label.")] = 7.0,
    report: Annotated[Path | None, typer.Option(help="HTML file for a page with everything.")] = None,
    alert: Annotated[
        bool, typer.Option("--alert", help="Log what is the matter on the last day; the outbox tells it.")
    ] = False,
    url: UrlOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Watch days against those before: quality, drift and whose it is, calibration, performance, money, service levels.

    Exit code 1 if anything is the matter on the last day. Without --since the last seven days are watched.

    Example: adjudge monitor watch --workspace payments --since 2026-03-30 --report monitor.html

    Example: adjudge monitor watch --workspace payments --alert --url http://127.0.0.1:8000
    """
    from adjudge.monitor import report as page
    from adjudge.monitor.expectations import read
    from adjudge.monitor.overview import overview
    from adjudge.monitor.watch import watch as run

    given = None if expectations is None else read(expectations)
    start, end = (None if one is None else _micros(one) for one in (since, until))
    with Bars(err) as bars:
        looked = _looked(data, workspace, system, time, (start, reference_days, end), bars, label)
        begin = start if start is not None else _last(looked) - 7 * DAY_US
        bars("watch", 0, 1)
        found = run(
            looked.frame,
            begin,
            time=looked.time,
            offset=looked.offset,
            until_us=end,
            expected=given,
            ignore=looked.ignore,
        )
        seen = looked.frame if end is None else _before(looked, end)
        decisions = _decisions(looked, seen, system, begin, label, label_days)
        whole = overview(f"{looked.title} watched", found, seen, decisions=decisions)
        bars("watch", 1, 1)
    if alert:
        _alert(whole, looked, data, workspace, url)
    if report is not None:
        page.write(whole, report)
        err.print(f"wrote {report}", highlight=False, soft_wrap=True)
    if json:
        sys.stdout.write(page.encode(whole).decode() + "\n")
    else:
        _tell(whole)
    raise typer.Exit(1 if whole.days[-1].verdict is not None else 0)


def _alert(whole: Overview, looked: Looked, data: Path | None, workspace: Path | None, url: str | None) -> None:
    """Log what is the matter on the last day."""
    from adjudge.commands import alerts
    from adjudge.monitor.overview import signals, spent

    if data is not None:
        msg = "alerts belong to a workspace: watch its log, without --data"
        raise InputError(msg, field="data")
    day = whole.days[-1]
    found = [*signals(day), *spent(whole.levels)]
    done = alerts.record(found, "monitor", f"watched {day.date}", looked.title, workspace, url)
    err.print(alerts.tell(done), highlight=False, soft_wrap=True)


def _micros(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000


def _looked(
    data: Path | None,
    workspace: Path | None,
    system: str,
    time: str,
    span: tuple[int | None, int, int | None],
    bars: Bars,
    label: str = "fraud",
) -> Looked:
    """Return the rows of a table or of a workspace's log, no more of them than the reference needs."""
    bars("read", 0, 1)
    looked = _of_log(workspace, system, span, label) if data is None else _of_table(data, system, time, label)
    start, days, _ = span
    if start is not None:
        import polars as pl

        kept = looked.frame.filter(pl.col(looked.time).dt.epoch("us") >= start - days * DAY_US)
        looked = Looked(kept, looked.time, looked.offset, looked.ignore, looked.title)
    bars("read", 1, 1)
    return looked


def _of_table(path: Path, system: str, time: str, label: str) -> Looked:
    if path.is_dir():
        from adjudge.discover import find

        found = find(system)
        schema = found.build({}).decides.schema()
        frame, time = found.read(path).frames[schema.name], schema.time_field
    else:
        from adjudge.learn.source import read_table

        frame = read_table(path)
    offset = next((name for name in OFFSETS if name in frame.columns), None)
    return Looked(_in_order(frame, time), time, offset, (label, "known_at", "latency_ms", "degraded"), path.stem)


def _in_order(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    return frame.sort(time, maintain_order=True) if time in frame.columns else frame


def _of_log(workspace: Path | None, system: str, span: tuple[int | None, int, int | None], label: str) -> Looked:
    """Return decided events, exported as far as the log goes now, with their labels."""
    from adjudge.service.export import frame as rows

    settings = settings_of(workspace, None)
    analyse._export(settings, None)
    folder = analyse._folder(settings, None)
    start, days, end = span
    first = date(1970, 1, 1) if start is None else _date(start - days * DAY_US)
    last = date(9999, 12, 31) if end is None else _date(end - 1)
    known = rows.systems(folder)
    chosen = known[0] if system not in known and len(known) == 1 else system
    found = rows.decided(folder, chosen, first, last)
    labels = rows.known_labels(folder, label)
    joined = found.join(labels.rename({"value": label}), on="id", how="left", maintain_order="left")
    ignore = ("seq", "latency_ms", "degraded", label, "known_at")
    return Looked(_in_order(joined, "ts"), "ts", None, ignore, chosen)


def _date(moment_us: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment_us)).date()


def _last(looked: Looked) -> int:
    """Return the midnight after the last event."""
    column = looked.frame[looked.time].dt.epoch("us").max() if looked.time in looked.frame.columns else None
    if not isinstance(column, int):
        message = f"there are no events with a time in column {looked.time!r}"
        raise InputError(message, field=looked.time, code="nothing_to_compare")
    return (column // DAY_US + 1) * DAY_US


def _before(looked: Looked, end: int) -> pl.DataFrame:
    import polars as pl

    return looked.frame.filter(pl.col(looked.time).dt.epoch("us") < end)


def _decisions(
    looked: Looked, seen: pl.DataFrame, system: str, start: int, label: str, label_days: float
) -> Decisions | None:
    """Return how well the watched decisions do; None where the rows hold none."""
    import numpy as np
    import polars as pl

    from adjudge.monitor.business import business
    from adjudge.monitor.levels import Objective, levels
    from adjudge.monitor.overview import Decisions
    from adjudge.monitor.performance import Decided, performance

    if not {"probability", "decision"} <= set(seen.columns):
        return None
    rows = seen.filter(pl.col(looked.time).dt.epoch("us") >= start)
    ts = rows[looked.time].dt.epoch("us").to_numpy()
    silent = ts <= _last(looked) - int(label_days * DAY_US)
    said = rows[label].cast(pl.Float64).to_numpy() if label in rows.columns else np.full(len(rows), np.nan)
    bad = np.where(np.isnan(said) & silent & (label in rows.columns), 0.0, said)
    amount = (
        rows["amount"].cast(pl.Float64).fill_null(0.0).to_numpy() if "amount" in rows.columns else np.ones(len(rows))
    )
    decided = Decided(
        ts,
        rows["probability"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        (rows["decision"] != "approve").to_numpy(),
        bad,
        amount,
        (rows["decision"] == "block").to_numpy(),
    )
    found = []
    if "latency_ms" in rows.columns:
        whole = (
            ~rows["degraded"].fill_null(False).to_numpy() if "degraded" in rows.columns else np.ones(len(rows), bool)
        )
        found = list(levels(ts, rows["latency_ms"].cast(pl.Float64).fill_null(np.nan).to_numpy(), whole, Objective()))
    return Decisions(
        performance=performance(decided),
        business=business(decided, _costs(system)),
        levels=tuple(found),
        objective=Objective() if found else None,
    )


def _costs(system: str) -> Costs:
    """Return the costs of a system's policy, or the usual ones of a system that is not here."""
    from adjudge.define import Costs
    from adjudge.discover import find

    try:
        policy = find(system).build({}).policy
    except InputError:
        return Costs()
    return policy.costs or Costs()


def _tell(found: Overview) -> None:
    """Print for people what watching came to."""
    first, last = found.reference
    out.print(f"[bold]{found.title}[/], against {first} to {last}", highlight=False)
    with grid("day", "events", "", "what") as table:
        table.columns[-1].justify = "left"
        table.columns[-2].justify = "left"
        for day in found.days:
            if day.verdict is None:
                table.add_row(day.date, f"{day.events:,}", "as usual", "")
                continue
            badge, colour = BADGES[day.verdict.cause]
            words = Text(day.verdict.evidence[0].words, justify="left")
            table.add_row(day.date, f"{day.events:,}", f"[{colour}]{badge}[/]", words)
    for one in found.episodes:
        badge, colour = BADGES[one.cause]
        span = one.first if one.first == one.last else f"{one.first} to {one.last}"
        out.print(f"\n[bold {colour}]{badge}[/], {span}", highlight=False)
        for evidence in one.evidence[:6]:
            out.print(f"- {evidence.words}", highlight=False, markup=False)
        if one.apart is not None and one.apart.auc.value is not None:
            names = ", ".join(f"{name} {share:.0%}" for name, share in one.apart.fields[:3])
            out.print(f"- told from the reference with AUC {one.apart.auc.value:.3f}, by {names}", highlight=False)
    _tell_decisions(found)


def _tell_decisions(found: Overview) -> None:
    if not found.performance:
        return
    out.print("\n[bold]Decisions[/]: estimate from scores, and truth where labels have come", highlight=False)
    money = {one.start_us: one for one in found.business}
    with grid("day", "alerts", "precision", "recall", "true prec.", "true recall", "loss", "prevented") as table:
        for one in found.performance:
            day = money[one.start_us]
            cells = [one.expected.get(name) for name in ("precision", "recall")]
            cells += [one.truth.get(name) for name in ("precision", "recall")]
            shown = ["-" if cell is None or cell.value is None else f"{cell.value:.1%}" for cell in cells]
            table.add_row(one.date, f"{one.alerts:,}", *shown, f"{day.loss:,.0f}", f"{day.prevented:,.0f}")
    if found.levels:
        level = found.levels[-1]
        p99 = "" if level.p99_ms is None else f"p99 {level.p99_ms:.1f} ms, "
        out.print(
            f"service on {level.date}: {p99}{level.good:.2%} good, {level.left:.0%} of the budget left", highlight=False
        )
