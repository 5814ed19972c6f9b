"""Rate limits: a bucket that fills steadily and that every event takes a drop from."""

from __future__ import annotations

import math

BURST_S = 2
"""Seconds' worth of events that may come at once after a pause."""


class Bucket:
    """How much of a rate is left.

    A batch may overdraw it, because nobody knows its rows before it was read; what comes after waits the longer. So the
    rate holds on average, whatever comes at once.

    Parameters
    ----------
    rate_per_s
        Events a second.
    now_us
        The time, in microseconds.

    Examples
    --------
    >>> bucket = Bucket(10, now_us=0)
    >>> bucket.take(0), bucket.charge(24)
    (0, None)
    >>> bucket.take(0)  # 25 of the 20 are gone: the first one that is left over comes in 0.6 s
    1
    >>> bucket.take(600_000)
    0
    """

    __slots__ = ("_at_us", "_level", "_most", "rate_per_s")

    def __init__(self, rate_per_s: int, now_us: int) -> None:
        self.rate_per_s = rate_per_s
        self._most = float(rate_per_s * BURST_S)
        self._level = self._most
        self._at_us = now_us

    def take(self, now_us: int) -> int:
        """Take one event out and return 0, or return how many seconds to wait."""
        elapsed_us = max(now_us - self._at_us, 0)  # a clock that is set back fills nothing
        self._level = min(self._level + elapsed_us * self.rate_per_s / 1e6, self._most)
        self._at_us = now_us
        if self._level >= 1.0:
            self._level -= 1.0
            return 0
        return max(math.ceil((1.0 - self._level) / self.rate_per_s), 1)

    def charge(self, events: int) -> None:
        """Take more events out, whether they are there or not."""
        self._level -= events
