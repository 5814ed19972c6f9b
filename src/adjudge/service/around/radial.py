"""Where the entities of a walk are drawn: in rings around the middle, each beside the one it was reached from."""

from __future__ import annotations

import math
from collections.abc import Sequence

INNER = 0.52
"""Radius of the first ring; the second one is at 1."""


def radial(parents: Sequence[int]) -> list[tuple[float, float]]:
    """Return where entities are drawn, within 1 of the middle; the same walk is always drawn alike.

    Parameters
    ----------
    parents
        For each entity the place of the one that it was reached from, which comes before it; -1 for the middle.

    Examples
    --------
    >>> radial([-1, 0, 0])
    [(0.0, 0.0), (0.0, -0.52), (0.0, 0.52)]
    """
    children: dict[int, list[int]] = {}
    for i, parent in enumerate(parents):
        children.setdefault(parent, []).append(i)
    at = [(0.0, 0.0)] * len(parents)
    first = children.get(0, [])
    weights = [max(1, len(children.get(i, []))) for i in first]
    whole, start = sum(weights), 0
    offset = weights[0] / 2 if weights else 0
    for i, weight in zip(first, weights, strict=True):
        at[i] = _place(INNER, (start + weight / 2 - offset) / whole)
        below = children.get(i, [])
        for k, j in enumerate(below):
            at[j] = _place(1.0, (start + (k + 0.5) * weight / len(below) - offset) / whole)
        start += weight
    return at


def _place(radius: float, share: float) -> tuple[float, float]:
    """Return a place on a ring, clockwise from the top."""
    angle = 2 * math.pi * share
    return round(radius * math.sin(angle), 4) + 0.0, round(-radius * math.cos(angle), 4) + 0.0
