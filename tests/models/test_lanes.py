"""Rows side by side have the bits of a row alone, whatever the sizes of the layers and however many lanes are full."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.models.lanes import FEWEST, LANES

from .rows import Rows
from .test_dense import drawn_net


@pytest.mark.parametrize("hidden", [(), (3,), (16, 12), (17, 5, 6), (8, 4, 1)])
@pytest.mark.parametrize("n", [FEWEST, LANES - 1, LANES, LANES + FEWEST - 1, 3 * LANES + 1])
def test_lanes_have_the_bits_of_rows_alone(hidden: tuple[int, ...], n: int, later: Rows) -> None:
    """A row alone is the oracle: it adds up number by number, and passes over what is 0."""
    net = drawn_net(later, hidden, seed=len(hidden))
    X = np.ascontiguousarray(later.slots[:, :n])
    X[1, 0], X[2, 0], X[:, 1] = np.inf, -np.inf, np.nan
    margin, every = net.explained(X, later.places)
    for j in range(n):
        one, pushes = net.explained(np.ascontiguousarray(X[:, j : j + 1]), later.places)
        assert one.tobytes() == margin[j : j + 1].tobytes()
        assert pushes.tobytes() == every[j : j + 1].tobytes()
    assert net.raw(X, later.places, 0).margin.tobytes() == margin.tobytes()


def test_the_usual_row_pushes_nothing_in_any_lane(later: Rows) -> None:
    """Nothing is away from where it usually is, so that every slope is that of a ReLU at rest."""
    net = drawn_net(later, (9, 6))
    known = np.ascontiguousarray(later.slots[:, later.slots[0] == later.slots[0]][:, :1])
    _, every = net.explained(np.repeat(known, LANES, axis=1), later.places)
    assert (every == every[0]).all()
