"""A session ends when it is idle, old, closed, or its key is no longer good, and holds no more than the key allows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from adjudge.console.sessions import IDLE_US, LIFE_US, MAX_SESSIONS, Session, Sessions
from adjudge.service.access import keys
from adjudge.service.access.guard import CredentialGuard
from adjudge.service.access.keys import Grant, Keys
from adjudge.service.access.ledger import By, MemoryLedger
from adjudge.service.access.refusal import ForbiddenError, UnauthenticatedError
from adjudge.service.access.routes import Door
from adjudge.service.access.scope import Scope
from tests.service.shop import ManualClock


class Hall:
    """Sessions with their keys and clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.keys = Keys()
        self.ledger = MemoryLedger(self.clock, self.keys)
        self.made = keys.create(self.keys, self.ledger, Grant("ada", ["review"]), By("ops", "her desk"))
        self.sessions = Sessions(CredentialGuard(self.keys, None, self.clock), self.clock)

    def open(self) -> tuple[str, Session]:
        return asyncio.run(self.sessions.open([(b"authorization", f"Bearer {self.made.text}".encode())]))

    def admit(self, session: Session, need: Any = Scope.REVIEW, *, active: bool = True) -> str:
        return asyncio.run(self.sessions.admit(session, need, active=active)).principal.who

    def wait(self, micros: int) -> None:
        self.clock.advance(timedelta(microseconds=micros))


def test_a_session_does_what_its_key_may() -> None:
    hall = Hall()
    token, session = hall.open()
    assert hall.sessions.find(token) is session
    assert hall.admit(session) == "ada"
    with pytest.raises(ForbiddenError):
        hall.admit(session, Scope.MANAGE)
    assert hall.sessions.find(token) is session  # being refused ends nothing


def test_a_bad_key_opens_none() -> None:
    hall = Hall()
    with pytest.raises(UnauthenticatedError):
        asyncio.run(hall.sessions.open([(b"authorization", b"Bearer adj_000000000000_00")]))
    assert len(hall.sessions) == 0


def test_the_browser_keeps_nothing_that_the_service_keeps() -> None:
    hall = Hall()
    token, session = hall.open()
    assert token not in (session.key, session.form)
    assert hall.made.text not in repr(session)
    assert hall.sessions.find(session.key) is None


def test_an_idle_session_is_over_and_what_a_page_does_by_itself_keeps_it_not_open() -> None:
    hall = Hall()
    token, session = hall.open()
    hall.wait(IDLE_US - 1)
    hall.admit(session, active=False)
    hall.wait(1)
    with pytest.raises(UnauthenticatedError):
        hall.admit(session)
    assert hall.sessions.find(token) is None


def test_a_session_that_is_used_lives_its_life_and_no_longer() -> None:
    hall = Hall()
    token, session = hall.open()
    for _ in range(LIFE_US // (IDLE_US - 1)):
        hall.wait(IDLE_US - 1)
        hall.admit(session, Door.ANY)
    hall.wait(IDLE_US - 1)
    assert hall.sessions.find(token) is None


def test_a_key_that_is_revoked_ends_what_was_opened_with_it() -> None:
    hall = Hall()
    token, session = hall.open()
    keys.revoke(hall.keys, hall.ledger, hall.made.key.id, By("ops", "stolen"))
    with pytest.raises(UnauthenticatedError):
        hall.admit(session)
    assert hall.sessions.find(token) is None


def test_a_closed_session_does_nothing_more() -> None:
    hall = Hall()
    token, session = hall.open()
    hall.sessions.close(session)
    assert hall.sessions.find(token) is None
    with pytest.raises(UnauthenticatedError):
        hall.admit(session, Door.ANY)


def test_those_that_were_used_longest_ago_make_room() -> None:
    hall = Hall()
    first, _ = hall.open()
    second, session = hall.open()
    hall.wait(1)
    hall.admit(session)
    for _ in range(MAX_SESSIONS - 1):
        hall.open()
    assert len(hall.sessions) == MAX_SESSIONS
    assert hall.sessions.find(first) is None
    assert hall.sessions.find(second) is session
