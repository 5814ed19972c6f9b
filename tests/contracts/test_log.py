"""What every log must do, whatever it is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.log import Commit, End, FencedError, Log, LogError, MemoryLog
from adjudge.log.postgres import PostgresLog
from adjudge.log.sqlite import SqliteLog
from tests.log.chains import after, extend

TTL_US = 10_000_000

Opener = Callable[[], Log]
"""Opens one more handle on the same log."""


def memory(folder: Path, postgres_url: str) -> Opener:
    first = MemoryLog()
    return lambda: MemoryLog(first)


def sqlite(folder: Path, postgres_url: str) -> Opener:
    return lambda: SqliteLog(folder / "log.sqlite")


def sqlite_fsync(folder: Path, postgres_url: str) -> Opener:
    return lambda: SqliteLog(folder / "log.sqlite", durability="fsync")


def postgres(folder: Path, postgres_url: str) -> Opener:
    schema = uuid4().hex
    return lambda: PostgresLog(postgres_url, schema=schema)


def postgres_fsync(folder: Path, postgres_url: str) -> Opener:
    schema = uuid4().hex
    return lambda: PostgresLog(postgres_url, schema=schema, durability="fsync")


MAKERS: dict[str, Callable[[Path, str], Opener]] = {
    "memory": memory,
    "sqlite": sqlite,
    "sqlite-fsync": sqlite_fsync,
    "postgres": postgres,
    "postgres-fsync": postgres_fsync,
}


@pytest.fixture(params=list(MAKERS))
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Return what opens handles on one fresh log of each kind."""
    url = request.getfixturevalue("postgres_url") if request.param.startswith("postgres") else ""
    return MAKERS[request.param](tmp_path, url)


@pytest.fixture
def log(opener: Opener) -> Iterator[Log]:
    """Return a fresh log of each kind, whose right to append is held."""
    with closing(opener()) as made:
        assert made.acquire("test", now_us=0, ttl_us=TTL_US) is not None
        yield made


def test_a_new_log_is_empty(log: Log) -> None:
    """Nothing to read, and the first position is 0."""
    assert len(log) == 0
    assert log.end() == log.begin() == End()
    assert list(log.read()) == []


def test_what_was_appended_is_read_back_in_order(log: Log) -> None:
    """Every field of every commit survives, and positions run on."""
    made = extend(log, [1, 4, 1])
    assert list(log.read()) == made
    assert len(log) == 6
    assert log.end() == End(6, made[-1].link)


def test_a_range_is_half_open_and_clipped(log: Log) -> None:
    """A commit is yielded whole if any of its positions is asked for; a range beyond the end is what is there."""
    extend(log, [1, 4, 1])
    assert [[c.first for c in log.read(k, k + 1)] for k in range(7)] == [[0], [1], [1], [1], [1], [5], []]
    assert [c.first for c in log.read(3)] == [1, 5]
    assert [c.first for c in log.read(0, 1)] == [0]
    assert [c.first for c in log.read(2, 99)] == [1, 5]
    assert list(log.read(3, 3)) == []


@pytest.mark.parametrize("position", [0, 2], ids=["behind", "ahead"])
def test_a_commit_that_does_not_follow_is_refused(log: Log, position: int) -> None:
    """Two writers cannot interleave unseen, and nothing of a refused append stays."""
    (first,) = extend(log, [1])
    with pytest.raises(LogError, match="the log continues at 1"):
        log.append(after(End(position, first.link)))
    assert list(log.read()) == [first]


def test_a_commit_of_another_chain_is_refused(log: Log) -> None:
    """Its position fits, its link does not."""
    extend(log, [1])
    with pytest.raises(LogError, match="chain"):
        log.append(after(End(1, bytes(31) + b"x")))
    assert len(log) == 1


def test_an_empty_commit_is_refused(log: Log) -> None:
    """A commit takes at least one position."""
    with pytest.raises(LogError, match="holds no entry"):
        log.append(after(log.end(), 0))


def test_the_last_commit_may_be_appended_again(log: Log) -> None:
    """Whoever lost the answer to an append asks again: nothing is stored twice, and the log goes on."""
    made = extend(log, [1, 2])
    log.append(made[1])
    assert list(log.read()) == made
    with pytest.raises(LogError, match="the log continues at 3"):
        log.append(made[0])  # not the last one
    made += extend(log, [1])
    assert list(log.read()) == made


def test_a_reader_sees_the_log_as_it_was_when_reading_began(log: Log) -> None:
    """What is appended meanwhile is for the next reader."""
    made = extend(log, [1, 1])
    reader = log.read()
    assert next(reader) == made[0]
    extend(log, [1])
    assert list(reader) == made[1:]


