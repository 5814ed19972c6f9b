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
    first = [i for i, parent in enumerate(parents) if parent == 0]
    turn = {i: k / len(first) for k, i in enumerate(first)}
    at = [(0.0, 0.0) if parent < 0 else _place(INNER, turn.get(i, 0.0)) for i, parent in enumerate(parents)]
    beyond = sorted((turn[parent], i) for i, parent in enumerate(parents) if parent > 0)
    for k, (_, i) in enumerate(beyond):
        at[i] = _place(1.0, (k + 0.5) / len(beyond) - 0.5 / max(len(first), 1))
    return at


def _place(radius: float, share: float) -> tuple[float, float]:
    """Return a place on a ring, clockwise from the top."""
    angle = 2 * math.pi * share
    return round(radius * math.sin(angle), 4) + 0.0, round(-radius * math.cos(angle), 4) + 0.0
