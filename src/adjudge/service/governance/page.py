"""The report's page: one HTML file in the look of the evaluation's report, and the same facts as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

import msgspec

from adjudge.learn import report as evaluation
from adjudge.learn import sections
from adjudge.learn.charts import BLUE, ORANGE, _canvas, _legend, _svg, _tick
from adjudge.learn.report import _facts, _figure, _table
from adjudge.monitor.business import Business
from adjudge.service.governance.facts import Override, Report, Version

SHOWN = 200
"""Rows of a table on the page; the JSON has all of them."""


def encode(found: Report) -> bytes:
    """Return everything as one JSON document; `msgspec.json.decode` with `Report` reads it."""
    return msgspec.json.encode(found)


def write(found: Report, path: Path) -> Path:
    """Write the page, or the JSON where the file's name ends so; the old one stays whole until the new one is complete.

    Parameters
    ----------
    found
        The facts.
    path
        Where to.
    """
    content = encode(found) if path.suffix == ".json" else render(found).encode()
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    draft.replace(path)
    return path


def render(found: Report) -> str:
    """Return the page; it needs nothing else, and every text of the log in it is escaped.

    Parameters
    ----------
    found
        The facts.
    """
    parts = [
        _summary(found),
        _money(found),
        _versions(found.versions, found.overrides[0].action),
        _overrides(found),
        sections.slices(found.slices),
        _incidents(found),
        _approvals(found),
        _card(found),
        _sheet(found),
    ]
    folder = Path(evaluation.__file__).parent
    return Template((folder / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{found.system}: report"),
        subtitle=escape(
            f"{found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}, from the log up to position {found.position:,}. "
            f"{found.meaning}"
        ),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        body="\n".join(part for part in parts if part),
        notes="".join(f"<li>{escape(note)}</li>" for note in found.limits),
    )


def _summary(found: Report) -> str:
    facts = {
        "decisions": f"{found.decisions:,}",
        **{name: f"{count:,} ({count / max(found.decisions, 1):.2%})" for name, count in found.by_action.items()},
        "versions that decided": f"{len(found.versions)}",
        "decided otherwise afterwards": f"{sum(one.against for one in found.overrides):,}",
        "incidents": f"{len(found.incidents)}",
        "net savings": f"{found.savings.net:,.0f}",
    }
    return _facts("In short", facts)


def _money(found: Report) -> str:
    s = found.savings
    back = "never, at this rate" if s.pay_back_months is None else f"{s.pay_back_months:.1f} months"
    facts = {
        "loss prevented": f"{s.prevented:,.0f}",
        "false declines": f"-{s.false_declines:,.0f}",
        "reviews": f"-{s.reviews:,.0f}",
        "running costs, as stated": f"-{s.running:,.0f}",
        "net savings": f"{s.net:,.0f}",
        "loss that was not prevented": f"{s.lost:,.0f}",
        "set-up costs, as stated": f"{s.set_up:,.0f}",
        "paid back after": back if s.set_up else "nothing was stated to be paid back",
        "labels known": f"{s.known:.1%}",
    }
    stated = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in s.currency_costs.items())
    plot = ""
    if len(found.weeks) > 1:
        words = "What was prevented and what was lost, by week, in the base currency."
        plot = f"<div class=grid>{_figure('Money by week', _weeks(found.weeks), words)}</div>"
    words = f"<p>Reckoned with the policy's costs: {escape(stated)}.</p>"
    return f"<section><h2>Savings</h2>{words}{_table(facts)}</section>{plot}"


def _weeks(weeks: Sequence[Business]) -> str:
    figure, axes = _canvas(3.0)
    x = range(len(weeks))
    for name, values, colour, dash in (
        ("prevented", [one.prevented for one in weeks], BLUE, "-"),
        ("lost", [one.loss for one in weeks], ORANGE, "--"),
    ):
        axes.plot(x, values, color=colour, linestyle=dash, linewidth=1.8, marker="o", markersize=4, label=name)
    step = max(1, len(weeks) // 5)
    axes.set_xticks([*x][::step], [one.date[5:] for one in weeks][::step])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(_tick)
    _legend(axes)
    return _svg(figure, "governance-weeks")


def _versions(versions: Sequence[Version], passes: str) -> str:
    heads = ("since", "position", "decisions", "acted on", "degraded", "who and why", "versions")
    rows = []
    for one in versions[-SHOWN:]:
        acted = one.decisions - one.by_action.get(passes, 0)
        named = one.versions | ({"bundle": one.bundle} if one.bundle else {})
        cells = [
            _moment(one.since),
            f"{one.seq:,}",
            f"{one.decisions:,}",
            f"{acted / max(one.decisions, 1):.2%}",
            f"{one.degraded:,}",
            escape(f"{one.who}: {one.why}" if one.who else one.why or "the start"),
            "<br>".join(escape(f"{name} {version[:12]}") for name, version in named.items()),
        ]
        rows.append((cells, ""))
    return _section("Decisions by version", sections._table(heads, rows))


def _overrides(found: Report) -> str:
    heads = ("decision", "decisions", "answers", "decided otherwise", "what was said")
    rows = [(_override(one), "") for one in found.overrides]
    judges = ", ".join(f"{who} {count:,}" for who, count in found.judges.items())
    named = f" By name: {escape(judges)}." if judges else ""
    words = "<p>Labels and outcomes that were told of the decisions; silence is none. Decided otherwise: passed and "
    words += f"told to be fraud, or acted on and told to be honest.{named}</p>"
    return _section("Verdicts against the system", words + sections._table(heads, rows))


def _override(one: Override) -> list[str]:
    judged = sum(one.said.values())
    said = ", ".join(f"{answer} {count:,}" for answer, count in one.said.items())
    share = f" ({one.against / judged:.0%})" if judged else ""
    return [escape(one.action), f"{one.decisions:,}", f"{judged:,}", f"{one.against:,}{share}", escape(said)]


def _incidents(found: Report) -> str:
    if not found.incidents:
        return _section("Incidents", "<p>None: no incomplete decisions, no alerts, nothing rolled back.</p>")
    heads = ("from", "to", "kind", "", "what")
    rows = []
    for one in found.incidents[-SHOWN:]:
        end = "" if one.end == one.start else "it lasts" if one.end is None else _moment(one.end)
        cells = [_moment(one.start), end, one.kind, escape(one.severity), escape(one.words)]
        rows.append((cells, ""))
    return _section("Incidents", _few(found.incidents) + sections._table(heads, rows))


def _approvals(found: Report) -> str:
    rows = [
        ([_moment(one.at), f"{one.seq:,}", one.action.replace("_", " "), escape(one.who), escape(one.why)], "")
        for one in found.approvals[-SHOWN:]
    ]
    table = sections._table(("when", "position", "what", "who", "why"), rows) if rows else "<p>None.</p>"
    others = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in found.acts.items())
    words = f"<p>Other entries that people or programs have signed: {escape(others)}.</p>" if others else ""
    return _section("Approvals", _few(found.approvals) + table + words)


def _card(found: Report) -> str:
    if not found.card_text:
        return _section("Model card", "<p>No bundle with a card decides: rules alone, or a model of before cards.</p>")
    text = f"<pre style='white-space:pre-wrap;overflow-wrap:anywhere'>{escape(found.card_text)}</pre>"
    return _section("Model card", f"<details><summary>{escape(_first_line(found.card_text))}</summary>{text}</details>")


def _first_line(text: str) -> str:
    return next((line.strip("# ") for line in text.splitlines() if line.strip()), "")


def _sheet(found: Report) -> str:
    sheet = found.data
    facts = {
        "stream": f"{sheet.stream}: {sheet.meaning}",
        "events": f"{sheet.events:,}, of which {sheet.retracted:,} were taken back",
        "label": sheet.label,
        "labelled": f"{sheet.labelled:,}, of which {sheet.positive:,} positive",
        "days until a label": ", ".join(f"{name} {days:.1f}" for name, days in sheet.delay_days.items()) or "none came",
        "lists": ", ".join(f"{name} {count:,}" for name, count in sheet.lists.items()) or "none",
    }
    rows = [
        (
            [
                escape(one.name),
                one.role,
                "sealed" if one.personal else "",
                "" if one.missing is None else f"{one.missing:.1%}",
                escape(one.meaning),
            ],
            "",
        )
        for one in sheet.fields
    ]
    heads = ("field", "kind", "personal", "missing", "meaning")
    return _section("Data sheet", _table(facts) + sections._table(heads, rows))


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _few(rows: Sequence[object] | Iterable[object]) -> str:
    count = len([*rows])
    return f"<p>The last {SHOWN} of {count:,}; the JSON has all of them.</p>" if count > SHOWN else ""


def _moment(at: datetime) -> str:
    return f"<span style='white-space:nowrap'>{at:%Y-%m-%d %H:%M}</span>"
