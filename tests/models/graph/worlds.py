"""A small world for the graph models: honest people with their own devices, and rings that share a few."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adjudge.models import Sage
from adjudge.models.graph import Fanout
from adjudge.typing import AnyArray, FloatArray

DAY_US = 86_400_000_000
NAMES = ("amount", "hour", "user", "device", "at")
MIX = np.uint64(0x9E3779B97F4A7C15)


class World(NamedTuple):
    """Rows in order of time (numbers, keys as float slots, time), and whether each is a ring's."""

    X: FloatArray
    y: FloatArray

    def before(self, day: int) -> World:
        rows = self.X[:, -1] < day * DAY_US
        return World(self.X[rows], self.y[rows])

    def since(self, day: int) -> World:
        rows = self.X[:, -1] >= day * DAY_US
        return World(self.X[rows], self.y[rows])


def world(n: int = 4000, *, seed: int = 0, people: int = 300, rings: int = 12, days: int = 40) -> World:
    """Return payments of people on their own two devices, and of rings of eight users on two devices for two days.

    The numbers tell next to nothing: only who is with whom does.
    """
    random = np.random.default_rng(seed)
    user = random.integers(0, people, n)
    device = 2 * user + random.integers(0, 2, n)
    day = random.random(n) * days
    for ring in range(rings):
        rows = random.choice(n, 24, replace=False)
        user[rows] = people + 8 * ring + random.integers(0, 8, 24)
        device[rows] = 2 * people + 2 * ring + random.integers(0, 2, 24)
        day[rows] = (ring + 0.5) * days / rings + random.random(24) * 2 - 1
    y = (user >= people).astype(np.float64)
    keys = (np.stack([user, device + 10_000]).astype(np.uint64) + np.uint64(1)) * MIX
    keys[1, random.random(n) < 0.05] = 0
    X = np.empty((n, 5))
    X[:, 0] = random.exponential(50, n) * (1 + 0.2 * y)
    X[:, 1] = random.integers(0, 24, n)
    X[random.random(n) < 0.1, 0] = np.nan
    X[:, 2:4] = keys.T.view(np.float64)
    X[:, 4] = np.rint(np.clip(day, 0, days) * DAY_US)
    order = np.argsort(X[:, 4], kind="stable")
    return World(X[order], y[order])


def sage(**settings: object) -> Sage:
    """Return a small net that trains in seconds."""
    defaults: dict[str, AnyArray | object] = {
        "fanout": Fanout(8, 4),
        "sizes": (8, 6, 8),
        "epochs": 8,
        "batch": 128,
        "learning_rate": 0.02,
        "dropout": 0.0,
        "calibration": None,
        "refresh_hours": 0.0,
    }
    return Sage(**(defaults | settings))  # type: ignore[arg-type]
