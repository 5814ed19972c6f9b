"""Plots of the monitor's page, in the look of the evaluation's report: text that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adjudge.learn.bootstrap import Interval
from adjudge.learn.charts import BLUE, FAINT, GREEN, INK, ORANGE, _canvas, _legend, _svg
from adjudge.monitor.overview import Course
from adjudge.monitor.performance import Performance
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def course(found: Course, watched: str, first: str, *, pipeline: bool, salt: str) -> str:
    """Return one question over all days, with what is usual as a band.

    Parameters
    ----------
    found
        The question.
    watched
        Date of the first watched day.
    first
        Date of the first day with an alarm.
    pipeline
        Whose change it is; told by colour and mark.
    salt
        Keeps the plots of a page apart.
    """
    figure, axes = _canvas(2.5)
    seen, usual = _numbers(found.seen), _numbers(found.usual)
    place = np.arange(len(seen))
    axes.fill_between(place, usual - 2 * found.spread, usual + 2 * found.spread, color=FAINT, alpha=0.22, linewidth=0)
    axes.plot(place, usual, color=FAINT, linewidth=1.4, linestyle="--", label="usual, and what days differ by")
    axes.plot(place, seen, color=INK, linewidth=1.2, marker=".", markersize=4, label="seen")
    begin = found.dates.index(first)
    colour, mark = (ORANGE, "^") if pipeline else (BLUE, "o")
    name = "pipeline" if pipeline else "world"
    axes.plot(place[begin:], seen[begin:], color=colour, linewidth=2.2, marker=mark, markersize=5, label=name)
    axes.axvline(found.dates.index(watched) - 0.5, color=FAINT, linewidth=1, linestyle=(0, (2, 3)))
    _days(axes, found.dates)
    top = max(float(np.nanmax(seen)), float(np.nanmax(usual)))
    digits = 2 if top < 0.01 else 1 if top < 0.1 else 0
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.{digits}f} %")
    _legend(axes)
    return _svg(figure, salt)


def performance(found: Sequence[Performance], name: str) -> str:
    """Return what a figure was expected to be and what it was, period by period.

    Parameters
    ----------
    found
        The periods.
    name
        Of the figure.
    """
    figure, axes = _canvas(2.8)
    dates = [one.date for one in found]
    expected = [one.expected.get(name, Interval(None)) for one in found]
    true = [one.truth.get(name, Interval(None)) for one in found]
    place = np.arange(len(found))
    low, value, high = (_numbers([getattr(one, end) for one in expected]) for end in ("low", "value", "high"))
    axes.fill_between(place, low, high, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(place, value, color=BLUE, linewidth=2, marker="o", markersize=4, label="estimate from scores, now")
    came = _numbers([one.value for one in true])
    if np.isfinite(came).any():
        reach = [came - _numbers([one.low for one in true]), _numbers([one.high for one in true]) - came]
        axes.errorbar(
            place, came, yerr=np.maximum(np.nan_to_num(np.stack(reach)), 0.0), color=ORANGE, linestyle="", marker="s",
            markersize=5, elinewidth=1.2, label="truth, when labels had come",
        )  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    _days(axes, dates)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    _legend(axes)
    return _svg(figure, f"performance-{name}")


def calibration(found: Sequence[Performance]) -> str:
    """Return how many bad events probabilities led one to expect, and how many there were, where labels have come."""
    figure, axes = _canvas(2.8)
    ripe = [one for one in found if one.calibration_z is not None]
    place = np.arange(len(ripe))
    expected = np.array([one.bad_expected for one in ripe])
    axes.fill_between(
        place, expected - 2 * np.sqrt(expected), expected + 2 * np.sqrt(expected), color=FAINT, alpha=0.22, linewidth=0
    )
    axes.plot(place, expected, color=FAINT, linestyle="--", linewidth=1.6, label="expected from probabilities")
    axes.plot(
        place, [one.bad_seen for one in ripe], color=GREEN, marker="D", markersize=4, linewidth=1.8, label="came true"
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("bad events")
    _days(axes, [one.date for one in ripe])
    _legend(axes)
    return _svg(figure, "calibration-over-time")


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _days(axes: Axes, dates: Sequence[str]) -> None:
    """Name at most seven days below a plot."""
    step = max(1, -(-len(dates) // 7))
    places = list(range(0, len(dates), step))
    axes.set_xticks(places, [dates[i][5:] for i in places])
