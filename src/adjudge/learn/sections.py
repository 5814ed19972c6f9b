"""Sections of the report beyond the headline, as HTML; each is empty where there is nothing to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from adjudge.learn import charts
from adjudge.learn.bootstrap import Interval
from adjudge.learn.folds import Folds, Mean
from adjudge.learn.leakage import Leakage
from adjudge.learn.slices import FIGURES, Slicing
from adjudge.learn.tradeoff import TradeOffs
from adjudge.learn.unseen import TOTALS, Unseen

MOVES = {"review": "Alert threshold", "block": "Block threshold"}
"""Which threshold moves, as a title."""

RATES = ("alerts", "blocked", "frauds", "false_declines", "review_hours")
"""What each choice of a threshold means for a day, in the order of the columns."""

CERTAIN = 0.05
"""Chance below which a gap is taken to be more than luck."""


def trade_offs(tables: Sequence[TradeOffs]) -> list[str]:
    """Return a section for each threshold: the curve, and the table behind it."""
    return [_trade_off(table) for table in tables]


def _trade_off(table: TradeOffs) -> str:
    title = f"{MOVES[table.moved]}: what a different choice would cost"
    unit = "expected loss, money" if table.compare == "loss" else "probability"
    heads = [
        f"threshold<small>{unit}</small>", "alerts a day", "stopped a day", "frauds caught a day", "recall",
        "precision", "false positives", "false declines a day", "review hours a day", "money saved a day", "",
    ]  # fmt: skip
    rates = [
        _even([getattr(row, name) for row in table.rows])
        for name in (
            "alerts_per_day",
            "blocked_per_day",
            "frauds_per_day",
            "false_declines_per_day",
            "review_hours_per_day",
        )
    ]
    rows = [
        (
            [
                _number(row.threshold, 4) if row.threshold is not None else "never",
                alerts,
                blocked,
                frauds,
                percent(row.recall),
                percent(row.precision),
                percent(row.false_positive_rate),
                declines,
                hours,
                f"{row.saved_per_day:,.0f}",
                "".join(f'<span class="mark">{escape(mark)}</span> ' for mark in row.marks).strip(),
            ],
            "chosen" if "set" in row.marks else "",
        )
        for row, alerts, blocked, frauds, declines, hours in zip(table.rows, *rates, strict=True)
    ]
    words = (
        "The events of the test under every choice of this one threshold; the other stays. Money saved is against "
        "passing everything: fraud that is stopped, less what looking and stopping honest customers costs. "
        f"A look takes {table.review_minutes:g} minutes. <b>set</b> is the threshold in use, chosen before the test; "
        "<b>least cost</b> is what hindsight would have chosen."
    )
    return (
        f"<section><h2>{title}</h2><p>{words}</p>"
        f"<div class=plot>{charts.trade_off(table)}</div>{_table(heads, rows, style='numbers')}</section>"
    )


def folds(found: Folds | None) -> str:
    """Return the section of the rolling folds."""
    if found is None:
        return ""
    figures = {"auc": "AUC", "average_precision": "average precision", "card_precision": "card precision"}
    heads = ["test", "trained on", "frauds", *figures.values(), "loss against rules", "queue against rules"]
    rows = []
    for fold in found.folds:
        model = next(ranker for ranker in fold.rankers if ranker.name == "model")
        cells = [
            f"{_day(fold.start_us)} to {_day(fold.end_us)}",
            f"{fold.train_events:,}",
            f"{fold.test_frauds:,} of {fold.test_events:,}",
            *(_interval(model.figures[figure]) for figure in figures),
            percent(fold.operating["loss"], signed=True),
            percent(fold.operating["queue"], signed=True),
        ]
        rows.append((cells, ""))
    of_model, operating = found.means["model"], found.means["operating"]
    means = [_mean(of_model[figure]) for figure in figures]
    means += [f"<b>{percent(operating[name].value, signed=True)}</b>" for name in ("loss", "queue")]
    rows.append((["<b>mean</b><small>and standard deviation</small>", "", "", *means], "chosen"))
    others = "; ".join(
        f"{escape(name)} {by['average_precision'].value:.3f}"
        for name, by in found.means.items()
        if name not in ("model", "operating") and by["average_precision"].value is not None
    )
    words = "Each fold trains anew on what was known at its time and is judged on the days after the label delay. "
    words += f"Mean average precision beside the model: {others}."
    if found.without_known:
        words += " Customers known as defrauded take no part in a test."
    return f"<section><h2>Rolling folds</h2><p>{words}</p>{_table(heads, rows)}</section>"


def slices(found: Sequence[Slicing]) -> str:
    """Return the section of the slices."""
    if not found:
        return ""
    heads = ["", "events", "frauds", *(figure.replace("_", " ") for figure in FIGURES)]
    parts = []
    for one in found:
        rows = [
            (
                [
                    escape(part.name),
                    f"{part.events:,}",
                    f"{part.frauds:,}",
                    *(_interval(part.figures[figure], share=True) for figure in FIGURES),
                ],
                "",
            )
            for part in one.slices
        ]
        parts.append(f"<h3>{escape(one.field)}</h3>{_table(heads, rows)}{_gaps(one)}")
    words = (
        "The same figures for each part of the test, with 95 % intervals from resamples of whole customers. The "
        "largest gap of each figure is held against luck; the chance is corrected for every gap on this page. A gap is "
        "a question and no verdict: parts may differ in how much fraud they see."
    )
    return f"<section><h2>Slices</h2><p>{words}</p>{''.join(parts)}</section>"


def _gaps(one: Slicing) -> str:
    said = []
    for gap in one.gaps:
        certain = gap.p < CERTAIN
        kind, words = ("no", "more than luck") if certain else ("yes", "may be luck")
        between = f"{percent(gap.size.low)} to {percent(gap.size.high)}"
        said.append(
            f"<li>{gap.figure.replace('_', ' ')}: {percent(gap.size.value)} between {escape(gap.low)} and "
            f"{escape(gap.high)} ({between}), chance {_chance(gap.p)} <span class='met {kind}'>{words}</span></li>"
        )
    return f"<ul class=gaps>{''.join(said)}</ul>" if said else ""


def unseen(found: Unseen | None) -> str:
    """Return the section of the declined traffic."""
    if found is None:
        return ""
    known = any(one.truth is not None for one in found.figures.values())
    heads = ["", "declined taken for honest", "weighted", *(["really"] if known else [])]
    rows = []
    for name, one in found.figures.items():
        total = name in TOTALS
        cells = [escape(name.replace("_", " ")), *(_interval(e, share=not total) for e in (one.naive, one.weighted))]
        if known:
            cells.append(_number(one.truth) if total else percent(one.truth))
        rows.append((cells, ""))
    words = (
        f"{found.declined:,} of {found.events:,} events were declined; {found.tried:,} that would have been were let "
        f"through by chance, at odds of no less than {found.least_propensity:g}. Each stands for those that were not, "
        f"so the weighted figures are about all events; they are worth {found.effective:,.0f} equally weighted ones."
    )
    return f"<section><h2>Declined traffic</h2><p>{words}</p>{_table(heads, rows)}</section>"


def leakage(found: Leakage | None) -> str:
    """Return the section of the leakage tests."""
    if found is None:
        return ""
    badge = '<span class="met no">found</span>' if found.found else '<span class="met yes">none found</span>'
    rows = [
        (
            [
                escape(one.feature),
                escape(one.test.replace("_", " ")),
                f"{escape(one.words)}{'' if one.proof else '<small>a question for a person, no proof</small>'}",
            ],
            "",
        )
        for one in found.found
    ]
    said = "".join(
        f"<li><b>{escape(name.replace('_', ' '))}</b>: {escape(words)}</li>" for name, words in found.tests.items()
    )
    table = _table(["feature", "test", "what was seen"], rows, style="words") if rows else ""
    return (
        f"<section><h2>Leakage {badge}</h2><p>{found.features:,} features of {found.events:,} events; "
        f"{len(found.readers)} of them read the label.</p><ul class=gaps>{said}</ul>{table}</section>"
    )


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a share in percent.

    Examples
    --------
    >>> percent(0.0123), percent(-0.5, signed=True), percent(None), percent(0.0004)
    ('1.2 %', '-50.0 %', '-', '0.04 %')
    """
    if value is None:
        return "-"
    digits = 2 if 0 < abs(value) < 0.01 else 1
    return f"{100 * value:{'+' if signed and value else ''}.{digits}f} %"


