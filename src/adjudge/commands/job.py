"""A job: rows of a file, what is done with them, where the answers go, and the summary in the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import typer

from adjudge.client import CatalogueRow
from adjudge.commands.bulk import Ask, Report, Summary, send
from adjudge.commands.lines import Format, Line, Roles, count, format_of, lines_of
from adjudge.commands.show import as_json, err
from adjudge.errors import InputError
from adjudge.progress import Bars


@dataclass(frozen=True)
class Rows:
    """A file of rows.

    Parameters
    ----------
    path
        Where it is; ``-`` for standard input.
    kind
        Its format; by its name where absent.
    """

    path: Path
    kind: Format | None = None

    @property
    def format(self) -> Format:
        """The format of the file."""
        return self.kind or format_of(self.path)

    def count(self) -> int | None:
        """Return about how many rows there are, None where one cannot tell or nobody looks."""
        return count(self.path, self.format) if err.is_terminal else None

    @contextmanager
    def open(self, roles: Roles) -> Iterator[Iterator[Line]]:
        """Open the file and give its rows.

        Parameters
        ----------
        roles
            What its fields hold.
        """
        with nullcontext(sys.stdin.buffer) if str(self.path) == "-" else self.path.open("rb") as stream:
            yield lines_of(stream, self.format, roles, self.path.name)


@dataclass(frozen=True)
class Job:
    """What is done with rows, and where what becomes of them goes.

    Parameters
    ----------
    verb
        What is done, for the progress bar.
    to
        Where answers go; ``-`` for standard output, None for nowhere.
    refused
        Where refused rows go; None for nowhere.
    """

    verb: str
    to: Path | None = None
    refused: Path | None = None

    async def run(self, lines: Iterable[Line], total: int | None, ask: Ask) -> Summary:
        """Send rows and return how it went.

        Parameters
        ----------
        lines
            The rows.
        total
            About how many there are, None where one cannot tell.
        ask
            Sends some.
        """
        with ExitStack() as stack:
            to, refused = (stack.enter_context(_written(path)) for path in (self.to, self.refused))
            report = Report(to, refused, tell)
            bars = stack.enter_context(Bars(err))
            bars(self.verb, 0, total)
            await send(lines, ask, report, lambda done: bars(self.verb, done, total))
            summary = report.summary()
            bars(self.verb, summary.rows, summary.rows)
        return summary


def tell(text: str) -> None:
    """Print a line on standard error."""
    err.print(text, markup=False, highlight=False)


def roles_of(rows: list[CatalogueRow], system: str | None) -> Roles:
    """Return what the fields of the events hold that a system decides.

    Parameters
    ----------
    rows
        The catalogue.
    system
        Its name; None where there is one stream.

    Raises
    ------
    InputError
        If several streams are decided and no system is named.
    """
    fields = [row for row in rows if row.stream and not row.entity]
    wanted = [row for row in fields if system is None or f"system {system}" in row.used_by]
    if len({row.stream for row in wanted}) > 1:
        message = f"the service decides {', '.join(sorted({row.stream for row in wanted}))}; name its --system"
        raise InputError(message, field="system", code="missing_field")
    return {row.name: row.type for row in wanted}


def words_of(summary: Summary) -> str:
    """Return a summary as a sentence.

    Examples
    --------
    >>> words_of(Summary(rows=3, answers={"set": 2}, refused=1, seconds=0.5))
    '3 rows in 0.5 s: 2 set, 1 refused'
    """
    counts = [f"{n:,} {answer}" for answer, n in summary.answers.items()]
    if summary.repeated:
        counts.append(f"{summary.repeated:,} of them repeated")
    return f"{summary.rows:,} rows in {summary.seconds:.1f} s: {', '.join([*counts, f'{summary.refused:,} refused'])}"


def finish(summary: Summary, json: bool) -> NoReturn:
    """Print a summary and end: with exit code 1 if a row was refused."""
    if json:
        as_json(summary)
    else:
        tell(words_of(summary))
    raise typer.Exit(1 if summary.refused else 0)


def _written(path: Path | None) -> nullcontext[IO[bytes] | None] | IO[bytes]:
    if path is None:
        return nullcontext(None)
    return nullcontext(sys.stdout.buffer) if str(path) == "-" else path.open("wb")
