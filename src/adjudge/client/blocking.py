"""The client that waits."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import TypeVar

import httpx

from adjudge.client.address import Address, Key
from adjudge.client.answers import (
    Answers,
    CatalogueRow,
    Decision,
    Done,
    EntityFeatures,
    LogPage,
    Readiness,
    StoredDecision,
    Waiting,
)
from adjudge.client.calls import Calls
from adjudge.client.exchange import Attempt, Heard, Steps
from adjudge.client.options import Options, Timing
from adjudge.client.problems import Reply
from adjudge.client.rows import Row

T = TypeVar("T")


class Client:
    """Talks to a service; may be used by several threads at once, and as a context manager.

    Whatever gets no answer, or is told to come again, is sent again, the same to the byte, until the attempts or the
    time that `Options` allows are used up. Sending again is safe: an event whose id was decided before is answered with
    that decision, marked as repeated.

    Parameters
    ----------
    url
        Where the service is, such as ``http://127.0.0.1:8000``.
    key
        API key or bearer token, or what returns one.
    options
        Patience and sizes.
    transport
        What carries requests: for other certificates, a proxy, or a service in the same process.
    timing
        Clock and chance.
    sleep
        Waits for so many seconds.

    Raises
    ------
    InputError
        From any verb: the service refused what it was sent. It names field and code, and has in `others` what else is
        wrong; `ConflictError` where an id was used before with other content.
    AccessError
        From any verb: the key is missing, unknown, or not good for this.
    UnavailableError
        From any verb: there was no usable answer; `OverloadedError` where the service is too busy, `DeadlineError`
        where the time was used up.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000", "secret") as client:
    ...     client
    Client('http://127.0.0.1:8000')
    """

    def __init__(
        self,
        url: str,
        key: Key = "",
        *,
        options: Options | None = None,
        transport: httpx.BaseTransport | None = None,
        timing: Timing | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._address = Address(url, key)
        self._calls = Calls(options or Options(), timing or Timing())
        self._sleep = sleep
        self._http = httpx.Client(base_url=self._address.url, transport=transport, limits=self._calls.options.limits)

    def __repr__(self) -> str:
        return f"Client({self._address.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def within(self, deadline: timedelta | None) -> Client:
        """Return this client with another deadline for each of its calls; both use the same connections.

        Parameters
        ----------
        deadline
            How long a whole call may take; None for as long as it takes.
        """
        other = copy.copy(self)
        other._calls = Calls(replace(self._calls.options, deadline=deadline), self._calls.timing)
        return other

    def decide_one(self, event: Row, *, system: str | None = None, features: bool = False) -> Decision:
        """Have an event decided and logged.

        Parameters
        ----------
        event
            A mapping by field, or an instance of an event class, dataclass or struct.
        system
            Which system is asked; not needed where there is one.
        features
            Whether all feature values are wanted, too.
        """
        return self._run(self._calls.one("decide", event, system, features))

    def decide_many(
        self, events: Iterable[Row], *, system: str | None = None, features: bool = False
    ) -> Answers[Decision]:
        """Have events decided in their order, in as many requests as it takes, one after another.

        Where a later request fails, the events of the earlier ones stay decided; the whole call may be made again.

        Parameters
        ----------
        events
            Read as they are needed.
        system, features
            As of `decide_one`.

        Returns
        -------
        Answers
            A decision or None for each event, and what is wrong with the refused ones.
        """
        return self._run(self._calls.many("decide", events, system, features))

    def score_one(self, event: Row, *, system: str | None = None, features: bool = False) -> Decision:
        """Ask how an event would be decided now; nothing is logged.

        Parameters
        ----------
        event, system, features
            As of `decide_one`.
        """
        return self._run(self._calls.one("score", event, system, features))

    def score_many(
        self, events: Iterable[Row], *, system: str | None = None, features: bool = False
    ) -> Answers[Decision]:
        """Ask how each of some events would be decided now, as if it came alone; nothing is logged.

        Parameters
        ----------
        events, system, features
            As of `decide_many`.
        """
        return self._run(self._calls.many("score", events, system, features))

    def label_one(self, id: str, value: bool, *, label: str | None = None, stream: str | None = None) -> Done:
        """Set the truth about an event; the last one set counts.

        Parameters
        ----------
        id
            The event.
        value
            The truth.
        label
            Which label; not needed where there is one.
        stream
            The event's stream; not needed where only one is decided.
        """
        row = {"id": id, "value": value, "label": label, "stream": stream}
        return self._run(self._calls.tell_one("label", row))

    def label_many(self, labels: Iterable[Row]) -> Answers[Done]:
        """Set the truth about many events.

        Parameters
        ----------
        labels
            Rows with ``id`` and ``value``, and ``label`` and ``stream`` where they are needed.
        """
        return self._run(self._calls.tell_many("label", labels))

    def outcome_one(self, id: str, value: bool | str, *, outcome: str | None = None, stream: str | None = None) -> Done:
        """Say what a review or a verification of an event came to; the last thing said counts.

        Parameters
        ----------
        id, stream
            As of `label_one`.
        value
            Whether it is so, or one of the outcome's values such as ``failed``.
        outcome
            Which outcome; not needed where there is one.
        """
        row = {"id": id, "value": value, "outcome": outcome, "stream": stream}
        return self._run(self._calls.tell_one("outcome", row))

    def outcome_many(self, outcomes: Iterable[Row]) -> Answers[Done]:
        """Say what reviews or verifications of many events came to.

        Parameters
        ----------
        outcomes
            Rows with ``id`` and ``value``, and ``outcome`` and ``stream`` where they are needed.
        """
        return self._run(self._calls.tell_many("outcome", outcomes))

    def retract_one(self, id: str, *, stream: str | None = None) -> Done:
        """Take an event back: from here on it counts for nothing; decisions that were made stand.

        Parameters
        ----------
        id, stream
            As of `label_one`.
        """
        return self._run(self._calls.tell_one("retract", {"id": id, "stream": stream}))

    def retract_many(self, retractions: Iterable[Row]) -> Answers[Done]:
        """Take many events back.

        Parameters
        ----------
        retractions
            Rows with ``id``, and ``stream`` where it is needed.
        """
        return self._run(self._calls.tell_many("retract", retractions))

    def send_one(self, stream: str, event: Row) -> Done:
        """Append an event of a stream that is not decided: a profile, a login, a reading.

        Parameters
        ----------
        stream
            The stream.
        event
            As of `decide_one`.
        """
        return self._run(self._calls.send_one(stream, event))

    def send_many(self, stream: str, events: Iterable[Row]) -> Answers[Done]:
        """Append many events of a stream that is not decided, in their order.

        Parameters
        ----------
        stream
            The stream.
        events
            As of `decide_many`.
        """
        return self._run(self._calls.send_many(stream, events))

    def erase(self, stream: str, person: str, *, why: str) -> bool:
        """Erase a person: its histories and readable values go for good; needs a key with the scope `manage`.

        Parameters
        ----------
        stream
            A stream whose events name the person.
        person
            As the events name it.
        why
            The reason, for the log; it must not name the person.

        Returns
        -------
        bool
            Whether there was anything to erase; done again, it changes nothing.
        """
        return self._run(self._calls.erase(stream, person, why))

    def decision(self, id: str, *, system: str | None = None) -> StoredDecision:
        """Return an earlier decision with its event, features, reasons in words, and labels since.

        Parameters
        ----------
        id
            The event.
        system
            As of `decide_one`.

        Raises
        ------
        NotFoundError
            If there is none.
        ErasedError
            If the person whom it is about was erased.
        """
        return self._run(self._calls.decision(id, system))

    def features(
        self, entity: str, key: Mapping[str, str], *, as_of: datetime | None = None, system: str | None = None
    ) -> EntityFeatures:
        """Return the features of one entity as of a time, without deciding.

        Parameters
        ----------
        entity
            Its name, such as ``user`` or ``user_device``.
        key
            Its key fields.
        as_of
            The time, aware; now where absent.
        system
            As of `decide_one`.
        """
        return self._run(self._calls.features(entity, key, as_of, system))

    def catalogue(self) -> list[CatalogueRow]:
        """Return every field and feature: meaning, type, window, owner and where it is used."""
        return self._run(self._calls.catalogue())

    def waiting(self, limit: int = 1_000) -> Waiting:
        """Return labels, outcomes and retractions that wait for events that have not come.

        Parameters
        ----------
        limit
            How many at most.
        """
        return self._run(self._calls.waiting(limit))

    def read_log(self, start: int = 0, limit: int = 1_000) -> LogPage:
        """Return a stretch of the log.

        Parameters
        ----------
        start
            Position of its first entry.
        limit
            How many entries; a few more where they were appended together.
        """
        return self._run(self._calls.read_log(start, limit))

    def healthy(self) -> bool:
        """Return whether the process lives; asked once."""
        return self._run(self._calls.healthy())

    def ready(self) -> Readiness:
        """Return whether the service decides, and if not, why; asked once."""
        return self._run(self._calls.ready())

    def _run(self, steps: Steps[T]) -> T:
        """Send what a call wants sent until it has a result."""
        try:
            attempt = next(steps)
            while True:
                attempt = steps.send(self._heard(attempt))
        except StopIteration as end:
            result: T = end.value
            return result

    def _heard(self, attempt: Attempt) -> Heard:
        if attempt.wait_s:
            self._sleep(attempt.wait_s)
        clock = self._calls.timing.clock
        until = clock() + attempt.timeout_s
        request = attempt.request
        try:
            with self._http.stream(
                request.method, request.path, **attempt.arguments(self._address), timeout=attempt.timeout_s
            ) as response:
                parts = []
                for part in response.iter_bytes():  # each wait for bytes is bounded; many small ones must be, too
                    parts.append(part)
                    if clock() > until:
                        message = "the answer drips"
                        raise httpx.ReadTimeout(message)
        except httpx.RequestError as error:
            return error
        return Reply(response.status_code, response.headers, b"".join(parts))
