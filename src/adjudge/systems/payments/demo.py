"""The demo: three months of payments from nothing to decisions over HTTP, judged, proven equal, and on one screen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from adjudge.define import System
from adjudge.discover import find
from adjudge.errors import UnavailableError
from adjudge.learn import pipeline, report
from adjudge.learn.source import Source
from adjudge.service import load
from adjudge.service.decode import EventDecoder
from adjudge.service.server import free_port, python, running
from adjudge.service.settings import Settings
from adjudge.service.table import value
from adjudge.service.verify import Verification, verify
from adjudge.systems.payments import lived, worked

if TYPE_CHECKING:
    from rich.console import Console

QUEUE_SHARE = 0.2
"""Review queue that thresholds are set for, as a share of what the rules alone raise on the validation part."""

ROWS = 120_000
"""Payments that the model is fitted on: every fraud, and as many others as a demo has time for."""

NOTES = (
    "The payments are simulated; the simulator's guide says what was made up.",
    f"Thresholds were set on the validation part, for a queue of {QUEUE_SHARE:.0%} of what rules alone raise there.",
    "Some frauds are never reported and some honest payments are disputed: the labels are those that were reported.",
)
"""What a reader of the report must know."""

VERIFIED_EVENTS = 10_000
"""Events that go through every entry point."""

Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Result:
    """What the demo came to.

    Parameters
    ----------
    report
        All figures, as in report.html.
    verification
        The proof that all entry points agree.
    folder
        Where bundle and report are.
    """

    report: report.Report
    verification: Verification
    folder: Path


def run(*, events: int, folder: Path, rate: float, requests: int, seed: int, told: Told) -> Result:
    """Simulate, train, judge, bundle, serve under load, verify, and write the report.

    Parameters
    ----------
    events
        Payments to simulate over three months.
    folder
        Where bundle, tables and report go.
    rate
        Requests per second of the load.
    requests
        How many payments of the last days are sent.
    seed
        Same seed, same world, same model.
    told
        Told of progress.
    """
    found = find("payments")
    assert found.simulate is not None  # the payments system has a simulator
    told("simulate", 0, events)
    source = found.simulate(events, seed=seed)
    told("simulate", events, events)
    system = found.build(source.lists)
    made = pipeline.run(system, source, rows=ROWS, queue_share=QUEUE_SHARE, seed=seed, progress=told)
    bundle = made.write(folder / "bundle", datetime.now(UTC))
    judged = pipeline.report_of(made, bundle)
    latency = _load(system, source, _test_begins(made), folder, rate, requests, told)
    verification = verify(found, source, events=VERIFIED_EVENTS, bundle=folder / "bundle", told=told)
    full = msgspec.structs.replace(judged, latency=latency, parity=_parity(verification), notes=NOTES)
    report.write(full, folder / "report.html")
    return Result(full, verification, folder)


def _test_begins(made: pipeline.Run) -> datetime:
    """Return when the part begins that the model has not seen: a service decides that, and nothing before it."""
    return datetime.fromtimestamp(int(made.trained.parts.test.ts.min()) / 1e6, UTC)


def _load(
    system: System, source: Source, begin: datetime, folder: Path, rate: float, requests: int, told: Told
) -> report.Latency:
    """Live through the test part but for the last payments, serve, and send those as an open-loop load."""
    import polars as pl

    source, by = lived.brought(source, system, datetime.now(UTC))
    begin += by
    schema = system.decides.schema()
    payments = source.frames[schema.name].sort(schema.time_field, maintain_order=True)
    since = payments[schema.time_field][-min(requests, payments.height // 2)].replace(microsecond=0)
    last = payments.filter(pl.col(schema.time_field) >= since)
    door = EventDecoder(schema)
    rows = ({f.name: value(f, row) for f in schema} for row in last.iter_rows(named=True))
    bodies = folder / "payments.jsonl"
    bodies.write_bytes(b"\n".join(door.encode(event) for event in door.rows(rows).events))
    port = free_port()
    workspace = folder / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir(parents=True)
    settings = Settings(workspace=str(workspace), auth="off")
    span = lived.Span(begin, since)
    lived.live(system, source, folder / "bundle", settings, span, lambda at, of: told("live the last weeks", at, of))
    command = python("adjudge", "serve", "--bundle", str(folder / "bundle"), "--port", str(port))
    command += ["--workspace", str(workspace), "--auth", "off"]
    told("start the service", 0, 1)
    with running(command, port=port):
        told("start the service", 1, 1)
        url = f"http://127.0.0.1:{port}"
        told("send payments", 0, last.height)
        sent = _send(f"{url}/v1/decide", bodies, rate)
        told("send payments", last.height, last.height)
        told("work at the desk", 0, 1)
        worked.go_on(url, source, system, last)
        told("work at the desk", 1, 1)
    return report.Latency(
        rate_per_s=sent.offered_per_s,
        seconds=sent.seconds,
        sent=sent.sent,
        failed=sent.failed,
        p50_ms=sent.p50_ms,
        p99_ms=sent.p99_ms,
        p999_ms=sent.p999_ms,
        edges_ms=tuple(sent.edges_ms),
        counts=tuple(sent.counts),
    )


def _send(url: str, bodies: Path, rate: float) -> load.Report:
    """Run the load in a process of its own, so that it is not slowed by this one."""
    command = python("adjudge.service.load", url, str(bodies), "--rate", str(rate))
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        msg = f"the load generator failed: {done.stderr.decode(errors='replace').strip()[-500:]}"
        raise UnavailableError(msg)
    return msgspec.json.decode(done.stdout, type=load.Report)


def _parity(verification: Verification) -> report.Parity:
    return report.Parity(
        entry_points=tuple(p.name for p in verification.entry_points),
        events=verification.events,
        features_compared=verification.features_compared,
        features_differing=verification.features_differing,
        scores_compared=verification.scores_compared,
        scores_differing=verification.scores_differing,
        control_failed=verification.negative_control_failed,
    )


def show(result: Result, console: Console) -> None:
    """Print the screen: each figure with rules alone and with the model, beside its target.

    Parameters
    ----------
    result
        What `run` returned.
    console
        Where to.
    """
    from rich.table import Table

    full, evaluation = result.report, result.report.evaluation
    table = Table(box=None, pad_edge=False, header_style="bold", title=full.title, title_justify="left")
    for column in ("", "rules alone", "rules + model", "change", "target", ""):
        table.add_column(column, justify="left" if not column else "right", no_wrap=bool(column))
    for row in report.headline(full):
        mark = "" if row.met is None else "[green]met[/]" if row.met else "[red]missed[/]"
        change = row.compared if row.compared != row.model else ""
        table.add_row(row.label, row.rules, row.model, change, row.target, mark)
    console.print(table)
    latency, proof = full.latency, result.verification
    lines = [f"k = {evaluation.k} = min(1000, half of the {evaluation.frauds:,} frauds of the test part)"]
    if latency is not None:
        lines.append(
            f"HTTP, open loop: {latency.sent:,} payments at {latency.rate_per_s:,.0f}/s, {latency.failed} failed; "
            f"p50 {latency.p50_ms:.1f}, p99 {latency.p99_ms:.1f}, p99.9 {latency.p999_ms:.1f} ms"
        )
    caught = "caught" if proof.negative_control_failed else "NOT CAUGHT"
    lines.append(
        f"parity: {proof.features_differing:,} of {proof.features_compared:,} features and "
        f"{proof.scores_differing:,} of {proof.scores_compared:,} scores differ over "
        f"{len(proof.entry_points)} entry points; the broken kernel was {caught}"
    )
    lines.append(f"report: {result.folder / 'report.html'}   bundle: {result.folder / 'bundle'}")
    console.print("\n".join(lines), highlight=False)
    if not proof.passed:
        sys.exit(1)
