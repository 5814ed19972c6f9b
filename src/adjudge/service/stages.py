"""Stages: where the time of a batch goes, measured with a handful of clock readings a batch and none an event."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

BOUNDS_S = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the histograms of stages, in seconds."""

STAGES = ("decode", "queue", "admit", "histories", "decide", "record", "append", "answer")
"""What happens to a request and the batch that it is decided in, in order."""

Observer = Callable[[str, float, float], None]
"""Is told of a stage when it ends, and when it began and ended."""


class Histogram:
    """Counts observations by upper bound; adding one costs a search in a short tuple.

    Parameters
    ----------
    bounds
        Upper bounds, ascending; what lies above them all is counted too.

    Examples
    --------
    >>> seen = Histogram((1.0, 2.0))
    >>> for value in (0.5, 2.0, 7.0):
    ...     seen.add(value)
    >>> seen.cumulative(), seen.sum
    ([('1', 1), ('2', 2), ('+Inf', 3)], 9.5)
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = BOUNDS_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, or so many of the same."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def cumulative(self) -> list[tuple[str, int]]:
        """Return how many values were at most each bound, as Prometheus writes bounds."""
        total, result = 0, []
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            total += count
            result.append(("+Inf" if bound is None else f"{bound:g}", total))
        return result


class Stages:
    """Times the stages of one batch after another.

    `begin` starts the watch, `lap` ends a stage and adds to it what has passed since the last reading, `end` counts
    the batch. A batch may go through a stage several times: its parts are added up.

    Parameters
    ----------
    timer
        Returns seconds that never run backwards.

    Attributes
    ----------
    observer
        Is told of each stage as it ends; None tells nobody.

    Examples
    --------
    >>> now = iter([10.0, 10.5, 11.5, 11.75])
    >>> stages = Stages(lambda: next(now))
    >>> stages.begin()
    >>> for stage in ("histories", "decide", "histories"):
    ...     stages.lap(stage)
    >>> stages.end(), stages.seconds["histories"].sum, stages.seconds["decide"].sum
    (None, 0.75, 1.0)
    """

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = {stage: Histogram() for stage in STAGES}
        self.last: dict[str, float] = {}
        self.observer: Observer | None = None
        self._timer = timer
        self._at = 0.0

    def begin(self) -> None:
        """Begin with a batch; what is known of one that was not ended is forgotten."""
        self.last = {}
        self._at = self._timer()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time and count a stage by itself: one that may run on another thread than the rest of its batch."""
        began = self._timer()
        yield
        self.note(stage, began, self._timer())

    def note(self, stage: str, began: float, ended: float) -> None:
        """Count a stage that is no part of a batch, by when it began and ended."""
        self.seconds[stage].add(ended - began)
        if self.observer is not None:
            self.observer(stage, began, ended)

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = self._timer()
        self.last[stage] = self.last.get(stage, 0.0) + now - self._at
        if self.observer is not None:
            self.observer(stage, self._at, now)
        self._at = now

    def end(self) -> None:
        """Count the batch."""
        for stage, seconds in self.last.items():
            self.seconds[stage].add(seconds)
