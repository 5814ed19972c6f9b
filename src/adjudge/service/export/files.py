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
from adjudge.service.export.rows import Found, Gathered, Known, Personal, Rows
from adjudge.service.export.withheld import Withheld
from adjudge.service.personal.erased import erasures
from adjudge.service.personal.keys import Keys
from adjudge.service.personal.seal import Vault

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 2
"""Version of the layout of the folder; what was written before 2 may hold decisions about erased persons."""

MANIFEST, PARTS = "export.json", "*/**/*part-*.parquet*"
"""The file that says how far an export has come, and where its other files are."""

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
    personal
        What becomes of personal fields.
    """

    format: int
    position: int
    link: str
    known: Known
    personal: Personal = "hidden"


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
    log: Log,
    folder: Path,
    *,
    snapshots: Path | None = None,
    personal: Personal | None = None,
    keys: Keys | None = None,
    told: Told = lambda position, stop: None,
) -> Exported:
    """Bring a folder up to where a log ends now.

    A folder is made anew whenever somebody was erased since: no readable value of that person is left in it, and no
    row of what was decided about them.

    Parameters
    ----------
    log
        The log; it may be appended to meanwhile.
    folder
        Where the files are, or are to be.
    snapshots
        Folder of the log's snapshots: the one where an archived log begins says how to read it.
    personal
        What becomes of personal fields; as the folder was made before where absent, and hidden in a new one.
    keys
        The keys of persons, for readable ones.
    told
        Told of progress.

    Raises
    ------
    InputError
        If the folder was made from another log, by another version or otherwise, or holds something else.
    """
    manifest, end = _begin(log, folder, snapshots, personal), log.end()
    vault = None
    if manifest.personal == "readable":
        if keys is None:
            message = "personal fields can only be read with the keys of persons"
            raise InputError(message, field="personal")
        vault = Vault({}, keys)
        for erasure in erasures(log, manifest.position):  # a key is destroyed by whoever decides, and maybe not yet
            vault.doom(erasure.person, bytes.fromhex(erasure.key))
    manifest = _without_erased(log, folder, manifest, snapshots, end.position)
    withheld = Withheld(log, manifest.known.erased)
    start, rows, files = manifest.position, dict[str, int](), 0
    _remove_unfinished(folder, start)
    for commits in _steps(log.read(start, end.position)):
        made = _write(folder, commits, Gathered(manifest.known, withheld, manifest.personal, vault))
        for dataset, count in made:
            rows[dataset] = rows.get(dataset, 0) + count
        files += len(made)
        manifest.position, manifest.link = commits[-1].stop, commits[-1].link.hex()
        _replace(folder / MANIFEST, msgspec.json.encode(manifest))
        told(manifest.position, end.position)
    return Exported(start, manifest.position, rows, files)


def made_for(folder: Path) -> Personal | None:
    """Return what becomes of personal fields in a folder, None if nothing was exported there yet."""
    manifest = _read(folder)
    return None if manifest is None else manifest.personal


def _read(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, None if there is none."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        message = f"{folder / MANIFEST} cannot be read: {error}"
        raise InputError(message, field="folder") from None


def _new(log: Log, snapshots: Path | None, personal: Personal) -> Manifest:
    """Return the manifest of a folder into which nothing was exported yet."""
    begin = log.begin()
    facts = snapshot.facts_at(snapshots, begin) if begin.position else None
    known = Known() if facts is None else Known(facts.cards, facts.fields, {}, [e.key for e in facts.erased if e.key])
    return Manifest(FORMAT, begin.position, begin.link.hex(), known, personal)


def _begin(log: Log, folder: Path, snapshots: Path | None, personal: Personal | None) -> Manifest:
    """Return what has been exported already, after checking that it came from this log."""
    begin, manifest = log.begin(), _read(folder)
    if manifest is None:
        if folder.is_dir() and any(folder.iterdir()):
            message = f"{folder} holds something else, and no export; name another folder"
            raise InputError(message, field="folder")
        return _new(log, snapshots, personal or "hidden")
    if manifest.format != FORMAT:
        message = f"{folder} was written by another version; export into a new folder"
        raise InputError(message, field="folder")
    if manifest.personal != (personal or manifest.personal):
        message = f"{folder} was made with {manifest.personal} personal fields; export into a new folder"
        raise InputError(message, field="personal")
    if manifest.position < begin.position:
        message = f"{folder} ends at position {manifest.position}, but the log begins at {begin.position}"
        raise InputError(message, field="folder")
    last = next(iter(log.read(manifest.position - 1, manifest.position)), None)
    there = begin if last is None else last.end
    if there != End(manifest.position, bytes.fromhex(manifest.link)):
        message = f"{folder} was made from another log; export into a new folder"
        raise InputError(message, field="folder")
    return manifest


def _without_erased(log: Log, folder: Path, manifest: Manifest, snapshots: Path | None, stop: int) -> Manifest:
    """Return where to go on, with all keys known that are destroyed by `stop`.

    That is from the beginning if somebody was erased since the last time: what is there may be about that person.
    """
    since = erasures(log, manifest.position, stop)
    if since and any(folder.glob(PARTS)):
        new = _new(log, snapshots, manifest.personal)
        if min(_first_of(path) for path in folder.glob(PARTS)) < new.position:
            message = f"somebody was erased who may be in {folder}: remove it, and export anew with the archive"
            raise InputError(message, field="folder")
        _replace(folder / MANIFEST, msgspec.json.encode(new))
        manifest, since = new, erasures(log, new.position, stop)
    manifest.known.erased = sorted({*manifest.known.erased, *(e.key for e in since if e.key)})
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


def _write(folder: Path, commits: list[Commit], gathered: Gathered) -> list[tuple[str, int]]:
    """Write the files of some commits, and return for each its table and how many rows it has."""
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
    for path in folder.glob(PARTS):
        if path.name.startswith(".") or _first_of(path) >= position:
            path.unlink()


def _first_of(part: Path) -> int:
    """Return the position from which on a file holds rows."""
    return int(part.name.lstrip(".")[len("part-") :].split(".")[0])
