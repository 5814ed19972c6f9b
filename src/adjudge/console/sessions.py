"""Sessions: who has signed in at the console, by the hash of what their browser keeps.

A session holds the credential and nothing that it allows: the guard is asked anew for whatever is done in it, so a key
that is revoked ends every session that was opened with it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from adjudge.service.access.guard import Guard, Headers, Visitor
from adjudge.service.access.refusal import UnauthenticatedError
from adjudge.service.access.routes import Door, Need
from adjudge.service.access.scope import Principal

MINUTE_US = 60_000_000

IDLE_US = 30 * MINUTE_US
"""A session in which nobody has done anything for so long is over."""

LIFE_US = 12 * 60 * MINUTE_US
"""A session is over after so long, whatever is done in it."""

MAX_SESSIONS = 1_000
"""Most sessions at a time; when there are more, those that were used longest ago are over."""

ENDED = "the session is over: sign in again"


@dataclass
class Session:
    """Somebody at the console.

    Parameters
    ----------
    key
        Hash of what their browser keeps.
    headers
        Their credential, as the guard reads it.
    principal
        Who they are, and what they were allowed when it was asked last.
    made_us, used_us
        When it began and when something was done in it last, in microseconds since 1970 UTC.
    form
        What a form of theirs has to bring back, so that no page from elsewhere can send one.
    """

    key: str
    headers: Headers
    principal: Principal
    made_us: int
    used_us: int
    form: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __repr__(self) -> str:  # so that no log or traceback prints the credential
        return f"Session({self.principal.who!r})"

    def is_over(self, now_us: int) -> bool:
        """Return whether it has ended by a time."""
        return now_us >= min(self.used_us + IDLE_US, self.made_us + LIFE_US)

    def brings_back(self, form: str) -> bool:
        """Return whether a form is one of theirs."""
        return hmac.compare_digest(form.encode(), self.form.encode())


class Sessions:
    """Every session, in this process's memory alone.

    Parameters
    ----------
    guard
        Says who a credential is, and what it allows.
    clock
        Returns microseconds since 1970 UTC.
    """

    def __init__(self, guard: Guard, clock: Callable[[], int]) -> None:
        self._guard = guard
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    async def open(self, headers: Headers) -> tuple[str, Session]:
        """Begin a session; return what the browser is to keep, and the session.

        Parameters
        ----------
        headers
            The credential.

        Raises
        ------
        RefusedError
            If it is not good.
        """
        visitor = await self._guard.admit(headers, Door.ANY)
        now = self._clock()
        token = secrets.token_urlsafe(32)
        session = Session(_hash(token), headers, visitor.principal, now, now)
        self._make_room(now)
        self._sessions[session.key] = session
        return token, session

    def find(self, token: str) -> Session | None:
        """Return the session of what a browser keeps; None if there is none, or it is over."""
        session = self._sessions.get(_hash(token))
        if session is not None and session.is_over(self._clock()):
            self.close(session)
            return None
        return session

    def close(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.key, None)

    async def admit(self, session: Session, need: Need, *, active: bool = True) -> Visitor:
        """Let somebody do something in their session, as the API would.

        Parameters
        ----------
        session
            Theirs.
        need
            What it takes.
        active
            Whether a person does it; what a page does by itself keeps no session open.

        Raises
        ------
        RefusedError
            If they may not, or the session is over.
        """
        now = self._clock()
        if session.key not in self._sessions or session.is_over(now):
            self.close(session)
            raise UnauthenticatedError(ENDED, sent=False)
        try:
            visitor = await self._guard.admit(session.headers, need)
        except UnauthenticatedError:  # the credential has ended
            self.close(session)
            raise
        session.principal = visitor.principal
        if active:
            session.used_us = now
        return visitor

    def _make_room(self, now_us: int) -> None:
        for session in [s for s in self._sessions.values() if s.is_over(now_us)]:
            self.close(session)
        while len(self._sessions) >= MAX_SESSIONS:
            self.close(min(self._sessions.values(), key=lambda s: s.used_us))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
