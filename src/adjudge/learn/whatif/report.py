"""The page of two worlds: one HTML file, in the look of the evaluation's report."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from adjudge.learn import report as evaluation
from adjudge.learn.bootstrap import Interval
from adjudge.learn.sections import _table, percent
from adjudge.learn.whatif import charts
from adjudge.learn.whatif.compare import WhatIf
from adjudge.learn.whatif.holdout import HoldOut

FIGURES = {
    "alerts": ("alerts", 1),
    "frauds": ("frauds among them", 2),
    "fraud_amount": ("what these were worth", 0),
    "precision": ("precision", None),
    "recall": ("recall", None),
    "value_recall": ("share of the fraud money", None),
    "false_alerts": ("honest events with an alert", 1),
    "false_declines": ("honest events stopped", 2),
    "review_hours": ("review hours", 1),
    "prevented": ("fraud prevented", 0),
    "handling": ("cost of looking", 0),
    "insult": ("cost of stopping the honest", 0),
    "saved": ("money saved", 0),
}
"""Member of `Caught` to its name and its decimals; none for a share."""

HELD_OUT = {
    "saved": ("money saved a day", 0),
    "frauds": ("frauds with an alert a day", 2),
    "recall": ("recall", None),
    "value_recall": ("share of the fraud money", None),
    "precision": ("precision", None),
    "false_declines": ("honest events stopped a day", 2),
}
"""The same for what the hold-out estimates."""


def write(found: WhatIf, path: Path) -> Path:
    """Write the page as a file; the old one stays whole until the new one is complete.

    Parameters
    ----------
    found
        Both worlds.
    path
        Where to.
    """
    draft = path.with_name(path.name + ".part")
    draft.write_text(render(found), encoding="utf-8")
    draft.replace(path)
    return path


def render(found: WhatIf) -> str:
    """Return the page; it needs nothing else, and every text of the data in it is escaped.

    Parameters
    ----------
    found
        Both worlds.
    """
    folder = Path(evaluation.__file__).parent
    parts = [_summary(found), _plots(found), _sides(found), _moved(found), _hidden(found), _examples(found)]
    return Template((folder / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{found.system.capitalize()}: what if"),
        subtitle=escape(
            f"{found.events:,} decisions, {found.start[:10]} to {found.end[:10]}, with labels as known on "
            f"{found.as_of[:10]}. Different: {', '.join(found.parts)}."
        ),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        body="\n".join(part for part in parts if part),
        notes="".join(f"<li>{escape(note)}</li>" for note in _notes(found)),
    )


def _notes(found: WhatIf) -> list[str]:
    notes = [
        "Every event was decided once more in the order of the log. What the other world decides is what its later "
        "decisions see; labels, outcomes and corrections come when they came.",
        "People react to decisions: who was stopped in fact may have tried again, and who would be stopped might. That "
        "is in no log.",
        f"Only labels of events that are {found.matures_days:g} days old count, {percent(found.mature)} of all. "
        f"Intervals hold 95 % of {found.rounds} resamples of whole customers.",
        "Money is against letting everything pass, by the costs of the policy that decides in fact, for both worlds.",
    ]
    if found.degraded:
        notes.append(
            f"{found.degraded:,} events were decided without a part of the system then, and are so in the other world."
        )
    return notes


def _summary(found: WhatIf) -> str:
    low, high = found.saved.low, found.saved.high
    sure = low is not None and high is not None and (low > 0 or high < 0)
    better = (found.saved.value or 0.0) > 0
    word = ("saves" if better else "costs") if sure else "cannot be told apart"
    badge = f'<span class="met {"yes" if sure and better else "no"}">{word}</span>'
    return (
        f"<section><h2>The other world {badge}</h2><p>It saves <b>{_figure(found.saved, 0)}</b> a day. "
        f"{found.differing:,} decisions change, {percent(found.differing / found.events)} of all. "
        f"{found.frauds:,} frauds worth {found.fraud_amount:,.0f} are known.</p></section>"
    )


def _plots(found: WhatIf) -> str:
    lines = [
        ("in fact", found.actual.caught.saved),
        ("otherwise", found.other.caught.saved),
        ("difference", found.saved),
    ]
    if found.holdout is not None:
        lines.append(("difference by hold-out", found.holdout.difference["saved"].weighted))
    plots = [
        ("Money a day", charts.saved(lines), "Each with its interval; a difference that reaches across 0 may be luck."),
        ("Money so far", charts.weeks(found.weeks), "By the week of the event; weeks without old labels add nothing."),
    ]
    figures = "".join(_drawn(title, svg, words) for title, svg, words in plots)
    return f"<div class=grid>{figures}</div>"


def _drawn(title: str, svg: str, words: str) -> str:
    picture = svg.replace("<svg", f'<svg role="img" aria-label="{escape(title, quote=True)}"', 1)
    return f"<figure><h2>{escape(title)}</h2>{picture}<figcaption>{escape(words)}</figcaption></figure>"


def _sides(found: WhatIf) -> str:
    rows = []
    for name, (title, digits) in FIGURES.items():
        cells = [_figure(getattr(side.caught, name), digits) for side in (found.actual, found.other)]
        rows.append(([title, *cells], "chosen" if name == "saved" else ""))
    actions = list(dict.fromkeys([*found.actual.actions, *found.other.actions]))
    counts = [
        ([escape(action), *(f"{side.actions.get(action, 0):,}" for side in (found.actual, found.other))], "")
        for action in actions
    ]
    parts = dict.fromkeys([*found.actual.versions, *found.other.versions])
    versions = [
        ([escape(part), *(escape(side.versions.get(part, "-")) for side in (found.actual, found.other))], "")
        for part in parts
    ]
    heads = ["", "in fact", "otherwise"]
    return (
        f"<section><h2>Both worlds, a day</h2>{_table(heads, rows)}</section><div class=grid>"
        f"<figure><h2>Actions</h2>{_table(heads, counts)}</figure>"
        f"<figure><h2>What decides at the end</h2>{_table(heads, versions)}</figure></div>"
    )


def _moved(found: WhatIf) -> str:
    if not found.moved:
        return "<section><h2>What changes</h2><p>No decision does.</p></section>"
    heads = ["in fact", "otherwise", "events", "amount", "frauds", "honest", "unknown", "young", "saved a day"]
    rows = []
    for one in found.moved:
        counts = (one.frauds, one.honest, one.unlabelled, one.young)
        cells = [escape(one.actual), escape(one.other), f"{one.events:,}", f"{one.amount:,.0f}"]
        rows.append(([*cells, *(f"{count:,}" for count in counts), _figure(one.saved, 0)], ""))
    return f"<section><h2>What changes</h2>{_table(heads, rows)}</section>"


def _hidden(found: WhatIf) -> str:
    inner = f"<p>{escape(found.hidden.words)}</p>"
    if found.holdout is not None:
        inner += _holdout(found.holdout)
    return f"<section><h2>What nobody knows</h2>{inner}</section>"


def _holdout(found: HoldOut) -> str:
    heads = ["", "in fact", "by hold-out", "otherwise", "by hold-out", "difference", "by hold-out"]
    rows = []
    for name, (title, digits) in HELD_OUT.items():
        each = [side[name] for side in (found.actual, found.other, found.difference)]
        cells = [_figure(one, digits) for both in each for one in (both.naive, both.weighted)]
        rows.append(([title, *cells], "chosen" if name == "saved" else ""))
    words = (
        f"{found.declined:,} old events did not take place, and {found.tried:,} did by chance only, at odds of "
        f"{percent(found.least_propensity)} or more. Those stand for the others, so it speaks of all of them; "
        f"it is worth {found.effective:,.0f} equally weighted events."
    )
    if found.uncovered:
        words += f" {found.uncovered:,} worth {found.uncovered_amount:,.0f} had no chance, so nothing stands for them."
    return f"<p>{words}</p>{_table(heads, rows)}"


def _examples(found: WhatIf) -> str:
    if not found.examples:
        return ""
    heads = [
        "event",
        "time",
        "amount",
        "in fact",
        "otherwise",
        "what it is",
        "saved",
        "rules in fact",
        "rules otherwise",
    ]
    rows = []
    for one in found.examples:
        sides = ((one.actual, one.actual_p), (one.other, one.other_p))
        told = [f"{escape(action)}<small>{'' if p is None else f'{p:.4f}'}</small>" for action, p in sides]
        amount, saved = ("-" if value is None else f"{value:,.2f}" for value in (one.amount, one.saved))
        rules = [escape(", ".join(fired)) or "-" for fired in (one.actual_rules, one.other_rules)]
        rows.append(([escape(one.id), one.ts[:16].replace("T", " "), amount, *told, one.known, saved, *rules], ""))
    words = "Those first about which it matters most in money, by what is known of them."
    return f"<section><h2>Decisions that change</h2><p>{words}</p>{_table(heads, rows)}</section>"


def _figure(value: float | Interval, digits: int | None) -> str:
    """Return a figure with its range below; without digits it is a share."""

    def told(number: float | None) -> str:
        return percent(number) if digits is None or number is None else f"{number:,.{digits}f}"

    if not isinstance(value, Interval):
        return told(value)
    between = "" if value.low is None else f"<small>{told(value.low)} to {told(value.high)}</small>"
    return f"{told(value.value)}{between}"
