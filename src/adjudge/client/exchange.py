"""The exchange: how often a request is sent, how long in between, and when to give up, without any sending itself.

A call is a generator. It yields an attempt and is sent what was heard, until it returns its result. Whoever runs it,
waiting or awaiting, does nothing but send; so the rules are here once. The same bytes are sent every time, and an
id that was decided before is answered with that decision: therefore anything may be sent again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from adjudge.client.address import Address
from adjudge.client.options import Options, Timing
from adjudge.client.problems import AGAIN, Reply, error_of
from adjudge.errors import DeadlineError, OverloadedError, UnavailableError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What is sent; sent again, it is the same.

    Parameters
    ----------
    call
        What it is for: named in errors and logs, which hold neither ids nor keys.
    method, path, query, body
        As HTTP has them; a body is JSON.
    """

    call: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True)
class Attempt:
    """One sending of a request.

    Parameters
    ----------
    request
        What is sent.
    wait_s
        How long to wait before, in seconds.
    timeout_s
        How long it may take then.
    """

    request: Request
    wait_s: float
    timeout_s: float

    def arguments(self, address: Address) -> dict[str, Any]:
        """Return what httpx is to send besides method and path.

        Parameters
        ----------
        address
            Has the key.
        """
        request, headers = self.request, address.headers()
        if request.body is not None:
            headers["content-type"] = "application/json"
        return {"params": dict(request.query), "content": request.body, "headers": headers}


Heard = Reply | httpx.RequestError
"""What comes of an attempt: an answer, or why there is none."""

Steps = Generator[Attempt, Heard, T]
"""A call on its way to a result."""


class Exchange:
    """The requests of one call, which share its deadline.

    Parameters
    ----------
    options
        How patient to be.
    timing
        Clock and chance.
    """

    def __init__(self, options: Options, timing: Timing) -> None:
        self._options = options
        self._timing = timing
        self._began = timing.clock()

    def ask(self, request: Request) -> Steps[Reply]:
        """Send a request until there is an answer that another attempt would not change, and return it.

        Parameters
        ----------
        request
            What is sent.

        Raises
        ------
        UnavailableError
            With what the last attempt came to, when no further one is allowed or would be in time.
        """
        wait = 0.0
        for number in itertools.count(1):
            left = self._left() - wait
            if left <= 0:
                message = f"{request.call}: the deadline has passed"
                raise DeadlineError(message)
            heard = yield Attempt(request, wait, min(self._options.attempt_timeout.total_seconds(), left))
            if isinstance(heard, Reply) and heard.status not in AGAIN:
                return heard
            wait = self._wait(number, heard)
            if _is_hopeless(heard) or number == self._options.attempts or wait >= self._left():
                raise self._given_up(request, number, heard) from (heard if isinstance(heard, Exception) else None)
            log.info("%s: attempt %d failed, %s; again in %.3f s", request.call, number, words_of(heard), wait)
        raise AssertionError  # counting has no end

    def once(self, request: Request) -> Steps[Heard]:
        """Send a request a single time and return what was heard.

        Parameters
        ----------
        request
            What is sent.
        """
        return (yield Attempt(request, 0.0, min(self._options.attempt_timeout.total_seconds(), self._left())))

    def _left(self) -> float:
        """Return how many seconds the call may still take."""
        deadline = self._options.deadline
        return float("inf") if deadline is None else self._began + deadline.total_seconds() - self._timing.clock()

    def _wait(self, number: int, heard: Heard) -> float:
        """Return how long to wait after an attempt: what the service asks for, and some more by chance."""
        first, longest = self._options.first_wait.total_seconds(), self._options.longest_wait.total_seconds()
        asked = heard.retry_after_s if isinstance(heard, Reply) else 0.0
        return asked + self._timing.random() * min(longest, first * 2.0 ** min(number - 1, 60))

    def _given_up(self, request: Request, number: int, heard: Heard) -> UnavailableError:
        times = "once" if number == 1 else f"{number} times"
        message = f"{request.call}: {words_of(heard)} (tried {times} in {self._timing.clock() - self._began:.1f} s)"
        if isinstance(heard, httpx.TimeoutException):
            return DeadlineError(message)
        overloaded = isinstance(heard, Reply) and heard.status == 429
        return OverloadedError(message) if overloaded else UnavailableError(message)


def _is_hopeless(heard: Heard) -> bool:
    """Return whether a request could not even leave, and never will."""
    return isinstance(heard, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))


def words_of(heard: Heard) -> str:
    """Return what was heard in words that hold nothing of what was sent."""
    if isinstance(heard, Reply):
        return str(error_of(heard))
    if isinstance(heard, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(heard, httpx.ConnectError):
        return f"no connection to the service: {heard}"
    return "the connection broke before the answer was whole"
