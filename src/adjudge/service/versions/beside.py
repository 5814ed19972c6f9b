"""Folding beside: the state of a plan that the present one does not fit, made from the log while the old plan decides.

It takes half of a processor at most: after each moment of work it rests as long. When little of the log is left it asks
to take over; what is left by then is folded while deciding waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from adjudge.engine.plan import Plan
from adjudge.log import Log
from adjudge.service.follow import Follower, quiet
from adjudge.service.personal.keys import Keys

logger = logging.getLogger(__name__)

NEAR = 500
"""Entries that may be left when it asks to take over: a few milliseconds of folding."""

STRETCH_S = 0.002
"""How long it works before it rests."""

MOST_S = 0.5
"""Most seconds that are rested for: what lasted longer was waiting for something to do, and not work."""


class Progress(msgspec.Struct, frozen=True):
    """How far folding beside has come.

    Parameters
    ----------
    system
        What is coming.
    accepted
        Position at which it was accepted.
    features
        Features that are missing until then.
    folded, entries
        Positions of the log that are folded, and how many there are.
    seconds_left
        About how long it takes until they decide; None where that is not known yet.
    """

    system: str
    accepted: int
    features: list[str]
    folded: int
    entries: int
    seconds_left: float | None


class Pace:
    """Lets work rest as long as it has worked, or some times as long.

    Parameters
    ----------
    timer
        Returns seconds that never run backwards.
    rest
        Waits for some seconds.
    stretch_s
        Seconds that it works in one go.
    times
        How many times as long it rests.
    """

    def __init__(
        self,
        timer: Callable[[], float] = time.perf_counter,
        rest: Callable[[float], object] = time.sleep,
        *,
        stretch_s: float = STRETCH_S,
        times: float = 1.0,
    ) -> None:
        self._timer = timer
        self._rest = rest
        self._stretch_s, self._times = stretch_s, times
        self._since = timer()

    def step(self) -> None:
        """Rest if it is time to."""
        worked = self._timer() - self._since
        if worked >= self._stretch_s:
            self._rest(min(worked, MOST_S) * self._times)
            self._since = self._timer()


class Beside:
    """Folds a log for other plans than those that decide on it.

    Parameters
    ----------
    plans
        All systems as they are to be.
    log
        The log; only read.
    keys
        The keys of persons.
    stopped
        Ends it at the next step once it is set.
    pace
        Lets it rest.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        log: Log,
        keys: Keys | None,
        stopped: threading.Event,
        pace: Pace | None = None,
    ) -> None:
        self.follower = Follower(plans, log, say=quiet, keys=keys)
        self._log = log
        self._pace = pace or Pace()
        self._stopped = stopped
        self._began = time.perf_counter()

    def near(self) -> bool:
        """Fold until little is left; False if it was stopped before."""
        while not self._stopped.is_set() and len(self._log) - self.follower.end.position > NEAR:
            self.follower.catch_up(self._step)
        return not self._stopped.is_set()

    def seconds_left(self) -> float | None:
        """Return about how long it takes until nothing is left."""
        done, total = self.follower.end.position, len(self._log)
        spent = time.perf_counter() - self._began
        return round(spent / done * (total - done), 1) if done else None

    def _step(self, done: int, total: int) -> None:
        self._pace.step()
        if self._stopped.is_set():
            raise StoppedError


class StoppedError(Exception):
    """Folding was stopped; what was folded is thrown away."""