def test_another_handle_reads_while_the_log_is_written(log: Log, opener: Opener) -> None:
    """Readers need no right, and see what was appended at once."""
    with closing(opener()) as reader:
        made = extend(log, [1, 2])
        assert list(reader.read()) == made
        made += extend(log, [3])
        assert list(reader.read()) == made
        assert reader.end() == log.end()
        assert len(reader) == 6


def test_many_threads_read_at_once(log: Log) -> None:
    """Each sees every commit in order."""
    made = extend(log, [1] * 150)
    seen: list[list[Commit]] = []
    threads = [threading.Thread(target=lambda: seen.append(list(log.read()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [made] * 4


def test_one_process_at_a_time_may_append(log: Log, opener: Opener) -> None:
    """While the right is held another handle neither gets it nor appends."""
    with closing(opener()) as other:
        held = log.lease()
        assert held is not None
        assert held.holder == "test"
        assert other.acquire("other", now_us=TTL_US - 1, ttl_us=TTL_US) is None
        with pytest.raises(FencedError, match="test decides now"):
            other.append(after(other.end()))
        log.renew(now_us=TTL_US, ttl_us=TTL_US)
        assert other.acquire("other", now_us=2 * TTL_US - 1, ttl_us=TTL_US) is None


def test_an_expired_right_passes_on_and_fences_the_old_holder(log: Log, opener: Opener) -> None:
    """Whoever hung and wakes again cannot append, nor take the right back by renewing it."""
    made = extend(log, [2])
    with closing(opener()) as other:
        taken = other.acquire("other", now_us=TTL_US, ttl_us=TTL_US)
        assert taken is not None
        assert taken.token == 2
        with pytest.raises(FencedError, match="other decides now"):
            log.append(after(log.end()))
        with pytest.raises(FencedError):
            log.renew(now_us=TTL_US, ttl_us=TTL_US)
        made += extend(other, [1])
        assert list(log.read()) == made


def test_a_closed_log_gives_its_right_back(opener: Opener) -> None:
    """The next one takes over at once, with a higher token."""
    with closing(opener()) as first, closing(opener()) as second:
        assert first.acquire("first", now_us=0, ttl_us=TTL_US) is not None
        made = extend(first, [1])
        first.close()
        taken = second.acquire("second", now_us=1, ttl_us=TTL_US)
        assert taken is not None
        assert taken.token == 2
        assert list(second.read()) == made
        extend(second, [1])


def test_a_closed_log_refuses_use(log: Log) -> None:
    """Closing twice is harmless; everything else says that the log is closed."""
    commit = after(log.end())
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(commit)
    with pytest.raises(LogError, match="closed"):
        log.read()
    with pytest.raises(LogError, match="closed"):
        log.end()


def test_dropping_forgets_whole_commits_and_keeps_the_chain(log: Log, opener: Opener) -> None:
    """What is left begins at a position and a link, and goes on as before."""
    made = extend(log, [2, 3, 1])
    assert log.drop(1) == 0  # the first commit reaches beyond
    assert log.drop(4) == 2
    assert log.begin() == End(2, made[0].link)
    assert list(log.read()) == made[1:]
    assert log.drop(6) == 6
    assert log.end() == End(6, made[-1].link)
    (again,) = extend(log, [1])
    with closing(opener()) as other:
        assert list(other.read()) == [again]
        assert other.begin().position == 6


def test_a_log_tells_what_it_takes_up(log: Log) -> None:
    """At least what was appended."""
    made = extend(log, [1, 2, 3])
    storage = log.storage()
    assert (storage.commits, storage.segments) == (3, 0)
    assert storage.size_bytes >= sum(len(c.payload) for c in made)


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 5), max_size=8), start=st.integers(0, 20), length=st.integers(0, 12))
def test_every_range_reads_the_same_in_every_log(postgres_url: str, sizes: list[int], start: int, length: int) -> None:
    """However long commits are, a range has those that hold one of its positions."""
    for name in ("memory", "sqlite", "postgres"):  # durability changes nothing about reading
        with TemporaryDirectory() as folder, closing(MAKERS[name](Path(folder), postgres_url)()) as log:
            log.acquire("test", now_us=0, ttl_us=TTL_US)
            made = extend(log, sizes)
            stop = start + length
            expected = [c for c in made if c.first < stop and c.stop > start]
            assert list(log.read(start, stop)) == (expected if length else [])
