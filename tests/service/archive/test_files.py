"""Archive files: what is read is what was written, or is refused."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adjudge.log import Commit, End, LogError, MemoryLog
from adjudge.log.audit import audit
from adjudge.service.archive import files
from adjudge.service.archive.files import Archive, ArchiveError, write
from adjudge.service.archive.joined import Joined
from tests.log.chains import extend


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> MemoryLog:
    """Return a log with commits of many sizes, of which a file of an archive holds few."""
    monkeypatch.setattr(files, "SEGMENT", 10)
    monkeypatch.setattr(files, "FILE_BYTES", 9_000)
    made = MemoryLog()
    extend(made, [1, 4, 7, 2, 9, 1, 1, 30, 2, 2, 2] * 4)
    return made


@pytest.fixture
def archived(log: MemoryLog, tmp_path: Path) -> Path:
    """Return an archive of all but the end of it, in several files."""
    made = write(log, tmp_path / "archive", 200)
    assert len(made) > 2
    return tmp_path / "archive"


def rest_of(log: MemoryLog, position: int) -> MemoryLog:
    """Return the same log without what ends at or before a position."""
    rest = MemoryLog()
    for commit in log.read():
        rest.append(commit)
    rest.drop(position)
    return rest


def test_every_commit_comes_back(log: MemoryLog, archived: Path) -> None:
    """As it was, whatever is asked for; only its owner may read the file."""
    archive, commits = Archive(archived), [c for c in log.read() if c.stop <= 200]
    assert list(archive.read(0, 1_000)) == commits
    assert (archive.begin(), archive.end()) == (End(), commits[-1].end)
    for start in range(0, 210, 7):
        wanted = [c for c in commits if c.stop > start and c.first < start + 13]
        assert list(archive.read(start, start + 13)) == wanted
    segment = archive.find(77)
    assert segment is not None
    assert segment.first <= 77 < segment.stop
    assert archive.find(200) is None
    assert {f.path.stat().st_mode & 0o777 for f in archive.files} == {0o600}


def test_writing_goes_on_behind_what_is_there(log: MemoryLog, archived: Path) -> None:
    """What was left half written is removed; nothing is written twice."""
    (archived / ".0000-0001.archive").write_bytes(b"half")
    assert write(log, archived, 200) == []
    assert write(log, archived, 10) == []
    (more,) = write(log, archived, 230)
    assert Archive(archived).files[-1].path == more
    assert not list(archived.glob(".*"))
    assert list(Archive(archived).read(0, 300)) == [c for c in log.read() if c.stop <= 230]


def test_an_archive_of_another_log_is_not_continued(log: MemoryLog, archived: Path) -> None:
    other = MemoryLog()
    other.append(Commit.after(other.end().link, 0, count=1, received_at=7, payload=b"other"))
    extend(other, [9] * 40)
    with pytest.raises(ArchiveError, match="is the archive of another log"):
        write(other, archived, 250)
    with pytest.raises(ArchiveError, match=r"ends at position \d+, but the log begins at 208"):
        write(rest_of(log, 221), archived, 240)


def test_a_log_whose_chain_is_broken_is_not_archived(log: MemoryLog, tmp_path: Path) -> None:
    """An archive vouches for what is in it."""
    commits = list(log.read())
    third = commits[2]
    commits[2] = Commit(third.first, third.count, third.received_at, third.payload + b"!", third.link)
    broken = MemoryLog()
    broken._kept.commits, broken._kept.end = commits, log.end()
    with pytest.raises(ArchiveError, match=f"broken at position {third.first}"):
        write(broken, tmp_path / "other", 200)
    assert not list((tmp_path / "other").glob("*"))


def flip(path: Path, rng: random.Random) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_noticed(log: MemoryLog, archived: Path, seed: int) -> None:
    """Wherever in whatever file: by reading, and before the log is dropped against it."""
    rng = random.Random(seed)
    flip(rng.choice(Archive(archived).files).path, rng)
    with pytest.raises(LogError):
        write(log, archived, 250)
    try:
        whole = Joined(Archive(archived), rest_of(log, 200))
    except ArchiveError:
        return
    found = audit(whole)
    assert not found.whole


def signed(line: bytes) -> bytes:
    """Return what begins a file, with its hash."""
    return hashlib.sha256(line).hexdigest().encode() + b"\n" + line


Damage = Callable[[list[Path]], object]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda paths: paths[1].unlink(), "does not follow"),
        (lambda paths: shutil.copy(paths[1], paths[1].with_name("zzz.archive")), "does not follow"),
        (lambda paths: paths[0].write_bytes(b""), "is not what was written"),
        (lambda paths: paths[0].write_bytes(signed(b"[]\n")), "cannot be read"),
        (lambda paths: paths[-1].unlink(), "but the log begins at"),
    ],
)
def test_what_is_missing_or_too_much_is_said(log: MemoryLog, archived: Path, damage: Damage, message: str) -> None:
    damage([f.path for f in Archive(archived).files])
    with pytest.raises(ArchiveError, match=message):
        Joined(Archive(archived), rest_of(log, 200))


def test_a_file_of_a_later_version_is_refused(archived: Path) -> None:
    path = Archive(archived).files[0].path
    _, line, _ = path.read_bytes().split(b"\n", 2)
    path.write_bytes(signed(line.replace(b'"format":1', b'"format":9', 1) + b"\n"))
    with pytest.raises(ArchiveError, match="has format 9; this version reads 1"):
        Archive(archived)


def test_a_log_that_does_not_follow_is_told_by_audit(log: MemoryLog, archived: Path) -> None:
    """Positions fit, and links do not: one was written anew."""
    other = MemoryLog()
    other._kept.begin = other._kept.end = End(Archive(archived).files[-1].header.stop, b"x" * 32)
    extend(other, [3])
    found = audit(Joined(Archive(archived), other))
    assert found.broken is not None
    assert "does not follow this archive" in found.broken.reason
    with pytest.raises(ArchiveError, match="there is no archive in"):
        Joined(Archive(archived / "none"), other)


def test_the_log_is_appended_to_as_ever(log: MemoryLog, archived: Path) -> None:
    """Whoever has both joined may decide."""
    whole = Joined(Archive(archived), rest_of(log, 200))
    assert whole.acquire("test", now_us=0, ttl_us=1) == whole.lease()
    whole.renew(now_us=5, ttl_us=1)
    (made,) = extend(whole, [4])
    assert (whole.end(), len(whole)) == (made.end, made.stop)
    assert not whole.maintain()
    assert whole.storage().commits > 0
    assert whole.drop(made.stop) == made.stop
    whole.close()
    with pytest.raises(LogError, match="closed"):
        whole.append(made)
