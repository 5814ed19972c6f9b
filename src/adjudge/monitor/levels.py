"""Whether answers are fast and whole enough: service levels, and how much of the error budget is spent."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from adjudge.errors import InputError
from adjudge.monitor.days import DAY_US, date_of
from adjudge.typing import BoolArray, FloatArray, IntArray


class Objective(msgspec.Struct, frozen=True):
    """What a service promises.

    Parameters
    ----------
    share
        Share of answers that are to be good, below 1.
    within_ms
        A good answer takes at most so long; None for any time.

    Raises
    ------
    InputError
        If the share is not between 0 and 1: a promise of every answer leaves no budget.
    """

    share: float = 0.999
    within_ms: float | None = 50.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            message = f"an objective of {self.share:g} leaves no budget; it must lie between 0 and 1"
            raise InputError(message, field="share", code="out_of_bounds")


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One day against the objective.

    Parameters
    ----------
    date, start_us
        The day.
    answers
        How many.
    p50_ms, p99_ms
        Percentiles of the time to answer; None without times.
    good
        Share of good answers.
    burn
        How fast the budget is spent: 1 spends all of it by the end of the budget's days.
    left
        Share of the budget that is left after this day, of all answers of the budget's days; below 0 when overspent.
    """

    date: str
    start_us: int
    answers: int
    p50_ms: float | None
    p99_ms: float | None
    good: float
    burn: float
    left: float


def levels(
    ts: IntArray, latency_ms: FloatArray, whole: BoolArray, objective: Objective, *, budget_days: int = 28
) -> tuple[Level, ...]:
    """Return every day against the objective.

    Parameters
    ----------
    ts
        Times of the answers, microseconds UTC.
    latency_ms
        How long each took; NaN where nobody measured, which is not held against it.
    whole
        Which were made by everything that should take part, nothing left out.
    objective
        What is promised.
    budget_days
        Days over which the budget is counted, back from each day.

    Examples
    --------
    Of 1000 answers two are slow, where one may be:

    >>> slow = np.where(np.arange(1000) < 2, 80.0, 3.0)
    >>> day = levels(np.zeros(1000, np.int64), slow, np.ones(1000, np.bool_), Objective(0.999, 50.0))[0]
    >>> day.good, round(day.burn, 6), round(day.left, 6)
    (0.998, 2.0, -1.0)
    """
    fast = np.ones(len(ts), np.bool_) if objective.within_ms is None else ~(latency_ms > objective.within_ms)
    good = fast & whole
    number = ts // DAY_US
    result: list[Level] = []
    for day in np.unique(number):
        rows = number == day
        recent = (number <= day) & (number > day - budget_days)
        budget = (1 - objective.share) * recent.sum()
        share = float(good[rows].mean())
        times = latency_ms[rows][~np.isnan(latency_ms[rows])]
        p50, p99 = (float(value) for value in np.quantile(times, [0.5, 0.99])) if len(times) else (None, None)
        result.append(
            Level(
                date=date_of(int(day) * DAY_US),
                start_us=int(day) * DAY_US,
                answers=int(rows.sum()),
                p50_ms=p50,
                p99_ms=p99,
                good=share,
                burn=(1 - share) / (1 - objective.share),
                left=float(1 - (recent & ~good).sum() / budget),
            )
        )
    return tuple(result)


def overspent(found: Sequence[Level]) -> bool:
    """Whether the budget is spent after the last day."""
    return bool(found) and found[-1].left < 0
