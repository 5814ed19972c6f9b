"""Rings: components of who shares what, without hubs, as of a moment and never a moment later."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.errors import InputError, ShapeError
from adjudge.history.layout import DAY_US
from adjudge.learn.rings import FEATURES, Ties, find_rings, ring_features
from adjudge.learn.table import NEVER

KINDS = ("user", "device", "card")

_events = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 6 * 24),
        st.booleans(),
        st.integers(0, 200),
    ),
    max_size=40,
)


def ties_of(events: list[tuple[int, int, int, int, bool, int]]) -> Ties:
    """Return events of (user, device, card, hour, fraud, hour when that is known); 0 is none."""
    columns = np.array([e[:4] for e in events], np.int64).reshape(-1, 4).T
    label = np.array([float(e[4]) for e in events])
    known = np.array([e[5] for e in events], np.int64) * (DAY_US // 24)
    return Ties.of(KINDS, columns[:3], columns[3] * (DAY_US // 24), (label, known))


def by_hand(ties: Ties, as_of: int, window: int, hub: int) -> list[tuple[int, int, int, int, int]]:
    """Return users, shared, edges, events and frauds of each ring, by uniting sets until nothing changes."""
    inside = [i for i, t in enumerate(ties.ts) if as_of - window < t < as_of]
    pairs = {
        (int(ties.nodes[0, i]), int(v)) for i in inside for v in ties.nodes[1:, i] if ties.nodes[0, i] >= 0 and v >= 0
    }
    pairs = {(u, v) for u, v in pairs if len({a for a, b in pairs if b == v}) <= hub}
    rings: list[set[int]] = []
    for pair in pairs:
        touched = [ring for ring in rings if ring & set(pair)]
        rings = [ring for ring in rings if ring not in touched] + [set(pair).union(*touched)]
    found = []
    for ring in rings:
        users = {u for u, _ in pairs if u in ring}
        theirs = [i for i in inside if int(ties.nodes[0, i]) in users]
        frauds = sum(ties.label[i] == 1.0 and ties.known_at[i] <= as_of for i in theirs)
        edges = sum(u in ring for u, _ in pairs)
        if len(users) > 1:
            found.append((len(users), len(ring) - len(users), edges, len(theirs), int(frauds)))
    return sorted(found)


@settings(max_examples=40)
@given(_events, st.integers(0, 7 * 24), st.sampled_from([24, 72, 1000]), st.sampled_from([1, 2, 50]))
def test_rings_are_the_components_of_what_is_shared(
    events: list[tuple[int, int, int, int, bool, int]], hour: int, window: int, hub: int
) -> None:
    ties, hour_us = ties_of(events), DAY_US // 24
    rings = find_rings(ties, hour * hour_us, window_us=window * hour_us, hub=hub)
    found = zip(rings.users, rings.shared, rings.edges, rings.events, rings.frauds, strict=True)
    assert sorted(tuple(map(int, ring)) for ring in found) == by_hand(ties, hour * hour_us, window * hour_us, hub)
    assert ((rings.density > 0) & (rings.density <= 1)).all()


def test_a_hub_ties_nobody_together_and_is_counted() -> None:
    """Ten users at one merchant; two of them share a device as well."""
    keys = np.stack([np.arange(1, 11), np.full(10, 99), np.array([5, 5, *range(10, 18)])])
    ties = Ties.of(("user", "merchant", "device"), keys, np.arange(10))
    apart = find_rings(ties, 100, hub=9)
    assert (apart.users.tolist(), apart.shared.tolist(), apart.hubs) == ([2], [1], 1)
    together = find_rings(ties, 100, hub=10)
    assert (together.users.tolist(), together.hubs) == ([10], 0)


@settings(max_examples=40)
@given(_events, st.integers(1, 5), _events)
def test_what_comes_later_changes_no_feature(
    events: list[tuple[int, int, int, int, bool, int]], day: int, later: list[tuple[int, int, int, int, bool, int]]
) -> None:
    """From one midnight on everything may be otherwise, labels that become known after it too."""
    past = [e for e in events if e[3] < 24 * day]
    changed = [(*e[:4], e[4] if e[5] <= 24 * (day - 1) else not e[4], e[5]) for e in past]
    future = [(*e[:3], e[3] + 24 * day, *e[4:]) for e in later]
    before, after = ring_features(ties_of(past))[1], ring_features(ties_of(changed + future))[1]
    assert np.array_equal(before, after[:, : len(past)], equal_nan=True)


def test_a_feature_tells_of_the_day_before_and_a_new_user_is_found_by_the_device() -> None:
    #  day   0        0        1        1 (new user)    2
    #        u1@d8    u2@d8    u1@d7    u3@d8           u9 alone
    keys = np.array([[1, 2, 1, 3, 9], [8, 8, 7, 8, 6]])
    ts = np.array([0, 1, DAY_US, DAY_US + 1, 2 * DAY_US])
    labels = (np.array([1.0, 0, 0, 0, 0]), np.full(5, DAY_US))
    names, X = ring_features(Ties.of(("user", "device"), keys, ts, labels))
    assert names == FEATURES
    assert X[names.index("ring_users")].tolist() == [0, 0, 2, 2, 0]
    assert X[names.index("ring_frauds")].tolist() == [0, 0, 1, 1, 0]
    np.testing.assert_array_equal(X[names.index("ring_density")], [np.nan, np.nan, 1, 1, np.nan])


def test_a_table_is_read_by_its_columns() -> None:
    at = [datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (1, 2, 3)]
    frame = pl.DataFrame(
        {
            "user": ["a", "b", None],
            "device": ["d", "d", "d"],
            "at": at,
            "label": [1, None, 0],
            "known_at": [at[2], None, None],
        }
    )
    ties = Ties.of_frame(frame, ("user", "device"))
    rings = find_rings(ties, int(at[2].timestamp() * 1e6))
    assert rings.rows() == [{"users": 2, "shared": 1, "edges": 2, "density": 1, "events": 2, "frauds": 1}]
    assert ties.known_at.tolist()[1:] == [NEVER, NEVER]
    with pytest.raises(InputError, match="no column 'devise'; did you mean 'device'"):
        Ties.of_frame(frame, ("user", "devise"))
    with pytest.raises(ShapeError, match="tie nobody together"):
        Ties.of(("user",), np.ones((1, 3)), np.arange(3))
