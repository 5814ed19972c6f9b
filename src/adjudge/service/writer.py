"""The writer: the one place that appends to the log, holds the right to, and knows whether it can be written.

After a failed append nothing is tried for a moment, so that a lost database costs its time-out once and not with every
request; then the next request tries again, and if it succeeds everything is as before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from adjudge.errors import UnavailableError
from adjudge.log import Commit, FencedError, Log, LogUnavailableError
from adjudge.log.codec import Block, pack

logger = logging.getLogger(__name__)

TTL_US = 10_000_000
"""How long the right to append lasts without being renewed."""

PAUSE_S = 0.5
"""How long nothing is tried after an append has failed."""


class Writer:
    """Appends batches of entries.

    Parameters
    ----------
    log
        Where they go.
    clock
        Returns microseconds since 1970 UTC.
    timer
        Returns seconds that never run backwards.
    holder
        Who takes the right to append, for people.

    Raises
    ------
    UnavailableError
        If another process holds that right.
    """

    def __init__(self, log: Log, *, clock: Callable[[], int], timer: Callable[[], float], holder: str) -> None:
        self.log = log
        self.failed = ""
        self.fenced = False
        self.failures = 0
        self._clock = clock
        self._timer = timer
        self._retry_at = 0.0
        self._unsettled: Commit | None = None
        if log.acquire(holder, now_us=clock(), ttl_us=TTL_US) is None:
            lease = log.lease()
            message = f"{lease.holder if lease else 'another process'} decides on this log; only one may at a time"
            raise UnavailableError(message)
        self.end = log.end()

    @property
    def position(self) -> int:
        """The position that the next entry will have."""
        return self.end.position

    def check(self) -> None:
        """Raise `UnavailableError` while nothing can be appended."""
        if self.failed and (self.fenced or self._timer() < self._retry_at):
            raise UnavailableError(self.failed)

    def append(self, blocks: Sequence[Block], received_at: int) -> None:
        """Append one commit.

        Parameters
        ----------
        blocks
            Its entries, from `position` on.
        received_at
            When they were admitted, in microseconds.

        Raises
        ------
        UnavailableError
            If it could not be appended, or its answer was lost: which of the two, `settle` finds out.
        """
        if self._unsettled is not None:
            raise UnavailableError(self.failed or "what became of the last append is not known yet")
        count = sum(map(len, blocks))
        commit = Commit.after(
            self.end.link, self.end.position, count=count, received_at=received_at, payload=pack(blocks)
        )
        try:
            self.log.append(commit)
        except FencedError as error:
            self.failures += 1
            self._lost(error)
            raise UnavailableError(self.failed) from error
        except LogUnavailableError as error:
            self.failures += 1
            self._unsettled = commit
            raise self._refusal(error) from error
        self.end = commit.end
        self._recovered()

    def settle(self) -> Commit | None:
        """Return the commit of the last append if the log has it although its answer was lost; None if all is known.

        A log in another server may lose an answer and not the commit. Nothing can be appended until that is known.

        Raises
        ------
        UnavailableError
            If the log cannot tell now.
        """
        if self._unsettled is None:
            return None
        try:
            end = self.log.end()
        except LogUnavailableError as error:
            raise self._refusal(error) from error
        commit, self._unsettled = self._unsettled, None
        if end != commit.end:
            return None
        self.end = end
        self._recovered()
        return commit

    def _refusal(self, error: LogUnavailableError) -> UnavailableError:
        """Note that the log cannot be used now, and return the error that says so."""
        self._fail(error)
        self._retry_at = self._timer() + PAUSE_S
        return UnavailableError(self.failed)

    def renew(self) -> None:
        """Extend the right to append; meant to be called every few seconds.

        Extending it is writing: when it succeeds after a failure the log can be written again. Without this a service
        that a load balancer has taken out, and that nobody asks any more, would never find out.
        """
        if self.fenced:
            return
        try:
            self.log.renew(now_us=self._clock(), ttl_us=TTL_US)
        except FencedError as error:
            self._lost(error)
        except LogUnavailableError as error:
            self._fail(error)
        else:
            self._recovered()

    def _lost(self, error: FencedError) -> None:
        self.failed, self.fenced = str(error), True
        logger.error("the right to append is lost: %s", error, extra={"event": "lease_lost"})

    def _fail(self, error: LogUnavailableError) -> None:
        if not self.failed:
            logger.error("the log cannot be written: %s", error, extra={"event": "append_failed"})
        self.failed = f"the log cannot be written: {error}"

    def _recovered(self) -> None:
        if self.failed:
            logger.info("the log can be written again", extra={"event": "append_recovered"})
            self.failed = ""
