"""What every log must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.log import Entry, Kind, Log, LogError, MemoryLog

MAKERS: dict[str, Callable[[], Log]] = {"memory": MemoryLog}


@pytest.fixture(params=list(MAKERS))
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """One fresh log of each kind."""
    made = MAKERS[request.param]()
    yield made
    made.close()


def entry(seq: int, kind: Kind = Kind.EVENT) -> Entry:
    """Return an entry whose every field depends on its position."""
    return Entry(
        seq=seq,
        received_at=1_000_000 + seq,
        kind=kind,
        stream=f"stream{seq % 3}",
        id=f"id-{seq}",
        body=b'{"n":%d}' % seq,
        decided=b"{}" if seq % 2 else b"",
        features=bytes(8 * (seq % 4)),
    )


def test_a_new_log_is_empty(log: Log) -> None:
    """Nothing to read, and the first position is 0."""
    assert len(log) == 0
    assert list(log.read()) == []


def test_what_was_appended_is_read_back_in_order(log: Log) -> None:
    """Every field of every kind of entry survives."""
    entries = [entry(seq, kind) for seq, kind in enumerate(Kind)]
    assert log.append(entries[:2]) == 0
    assert log.append(entries[2:]) == 2
    assert list(log.read()) == entries
    assert len(log) == len(entries)


def test_a_range_is_half_open_and_clipped(log: Log) -> None:
    """Stop is not included; a range beyond the end is what is there."""
    log.append([entry(seq) for seq in range(10)])
    assert [e.seq for e in log.read(3, 5)] == [3, 4]
    assert [e.seq for e in log.read(8, 99)] == [8, 9]
    assert [e.seq for e in log.read(10)] == []
    assert [e.seq for e in log.read(5, 5)] == []


def test_a_table_takes_a_position_for_each_of_its_events(log: Log) -> None:
    """Positions run on behind it, and asking for any of them yields it whole."""
    table = Entry(seq=1, received_at=5, kind=Kind.TABLE, stream="s", id="", body=b"rows", count=4)
    log.append([entry(0), table, entry(5)])
    assert len(log) == 6
    assert [e.seq for e in log.read()] == [0, 1, 5]
    assert [[e.seq for e in log.read(k, k + 1)] for k in range(6)] == [[0], [1], [1], [1], [1], [5]]
    assert [e.seq for e in log.read(3)] == [1, 5]
    assert [e.seq for e in log.read(0, 1)] == [0]
    assert list(log.read(3, 3)) == []
    with pytest.raises(LogError, match="continues at 6"):
        log.append([entry(3)])


def test_appending_nothing_changes_nothing(log: Log) -> None:
    """An empty append returns the next position."""
    log.append([entry(0)])
    assert log.append([]) == 1
    assert len(log) == 1


@pytest.mark.parametrize("seqs", [[0], [2], [1, 3], [1, 1]], ids=["behind", "ahead", "gap", "twice"])
def test_a_position_that_does_not_follow_is_refused_whole(log: Log, seqs: list[int]) -> None:
    """Two writers cannot interleave unseen, and no part of a refused append stays."""
    log.append([entry(0)])
    with pytest.raises(LogError, match="the log continues at"):
        log.append([entry(seq) for seq in seqs])
    assert [e.seq for e in log.read()] == [0]


def test_a_reader_sees_the_log_as_it_was_when_reading_began(log: Log) -> None:
    """What is appended meanwhile is for the next reader."""
    log.append([entry(0), entry(1)])
    reader = log.read()
    assert next(reader).seq == 0
    log.append([entry(2)])
    assert [e.seq for e in reader] == [1]


def test_a_closed_log_refuses_use(log: Log) -> None:
    """Closing twice is harmless; everything else says that the log is closed."""
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append([entry(0)])
    with pytest.raises(LogError, match="closed"):
        log.read()


@given(sizes=st.lists(st.integers(0, 5), max_size=8), start=st.integers(0, 12), length=st.integers(0, 12))
def test_cuts_between_appends_are_invisible(sizes: list[int], start: int, length: int) -> None:
    """However a sequence is cut into appends, every range reads the same."""
    for make in MAKERS.values():
        log = make()
        position = 0
        for size in sizes:
            assert log.append([entry(position + k) for k in range(size)]) == position
            position += size
        expected = [entry(seq) for seq in range(position)][start : start + length]
        assert list(log.read(start, start + length)) == expected
        log.close()
