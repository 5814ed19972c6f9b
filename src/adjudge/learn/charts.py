"""Plots as SVG text that takes its colours from the page, so that one file reads well in light and in dark.

Matplotlib draws with stand-in colours; each becomes a CSS variable. The palette is Okabe and Ito's, and no
line is told from another by colour alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.learn.curves import ORACLE, Curves, PointList
from adjudge.learn.evaluate import PatternRecall
from adjudge.learn.tradeoff import TradeOff, TradeOffs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, GRID = "#010101", "#020202", "#030303"
BLUE, ORANGE, GREEN, PINK = "#040404", "#050505", "#060606", "#070707"
VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    GRID: "grid",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PINK: "pink",
}
"""Stand-in colour to the name of the CSS variable that replaces it."""

LOOKS = {"model": (BLUE, "-", 2.4), "rules": (ORANGE, "--", 2.0), ORACLE: (INK, ":", 1.8)}
"""Colour, dash and width of the rankings that are always there, and of the one that nobody can beat."""

OTHERS = ((GREEN, "-.", 1.8), (PINK, ":", 2.0), (FAINT, "--", 1.4))
"""Looks of further rankings, in order."""


def precision_recall(curves: Curves) -> str:
    """Return the precision-recall plot of every ranking.

    Parameters
    ----------
    curves
        Points to draw.
    """
    figure, axes = _canvas(3.6)
    for name, points, look in _ranked(curves.precision_recall):
        # a part of a tie is as precise as all of it, so the first group reaches back to no recall at all
        _line(axes, PointList((0.0, *points.x), (points.y[0], *points.y)) if points.x else points, look, name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall: share of frauds found")
    axes.set_ylabel("precision of the list")
    _percent(axes, "x")
    _percent(axes, "y")
    _legend(axes)
    return _svg(figure, "precision-recall")


def value_captured(curves: Curves, queues: Sequence[tuple[str, float]]) -> str:
    """Return the share of fraud money caught against alerts a day.

    Parameters
    ----------
    curves
        Points to draw.
    queues
        Operating points to mark: name and alerts per day.
    """
    figure, axes = _canvas(3.6)
    for name, points, look in _ranked(curves.value_captured):
        if name != ORACLE:  # which ranks by chance and not by money
            _line(axes, points, look, name)
    axes.set_xscale("log")
    axes.set(ylim=(0, 1.02), xlabel="alerts per day (log scale)", ylabel="share of fraud money caught")
    for place, (name, queue) in enumerate(queues):
        colour = LOOKS[name][0]
        axes.axvline(queue, color=colour, linewidth=1, linestyle=(0, (2, 3)))
        words = f"{name}: {_short(queue)} a day"
        _beside(axes, words, (queue, 0.02 + 0.07 * place), colour)
    axes.xaxis.set_major_formatter(_tick)
    _percent(axes, "y")
    _legend(axes)
    return _svg(figure, "value-captured")


def calibration(curves: Curves) -> str:
    """Return what the model said against what came true, both on log scales because fraud is rare.

    Parameters
    ----------
    curves
        Points to draw; groups without a fraud stand at the foot.
    """
    figure, axes = _canvas(3.6)
    said, came = np.array(curves.calibration.x), np.array(curves.calibration.y)
    known = came > 0
    least = min([*said[said > 0], *came[known], 0.1])
    floor = float(10 ** np.floor(np.log10(max(1e-6, least))))
    said = np.maximum(said, floor)
    axes.plot([floor, 1], [floor, 1], color=FAINT, linewidth=1, linestyle="--", label="said = came true")
    axes.plot(said[known], came[known], color=BLUE, marker="o", linewidth=1.6, markersize=5, label="model")
    if not known.all():
        foot = np.full(int((~known).sum()), floor)
        axes.plot(said[~known], foot, color=BLUE, marker="v", linestyle="", label="no fraud in the group")
    axes.set(xscale="log", yscale="log", xlim=(floor * 0.85, 1.2), ylim=(floor * 0.85, 1.2))
    axes.set(xlabel="probability the model gave", ylabel="share that was fraud")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    _legend(axes)
    return _svg(figure, "calibration")


def score_distribution(curves: Curves) -> str:
    """Return how many honest and fraudulent events got which score.

    Parameters
    ----------
    curves
        Bins to draw.
    """
    figure, axes = _canvas(3.6)
    edges = np.array(curves.score_edges)
    both = ((curves.honest, ORANGE, "--", "honest"), (curves.fraud, BLUE, "-", "fraud"))
    for counts, colour, dash, name in both:
        tall = np.maximum(np.array(counts, dtype=np.float64), 0.5)
        axes.stairs(tall, edges, baseline=0.5, color=colour, fill=True, alpha=0.18)
        axes.stairs(tall, edges, baseline=0.5, color=colour, linewidth=1.8, linestyle=dash, label=name)
    axes.set(yscale="log", xlim=(0, 100), xlabel="risk score", ylabel="events (log scale)")
    axes.set_ylim(bottom=0.5)
    axes.yaxis.set_major_formatter(_tick)
    _legend(axes)
    return _svg(figure, "score-distribution")


def pattern_recall(patterns: Sequence[PatternRecall]) -> str:
    """Return recall by kind of fraud, rules beside model, with intervals.

    Parameters
    ----------
    patterns
        Rows from top to bottom.
    """
    figure, axes = _canvas(1.1 + 0.42 * max(len(patterns), 2))
    for place, pattern in enumerate(reversed(patterns)):
        both = ((pattern.rules, -0.14, ORANGE, "s"), (pattern.model, 0.14, BLUE, "o"))
        for found, shift, colour, mark in both:
            if found.value is None or found.low is None or found.high is None:
                continue
            axes.plot([found.low, found.high], [place + shift] * 2, color=colour, linewidth=1.6)
            axes.plot(found.value, place + shift, color=colour, marker=mark, markersize=5.5, linestyle="")
    labels = [f"{pattern.name.replace('_', ' ')} ({pattern.frauds})" for pattern in reversed(patterns)]
    axes.set_yticks(range(len(patterns)), labels)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(patterns) - 0.4), xlabel="share of its frauds with an alert")
    axes.plot([], [], color=ORANGE, marker="s", linewidth=1.6, label="rules")
    axes.plot([], [], color=BLUE, marker="o", linewidth=1.6, label="rules and model")
    axes.grid(axis="y", visible=False)
    _percent(axes, "x")
    _legend(axes)
    return _svg(figure, "pattern-recall")


def importance(shares: Sequence[tuple[str, float]]) -> str:
    """Return the features that the model leans on most.

    Parameters
    ----------
    shares
        Name and share, largest first.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _canvas(0.9 + 0.27 * max(len(shares), 2))
    rows = list(reversed(shares))
    axes.barh(range(len(rows)), [share for _, share in rows], color=BLUE, height=0.62)
    for place, (_, share) in enumerate(rows):
        _beside(axes, f"{100 * share:.1f} %", (share, place), INK, va="center")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    longest = max((share for _, share in rows), default=1.0)
    axes.set(xlim=(0, longest * 1.14), ylim=(-0.6, len(rows) - 0.4))
    axes.set_xlabel("share of all contributions to the score")
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(6, prune="upper"))  # the last would stand half outside
    _percent(axes, "x")
    return _svg(figure, "importance")