def _number(value: float | None, digits: int = 3) -> str:
    """Return a number with a few significant digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def _even(values: Sequence[float]) -> list[str]:
    """Return the numbers of a column with as many decimals each, so that points stand below one another.

    Examples
    --------
    >>> _even([0.962, 26.0, 1234.5]), _even([0.0, 0.0641])
    (['1.0', '26.0', '1,234.5'], ['0.00', '0.06'])
    """
    digits = 1 if max(values, default=0.0) >= 10 else 2
    return [f"{value:,.{digits}f}" for value in values]


def _chance(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _interval(found: Interval, *, share: bool = False) -> str:
    if found.value is None:
        return "-"

    def told(value: float | None) -> str:
        return percent(value) if share else _number(value)

    between = "" if found.low is None else f"<small>{told(found.low)} to {told(found.high)}</small>"
    return f"{told(found.value)}{between}"


def _mean(found: Mean) -> str:
    return "-" if found.value is None else f"<b>{found.value:.3f}</b><small>{found.std:.3f}</small>"


def _day(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1e6, tz=UTC).strftime("%Y-%m-%d")


def _table(heads: Iterable[str], rows: Iterable[tuple[Sequence[str], str]], *, style: str = "") -> str:
    """Return a table of cells that are HTML already; it and each row may have a class."""
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = ""
    for (first, *cells), kind in rows:
        marked = f" class={kind}" if kind else ""
        body += f"<tr{marked}><th scope=row>{first}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    classes = f"dense {style}".strip()
    return f'<div class=scroll><table class="{classes}"><thead><tr>{head}</tr></thead>{body}</table></div>'
