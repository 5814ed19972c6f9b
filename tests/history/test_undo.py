"""What is folded between hold and restore has never been: no digest, no array and no later answer tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import HoldError, ShapeError
from adjudge.history import INSERT, LABEL, Aggregation, Histories, Layout, Measure, Profiles, codes, memory
from tests.history.scenarios import DAY, HOUR, MEASURES, Entries, bits, entries, everything, layouts
from tests.history.test_kernel import random_entries

EVERYTHING = everything((HOUR, None), 2 * HOUR)


def part(whole: Entries, start: int, stop: int) -> Entries:
    """Return some consecutive entries."""
    values = np.ascontiguousarray(whole.values[:, start:stop])
    return Entries(whole.kind[start:stop], whole.keys[start:stop], whole.ts[start:stop], whole.seq[start:stop], values)


def parts(whole: Entries, cuts: Sequence[int]) -> list[Entries]:
    """Cut entries at some places."""
    return [part(whole, start, stop) for start, stop in pairwise([0, *sorted(cuts), len(whole)])]


def check_undone(layout: Layout, past: Entries, batch: Sequence[Entries], future: Entries) -> None:
    """Fold a batch, take it back, and compare with a state that never saw it; then fold it for good."""
    live, calm, whole = Histories(layout), Histories(layout), Histories(layout)
    for histories in (live, calm, whole):
        past.fold(histories, layout.width)
    live.hold()
    for piece in batch:
        piece.fold(live, layout.width)
    live.restore()
    assert live.digest() == calm.digest()
    assert replace(live.stats(), bytes=0) == replace(calm.stats(), bytes=0)
    live.hold()
    assert (bits(future.fold(live, layout.width)) == bits(future.fold(calm, layout.width))).all()
    assert live.digest() == calm.digest()
    live.restore()
    for piece in [*batch, future]:
        assert (bits(piece.fold(live, layout.width)) == bits(piece.fold(whole, layout.width))).all()
    assert live.digest() == whole.digest()


@given(layouts(EVERYTHING), entries(most=60), st.lists(st.integers(0, 60), min_size=2, max_size=5))
def test_a_batch_that_is_taken_back_has_never_been(layout: Layout, drawn: Entries, cuts: list[int]) -> None:
    """Late and tied events, labels and retractions of what was before and of what is in the batch, merging."""
    past, *batch, future = parts(drawn, [min(cut, len(drawn)) for cut in cuts])
    check_undone(layout, past, batch, future)


def marked(drawn: Entries, seed: int) -> Entries:
    """Add labels and retractions of events before, one for every three entries, each some way after its event."""
    random = np.random.default_rng(seed)
    events = np.flatnonzero(drawn.kind > 0)
    named = random.choice(events, len(drawn) // 3, replace=False)
    places = np.minimum(named + random.integers(1, 200, len(named)), len(drawn))
    order = np.argsort(np.concatenate([np.arange(len(drawn)), places - 0.5]), kind="stable")
    values = drawn.values[:, named]
    kind = random.choice(np.array([3, 3, 4], dtype=np.int8), len(named))
    values[:3, kind == LABEL] = np.array([[4.0], [0.0], [1.0]])
    return Entries(
        np.concatenate([drawn.kind, kind])[order],
        np.concatenate([drawn.keys, drawn.keys[named]])[order],
        np.concatenate([drawn.ts, drawn.ts[named]])[order],
        np.concatenate([drawn.seq, drawn.seq[named]])[order],
        np.ascontiguousarray(np.concatenate([drawn.values, values], axis=1)[:, order]),
    )


@pytest.mark.parametrize(("keys", "capacity", "lateness"), [(3, 16, HOUR), (40, 512, 0), (1500, 2, 20 * DAY)])
def test_a_large_batch_that_is_taken_back_has_never_been(keys: int, capacity: int, lateness: int) -> None:
    """The table, the arena and the journal grow inside the batch; rows die and are dropped, keys merge repeatedly."""
    layout = Layout(MEASURES, EVERYTHING, capacity=capacity, memory_us=3 * DAY, lateness_us=lateness)
    drawn = marked(random_entries(9_000, keys, 5), 6)
    past, *batch, future = parts(drawn, [100, 200, 6_000, 10_000])
    check_undone(layout, past, batch, future)


def test_rounds_of_taking_back_take_no_more_memory() -> None:
    layout = Layout(MEASURES, EVERYTHING, capacity=16, memory_us=3 * DAY, lateness_us=HOUR)
    histories = Histories(layout)
    past, batch = parts(marked(random_entries(3_000, 50, 7), 8), [1_000])
    batch.keys[::5] += np.uint64(1_000)
    past.fold(histories, layout.width)
    before, sizes = histories.digest(), []
    for _ in range(20):
        histories.hold()
        batch.fold(histories, layout.width)
        histories.restore()
        sizes.append(histories.stats().bytes)
    assert histories.digest() == before
    assert sizes == [sizes[0]] * len(sizes)


@pytest.mark.parametrize("count", range(1, 20))
def test_a_block_that_another_key_took_meanwhile_is_filled_again(count: int) -> None:
    """A late event moves a key with a full block to a larger one; the rows of another key go where it lay."""
    layout = Layout([Measure("x")], [Aggregation("sum", 0), Aggregation("first", 0)])

    def run(key: int, ts: list[int]) -> Entries:
        n = len(ts)
        kind, times = np.full(n, INSERT, dtype=np.int8), np.array(ts, dtype=np.int64)
        return Entries(kind, np.full(n, key, dtype=np.uint64), times, times, times.astype(np.float64)[None])

    past = run(1, list(range(0, 100 * count, 100)))
    batch = [run(1, [50 * count - 30]), run(2, list(range(1_000, 1_020)))]
    check_undone(layout, past, batch, run(1, [100 * count]))


def test_what_is_released_stays() -> None:
    layout = Layout(MEASURES, EVERYTHING, capacity=8, memory_us=3 * DAY)
    held, free = Histories(layout), Histories(layout)
    for piece in parts(marked(random_entries(600, 5, 9), 10), range(50, 800, 50)):
        held.hold()
        assert (bits(piece.fold(held, layout.width)) == bits(piece.fold(free, layout.width))).all()
        held.release()
    assert held.digest() == free.digest()


def test_a_batch_that_was_refused_in_the_middle_is_taken_back() -> None:
    layout = Layout([Measure("x"), Measure("fraud", "label")], [Aggregation("sum", 0), Aggregation("rate", 1)])
    histories = Histories(layout)
    before = histories.digest()
    kind, keys = np.array([INSERT, INSERT, LABEL], dtype=np.int8), np.array([1, 2, 1], dtype=np.uint64)
    ts, values = np.array([5, 6, 5]), np.zeros((3, 3))
    histories.hold()
    with pytest.raises(ShapeError, match="entry 2"):
        histories.fold(kind, keys, ts, ts, values, np.empty((2, 3)))
    assert histories.stats().keys == 2
    histories.restore()
    assert histories.digest() == before
    assert histories.rows(1) == []


rows = st.lists(
    st.tuples(st.one_of(st.integers(0, 90), st.sampled_from([2**63, 2**64 - 1])), st.integers(0, 9)), max_size=90
)


def write(profiles: Profiles, drawn: list[tuple[int, int]]) -> None:
    keys = np.array([k for k, _ in drawn], dtype=np.uint64)
    values = np.array([[v, v + 1] for _, v in drawn], dtype=np.float64).reshape(-1, 2).T.copy()
    profiles.fold(np.full(len(keys), INSERT, dtype=np.int8), keys, values, np.empty_like(values))


@given(rows, rows, rows, rows)
def test_profiles_that_are_taken_back_have_never_been(
    past: list[tuple[int, int]], one: list[tuple[int, int]], two: list[tuple[int, int]], future: list[tuple[int, int]]
) -> None:
    live, calm = Profiles(2, hashed=[1]), Profiles(2, hashed=[1])
    write(live, past)
    write(calm, past)
    live.hold()
    write(live, one)
    write(live, two)
    live.restore()
    assert live.digest() == calm.digest()
    live.hold()
    write(live, future)
    live.release()
    write(calm, future)
    assert live.digest() == calm.digest()


def test_a_journal_of_many_profiles_grows() -> None:
    profiles = Profiles(2)
    write(profiles, [(key, 1) for key in range(1, 1_000)])
    before = profiles.digest()
    profiles.hold()
    write(profiles, [(key, 2) for key in range(1, 3_000)])
    profiles.restore()
    assert profiles.digest() == before


@pytest.mark.parametrize("what", [Profiles(1), Histories(Layout([], [Aggregation("count")]))])
def test_hold_comes_once_and_first(what: Profiles | Histories) -> None:
    with pytest.raises(HoldError, match="not held"):
        what.restore()
    with pytest.raises(HoldError, match="not held"):
        what.release()
    what.hold()
    with pytest.raises(HoldError, match="held already"):
        what.hold()
    what.release()


CROWD = [key for key in range(1, 400) if memory.home(np.zeros((16, 2), dtype=np.int64), key) in (14, 15, 0)][:30]
"""Keys that are all sought from the last places of a small table on, or from its first."""


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(CROWD)), max_size=60))
def test_a_key_that_leaves_a_table_hides_no_other(steps: list[tuple[bool, int]]) -> None:
    """Keys push each other on, around the end of the table too."""
    table, state = np.zeros((16, 2), dtype=np.int64), np.zeros(codes.STATE_FREE, dtype=np.int64)
    model = dict[int, int]()
    for number, (enters, key) in enumerate(steps):
        place = memory.find(table, key)
        if place >= 0 and not enters:
            memory.leave(table, state, place)
            del model[key]
        elif place < 0 and enters and len(model) < 12:
            table[-1 - place] = key, number
            state[codes.STATE_KEYS] += 1
            model[key] = number
        places = {key: memory.find(table, key) for key in CROWD}
        assert {key: table[place, 1] for key, place in places.items() if place >= 0} == model
        assert state[codes.STATE_KEYS] == np.count_nonzero(table[:, 0]) == len(model)
