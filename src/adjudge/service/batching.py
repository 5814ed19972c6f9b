"""Natural batching: whatever is waiting is decided in one step, and nothing ever waits for company.

Requests that arrive while a step runs pile up and make the next batch, so batches grow with the load by
themselves and a lonely request is decided at once. There is no timer. Everything happens on the event loop's
thread, which thereby owns the decider: handing a request to another thread and back costs more than deciding.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adjudge.errors import AdjudgeError, InputError, UnavailableError
from adjudge.service.decider import Decider
from adjudge.service.decode import EventStruct
from adjudge.service.logs import INSTANCE, incident
from adjudge.service.tracing import CURRENT
from adjudge.service.verdict import Verdict

if TYPE_CHECKING:
    from adjudge.service.spans import Open, Traces

log = logging.getLogger(__name__)


class Overloaded(InputError):
    """More is waiting than the service is willing to hold."""


class BatchError(UnavailableError):
    """A batch failed for a reason nobody expected.

    Parameters
    ----------
    incident
        Its id in the log of the service.
    """

    def __init__(self, incident: str) -> None:
        super().__init__("deciding has failed")
        self.instance = INSTANCE + incident


@dataclass(slots=True)
class Job:
    """Events of one request that wait to be decided or scored.

    Parameters
    ----------
    stream
        Their stream.
    system
        The system that is asked for a score; empty to decide.
    events
        Checked events.
    arrived
        When their request arrived, in `time.perf_counter()` seconds.
    done
        Gets the verdicts.
    queued
        When they began to wait, in `time.perf_counter()` seconds.
    request
        The span of their request; None where nothing is traced.
    """

    stream: str
    system: str
    events: Sequence[EventStruct]
    arrived: float
    done: asyncio.Future[list[Verdict]]
    queued: float
    request: Open | None


class Batcher:
    """Collects what is waiting and has it decided.

    Parameters
    ----------
    decider
        Decides.
    max_batch
        Most events of one step.
    max_waiting
        Most events that may wait.
    traces
        Makes spans of batches; None makes none.
    """

    def __init__(
        self, decider: Decider, *, max_batch: int = 512, max_waiting: int = 20_000, traces: Traces | None = None
    ) -> None:
        self.decider = decider
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.traces = traces
        self.waiting = 0
        self.sizes: dict[int, int] = {}
        self._waited = decider.stages.seconds["queue"]
        self._jobs: deque[Job] = deque()
        self._scheduled = False

    def put(
        self, stream: str, events: Sequence[EventStruct], arrived: float, *, system: str = ""
    ) -> asyncio.Future[list[Verdict]]:
        """Queue the events of one request.

        Parameters
        ----------
        stream
            Their stream.
        events
            At most `max_batch` checked events.
        arrived
            When the request arrived, in `time.perf_counter()` seconds.
        system
            Ask this system for scores instead of deciding.

        Raises
        ------
        Overloaded
            If too much is waiting already.
        """
        self.check_room(len(events))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Verdict]] = loop.create_future()
        request = None if self.traces is None else CURRENT.get()
        self._jobs.append(Job(stream, system, events, arrived, future, time.perf_counter(), request))
        self.waiting += len(events)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._drain, loop)
        return future

    def check_room(self, events: int) -> None:
        """Raise `Overloaded` if so many more events cannot wait."""
        if self.waiting + events > self.max_waiting:
            message = "too many events are waiting to be decided; try again later"
            raise Overloaded(message, code="overloaded")

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Decide one batch: the jobs at the head of the queue that ask for the same."""
        jobs = self._jobs
        first = jobs.popleft()
        batch, size = [first], len(first.events)
        while jobs and size + len(jobs[0].events) <= self.max_batch:
            if (jobs[0].stream, jobs[0].system) != (first.stream, first.system):
                break
            batch.append(jobs.popleft())
            size += len(batch[-1].events)
        self.waiting -= size
        if jobs:
            loop.call_soon(self._drain, loop)
        else:
            self._scheduled = False
        self.sizes[size] = self.sizes.get(size, 0) + 1
        began = time.perf_counter()
        for job in batch:
            self._waited.add(began - job.queued)
            if job.request is not None:
                job.request.stage("queue", job.queued, began)
        try:
            with nullcontext() if self.traces is None else self.traces.batch(batch, began):
                self._answer(batch, self._decide(batch))
        except AdjudgeError as error:
            _fail(batch, error)
        except Exception:
            id_ = incident()
            log.exception(
                "a batch of %d events failed", size, extra={"event": "batch_failed", "facts": {"incident": id_}}
            )
            _fail(batch, BatchError(id_))

    def _decide(self, batch: list[Job]) -> list[Verdict]:
        first = batch[0]
        events = first.events if len(batch) == 1 else [e for job in batch for e in job.events]
        if first.system:
            return self.decider.score(events, first.system)
        arrived = [job.arrived for job in batch for _ in job.events]
        return self.decider.decide(first.stream, events, arrived=arrived)

    @staticmethod
    def _answer(batch: list[Job], verdicts: list[Verdict]) -> None:
        at = 0
        for job in batch:
            end = at + len(job.events)
            if not job.done.done():  # a client that has gone away leaves a cancelled future
                job.done.set_result(verdicts[at:end])
            at = end


def _fail(batch: list[Job], error: AdjudgeError) -> None:
    for job in batch:
        if not job.done.done():
            job.done.set_exception(error)
