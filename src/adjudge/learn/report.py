"""The report: one HTML file with everything in it, for the people who decide whether a system goes live."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

import msgspec

from adjudge.learn import charts, sections
from adjudge.learn.bootstrap import Interval
from adjudge.learn.curves import ORACLE
from adjudge.learn.evaluate import Evaluation, Line
from adjudge.learn.folds import Folds
from adjudge.learn.leakage import Leakage
from adjudge.learn.slices import Slicing
from adjudge.learn.tradeoff import TradeOffs
from adjudge.learn.unseen import Unseen

FIGURES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "recall_at_fpr": "Recall at {fpr} false positives",
    "precision_at_k": "Precision at {k}",
    "precision_per_day": "Precision at {per_day} a day",
    "card_precision": "Card precision at {per_day}",
    "value_at_queue": "Value caught in the queue",
}
"""Metric of a ranking to its heading."""


BEYOND = (
    " Dotted: an oracle that knows how the simulator makes frauds and reports, and none of its draws. What lies "
    "above it nobody finds but by luck."
)
"""What is said of an oracle beside the curve."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """What an open-loop load found.

    Parameters
    ----------
    rate_per_s, seconds
        Requests sent per second, and for how long.
    sent, failed
        How many, and how many were not answered properly.
    p50_ms, p99_ms, p999_ms
        Percentiles of the time from when a request was due to its answer.
    edges_ms, counts
        Histogram; empty where nobody kept one.
    """

    rate_per_s: float
    seconds: float
    sent: int
    failed: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    edges_ms: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How many features and scores were compared between entry points, and how many differed in any bit.

    Parameters
    ----------
    entry_points
        What was compared.
    events
        Events that went through each.
    features_compared, features_differing, scores_compared, scores_differing
        Counts.
    control_failed
        Whether the same comparison caught a kernel that was broken on purpose; None when it was not tried.
    """

    entry_points: tuple[str, ...]
    events: int
    features_compared: int
    features_differing: int
    scores_compared: int
    scores_differing: int
    control_failed: bool | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a report.

    Parameters
    ----------
    title, subtitle
        What was judged.
    evaluation
        The figures.
    importance
        Feature and its share of all contributions, largest first.
    latency, parity
        None where they were not measured.
    trade_offs
        What other thresholds would have meant on the test.
    slices, folds, unseen, leakage
        What else somebody asked for; see `beyond`.
    p99_target_ms
        Held against the latency.
    facts
        Further facts by name: thresholds, splits, numbers of rows.
    versions
        Software and definitions by name.
    notes
        Sentences that a reader needs in order not to be misled.
    """

    title: str
    evaluation: Evaluation
    subtitle: str = ""
    importance: tuple[tuple[str, float], ...] = ()
    latency: Latency | None = None
    parity: Parity | None = None
    trade_offs: tuple[TradeOffs, ...] = ()
    slices: tuple[Slicing, ...] = ()
    folds: Folds | None = None
    unseen: Unseen | None = None
    leakage: Leakage | None = None
    p99_target_ms: float = 50.0
    facts: dict[str, str] = {}
    versions: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """One row of the headline in words, for a screen or a page.

    Parameters
    ----------
    label, rules, model, compared, interval, target
        Texts; empty where there is nothing to say.
    met
        Whether the target was reached; None where there is none.
    definition
        One sentence.
    """

    label: str
    rules: str
    model: str
    compared: str
    interval: str
    target: str
    met: bool | None
    definition: str


def headline(report: Report) -> tuple[Row, ...]:
    """Return the headline table in words, latency last.

    Parameters
    ----------
    report
        What was found.
    """
    rows = [_row(line) for line in report.evaluation.lines]
    if (load := report.latency) is not None:
        p99, target = f"{load.p99_ms:.1f} ms", f"< {report.p99_target_ms:g} ms"
        met = load.p99_ms < report.p99_target_ms
        how = f"Open loop at {load.rate_per_s:,.0f} requests a second over HTTP, reasons included."
        rows.append(Row("Time to answer, p99", "", p99, p99, "", target, met, how))
    return tuple(rows)


def render(report: Report) -> str:
    """Return the report as one HTML page that needs nothing else: no script, no font, no address.

    Parameters
    ----------
    report
        What was found; every text in it is escaped.
    """
    parts = [_headline_table(report), _plots(report), *sections.trade_offs(report.trade_offs)]
    parts += [_rankers(report.evaluation), sections.folds(report.folds), sections.slices(report.slices)]
    parts += [sections.unseen(report.unseen), sections.leakage(report.leakage), _service(report)]
    parts += [_facts("How it was judged", _judged(report)), _facts("Versions", report.versions)]
    return Template(_asset("report.html")).substitute(
        title=escape(report.title),
        subtitle=escape(report.subtitle),
        style=_asset("report.css"),
        body="\n".join(part for part in parts if part),
        notes="".join(f"<li>{escape(note)}</li>" for note in report.notes),
    )


def write(report: Report, path: Path) -> Path:
    """Write the report as a file; the old one stays whole until the new one is complete.

    Parameters
    ----------
    report
        What was found.
    path
        Where to.
    """
    return _replaced(path, render(report).encode())


def write_json(report: Report, path: Path) -> Path:
    """Write everything that the report holds as one JSON document; `msgspec.json.decode` with `Report` reads it.

    Parameters
    ----------
    report
        What was found.
    path
        Where to.
    """
    return _replaced(path, msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _replaced(path: Path, content: bytes) -> Path:
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    os.replace(draft, path)
    return path


def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _row(line: Line) -> Row:
    sign = "≤" if line.better == "lower" else "≥"
    target = "" if line.target is None else f"{sign} {_share(line.target, signed=line.change)}"
    low, high = (_share(bound, signed=line.change) for bound in (line.compared.low, line.compared.high))
    return Row(
        label=line.label,
        rules=_unit(line.rules, line.unit),
        model=_unit(line.model, line.unit),
        compared=_share(line.compared.value, signed=line.change),
        interval="" if line.compared.low is None else f"{low} to {high}",
        target=target,
        met=line.met,
        definition=line.definition,
    )


def _share(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    size = abs(100 * value)
    sign = "" if size == 0 else "-" if value < 0 else "+" if signed else ""
    digits = 0 if size in (0, 100) else 2 if size < 1 else 1
    return f"{sign}{size:.{digits}f} %"


def _unit(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return _share(value) if unit == "share" else f"{value:,.0f} a day"


def _badge(met: bool | None) -> str:
    if met is None:
        return ""
    return '<span class="met yes">✓ met</span>' if met else '<span class="met no">✗ missed</span>'


def _headline_table(report: Report) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(row.label)}<small>{escape(row.definition)}</small></th>"
        f"<td data-of='rules alone'>{escape(row.rules)}</td><td data-of='rules and model'>{escape(row.model)}</td>"
        f"<td data-of=result><b>{escape(row.compared)}</b><small>{escape(row.interval)}</small></td>"
        f"<td data-of=target>{escape(row.target)}</td><td>{_badge(row.met)}</td></tr>"
        for row in headline(report)
    )
    found = report.evaluation
    return (
        "<section><h2>Rules alone, and rules with the model</h2>"
        f"<p>{found.events:,} events over {found.days:.1f} days, {found.frauds:,} of them fraud worth "
        f"{found.fraud_value:,.0f}. Under a result stands its 95 % interval from {found.rounds} resamples of "
        "whole customers. For loss and queue the result is the change against rules alone.</p>"
        "<div class=scroll><table class=headline><thead><tr><th></th><th>rules alone</th>"
        "<th>rules and model</th><th>result</th><th>target</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _figure(title: str, svg: str, caption: str, more: str = "") -> str:
    label = escape(f"{title}. {caption}", quote=True)
    picture = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    words = f"<figcaption>{escape(caption)}</figcaption>"
    return f"<figure><h2>{escape(title)}</h2>{picture}{words}{more}</figure>"


def _plots(report: Report) -> str:
    found = report.evaluation
    queue = found.line("queue")
    marks = [(name, at) for name, at in (("rules", queue.rules), ("model", queue.model)) if at]
    beyond = BEYOND if ORACLE in found.curves.precision_recall else ""
    plots = [
        _figure(
            "Precision and recall",
            charts.precision_recall(found.curves),
            "How much of a list is fraud as it is made longer to find more. Up and right is better." + beyond,
        ),
        _figure(
            "Value captured against alerts a day",
            charts.value_captured(found.curves, marks),
            "Share of the stolen money in a list of so many alerts a day. Up and left is better. "
            "Dotted: the queue that each really had.",
        ),
        _figure(
            "Calibration",
            charts.calibration(found.curves),
            "Groups that should hold as many frauds each: on the line, a probability means what it says. "
            f"Mean gap {found.calibration_error:.4f}.",
        ),
        _figure(
            "Scores",
            charts.score_distribution(found.curves),
            "How many honest and fraudulent events got which score. The less they overlap the better.",
        ),
    ]
    if found.patterns:
        caption = "By kind of fraud, cases in brackets, with 95 % intervals; the costliest kind on top."
        plots.append(_figure("Recall by fraud pattern", charts.pattern_recall(found.patterns), caption))
    if report.importance:
        caption = "Mean size of what each feature adds to or takes from the score, over test events."
        plots.append(_figure("What the model looks at", charts.importance(report.importance[:15]), caption))
    return f"<div class=grid>{''.join(plots)}</div>"


def _cell(found: Interval) -> str:
    if found.value is None:
        return "<td>-</td>"
    between = "" if found.low is None else f"<small>{found.low:.3f} to {found.high:.3f}</small>"
    return f"<td>{found.value:.3f}{between}</td>"


def _rankers(found: Evaluation) -> str:
    words = {"fpr": f"{100 * found.fpr:g} %", "k": f"{found.k:,}", "per_day": f"{found.per_day:,}"}
    heads = "".join(f"<th>{escape(text.format(**words))}</th>" for text in FIGURES.values())
    rows = ""
    for ranker in found.rankers:
        cells = "".join(_cell(ranker.figures[key]) for key in FIGURES)
        rows += f"<tr><th scope=row>{escape(ranker.name)}</th>{cells}</tr>"
    return (
        "<section><h2>Every ranking on the same events</h2><div class=scroll><table>"
        f"<thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _service(report: Report) -> str:
    parts = []
    if report.latency is not None:
        parts.append(_latency(report.latency))
    if report.parity is not None:
        parts.append(_facts("The same everywhere, bit for bit", _compared(report.parity), tag="figure"))
    return f"<div class=grid>{''.join(parts)}</div>" if parts else ""


def _latency(load: Latency) -> str:
    title = "Time to answer over HTTP"
    marks = [("p50", load.p50_ms), ("p99", load.p99_ms), ("p99.9", load.p999_ms)]
    sent = f"{load.sent:,} in {load.seconds:.1f} s, {load.rate_per_s:,.0f} a second, open loop"
    facts = {"Requests": sent, "Failed": f"{load.failed:,}"}
    facts |= {name: f"{at:.2f} ms" for name, at in marks}
    if not load.counts:
        return _facts(title, facts, tag="figure")
    caption = "From the moment a request was due, so that waiting behind others counts."
    return _figure(title, charts.latency(load.edges_ms, load.counts, marks), caption, _table(facts))


def _compared(parity: Parity) -> dict[str, str]:
    facts = {
        "Entry points": ", ".join(parity.entry_points),
        "Events": f"{parity.events:,} through each",
        "Features": f"{parity.features_compared:,} compared, {parity.features_differing:,} differ",
        "Scores": f"{parity.scores_compared:,} compared, {parity.scores_differing:,} differ",
    }
    if parity.control_failed is not None:
        caught = "caught" if parity.control_failed else "NOT caught, so this comparison proves nothing"
        facts["Negative control"] = f"a kernel broken on purpose was {caught}"
    return facts


def _judged(report: Report) -> dict[str, str]:
    found = report.evaluation
    return {
        "Test part": f"{_date(found.start_us)} to {_date(found.end_us)}",
        "Calibration error": f"{found.calibration_error:.5f}, 20 groups of about equal size",
        "Brier score": f"{found.brier:.5f}",
        **report.facts,
    }


def _date(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _table(facts: dict[str, str]) -> str:
    rows = "".join(f"<tr><th scope=row>{escape(key)}</th><td>{escape(text)}</td></tr>" for key, text in facts.items())
    return f"<table class=facts><tbody>{rows}</tbody></table>"


def _facts(title: str, facts: dict[str, str], *, tag: str = "section") -> str:
    if not facts:
        return ""
    return f"<{tag}><h2>{escape(title)}</h2>{_table(facts)}</{tag}>"
