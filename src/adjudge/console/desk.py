"""The desk: the only way from a page to the service, with the guard in front of every call.

What is read is read on one of a few threads, so that pages wait for each other and decisions for none of them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from adjudge.console.looks import Looks, program_of
from adjudge.console.sessions import Session, Sessions
from adjudge.errors import AdjudgeError
from adjudge.service.access.ledger import By
from adjudge.service.access.routes import Door, Need
from adjudge.service.access.scope import Principal
from adjudge.service.app import Service
from adjudge.service.logs import failed
from adjudge.service.problem import failure, problem_of

Command = Callable[[str], list[str]]

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

THREADS = 2
"""Threads of all pages together: what reads competes with what decides, and more would only compete more."""

READERS = ThreadPoolExecutor(THREADS, "console")

ACTORS = ThreadPoolExecutor(THREADS, "console-act")
"""What is done may take long, as compiling a plan does, and holds up no page."""


class Tools:
    """What the pages of a service share.

    Parameters
    ----------
    service
        What they are about.
    command
        Returns the command line that does something with the same systems and the same log, by its verb; None where
        no other process can read the log.
    """

    def __init__(self, service: Service, command: Command | None) -> None:
        self.command = command
        self._service = service
        self._looks: Looks | None = None
        self.finder = service.around.finder

    def looks(self) -> Looks:
        """Return the looks of the service; `UnavailableError` where no other process can read its log."""
        if self._looks is None:
            settings = self._service.settings
            program = program_of(None if self.command is None else self.command("report"))
            self._looks = Looks(program, {"ADJUDGE_WORKSPACE": settings.workspace, "ADJUDGE_LOG": settings.log})
        return self._looks


class Desk:
    """What a page of somebody may ask and do.

    Parameters
    ----------
    service
        What is asked.
    sessions, session
        Where it is asked whether they may, and theirs.
    tools
        What pages share.
    """

    def __init__(self, service: Service, sessions: Sessions, session: Session, tools: Tools) -> None:
        self.service = service
        self.command = tools.command
        self.finder = tools.finder
        self.looks = tools.looks
        self.session = session
        self._sessions = sessions

    @property
    def principal(self) -> Principal:
        """Who reads the page."""
        return self.session.principal

    @property
    def now_us(self) -> int:
        """The time of the service, in microseconds since 1970 UTC."""
        return self.service.decider.clock()

    def may(self, need: Need) -> bool:
        """Return whether something may be offered to them; doing it asks the guard all the same."""
        return isinstance(need, Door) or need in self.principal.scopes

    async def admit(self, need: Need) -> None:
        """Raise `RefusedError` unless they may."""
        await self._sessions.admit(self.session, need)

    async def read(self, need: Need, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function reads, on a thread; `RefusedError` if they may not.

        Parameters
        ----------
        need
            What reading it takes in the API.
        function, args, kwargs
            What to call, and with what.
        """
        await self._sessions.admit(self.session, need)
        return await _on(READERS, function, *args, **kwargs)

    async def watch(self, need: Need, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a page reads by itself, again and again; that keeps no session open."""
        await self._sessions.admit(self.session, need, active=False)
        return await _on(READERS, function, *args, **kwargs)

    async def act(self, need: Need, why: str, function: Callable[[By], T]) -> T:
        """Do something in their name, on a thread; `RefusedError` if they may not.

        Parameters
        ----------
        need
            What it takes in the API.
        why
            Their reason, for the log.
        function
            Does it, told who and why.
        """
        visitor = await self._sessions.admit(self.session, need)
        who = visitor.principal
        return await _on(ACTORS, function, By(who.who, why, who.holders))


async def _on(threads: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, functools.partial(function, *args, **kwargs))


def words_of(error: BaseException) -> str:
    """Return an error in the words that the API has for it, with an id to quote where nobody expected it."""
    told = problem_of(error) if isinstance(error, AdjudgeError) else failure()
    if told.status == 500:
        log.error("a page of the console failed", exc_info=error, extra=failed(told.instance))
    return f"{told.detail} ({told.instance})" if told.instance else told.detail