def latency(edges_ms: Sequence[float], counts: Sequence[int], marks: Sequence[tuple[str, float]]) -> str:
    """Return how long answers took, both axes logarithmic so that the tail is seen.

    Parameters
    ----------
    edges_ms
        Edges of the bins, rising, the first above 0.
    counts
        Answers of each bin.
    marks
        Percentiles to mark: name and milliseconds.
    """
    figure, axes = _canvas(3.2)
    tall, edges = np.maximum(np.array(counts, dtype=np.float64), 0.5), np.array(edges_ms)
    axes.stairs(tall, edges, baseline=0.5, color=BLUE, fill=True, alpha=0.25)
    axes.stairs(tall, edges, baseline=0.5, color=BLUE, linewidth=1.4)
    top = float(tall.max())
    for place, (name, at) in enumerate(marks):
        axes.axvline(at, color=INK, linewidth=1, linestyle=(0, (2, 3)))
        _beside(axes, f"{name} {at:.3g} ms", (at, top * 2 * 2.6 ** (2 - place)), INK)
    axes.set(xscale="log", yscale="log", xlabel="milliseconds (log scale)", ylabel="answers (log scale)")
    axes.set_ylim(0.5, top * 40)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_tick)
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    return _svg(figure, "latency")


def trade_off(table: TradeOffs) -> str:
    """Return the money saved a day against how often the action is taken, the marked choices on the line.

    Parameters
    ----------
    table
        What each choice would have meant.
    """
    figure, axes = _canvas(3.2)
    name = "alerts" if table.moved == "review" else "events stopped"

    def taken(row: TradeOff) -> float:
        return row.alerts_per_day if table.moved == "review" else row.blocked_per_day

    rows = [row for row in table.rows if taken(row) > 0]
    axes.plot(
        [taken(row) for row in rows], [row.saved_per_day for row in rows],
        color=BLUE, linewidth=2.2, marker=".", markersize=6,
    )  # fmt: skip
    axes.axhline(0, color=FAINT, linewidth=1)
    looks = {"set": (ORANGE, "o", 9.0), "least cost": (GREEN, "D", 7.0), "capacity": (PINK, "s", 7.0)}
    for mark, (colour, shape, size) in looks.items():
        row = table.marked(mark)
        if row is not None and taken(row) > 0:
            axes.plot(
                taken(row), row.saved_per_day, color=colour, marker=shape, markersize=size, linestyle="",
                label=f"{mark}: {_short(taken(row))} a day",
            )  # fmt: skip
    axes.set(xscale="log", xlabel=f"{name} per day (log scale)", ylabel="money saved per day")
    axes.xaxis.set_major_formatter(_tick)
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.yaxis.set_major_formatter(_tick)
    axes.margins(y=0.12)
    _legend(axes)
    return _svg(figure, f"trade-off-{table.moved}")


