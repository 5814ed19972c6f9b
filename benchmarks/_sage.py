"""Weights of the size that `Sage` has unless told otherwise, drawn at random: what they compute takes the same time."""

from __future__ import annotations

import numpy as np

from adjudge.models.graph import EventGraph
from adjudge.models.graph.layers import Layers
from adjudge.models.graph.sample import width

SIZES = (32, 16, 32)
"""Units of the first and second layer, and of the hidden layer above."""


def random_layers(graph: EventGraph) -> Layers:
    """Return layers that fit a graph."""
    random, (d1, d2, hidden) = np.random.default_rng(0), SIZES
    kinds, columns = len(graph.kinds), len(graph.names)
    inputs = 2 * columns + kinds * d2
    return Layers(
        mean=np.zeros(columns),
        scale=np.ones(columns),
        w1=random.normal(size=(kinds, width(graph), d1)),
        b1=random.normal(size=(kinds, d1)),
        w2=random.normal(size=(kinds, 2 * d1, d2)),
        b2=random.normal(size=(kinds, d2)),
        wh=random.normal(size=(inputs, hidden)),
        bh=random.normal(size=hidden),
        wo=random.normal(size=hidden),
        base=np.zeros(inputs + 1),
    )
