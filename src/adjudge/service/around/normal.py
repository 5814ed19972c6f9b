"""What is usual: how amounts, hours and values are distributed over the events that were known by then."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from adjudge.service.around.view import Bin, Count, Nearby, Normal

MOST_BINS = 12
"""Most bins of amounts."""

MOST_VALUES = 5
"""Values of a field that are named, beside that of the event in hand."""

STEPS = ((1, 2, 5), (1, 3), (1,), (1,), (1,))
"""Edges of a decade, the finest first."""


def normal(earlier: Sequence[Nearby], this: Nearby | None) -> Normal:
    """Return what is usual over some events, beside one."""
    amounts = [one.amount for one in earlier if one.amount is not None]
    mine = None if this is None else this.amount
    hours = [0] * 24
    for one in earlier:
        hours[one.hour] += 1
    return Normal(
        events=len(earlier),
        amounts=bins(amounts, mine),
        below=None if mine is None or not amounts else sum(a < mine for a in amounts) / len(amounts),
        hours=hours,
        values=_values(earlier, this),
    )


def bins(amounts: Sequence[float], mine: float | None) -> list[Bin]:
    """Return how many amounts are in each of a few bins with round edges, which hold an amount of one's own, too.

    Edges grow by decades, because amounts do; what is not above 0 is in a bin of its own.

    Examples
    --------
    >>> [(b.low, b.high, b.count) for b in bins([3.0, 4.0, 15.0], 60.0)]
    [(2.0, 5.0, 2), (5.0, 10.0, 0), (10.0, 20.0, 1), (20.0, 50.0, 0), (50.0, 100.0, 0)]
    """
    every = [*amounts, *(() if mine is None else (mine,))]
    edges = _edges([a for a in every if a > 0])
    if any(a <= 0 for a in every):
        edges = [min(every), *(edges or [1.0])]
    return [Bin(low, high, sum(low <= a < high for a in amounts)) for low, high in itertools.pairwise(edges)]


def _edges(amounts: Sequence[float]) -> list[float]:
    """Return round edges around some amounts above 0."""
    if not amounts:
        return []
    low, high = min(amounts), max(amounts)
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high)) + 1
    for coarse, steps in enumerate(STEPS):
        wide = max(1, coarse - 1)
        every = [float(f"{m}e{k}") for k in range(first - first % wide, last + wide + 1, wide) for m in steps]
        start = max((i for i, edge in enumerate(every) if edge <= low), default=0)
        stop = next(i for i, edge in enumerate(every) if edge > high)
        if stop - start <= MOST_BINS:
            break
    return every[start : stop + 1]


def _values(earlier: Sequence[Nearby], this: Nearby | None) -> dict[str, list[Count]]:
    mine = {} if this is None else this.values
    names = dict.fromkeys([*mine, *(name for one in earlier for name in one.values)])
    found = {}
    for name in names:
        seen = Counter(one.values[name] for one in earlier if name in one.values)
        shown = seen.most_common(MOST_VALUES)
        own = mine.get(name)
        if own is not None and own not in dict(shown):
            shown.append((own, seen[own]))
        found[name] = [Count(value, count, value == own) for value, count in shown]
    return found
