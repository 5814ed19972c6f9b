"""The rows of a value are those that looking through all of them finds, however many came since they were sorted."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.service import keyindex
from adjudge.service.keyindex import KeyIndex


@pytest.mark.parametrize("least", [0, 10, 20_000])
def test_it_finds_what_a_look_through_all_finds(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyindex, "LEAST", least)
    rng, index = np.random.default_rng(4), KeyIndex()
    column = rng.integers(0, 12, 3_000).astype(np.uint64)
    column[::7] = np.iinfo(np.uint64).max
    rows = np.empty(3_000, np.dtype([("seq", "i8"), ("keys", "u8", (2,))]))
    rows["keys"][:, 1] = column  # as it lies in memory: between other things
    for end in (0, 1, 9, 40, 41, 700, 3_000):
        seen = rows["keys"][:end, 1]
        for token in (*range(13), int(np.iinfo(np.uint64).max)):
            assert index.rows(seen, token).tolist() == np.flatnonzero(seen == np.uint64(token)).tolist()
