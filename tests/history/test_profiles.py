"""Profiles: the latest row in the order of the log, whatever its time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adjudge.history import ADVANCE, INSERT, SCAN, Profiles


@given(st.lists(st.tuples(st.sampled_from([SCAN, INSERT, ADVANCE]), st.integers(0, 60), st.integers(0, 9))))
def test_profiles_are_a_dictionary(drawn: list[tuple[int, int, int]]) -> None:
    n = len(drawn)
    kind = np.array([k for k, _, _ in drawn], dtype=np.int8)
    keys = np.array([k for _, k, _ in drawn], dtype=np.uint64)
    values = np.array([[v, v + 1] for _, _, v in drawn], dtype=np.float64).reshape(n, 2).T.copy()
    out = np.full((2, n), -7.0)
    profiles = Profiles(2, hashed=[1])
    profiles.fold(kind, keys, values, out)
    held: dict[int, int] = {}
    expected = np.full((2, n), -7.0)
    for i, (what, key, value) in enumerate(drawn):
        if what != INSERT:
            expected[:, i] = (held[key], held[key] + 1) if key in held else (np.nan, 0.0)
        if what != SCAN and key != 0:
            held[key] = value
    np.testing.assert_array_equal(out, expected)
    assert dict(zip(profiles.arrays()["keys"].tolist(), held, strict=False)).keys() == held.keys()
    restored = Profiles.from_arrays(2, profiles.arrays(), hashed=[1])
    assert restored.digest() == profiles.digest()
