"""Growing: a graph takes in a log stretch by stretch and never holds more than what can still be reached.

What lies beyond everybody's reach once stays there, because events only come on top. So cutting it away after every
stretch leaves, in the end, the graph that all of the log at once would have given.
"""

from __future__ import annotations

import numpy as np

from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.refresh import merged, places, relabelled, trimmed
from adjudge.typing import BoolArray, FloatArray, HashArray, IntArray

Said = tuple[HashArray, FloatArray, IntArray]
"""What was said: hashes of events' ids, 1 or 0, and when."""


class Growing:
    """A graph that takes in events, and what was said of them.

    Parameters
    ----------
    graph
        The graph so far.
    stays
        Which of its events stay.
    lateness_us, schedule_us, memory_us
        See `trimmed`.
    delay_us
        See `relabelled`.
    of_log_alone
        Whether events of the graph so far go that are not among those taken in.

    Attributes
    ----------
    graph
        What can still be reached of what was there and was taken in.
    newest
        Time of the newest event, of the whole graph so far as well; 0 where there is none.
    events
        How many events there were, both together.
    """

    def __init__(
        self,
        graph: EventGraph,
        stays: BoolArray,
        *,
        lateness_us: int,
        schedule_us: int,
        memory_us: int,
        delay_us: int,
        of_log_alone: bool = False,
    ) -> None:
        self.graph = graph if stays.all() else graph.take(stays)
        self.lateness_us, self.schedule_us, self.memory_us = lateness_us, schedule_us, memory_us
        self.delay_us = delay_us
        self.newest = int(graph.ts.max(initial=0))
        self.events = len(self.graph.ts)
        self._old = np.sort(self.graph.ids)  # those of before, as long as they were not taken in
        self._of_log_alone = of_log_alone
        self._said: Said = (np.empty(0, np.uint64), np.empty(0), np.empty(0, np.int64))

    def add(self, part: EventGraph, gone: HashArray, said: Said) -> None:
        """Take in a stretch.

        Parameters
        ----------
        part
            Its events, scaled as the layers read them.
        gone
            Hashes of the ids of events that are not to be there.
        said
            What was said in it, of these events or of earlier ones.
        """
        again = np.isin(part.ids, self._old)
        before = int(np.isin(self.graph.ids, gone).sum()) if len(gone) else 0
        self.events += int((~again).sum()) - before
        self._old = np.setdiff1d(self._old, np.concatenate([part.ids, gone]))
        whole = merged(self.graph, part, gone)
        self.newest = max(self.newest, int(part.ts.max(initial=0)))
        self.graph = self._trimmed(whole, self.newest + 1)
        self._keep(said, whole.ids)

    def grown(self, as_of: int) -> EventGraph:
        """Return the graph as of a moment after everything, with what was said."""
        if self._of_log_alone and len(self._old):
            stays = ~np.isin(self.graph.ids, self._old)
            self.events -= len(self._old)
            self.graph, self._old = self.graph.take(stays), np.empty(0, np.uint64)
        ids, label, at = self._said
        self.graph = self._trimmed(self.graph, as_of)
        return relabelled(self.graph, ids, label, np.minimum(at, as_of), self.delay_us)

    def _trimmed(self, graph: EventGraph, as_of: int) -> EventGraph:
        return trimmed(graph, as_of, self.lateness_us, schedule_us=self.schedule_us, memory_us=self.memory_us)

    def _keep(self, said: Said, known: HashArray) -> None:
        """Keep the last that was said of each event that is there or may still come; `known` were there just now."""
        ids, label, at = (np.concatenate([a, b]) for a, b in zip(self._said, said, strict=True))
        _, last = np.unique(ids[::-1], return_index=True)
        rows = len(ids) - 1 - np.sort(last)[::-1]
        there = places(self.graph.ids, ids[rows]) >= 0
        may_come = (places(known, ids[rows]) < 0) & (at[rows] > self.newest - self.memory_us)
        rows = rows[there | may_come]
        self._said = ids[rows], label[rows], at[rows]
