"""How large neighbourhoods are: counts kept, and an alert before the bound is what everybody gets."""

from __future__ import annotations

import msgspec
import numpy as np

from adjudge.models.graph.sample import Fanout
from adjudge.typing import IntArray

LARGEST = 1 << 16
"""Sizes from here on are counted as one."""


class SizeReport(msgspec.Struct, frozen=True):
    """Sizes of the neighbourhoods of some decisions.

    Parameters
    ----------
    targets
        How many decisions.
    p50, p95, p99, largest
        Nodes that their neighbourhoods would have had without bounds.
    p99_kept, largest_kept
        Nodes that they had.
    sampled
        How many were cut down.
    alert
        What is wrong, empty where nothing is.
    """

    targets: int
    p50: int
    p95: int
    p99: int
    largest: int
    p99_kept: int
    largest_kept: int
    sampled: int
    alert: str


class Sizes:
    """Counts of neighbourhoods by size, in bounded memory.

    Parameters
    ----------
    fanout
        The bounds that the neighbourhoods were found with.

    Examples
    --------
    >>> sizes = Sizes(Fanout())
    >>> sizes.add(np.array([10, 950, 2000]), np.array([10, 950, 800]))
    >>> sizes.report().sampled, sizes.report().alert
    (1, 'the 95th percentile of neighbourhoods is 2000 nodes, above 900: 1 of 3 were sampled')
    """

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._wanted = np.zeros(LARGEST + 1, np.int64)
        self._kept = np.zeros(LARGEST + 1, np.int64)
        self._sampled = 0

    def add(self, wanted: IntArray, kept: IntArray) -> None:
        """Count decisions by the nodes that their neighbourhoods would have had and had."""
        for counts, sizes in ((self._wanted, wanted), (self._kept, kept)):
            counts += np.bincount(np.minimum(sizes, LARGEST), minlength=LARGEST + 1)
        self._sampled += int((kept < wanted).sum())

    def report(self) -> SizeReport:
        """Return what has been counted so far, with an alert where the 95th percentile is too high."""
        targets = int(self._wanted.sum())
        p95 = _percentile(self._wanted, 0.95)
        alert = ""
        if p95 > self._fanout.alert:
            alert = f"the 95th percentile of neighbourhoods is {p95} nodes, above {self._fanout.alert}: "
            alert += f"{self._sampled} of {targets} were sampled"
        return SizeReport(
            targets,
            _percentile(self._wanted, 0.5),
            p95,
            _percentile(self._wanted, 0.99),
            _percentile(self._wanted, 1.0),
            _percentile(self._kept, 0.99),
            _percentile(self._kept, 1.0),
            self._sampled,
            alert,
        )


def _percentile(counts: IntArray, share: float) -> int:
    """Return the smallest size that so many have at most; 0 where there are none."""
    total = int(counts.sum())
    return int(np.searchsorted(np.cumsum(counts), max(1, np.ceil(share * total)))) if total else 0
