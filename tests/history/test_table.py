"""A table is a dictionary from 64-bit keys to numbers, whatever the keys are and while it grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import InputError, ShapeError
from adjudge.history.table import SLACK, UNSPREAD, Table
from adjudge.typing import HashArray

EXTREMES = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]


def crowded(place: int, count: int) -> HashArray:
    """Return keys whose searches begin next to each other: consecutive ones, as a table holds them."""
    return (np.arange(count, dtype=np.uint64) + np.uint64(place % 2**64)) * np.uint64(UNSPREAD)


POOL = np.concatenate(
    [
        np.array(EXTREMES, dtype=np.uint64),
        np.array(EXTREMES, dtype=np.uint64) * np.uint64(UNSPREAD),
        np.arange(7, 47, dtype=np.uint64),
        crowded(-(2**63), 12),
        crowded(2**63 - 12, 12),
        crowded(2**62, 12),
    ]
)


def array(keys: list[int]) -> HashArray:
    return np.array(keys, dtype=np.uint64)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "remove"]), st.lists(st.sampled_from(POOL.tolist()), max_size=40)
        )
    )
)
def test_a_table_is_a_dictionary(operations: list[tuple[str, list[int]]]) -> None:
    table, model = Table(), dict[int, int]()
    for number, (what, keys) in enumerate(operations):
        if what == "put":
            values = 100 * number + np.arange(len(keys))
            table.put_many(array(keys), values)
            model.update(zip(keys, values.tolist(), strict=True))
        else:
            table.remove_many(array(keys))
            for key in keys:
                model.pop(key, None)
        assert len(table) == len(model)
        assert table.find_many(POOL).tolist() == [model.get(key, -1) for key in POOL.tolist()]
    assert [table.get(key) for key in POOL.tolist()] == [model.get(key, -1) for key in POOL.tolist()]
    arrays = table.arrays()
    assert dict(zip(arrays["keys"].tolist(), arrays["values"].tolist(), strict=True)) == model
    assert arrays["keys"].tolist() == sorted(model)
    restored = Table.from_arrays(arrays)
    assert restored.find_many(POOL).tolist() == table.find_many(POOL).tolist()
    assert len(restored) == len(table)


def test_a_table_stays_small_and_whole_while_it_grows() -> None:
    """A few keys at a time, every third one taken out again: never more than 32 bytes for a key that is there."""
    random = np.random.default_rng(1)
    table, keys = Table(), random.integers(1, 2**64, 300_000, dtype=np.uint64)
    for start in range(0, len(keys), 5_000):
        new = keys[start : start + 5_000]
        table.put_many(new, np.arange(start, start + 5_000))
        table.remove_many(new[::3][:1_000])
        assert table.nbytes <= 32 * (len(table) + 16)
    expected = np.arange(len(keys))
    gone = (expected % 5_000 % 3 == 0) & (expected % 5_000 < 3_000)
    assert (table.find_many(keys) == np.where(gone, -1, expected)).all()
    assert len(table) == (~gone).sum()


def test_entries_that_are_pushed_beyond_the_end_are_found() -> None:
    """Keys whose searches all begin at the last places, in a table whose memory is nearly used up."""
    places = (1 << 17) - 2 * SLACK
    filler = np.arange(1, places * 2 // 3, dtype=np.uint64)
    table = Table.from_arrays({"keys": filler, "values": filler.view(np.int64)})
    keys = crowded(2**63 - 3 * SLACK, 3 * SLACK)
    for start in range(0, len(keys), 64):
        table.put_many(keys[start : start + 64], np.arange(start, start + 64))
    assert (table.find_many(keys) == np.arange(len(keys))).all()
    assert (table.find_many(filler) == filler.view(np.int64)).all()
    table.remove_many(keys)
    assert (table.find_many(keys) == -1).all()
    assert len(table) == len(filler)


def test_equal_entries_give_equal_arrays() -> None:
    keys = np.arange(1_000, dtype=np.uint64) ** 2
    one, other = Table(), Table()
    one.put_many(keys, np.arange(1_000))
    other.put_many(keys[::-1], np.arange(1_000)[::-1])
    other.put_many(keys + np.uint64(2**40), np.arange(1_000))
    other.remove_many(keys + np.uint64(2**40))
    assert [a.tobytes() for a in one.arrays().values()] == [a.tobytes() for a in other.arrays().values()]


def test_a_negative_value_changes_nothing() -> None:
    table = Table()
    with pytest.raises(InputError, match="cannot be -2") as raised:
        table.put_many(array([1, 2]), np.array([5, -2]))
    assert raised.value.row == 1
    assert len(table) == 0


def test_values_must_be_as_many_as_keys() -> None:
    with pytest.raises(ShapeError, match="2 keys cannot have 1 values"):
        Table().put_many(array([1, 2]), np.array([5]))
