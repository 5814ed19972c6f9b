"""The bucket: a rate holds on average, whatever comes at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adjudge.service.access.limit import BURST_S, Bucket


def test_a_burst_is_let_in_and_then_the_rate() -> None:
    bucket = Bucket(10, now_us=0)
    assert [bucket.take(0) for _ in range(10 * BURST_S)] == [0] * 10 * BURST_S
    assert bucket.take(0) == 1
    assert bucket.take(99_999) == 1
    assert bucket.take(100_000) == 0
    assert bucket.take(100_000) == 1


def test_a_batch_overdraws_and_the_next_waits_for_all_of_it() -> None:
    bucket = Bucket(100, now_us=0)
    assert bucket.take(0) == 0
    bucket.charge(1_199)
    wait_s = bucket.take(0)
    assert wait_s == 11  # 1,200 of 200 are gone: the 1,001st refills after 10.01 s
    assert bucket.take(10_000_000) == 1
    assert bucket.take(wait_s * 1_000_000) == 0


def test_a_clock_that_is_set_back_gives_nothing_away() -> None:
    bucket = Bucket(1, now_us=10_000_000)
    assert [bucket.take(10_000_000) for _ in range(3)] == [0, 0, 1]
    assert bucket.take(0) == 1
    assert bucket.take(999_999) == 1
    assert bucket.take(1_000_000) == 0


@given(
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 500)), min_size=1, max_size=60),
)
def test_no_more_comes_in_than_the_rate_allows(rate: int, arrivals: list[tuple[int, int]]) -> None:
    """Up to the last request that is let in: burst, refill, and the one batch that may overdraw."""
    bucket, now, events, largest = Bucket(rate, now_us=0), 0, 0, 0
    for pause, rows in arrivals:
        now += pause
        if bucket.take(now) == 0:
            bucket.charge(rows - 1)
            assert events <= rate * (BURST_S + now / 1e6) + 1e-6
            events += rows
            largest = max(largest, rows)
    assert events <= rate * (BURST_S + now / 1e6) + largest + 1e-6
