"""The rows that every model test shares."""

from __future__ import annotations

import pytest

from .rows import Rows, draw


@pytest.fixture(scope="session")
def train() -> Rows:
    """2,000 training rows."""
    return draw(2000, seed=1)


@pytest.fixture(scope="session")
def later() -> Rows:
    """1,100 later rows, enough to fill the largest batch."""
    return draw(1100, seed=2)
