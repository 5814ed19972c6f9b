"""The monitor's page: one HTML file in the look of the evaluation's report; the two causes look different in it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

import msgspec

from adjudge.learn import report as evaluation
from adjudge.learn.bootstrap import Interval
from adjudge.learn.sections import _table, percent
from adjudge.monitor import charts
from adjudge.monitor.drift import Drift
from adjudge.monitor.overview import Episode, Overview
from adjudge.monitor.verdict import question_words

ADVICE = {
    "world": "The data is sound and the world has moved: look at rules, thresholds and capacity, and let a challenger "
    "learn from the new days.",
    "pipeline": "The data is not what it says it is: mend the source first, and leave these days out of training. "
    "Decisions since then were made on wrong inputs.",
}
"""What to do about a change of the world, and of the pipeline."""

BADGE = {"world": "● world", "pipeline": "▲ pipeline"}

FIELDS = 14
"""Fields of the strip of distances."""


def write(found: Overview, path: Path) -> Path:
    """Write the page as a file; the old one stays whole until the new one is complete.

    Parameters
    ----------
    found
        What watching came to.
    path
        Where to.
    """
    draft = path.with_name(path.name + ".part")
    draft.write_text(render(found), encoding="utf-8")
    draft.replace(path)
    return path


def encode(found: Overview) -> bytes:
    """Return everything as one JSON document; `msgspec.json.decode` with `Overview` reads it."""
    return msgspec.json.encode(found)


def render(found: Overview) -> str:
    """Return the page; it needs nothing else, and every text of the data in it is escaped.

    Parameters
    ----------
    found
        What watching came to.
    """
    watched = found.days[0].date if found.days else ""
    parts = [_summary(found)]
    parts += [_episode(one, watched, i) for i, one in enumerate(found.episodes)]
    parts += [_strip(found), _days(found), _performance(found), _business(found), _levels(found), _notices(found)]
    folder = Path(evaluation.__file__).parent
    css = "\n".join((one / "report.css").read_text(encoding="utf-8") for one in (folder, Path(__file__).parent))
    return Template((folder / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(found.title),
        subtitle=escape(
            f"{found.days[0].date} to {found.days[-1].date}, against {found.reference[0]} to {found.reference[1]}"
        ),
        style=css,
        body="\n".join(part for part in parts if part),
        notes="".join(f"<li>{escape(note)}</li>" for note in _notes()),
    )


def _notes() -> list[str]:
    return [
        "A day is held against the reference's share at the same hours of working days, Saturdays and Sundays. What is "
        "unusual is measured in what reference days differ by among themselves.",
        "Chances are corrected for all questions about a field, and held to a false discovery rate of 0.5 % over "
        "fields and the last fourteen watched days; a change has to be large on one day, or go on for two.",
        "Estimates from scores suppose that probabilities mean what they say; calibration shows whether they did.",
    ]


def _summary(found: Overview) -> str:
    alarms = [day for day in found.days if day.verdict is not None]
    if not alarms:
        words = f"{len(found.days)} days and {sum(day.events for day in found.days):,} events as usual."
        return (
            f"<section><h2><span class='cause quiet'>✓ quiet</span> Nothing is the matter</h2><p>{words}</p></section>"
        )
    causes = {cause: sum(day.verdict is not None and day.verdict.cause == cause for day in alarms) for cause in BADGE}
    told = ", ".join(f"<span class='cause {cause}'>{BADGE[cause]}</span>{n} days" for cause, n in causes.items() if n)
    return f"<section><h2>{len(alarms)} of {len(found.days)} days with an alarm</h2><p>{told}</p></section>"


def _episode(one: Episode, watched: str, number: int) -> str:
    span = one.first if one.first == one.last else f"{one.first} to {one.last}"
    own = [evidence for evidence in one.evidence if evidence.cause == one.cause]
    others = [evidence for evidence in one.evidence if evidence.cause != one.cause]
    words = "".join(f"<li>{escape(evidence.words)}</li>" for evidence in own[:6])
    words += "".join(f"<li class=other>{escape(evidence.words)}</li>" for evidence in others[:4])
    plots = "".join(_course(one, watched, number, i) for i in range(len(one.courses)))
    return (
        f"<section class='episode {one.cause}'><h2><span class='cause {one.cause}'>{BADGE[one.cause]}</span>"
        f"{escape(own[0].words)}</h2><p>{span}</p><ul class=evidence>{words}</ul>"
        f"<p class=next>{ADVICE[one.cause]}</p><div class=grid>{plots}{_apart(one)}</div>"
        f"{_drifts(one.drifts)}</section>"
    )


def _course(one: Episode, watched: str, number: int, place: int) -> str:
    found = one.courses[place]
    svg = charts.course(found, watched, one.first, pipeline=one.cause == "pipeline", salt=f"course-{number}-{place}")
    label = escape(found.title, quote=True)
    picture = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f"<figure><h2>{escape(found.title)}</h2>{picture}</figure>"


def _apart(one: Episode) -> str:
    if one.apart is None:
        return ""
    rows = [([escape(name), percent(share)], "") for name, share in one.apart.fields[:6]]
    auc = one.apart.auc
    words = f"A classifier tells the last day from the reference with an area under the curve of {auc.value:.3f} "
    words += f"({auc.low:.3f} to {auc.high:.3f}); 0.5 is chance."
    table = _table(["field", "share of its gain"], rows)
    return f"<figure><h2>What tells the days apart</h2>{table}<figcaption>{words}</figcaption></figure>"


def _drifts(drifts: tuple[Drift, ...]) -> str:
    rows = []
    for drift in drifts[:10]:
        cells = [
            escape(drift.name), escape(question_words(drift)), f"{drift.seen:.1%}", f"{drift.usual:.1%}",
            f"{drift.z:+.1f}", percent(drift.effect), "two days" if drift.sustained else "one day",
        ]  # fmt: skip
        rows.append((cells, ""))
    if not rows:
        return ""
    return _table(["field", "share that is", "seen", "usual", "distance", "of all events", "seen on"], rows)


def _strip(found: Overview) -> str:
    """Return PSI by field and day, shaded against what is nothing."""
    fields: dict[str, list[float]] = {}
    for day in found.days:
        for one in day.distances:
            fields.setdefault(one.field, []).append(one.psi / max(one.usual_psi, 1e-4))
    ordered = sorted(fields, key=lambda name: -max(fields[name]))[:FIELDS]
    if not ordered:
        return ""
    last = {one.field: one for one in found.days[-1].distances}
    heads = ["", *(day.date[5:] for day in found.days[-21:]), "PSI", "JS", "KS"]
    rows = ""
    for name in ordered:
        cells = ""
        for ratio in fields[name][-21:]:
            deep = min(80, max(0, round(20 * (ratio - 1))))
            colour = f"background: color-mix(in srgb, var(--pink) {deep}%, transparent)"
            cells += f'<td style="{colour}">{ratio:.1f}</td>'
        far = last[name]
        ks = "-" if far.ks is None else f"{far.ks:.3f}"
        rows += (
            f"<tr><th scope=row>{escape(name)}</th>{cells}<td>{far.psi:.3f}</td><td>{far.js:.3f}</td><td>{ks}</td></tr>"
        )
    head = "".join(f"<th>{text}</th>" for text in heads)
    words = "PSI of each day over what nine in ten reference days stay below; the three distances are of the last day."
    return (
        f"<section><h2>Fields over time</h2><p>{words}</p><div class=scroll><table class='dense strip'>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _days(found: Overview) -> str:
    rows = []
    for day in found.days:
        cause = "" if day.verdict is None else day.verdict.cause
        wrong = "<br>".join(escape(breach.words) for breach in day.breaches[:4])
        words = escape(day.verdict.evidence[0].words) if day.verdict is not None else ""
        badge = f"{BADGE[cause]}" if cause else "as usual"
        rows.append(([day.date, f"{day.events:,}", badge, words, wrong], f"alarm-{cause}" if cause else ""))
    table = _table(["day", "events", "", "what", "expectations not met"], rows, style="words")
    return f"<section><h2>Day by day</h2>{table}</section>"


def _interval(found: Interval | None) -> str:
    if found is None or found.value is None:
        return "-"
    between = "" if found.low is None else f"<small>{percent(found.low)} to {percent(found.high)}</small>"
    return f"{percent(found.value)}{between}"


def _performance(found: Overview) -> str:
    if not found.performance:
        return ""
    plots = ""
    for name in ("precision", "recall", "average_precision"):
        picture = charts.performance(found.performance, name)
        title = name.replace("_", " ").capitalize()
        plots += f"<figure><h2>{title}</h2>{picture}</figure>"
    if any(one.calibration_z is not None for one in found.performance):
        plots += f"<figure><h2>Calibration over time</h2>{charts.calibration(found.performance)}</figure>"
    heads = [
        "",
        "alerts",
        "labels",
        *(f"{n}<small>{w}</small>" for n in ("precision", "recall") for w in ("estimate", "truth")),
    ]
    rows = []
    for one in found.performance:
        cells = [one.date, f"{one.alerts:,}", percent(one.known / max(one.events, 1))]
        for name in ("precision", "recall"):
            cells += [_interval(one.expected.get(name)), _interval(one.truth.get(name))]
        rows.append((cells, ""))
    words = "The estimate is made at once from calibrated scores, the truth when labels have come; each with its range."
    inner = f"<p>{words}</p><div class=grid>{plots}</div>{_table(heads, rows)}"
    return f"<section><h2>How well it decides</h2>{inner}</section>"


def _business(found: Overview) -> str:
    if not found.business:
        return ""
    heads = [
        "", "loss", "prevented", "false declines", "their cost", "review hours", "review cost", "cost per case",
        "labels known",
    ]  # fmt: skip
    rows = []
    for one in found.business:
        case = "-" if one.cost_per_case is None else f"{one.cost_per_case:,.2f}"
        cells = [
            one.date, f"{one.loss:,.0f}", f"{one.prevented:,.0f}", f"{one.false_declines:,.1f}",
            f"{one.false_decline_cost:,.0f}", f"{one.review_hours:,.1f}", f"{one.review_cost:,.0f}", case,
            percent(one.known),
        ]  # fmt: skip
        rows.append((cells, ""))
    words = "Where a label is not known yet, its probability stands in for it."
    return f"<section><h2>What it is worth</h2><p>{words}</p>{_table(heads, rows)}</section>"


def _levels(found: Overview) -> str:
    if not found.levels or found.objective is None:
        return ""
    within = "" if found.objective.within_ms is None else f" within {found.objective.within_ms:g} ms"
    words = f"{percent(found.objective.share)} of the answers whole{within}. At a burn of 1 the budget just lasts."
    rows = []
    for one in found.levels:
        p50, p99 = ("-" if value is None else f"{value:.1f} ms" for value in (one.p50_ms, one.p99_ms))
        cells = [one.date, f"{one.answers:,}", p50, p99, f"{one.good:.3%}", f"{one.burn:.2f}", percent(one.left)]
        rows.append((cells, ""))
    table = _table(["", "answers", "p50", "p99", "good", "burn", "budget left"], rows)
    return f"<section><h2>Service levels</h2><p>{words}</p>{table}</section>"


def _notices(found: Overview) -> str:
    if not found.notices:
        return ""
    rows = []
    for notice in found.notices:
        day = next(day.date for day in found.days if day.start_us + 86_400_000_000 == notice.at_us)
        words = "<br>".join(escape(one.words) for one in notice.incidents[:5])
        rows.append(([day, notice.kind, escape(notice.group), words], ""))
    return f"<section><h2>Alerts</h2>{_table(['end of', '', 'group', 'incidents'], rows, style='words')}</section>"
