"""Exporting: the log's entries as Parquet files, partitioned by day, from where the last export ended.

A folder holds a folder for each table, and below it one for each stream or system and day, which DuckDB, Polars and
Spark read as columns: ``events/stream=payment/day=2026-01-02/part-….parquet``. Events, decisions and features are of
the day on which the event happened, labels and notes of the day on which they were received. Files are written beside
their place and renamed, and count from when the manifest says so: what is left of an export that was cut short, the
next one removes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adjudge.errors import InputError
from adjudge.log import Commit, End, Log
from adjudge.log.codec import blocks_of
from adjudge.service import snapshot
from adjudge.service.export.rows import Found, Gathered, Known, Rows

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
"""Version of the layout of the folder."""

MANIFEST = "export.json"

STEP = 100_000
"""Positions that are read before files are written: the most that is in memory at a time."""

Told = Callable[[int, int], None]
"""Told of progress: the position that has been reached, and the one where it ends."""


class Manifest(msgspec.Struct):
    """What an export folder says of itself.

    Parameters
    ----------
    format
        Version of the layout.
    position, link
        Where the log ended that was exported; the link in hexadecimal.
    known
        What later entries need to be read.
    """

    format: int
    position: int
    link: str
    known: Known


class Exported(msgspec.Struct, frozen=True):
    """What an export did.

    Parameters
    ----------
    start, stop
        Positions that were new, up to, not including, `stop`.
    rows
        How many rows were written, by table.
    files
        How many files.
    """

    start: int
    stop: int
    rows: dict[str, int]
    files: int


def export(
    log: Log, folder: Path, *, snapshots: Path | None = None, told: Told = lambda position, stop: None
) -> Exported:
    """Bring a folder up to where a log ends now.

    Parameters
    ----------
    log
        The log; it may be appended to meanwhile.
    folder
        Where the files are, or are to be.
    snapshots
        Folder of the log's snapshots: the one where an archived log begins says how to read it.
    told
        Told of progress.

    Raises
    ------
    InputError
        If the folder was made from another log or by another version, or holds something else.
    """
    manifest, end = _begin(log, folder, snapshots), log.end()
    start, rows, files = manifest.position, dict[str, int](), 0
    _remove_unfinished(folder, start)
    for commits in _steps(log.read(start, end.position)):
        made = _write(folder, commits, manifest.known)
        for dataset, count in made:
            rows[dataset] = rows.get(dataset, 0) + count
        files += len(made)
        manifest.position, manifest.link = commits[-1].stop, commits[-1].link.hex()
        _replace(folder / MANIFEST, msgspec.json.encode(manifest))
        told(manifest.position, end.position)
    return Exported(start, manifest.position, rows, files)


def _begin(log: Log, folder: Path, snapshots: Path | None) -> Manifest:
    """Return what has been exported already, after checking that it came from this log."""
    begin = log.begin()
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            message = f"{folder} holds something else, and no export; name another folder"
            raise InputError(message, field="folder") from None
        facts = snapshot.facts_at(snapshots, begin) if begin.position else None
        known = Known() if facts is None else Known(facts.cards, facts.fields)
        return Manifest(FORMAT, begin.position, begin.link.hex(), known)
    except msgspec.DecodeError as error:
        message = f"{folder / MANIFEST} cannot be read: {error}"
        raise InputError(message, field="folder") from None
    if manifest.format != FORMAT:
        message = f"{folder} was written by another version; export into a new folder"
        raise InputError(message, field="folder")
    if manifest.position < begin.position:
        message = f"{folder} ends at position {manifest.position}, but the log begins at {begin.position}"
        raise InputError(message, field="folder")
    last = next(iter(log.read(manifest.position - 1, manifest.position)), None)
    there = begin if last is None else last.end
    if there != End(manifest.position, bytes.fromhex(manifest.link)):
        message = f"{folder} was made from another log; export into a new folder"
        raise InputError(message, field="folder")
    return manifest


def _steps(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    """Yield the commits in runs of about `STEP` positions."""
    run: list[Commit] = []
    for commit in commits:
        run.append(commit)
        if commit.stop - run[0].first >= STEP:
            yield run
            run = []
    if run:
        yield run


def _write(folder: Path, commits: list[Commit], known: Known) -> list[tuple[str, int]]:
    """Write the files of some commits, and return for each its table and how many rows it has."""
    gathered = Gathered(known)
    for commit in commits:
        for first, block in blocks_of(commit):
            gathered.add(Found(first, block, commit.received_at))
    tables: dict[tuple[str, str], list[Rows]] = {}
    for rows in gathered.rows():
        tables.setdefault((rows.dataset, rows.part), []).append(rows)
    name = f"part-{commits[0].first:016d}.parquet"
    made = []
    for (dataset, part), parts in tables.items():
        for day, arrow in _by_day(parts):
            _replace(folder / dataset / part / f"day={day}" / name, _parquet(arrow))
            made.append((dataset, arrow.num_rows))
    return made


def _by_day(parts: list[Rows]) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of one table day by day; columns that came or went are null where they are not."""
    import pyarrow as pa

    whole = pa.concat_tables([rows.arrow for rows in parts], promote_options="default")
    days = np.concatenate([rows.days for rows in parts])
    for day in np.unique(days).tolist():
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        yield date.date().isoformat(), whole.filter(pa.array(days == day))


def _parquet(arrow: pa.Table) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(arrow, buffer, compression="zstd")
    return buffer.getvalue()


def _replace(path: Path, data: Any) -> None:
    """Write a file beside its place and rename it: whoever reads sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _remove_unfinished(folder: Path, position: int) -> None:
    """Remove what an export has left behind that was cut short: it is made again, perhaps cut otherwise."""
    for path in folder.glob("*/**/*part-*.parquet*"):
        if path.name.startswith(".") or int(path.name[len("part-") : -len(".parquet")]) >= position:
            path.unlink()
