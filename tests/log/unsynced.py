"""Losing what was not synced: a process writes under `strace`, is killed, and its files become what a disk would hold.

After the loss of power a disk holds what was synced before; what was written since may be there, or not, or in part.
Killing a process tests none of that, because the system still has its writes. Here `strace` notes every write, cut and
sync, and `lose` takes from the files what no sync has covered. So whoever promises to survive the loss of power can be
held to it, and whoever does not is seen to lose.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "openat,pwrite64,pwritev,write,writev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
"""What changes a file or its name, or syncs it. Maps of memory are left out: SQLite makes its shared one anew."""

_FILE = re.compile(r"\d+<(/[^>]*)>")
_NAME = re.compile(r'"([^"]*)"')


def traced(command: Sequence[str], trace: Path) -> list[str]:
    """Return the command that runs another one, and its child processes, and notes what they write and sync."""
    return ["strace", "-f", "--seccomp-bpf", "-yy", "-s", "0", "-o", str(trace), "-e", f"trace={CALLS}", *command]


def sizes(folder: Path) -> dict[Path, int]:
    """Return the files of a folder with their sizes: what is safe before anything is traced."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def lose(trace: Path, folder: Path, before: Mapping[Path, int], *, copy: Path, rng: random.Random | None = None) -> int:
    """Take from a copy of a folder what was not synced in the original, and return how many bytes that were.

    Parameters
    ----------
    trace
        What `traced` noted.
    folder
        Where the files were written.
    before
        What `sizes` returned of it before that.
    copy
        What the folder held when the process had been killed; the folder itself, if it is not needed any more.
    rng
        Decides for each write that was not synced whether it reached the disk all the same, as zeros, or as noise. None
        loses them all.
    """
    lost = 0
    for path, file in _read(trace.read_text(errors="replace").splitlines(), before).items():
        if not path.is_relative_to(folder) or not path.is_file():
            continue
        there = copy / path.relative_to(folder)
        if file.named:
            lost += _garble(there, file, rng)
        else:
            there.unlink()
    return lost


def _garble(path: Path, file: _File, rng: random.Random | None) -> int:
    lost = 0
    with path.open("r+b") as data:
        for start, stop, _ in file.dirty:
            what = "lost" if rng is None else rng.choice(["there", "lost", "noise"])
            if what != "there":
                data.seek(start)
                data.write(bytes(stop - start) if rng is None or what == "lost" else rng.randbytes(stop - start))
                lost += stop - start
        size = file.size if rng is not None and rng.random() < 0.5 else file.safe
        data.truncate(size)
    return lost


@dataclass
class _File:
    """What is known of one file: its length now and when it was synced, and what was written since, and when."""

    size: int = 0
    safe: int = 0
    dirty: list[tuple[int, int, int]] = field(default_factory=list)
    named: bool = True
    """Whether its folder was synced after it was made."""

    def write(self, start: int, length: int, when: int) -> None:
        self.dirty.append((start, start + length, when))
        self.size = max(self.size, start + length)

    def cut(self, size: int) -> None:
        self.dirty = [(a, min(b, size), when) for a, b, when in self.dirty if a < size]
        self.size, self.safe = size, min(self.safe, size)

    def sync(self, began: int) -> None:
        """Make safe what was written before a sync began."""
        covered = [b for _, b, when in self.dirty if when < began]
        self.safe = max([self.safe, *covered])
        self.dirty = [(a, b, when) for a, b, when in self.dirty if when >= began]


def _read(lines: Sequence[str], before: Mapping[Path, int]) -> dict[Path, _File]:
    """Follow a trace, and return every file that was touched."""
    files = {path: _File(size, size) for path, size in before.items()}
    for began, ended, call, arguments, result in _calls(lines):
        if not result.lstrip().startswith(tuple("0123456789")):
            continue  # it failed
        value = int(re.match(r"\s*(\d+)", result)[1])  # type: ignore[index]
        names = [Path(name) for name in _NAME.findall(arguments)]
        opened = _FILE.match(result.strip() if call == "openat" else arguments)
        path = Path(opened[1]) if opened else Path()
        match call:
            case "openat" if "O_CREAT" in arguments and path not in files:
                files[path] = _File(named=False)
            case "openat" if "O_TRUNC" in arguments and path in files:
                files[path].cut(0)
            case "pwrite64" | "pwritev" if path in files:
                files[path].write(int(arguments.rsplit(",", 1)[1]), value, ended)
            case "write" | "writev" if path in files:  # whatever is traced here writes at the end
                files[path].write(files[path].size, value, ended)
            case "ftruncate" if path in files:
                files[path].cut(int(arguments.rsplit(",", 1)[1]))
            case "fsync" | "fdatasync":
                if path in files:
                    files[path].sync(began)
                for file in (f for p, f in files.items() if p.parent == path):
                    file.named = True
            case "rename" | "renameat" | "renameat2" if names[0] in files:
                files[names[1]] = files.pop(names[0])
            case "unlink" | "unlinkat":
                files.pop(names[0], None)
    return files


def _calls(lines: Sequence[str]) -> Iterator[tuple[int, int, str, str, str]]:
    """Yield each call that came back: the lines where it began and ended, its name, its arguments, its result."""
    waiting: dict[str, tuple[int, str]] = {}
    for at, line in enumerate(lines):
        pid, text = line.split(maxsplit=1)
        began = at
        if text.endswith("<unfinished ...>"):
            waiting[pid] = at, text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            began, start = waiting.pop(pid)
            text = start + text.split("resumed>", 1)[1]
        call, separator, rest = text.partition("(")
        arguments, separator, result = rest.rpartition(") ")
        if separator and "= " in result:
            yield began, at, call, arguments, result.split("= ", 1)[1]
