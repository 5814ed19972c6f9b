"""Graphs of events and the entities they share: who is near whom, as of a moment, within bounds.

`events` keeps the edges, `sample` walks them, `sizes` watches how far they reach.
"""

from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.sample import Fanout, Surroundings, surroundings
from adjudge.models.graph.sizes import SizeReport, Sizes

__all__ = ["EventGraph", "Fanout", "SizeReport", "Sizes", "Surroundings", "surroundings"]
