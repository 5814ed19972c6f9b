"""A torn end: a crash in the middle of writing leaves any part of the last commit, and the log begins there anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adjudge.log import Commit, End, sqlite
from adjudge.log.sqlite import SqliteLog
from adjudge.log.wal import read_wal
from tests.log.chains import after, extend


@dataclass
class Crashed:
    """A log as a killed process left it, to be damaged again and again."""

    folder: Path
    commits: list[Commit]
    wal: bytes
    whole: int
    """Length of the write-ahead file before the last commit."""

    @property
    def path(self) -> Path:
        return self.folder / "again" / "log.sqlite"

    def with_wal(self, wal: bytes) -> Path:
        """Return a log whose write-ahead file holds these bytes."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
        self.path.parent.mkdir()
        shutil.copy(self.folder / "log.sqlite", self.path)
        self.path.with_name("log.sqlite-wal").write_bytes(wal)
        return self.path


def crash(folder: Path, last: int) -> Crashed:
    """Write a log whose last commit is so long, and copy it as it is while it is open."""
    path, copy = folder / "origin" / "log.sqlite", folder / "log.sqlite"
    wal = path.with_name("log.sqlite-wal")
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        commits = extend(log, [1, 2, 3])
        log.maintain()
        commits += extend(log, [1, 1])
        whole = read_wal(wal).whole_bytes
        end = log.end()
        log.append(Commit.after(end.link, end.position, count=2, received_at=5, payload=bytes(range(256)) * last))
        commits += log.read(end.position)
        shutil.copy(path, copy)
        return Crashed(folder, commits, wal.read_bytes()[: read_wal(wal).whole_bytes], whole)


@pytest.fixture
def ram() -> Iterator[Path]:
    """Return a folder in memory where there is one: opening and closing logs waits for the disk again and again."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages short, so that there are fewer bytes to try."""
    monkeypatch.setattr(sqlite, "PAGE", 512)


def check(path: Path, expected: list[Commit], cut: int) -> None:
    """Open a log and see that it holds these commits, says what was cut off, and goes on."""
    with closing(SqliteLog(path)) as log:
        assert log.cut_bytes == cut
        assert list(log.read()) == expected
        assert log.end() == expected[-1].end
        log.acquire("test", now_us=0, ttl_us=1)
        (more,) = extend(log, [1])
    with closing(SqliteLog(path)) as log:
        assert log.cut_bytes == 0
        assert list(log.read()) == [*expected, more]


def check_torn(crashed: Crashed, length: int) -> None:
    """Tear the write-ahead file off at a length: the commits before the last are there, and the log says how much."""
    with closing(SqliteLog(crashed.with_wal(crashed.wal[:length]))) as log:
        assert log.cut_bytes == length - crashed.whole
        assert list(log.read()) == crashed.commits[:-1]
        assert log.end() == crashed.commits[-2].end


def test_a_torn_commit_is_cut_off_and_the_log_goes_on(ram: Path, small_pages: None) -> None:
    """Wherever it was torn: at the ends of pages, and in the middle of them."""
    crashed = crash(ram, last=4)
    pages = range(crashed.whole, len(crashed.wal), 512 + 24)
    assert len(pages) > 2
    for page in pages:
        for length in (page, page + 1, page + 23, page + 24, page + 300, page + 535):
            check(crashed.with_wal(crashed.wal[:length]), crashed.commits[:-1], cut=length - crashed.whole)
    check(crashed.with_wal(crashed.wal), crashed.commits, cut=0)


@pytest.mark.slow
def test_torn_at_every_byte_of_a_commit_of_many_pages(ram: Path, small_pages: None) -> None:
    crashed = crash(ram, last=1)
    assert len(crashed.wal) - crashed.whole > 2 * 512
    for length in range(crashed.whole, len(crashed.wal)):
        check_torn(crashed, length)


@pytest.mark.slow
def test_torn_at_every_byte_of_a_page_of_real_size(ram: Path) -> None:
    crashed = crash(ram, last=1)
    assert len(crashed.wal) - crashed.whole >= sqlite.PAGE
    for length in range(crashed.whole, len(crashed.wal)):
        check_torn(crashed, length)


def test_a_flipped_byte_in_the_last_commit_cuts_it_off(ram: Path, small_pages: None) -> None:
    """Every page of the write-ahead file has a checksum: damage is not read, and is said."""
    crashed = crash(ram, last=1)
    wal = bytearray(crashed.wal)
    for i in range(crashed.whole, len(wal), 7):
        wal[i] ^= 0x04
        with closing(SqliteLog(crashed.with_wal(bytes(wal)))) as log:
            assert log.cut_bytes == len(wal) - crashed.whole
            assert list(log.read()) == crashed.commits[:-1]
        wal[i] ^= 0x04


def test_a_damaged_head_cuts_off_the_whole_file(ram: Path, small_pages: None) -> None:
    """What had come into the main file before is there."""
    crashed = crash(ram, last=4)
    wal = bytearray(crashed.wal)
    for i in range(32):
        wal[i] ^= 0x04
        with closing(SqliteLog(crashed.with_wal(bytes(wal)))) as log:
            assert log.cut_bytes == len(wal)
            assert list(log.read()) == crashed.commits[:3]
        wal[i] ^= 0x04


def test_what_is_left_from_before_the_file_started_over_is_not_torn(tmp_path: Path, small_pages: None) -> None:
    """Old pages stay behind the new ones; they are in the main file already."""
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        extend(log, [300] * 9)
        log.maintain()
        extend(log, [1])
        wal = read_wal(path.with_name("log.sqlite-wal"))
        assert wal.torn_bytes == 0
        assert 0 < wal.whole_bytes < wal.size
        assert log.end().position == 2701


def test_a_file_that_another_process_writes_is_not_torn(tmp_path: Path) -> None:
    """A reader that comes while a commit is half written must not report a crash."""
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        extend(log, [1, 1])
        with path.with_name("log.sqlite-wal").open("ab") as wal:
            wal.write(b"half a page")
        assert read_wal(Path(wal.name)).torn_bytes == 11
        with closing(SqliteLog(path)) as reader:
            assert reader.cut_bytes == 0


def test_a_missing_or_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert read_wal(tmp_path / "nowhere-wal").size == 0
    (tmp_path / "empty-wal").touch()
    assert read_wal(tmp_path / "empty-wal").torn_bytes == 0


def test_the_commit_after_a_torn_one_continues_the_chain(ram: Path, small_pages: None) -> None:
    """Nothing of what was torn is left in the links."""
    crashed = crash(ram, last=4)
    with closing(SqliteLog(crashed.with_wal(crashed.wal[:-1]))) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        extend(log, [2, 1])
        end = End()
        for commit in log.read():
            again = after(end, commit.count) if commit.received_at != 5 else commit
            assert commit == again
            end = commit.end
