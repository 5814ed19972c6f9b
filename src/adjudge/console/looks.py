"""Looks: what takes longer than a page may, done by a process beside the service and kept for whoever comes next.

A look is a verb of the command line that prints JSON. It runs at the lowest priority, says how far it is, can be
stopped by whoever waits for it, and belongs to nobody's page: whoever loads that again, or comes later, finds what it
found and how old that is.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from adjudge.console.beside import LONG, beside
from adjudge.errors import AdjudgeError, UnavailableError

log = logging.getLogger(__name__)

MOST = 32
"""Looks that are kept; the oldest is forgotten first."""

Words = tuple[str, ...]
"""The words behind ``adjudge`` that make a look."""


@dataclass
class Look:
    """One look.

    Parameters
    ----------
    began_us
        When it was begun, in microseconds since 1970 UTC.
    position
        Where the log ended then.
    state
        ``running``, ``done``, ``failed`` or ``stopped``.
    says
        How far it is, or what was wrong.
    found
        What it printed.
    took_s
        Seconds that it took, or has taken until now.
    """

    began_us: int
    position: int
    state: str = "running"
    says: str = ""
    found: bytes = b""
    _began: float = field(default_factory=time.monotonic)
    _took: float | None = None

    @property
    def took_s(self) -> float:
        """Seconds that it took, or has taken until now."""
        return time.monotonic() - self._began if self._took is None else self._took

    def tell(self, line: str) -> None:
        """Say how far it is."""
        self.says = line

    def end(self, state: str, says: str = "", found: bytes = b"") -> None:
        """Say how it ended."""
        self.state, self.says, self.found, self._took = state, says, found, time.monotonic() - self._began


class Looks:
    """The looks of a service.

    Parameters
    ----------
    program
        How ``adjudge`` is started beside the service, on its log.
    environ
        What says where that is.
    """

    def __init__(self, program: Sequence[str], environ: dict[str, str]) -> None:
        self._program = [*program]
        self._environ = {**os.environ, **environ}
        self._looks: OrderedDict[Words, Look] = OrderedDict()
        self._tasks: dict[Words, asyncio.Task[bytes]] = {}

    def get(self, words: Words) -> Look | None:
        """Return the last look by these words; None if there was none."""
        return self._looks.get(words)

    def begin(self, words: Words, more: Words = (), *, now_us: int, position: int) -> Look:
        """Begin a look, or return the one that is under way.

        Parameters
        ----------
        words
            What it is found by.
        more
            Words that are said besides.
        now_us, position
            The present, and where the log ends.
        """
        before = self._looks.get(words)
        if before is not None and before.state == "running":
            return before
        look = self._looks[words] = Look(now_us, position)
        self._looks.move_to_end(words)
        ended = [one for one, kept in self._looks.items() if kept.state != "running"]
        for one in ended[: max(len(self._looks) - MOST, 0)]:
            del self._looks[one]
        command = [*self._program, *words, *more]
        running = beside(command, environ=self._environ, told=look.tell, turn=LONG)
        self._tasks[words] = task = asyncio.get_running_loop().create_task(running)
        task.add_done_callback(functools.partial(self._ended, words, look))
        return look

    def stop(self, words: Words) -> None:
        """Stop a look that is under way."""
        task = self._tasks.get(words)
        if task is not None:
            task.cancel()

    def _ended(self, words: Words, look: Look, task: asyncio.Task[bytes]) -> None:
        del self._tasks[words]
        if task.cancelled():
            look.end("stopped", "Somebody has stopped it.")
        elif (error := task.exception()) is None:
            look.end("done", found=task.result())
        elif isinstance(error, AdjudgeError):
            look.end("failed", str(error))
        else:
            log.error("a look could not be started", exc_info=error)
            look.end("failed", "it could not be started")


def program_of(command: Sequence[str] | None) -> list[str]:
    """Return how ``adjudge`` is started, by the command line of one of its verbs.

    Raises
    ------
    UnavailableError
        If no other process can read the log.
    """
    if command is None:
        message = "the log is in the memory of this process, so no other one can look at it: serve with a log in a file"
        raise UnavailableError(message)
    return [*command[:3]]
