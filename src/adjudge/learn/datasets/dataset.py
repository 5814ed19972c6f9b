"""A public data set: what was published about it, how its files are read, and a system that is ready for them.

No file of them comes with the package; whoever wants one gets it where `Dataset.obtain` says, and gives the path.
Altered copies of well-known sets are common, so rows and frauds are counted and held to what was published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjudge.define import System
from adjudge.errors import InputError
from adjudge.learn.datasets.files import Kind, collect, find, missing, need, scan, typed
from adjudge.learn.datasets.shared import FRAUD
from adjudge.learn.source import Source, read_streams

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Edition:
    """A form in which a data set was published, and how large it is.

    Parameters
    ----------
    name
        Which one.
    rows, frauds
        How many events it holds, and how many of them are frauds; None where no label was published.
    """

    name: str
    rows: int
    frauds: int | None


@dataclass(frozen=True)
class Form:
    """A shape of file that a set comes in.

    Parameters
    ----------
    columns
        The columns that are read, and what they hold.
    events
        Makes events of them, named like the fields of the stream, and a column ``fraud`` where there are labels; takes
        the table and the folder in which further files may stand.
    quote
        What stands around texts in a CSV file.
    unlabelled
        The columns that may be absent because labels are.
    """

    columns: Mapping[str, Kind]
    events: Callable[[pl.LazyFrame, Path], pl.LazyFrame]
    quote: str = '"'
    unlabelled: tuple[str, ...] = ()

    def present(self, frame: pl.LazyFrame) -> dict[str, Kind]:
        """Return the columns to read of a table, without labels that it does not have."""
        there = frame.collect_schema().names()
        return {n: kind for n, kind in self.columns.items() if n in there or n not in self.unlabelled}


@dataclass(frozen=True)
class Checked:
    """What a file of a set was found to hold.

    Parameters
    ----------
    dataset
        Name of the set.
    files
        Names of the files that were read.
    rows, frauds
        What was counted; `frauds` is None without labels.
    start, end
        Times of the first and the last event.
    edition
        Name of the published edition that it agrees with; None where it agrees with none.
    """

    dataset: str
    files: tuple[str, ...]
    rows: int
    frauds: int | None
    start: datetime
    end: datetime
    edition: str | None


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    Parameters
    ----------
    name
        Its name here, as in ``adjudge data check NAME PATH``.
    meaning
        One sentence for people.
    obtain
        Where a user gets it.
    licence
        As its authors state it.
    files
        Names of its files, without their endings.
    editions
        What was published.
    forms
        The shapes of its files.
    system
        Returns definitions that fit it.
    notes
        What was decided in reading it: zone, currency, what is left out and why.
    """

    name: str
    meaning: str
    obtain: str
    licence: str
    files: tuple[str, ...]
    editions: tuple[Edition, ...]
    forms: tuple[Form, ...]
    system: Callable[[], System]
    notes: tuple[str, ...] = ()

    def read(self, path: Path, *, strict: bool = True) -> Source:
        """Return the events and labels of a file or folder of this set.

        A label is known once the delay of the system's label has passed, because no set says when it became known.
        Only frauds are reported; what nobody reports in that time counts as honest.

        Parameters
        ----------
        path
            The authors' file, a folder that holds it, or a folder that `Source.write` wrote.
        strict
            Whether rows and frauds must be those of a published edition; False reads part files.

        Raises
        ------
        InputError
            If it cannot be read, a column is missing, or the counts are others than published.
        """
        system = self.system()
        if (path / f"{system.decides.schema().name}.parquet").is_file():
            return read_streams(system, path)
        events = self.events(path)
        if strict:
            self.hold(events.height, counted(events), path.name)
        return self._source(system, events)

    def fits(self, file: Path) -> bool:
        """Tell whether a file has all columns of some form of this set.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        return any(not missing(frame, form.present(frame)) for form, frame in self._scanned(file))

    def events(self, path: Path) -> pl.DataFrame:
        """Return the events of a file or folder in order of time, with ``fraud`` where there are labels, uncounted."""
        import polars as pl

        found = find(path, self.files)
        parts = [self._part(one) for one in found]
        return collect(pl.concat(parts).sort("at", maintain_order=True), " and ".join(one.name for one in found))

    def _part(self, path: Path) -> pl.LazyFrame:
        form, frame = self._form(path)
        return form.events(typed(frame, form.present(frame)), path.parent)

    def _form(self, path: Path) -> tuple[Form, pl.LazyFrame]:
        """Return the form of a file: the one of whose columns the fewest are missing."""
        form, frame = min(self._scanned(path), key=lambda one: len(missing(one[1], one[0].present(one[1]))))
        need(frame, form.present(frame), f"{self.name}: {path.name}")
        return form, frame

    def _scanned(self, path: Path) -> list[tuple[Form, pl.LazyFrame]]:
        return [(form, scan(path, quote=form.quote)) for form in self.forms]

    def check(self, path: Path) -> Checked:
        """Return what a file or folder holds, and which published edition it is.

        Parameters
        ----------
        path
            The authors' file, or a folder that holds it.

        Raises
        ------
        InputError
            If it cannot be read, a column is missing, or there are no rows.
        """
        events = self.events(path)
        rows, frauds = events.height, counted(events)
        if not rows:
            msg = f"{self.name}: {path.name} holds no events, only the names of columns"
            raise InputError(msg, field="rows", code="no_rows")
        edition = next((e.name for e in self.editions if (e.rows, e.frauds) == (rows, frauds)), None)
        times: dict[str, Any] = {"start": events["at"].min(), "end": events["at"].max()}
        files = tuple(one.name for one in find(path, self.files))
        return Checked(self.name, files, rows, frauds, edition=edition, **times)

    def disagreement(self, rows: int, frauds: int | None) -> str:
        """Return in one sentence why counts are none of the published ones; empty if they are.

        Parameters
        ----------
        rows, frauds
            What was counted.
        """
        if any((e.rows, e.frauds) == (rows, frauds) for e in self.editions):
            return ""
        near = next((e for e in self.editions if e.rows == rows), None)
        if near is not None:
            return f"{_many(frauds)} frauds among {rows:,} rows, where {_many(near.frauds)} were published"
        published = ", ".join(f"{e.rows:,} ({e.name})" for e in self.editions)
        return f"{rows:,} rows, where {published} were published"

    def hold(self, rows: int, frauds: int | None, where: str) -> None:
        """Raise `InputError` if counts are none of the published ones, naming both.

        Parameters
        ----------
        rows, frauds
            What was counted.
        where
            The file's name.
        """
        wrong = self.disagreement(rows, frauds)
        if wrong:
            msg = f"{self.name}: {where} holds {wrong}; a part of the set is read with strict=False or --part"
            raise InputError(msg, field="rows", code="altered_data")

    def _source(self, system: System, events: pl.DataFrame) -> Source:
        import polars as pl

        schema = system.decides.schema()
        if FRAUD not in events.columns or system.label is None:
            return Source({schema.name: events})
        labels = events.filter(pl.col(FRAUD)).select(
            schema.id_field, value=pl.lit(True), known_at=pl.col("at") + system.label.delay
        )
        return Source({schema.name: events.drop(FRAUD)}, {FRAUD: labels})


def counted(events: pl.DataFrame) -> int | None:
    """Return how many events are frauds; None without labels."""
    return int(events[FRAUD].sum()) if FRAUD in events.columns else None


def _many(count: int | None) -> str:
    return "no labelled" if count is None else f"{count:,}"
