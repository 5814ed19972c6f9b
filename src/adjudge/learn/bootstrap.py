"""Intervals by resampling: how much a figure would move with other customers of the same kind.

A round draws as many entities (or events) as there are, with repetition, and a metric is computed with the
number of times each was drawn as weights; nothing is copied or sorted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec
import numpy as np

from adjudge.typing import AnyArray, FloatArray, IntArray

Weighted = Callable[[FloatArray], float]
"""A metric as a function of one weight per event."""


Figures = Callable[[FloatArray], Mapping[str, float]]
"""Several metrics by name, as a function of one weight per event."""


class Interval(msgspec.Struct, frozen=True):
    """A figure with the range in which resampling puts it.

    Parameters
    ----------
    value
        The figure on the events as they are; None when it does not exist.
    low, high
        Percentiles of the resampled figures; None without resampling.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def interval(
    metric: Weighted,
    rows: int,
    *,
    entity: AnyArray | None = None,
    rounds: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a metric and its percentile interval over resampled entities.

    Parameters
    ----------
    metric
        Takes one weight per event and returns the figure.
    rows
        Number of events.
    entity
        Who each event belongs to; events of one entity are drawn together, because they are not independent.
        None draws single events.
    rounds
        Resamples; 0 gives the figure alone.
    level
        Share of resampled figures inside the interval.
    seed
        Same seed, same interval.

    Examples
    --------
    The mean of equal values does not move:

    >>> interval(lambda w: float(np.average(np.full(4, 3.0), weights=w)), 4, rounds=20)
    Interval(value=3.0, low=3.0, high=3.0)
    """

    def figures(weight: FloatArray) -> dict[str, float]:
        return {"": metric(weight)}

    return intervals(figures, rows, entity=entity, rounds=rounds, level=level, seed=seed)[""]


def intervals(
    figures: Figures,
    rows: int,
    *,
    entity: AnyArray | None = None,
    rounds: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return several metrics with their intervals from the same resamples.

    Parameters
    ----------
    figures
        Takes one weight per event and returns metrics by name, NaN where one does not exist.
    rows, entity, rounds, level, seed
        See `interval`.

    Examples
    --------
    >>> intervals(lambda w: {"two": 2.0, "none": float("nan")}, 3, rounds=2)
    {'two': Interval(value=2.0, low=2.0, high=2.0), 'none': Interval(value=None, low=None, high=None)}
    """
    values = figures(np.ones(rows))
    samples = [figures(weight) for weight in draws(rows, entity=entity, rounds=rounds, seed=seed)]
    result = {}
    for name, value in values.items():
        found = np.array([sample[name] for sample in samples])
        found = found[np.isfinite(found)]
        if not np.isfinite(value):
            result[name] = Interval(None)
        elif found.shape[0] == 0:
            result[name] = Interval(float(value))
        else:
            low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
            result[name] = Interval(float(value), float(low), float(high))
    return result


def draws(rows: int, *, entity: AnyArray | None = None, rounds: int = 200, seed: int = 0) -> Iterator[FloatArray]:
    """Yield one weight per event and round: how often its entity was drawn.

    Parameters
    ----------
    rows
        Number of events.
    entity
        Who each event belongs to; None draws single events.
    rounds
        How many to yield.
    seed
        Same seed, same draws, so that metrics of one evaluation see the same resamples.

    Examples
    --------
    Two entities of two events each: both events of an entity have the same weight.

    >>> weight = next(draws(4, entity=np.array([1, 1, 2, 2]), rounds=1))
    >>> bool(weight[0] == weight[1]), float(weight.sum())
    (True, 4.0)
    """
    random = np.random.default_rng(seed)
    index: IntArray = np.arange(rows)
    if entity is not None:
        index = np.unique(entity, return_inverse=True)[1].astype(np.int64)
    total = int(index.max()) + 1
    for _ in range(rounds):
        times = np.bincount(random.integers(0, total, total), minlength=total)
        yield times[index].astype(np.float64)
