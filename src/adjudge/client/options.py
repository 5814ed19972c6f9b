"""How patient a client is and how much it sends at once, as one frozen record; and the clock and chance it goes by."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta

import httpx

from adjudge.errors import InputError


@dataclass(frozen=True)
class Options:
    """What a client does about time, failures and size.

    Parameters
    ----------
    attempts
        Most times that a request is sent, the first time included.
    first_wait
        Longest wait before the second attempt; it doubles with every attempt. A wait is drawn between 0 and its
        longest, so that clients that failed together do not come back together.
    longest_wait
        Where the doubling ends.
    attempt_timeout
        How long a single attempt may take.
    deadline
        How long a whole call may take, with all its requests, attempts and waits; None for as long as it takes.
    max_rows
        Most rows of one request. What the service finds too large is halved until it fits.
    max_body_bytes
        Largest body of a request of several rows; likewise.
    connections
        Most connections at once; kept open for further calls.

    Examples
    --------
    >>> Options(attempts=0)
    Traceback (most recent call last):
    adjudge.errors.InputError: attempts must be at least 1, not 0
    """

    attempts: int = 6
    first_wait: timedelta = timedelta(milliseconds=100)
    longest_wait: timedelta = timedelta(seconds=5)
    attempt_timeout: timedelta = timedelta(seconds=10)
    deadline: timedelta | None = timedelta(seconds=30)
    max_rows: int = 1_000
    max_body_bytes: int = 4 * 1024 * 1024
    connections: int = 32

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                message = f"{field.name} must be at least 1, not {value}"
                raise InputError(message, field=field.name)
            if isinstance(value, timedelta) and value <= timedelta():
                message = f"{field.name} must be longer than nothing"
                raise InputError(message, field=field.name)

    @property
    def limits(self) -> httpx.Limits:
        """The limits of the connections, as httpx takes them."""
        return httpx.Limits(max_connections=self.connections, max_keepalive_connections=self.connections)


@dataclass(frozen=True)
class Timing:
    """The clock that deadlines are measured by, and the chance that waits are drawn by.

    Parameters
    ----------
    clock
        Seconds since some moment; never goes back.
    random
        A number in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