def _canvas(height: float) -> tuple[Any, Axes]:
    """Return a figure of the one width that all plots share, in inches, with its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, height), layout="constrained")
    axes = figure.add_subplot()
    figure.patch.set_visible(False)  # the page shines through, light or dark
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(which="both", colors=FAINT, labelcolor=INK, labelsize=9)
    axes.xaxis.label.set(color=INK, fontsize=9.5)
    axes.yaxis.label.set(color=INK, fontsize=9.5)
    return figure, axes


def _ranked(lines: dict[str, PointList]) -> list[tuple[str, PointList, tuple[str, str, float]]]:
    """Return the lines with their looks, the model last and so on top."""
    others = iter(OTHERS)
    result = []
    for name, points in lines.items():
        result.append((name, points, LOOKS[name] if name in LOOKS else next(others, OTHERS[-1])))
    return sorted(result, key=lambda item: item[0] == "model")


def _line(axes: Axes, points: PointList, look: tuple[str, str, float], name: str) -> None:
    colour, dash, width = look
    mark = "o" if len(points.x) < 8 else ""  # a ranking of few steps is points, not a line
    axes.plot(
        points.x,
        points.y,
        color=colour,
        linestyle=dash,
        linewidth=width,
        marker=mark,
        markersize=4,
        label=name,
    )


def _beside(axes: Axes, words: str, at: tuple[float, float], colour: str, va: str = "baseline") -> None:
    """Write words a little to the right of a point."""
    axes.annotate(words, at, (4, 0), textcoords="offset points", va=va, fontsize=8.5, color=colour)


def _legend(axes: Axes) -> None:
    """Put the legend above the plot, where it hides no line."""
    count = len(axes.get_legend_handles_labels()[1])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=count, frameon=False, fontsize=9, labelcolor=INK)


def _percent(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")


def _tick(value: float, _: float) -> str:
    return _short(value)


def _short(value: float) -> str:
    """Return a number as a tick label: 0.1, 10, 1k, 2.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _svg(figure: Any, salt: str) -> str:
    """Return a figure as an inline SVG element without fixed colours, fonts, sizes or dates."""
    import matplotlib as mpl

    buffer = io.StringIO()
    silent = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=silent)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for stand_in, variable in VARIABLES.items():
        text = text.replace(stand_in, f"var(--{variable})")
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"font: (\d[\d.]*px) [^;\"]*", r"font-size: \1", text)
    for size in ("width", "height"):  # the page decides; the view box keeps the shape
        text = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", text, count=1)
    names = set(re.findall(r'id="([^"]+)"', text))

    def own(match: re.Match[str]) -> str:
        """Prefix an id, so that the plots of one page do not share any."""
        return f"{match[1]}{salt}-{match[2]}" if match[2] in names else match[0]

    text = re.sub(r'(id="|href="#|url\(#)([^")]+)', own, text)
    return re.sub(r">\s+<", "><", text)
