"""Plots of the page of two worlds, in the look of the evaluation's report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adjudge.learn.bootstrap import Interval
from adjudge.learn.charts import BLUE, FAINT, GREEN, ORANGE, PINK, _canvas, _legend, _svg, _tick
from adjudge.learn.whatif.compare import Week

LOOKS = ((ORANGE, "s", "--"), (BLUE, "o", "-"), (GREEN, "D", "-."), (PINK, "^", ":"))
"""Colour, mark and dash of what happened in fact, of the other world, and of what they differ by."""


def weeks(found: Sequence[Week]) -> str:
    """Return the money that both worlds save, summed up week by week.

    Parameters
    ----------
    found
        The weeks in order.
    """
    figure, axes = _canvas(3.0)
    place = np.arange(len(found))
    both = ([week.actual for week in found], "in fact"), ([week.other for week in found], "otherwise")
    for (values, name), (colour, mark, dash) in zip(both, LOOKS, strict=False):
        axes.plot(
            place, np.cumsum(values), color=colour, marker=mark, markersize=4, linestyle=dash, linewidth=2, label=name
        )
    axes.axhline(0, color=FAINT, linewidth=1)
    step = max(1, -(-len(found) // 6))
    axes.set_xticks(place[::step], [week.begins[2:] for week in found[::step]])
    axes.set(xlabel="week of", ylabel="money saved so far")
    axes.yaxis.set_major_formatter(_tick)
    _legend(axes)
    return _svg(figure, "whatif-weeks")


def saved(found: Sequence[tuple[str, Interval]]) -> str:
    """Return sums of money a day, each with its interval, one below the other.

    Parameters
    ----------
    found
        What each is, and the figure; one without a value is left out.
    """
    figure, axes = _canvas(0.9 + 0.42 * max(len(found), 2))
    there = [(name, one, one.value) for name, one in found if one.value is not None]
    for i, (_, one, value) in enumerate(reversed(there)):
        colour, mark, _ = LOOKS[(len(there) - 1 - i) % len(LOOKS)]
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [i, i], color=colour, linewidth=1.8)
        axes.plot([value], [i], color=colour, marker=mark, markersize=6, linestyle="")
    axes.axvline(0, color=FAINT, linewidth=1)
    axes.set_yticks(range(len(there)), [name for name, *_ in reversed(there)])
    axes.set(ylim=(-0.6, len(there) - 0.4), xlabel="money saved a day, against letting everything pass")
    axes.xaxis.set_major_formatter(_tick)
    axes.grid(axis="y", visible=False)
    return _svg(figure, "whatif-saved")
