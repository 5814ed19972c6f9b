"""Sending the rows of a file: piece by piece and in order, with what became of each written down and counted.

It may be stopped and started again at any time: an id that was taken before is answered as it was then.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import IO, Any

import msgspec

from adjudge.client import Answers, Decision, Options
from adjudge.commands.lines import Line
from adjudge.errors import InputError, UnavailableError

OPTIONS = Options(attempts=1_000, attempt_timeout=timedelta(seconds=30), deadline=timedelta(minutes=2))
"""A file waits for a service that restarts or is busy, piece by piece, and gives up when it stays away."""

INSIDE = replace(OPTIONS, attempts=1, attempt_timeout=timedelta(days=1), deadline=None)
"""The same for a service in this process."""

NAMED = 20
"""Refused rows that are named on standard error; a file of them has all."""

Ask = Callable[[list[msgspec.Raw]], Awaitable[Answers[Any]]]
"""Has some rows decided, or says something about them."""


class Summary(msgspec.Struct):
    """How a file went.

    Parameters
    ----------
    rows
        Rows that were read.
    answers
        How many were answered with what: a decision, or what became of a label.
    repeated
        Those of them that had been decided before.
    refused
        Rows that were refused.
    seconds, rows_per_s
        How long it took.
    """

    rows: int = 0
    answers: dict[str, int] = {}
    repeated: int = 0
    refused: int = 0
    seconds: float = 0.0
    rows_per_s: float = 0.0


class Refused(msgspec.Struct):
    """One line of the file of refused rows: where it stood, why, and the row itself, to be mended and sent again."""

    line: int
    errors: list[dict[str, str]]
    row: Any


class Report:
    """Writes down what becomes of rows, and counts.

    Parameters
    ----------
    to
        Gets the answers as JSON lines, in order; None for nowhere.
    refused
        Gets the refused rows as JSON lines; None for nowhere.
    tell
        Is told of the first refused rows in words.
    """

    def __init__(self, to: IO[bytes] | None, refused: IO[bytes] | None, tell: Callable[[str], None]) -> None:
        self._to, self._refused, self._tell = to, refused, tell
        self._counts = Counter[str]()
        self._summary = Summary()
        self._began = time.perf_counter()

    def add(self, line: Line, answer: Any, errors: Sequence[InputError]) -> None:
        """Write down what became of a row.

        Parameters
        ----------
        line
            The row.
        answer
            Its answer; None if it was refused.
        errors
            Why it was.
        """
        self._summary.rows += 1
        if answer is None:
            self._refuse(line, errors)
            return
        decided = isinstance(answer, Decision)
        self._counts[answer.decision if decided else answer.status] += 1
        self._summary.repeated += answer.repeated if decided else answer.status == "repeated"
        if self._to is not None:
            self._to.write(msgspec.json.encode(answer) + b"\n")

    def _refuse(self, line: Line, errors: Sequence[InputError]) -> None:
        self._summary.refused += 1
        if self._summary.refused <= NAMED:
            for error in errors:
                self._tell(f"line {line.number}: {error.message}")
        elif self._summary.refused == NAMED + 1:
            self._tell("further refused rows are not named here")
        if self._refused is not None:
            told = [{"field": e.field, "code": e.code, "message": e.message} for e in errors]
            unreadable = any(error is line.error for error in errors)
            row = line.text.decode(errors="replace") if unreadable else msgspec.Raw(line.text)
            self._refused.write(msgspec.json.encode(Refused(line.number, told, row)) + b"\n")

    def summary(self) -> Summary:
        """Return how it went."""
        seconds = time.perf_counter() - self._began
        answers = dict(sorted(self._counts.items()))
        return msgspec.structs.replace(
            self._summary, answers=answers, seconds=seconds, rows_per_s=self._summary.rows / seconds
        )


async def send(lines: Iterable[Line], ask: Ask, report: Report, progress: Callable[[int], None]) -> None:
    """Send rows piece by piece, each when the one before is answered: later rows see what earlier ones left.

    Parameters
    ----------
    lines
        The rows.
    ask
        Sends some.
    report
        Gets what became of each.
    progress
        Is told how many rows are done.

    Raises
    ------
    UnavailableError
        If the service stays away.
    """
    done = 0
    for piece in _pieces(lines, OPTIONS.max_rows):
        good = [line for line in piece if line.error is None]
        try:
            answers = await ask([msgspec.Raw(line.text) for line in good])
        except UnavailableError as error:
            message = f"{error}; {done:,} rows are answered: start again, and they will be answered the same"
            raise UnavailableError(message) from error
        _report(piece, answers, report)
        done += len(piece)
        progress(done)


def _report(piece: list[Line], answers: Answers[Any], report: Report) -> None:
    """Report on a piece: rows that could not be read have no answer among the others."""
    errors: dict[int | None, list[InputError]] = {}
    for error in answers.errors:
        errors.setdefault(error.row, []).append(error)
    results = iter(enumerate(answers.results))
    for line in piece:
        if line.error is not None:
            report.add(line, None, [line.error])
        else:
            row, answer = next(results)
            report.add(line, answer, errors.get(row, ()))


def _pieces(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    rest = iter(lines)
    while piece := list(islice(rest, size)):
        yield piece
