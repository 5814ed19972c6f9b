"""The client that is awaited: the same verbs as `Client`, for asyncio."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping
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


class AsyncClient:
    """Talks to a service from asyncio; `Client` says what each verb means, and what it raises.

    Calls may be made at the same time. Those that belong in an order, because the later event sees the earlier, are
    awaited one after the other, or sent together with `decide_many`.

    Parameters
    ----------
    url, key, options, transport, timing
        As of `Client`.
    sleep
        Waits for so many seconds.

    Examples
    --------
    >>> AsyncClient("http://127.0.0.1:8000", "secret")
    AsyncClient('http://127.0.0.1:8000')
    """

    def __init__(
        self,
        url: str,
        key: Key = "",
        *,
        options: Options | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timing: Timing | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._address = Address(url, key)
        self._calls = Calls(options or Options(), timing or Timing())
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=self._address.url, transport=transport, limits=self._calls.options.limits
        )

    def __repr__(self) -> str:
        return f"AsyncClient({self._address.url!r})"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def within(self, deadline: timedelta | None) -> AsyncClient:
        """Return this client with another deadline for each of its calls; both use the same connections."""
        other = copy.copy(self)
        other._calls = Calls(replace(self._calls.options, deadline=deadline), self._calls.timing)
        return other

    async def decide_one(self, event: Row, *, system: str | None = None, features: bool = False) -> Decision:
        """Have an event decided and logged."""
        return await self._run(self._calls.one("decide", event, system, features))

    async def decide_many(
        self, events: Iterable[Row], *, system: str | None = None, features: bool = False
    ) -> Answers[Decision]:
        """Have events decided in their order, in as many requests as it takes, one after another."""
        return await self._run(self._calls.many("decide", events, system, features))

    async def score_one(self, event: Row, *, system: str | None = None, features: bool = False) -> Decision:
        """Ask how an event would be decided now; nothing is logged."""
        return await self._run(self._calls.one("score", event, system, features))

    async def score_many(
        self, events: Iterable[Row], *, system: str | None = None, features: bool = False
    ) -> Answers[Decision]:
        """Ask how each of some events would be decided now, as if it came alone; nothing is logged."""
        return await self._run(self._calls.many("score", events, system, features))

    async def label_one(self, id: str, value: bool, *, label: str | None = None, stream: str | None = None) -> Done:
        """Set the truth about an event; the last one set counts."""
        row = {"id": id, "value": value, "label": label, "stream": stream}
        return await self._run(self._calls.tell_one("label", row))

    async def label_many(self, labels: Iterable[Row]) -> Answers[Done]:
        """Set the truth about many events."""
        return await self._run(self._calls.tell_many("label", labels))

    async def outcome_one(
        self, id: str, value: bool | str, *, outcome: str | None = None, stream: str | None = None
    ) -> Done:
        """Say what a review or a verification of an event came to; the last thing said counts."""
        row = {"id": id, "value": value, "outcome": outcome, "stream": stream}
        return await self._run(self._calls.tell_one("outcome", row))

    async def outcome_many(self, outcomes: Iterable[Row]) -> Answers[Done]:
        """Say what reviews or verifications of many events came to."""
        return await self._run(self._calls.tell_many("outcome", outcomes))

    async def retract_one(self, id: str, *, stream: str | None = None) -> Done:
        """Take an event back: from here on it counts for nothing; decisions that were made stand."""
        return await self._run(self._calls.tell_one("retract", {"id": id, "stream": stream}))

    async def retract_many(self, retractions: Iterable[Row]) -> Answers[Done]:
        """Take many events back."""
        return await self._run(self._calls.tell_many("retract", retractions))

    async def send_one(self, stream: str, event: Row) -> Done:
        """Append an event of a stream that is not decided: a profile, a login, a reading."""
        return await self._run(self._calls.send_one(stream, event))

    async def send_many(self, stream: str, events: Iterable[Row]) -> Answers[Done]:
        """Append many events of a stream that is not decided, in their order."""
        return await self._run(self._calls.send_many(stream, events))

    async def erase(self, stream: str, person: str, *, why: str) -> bool:
        """Erase a person: its histories and readable values go for good; needs a key with the scope `manage`."""
        return await self._run(self._calls.erase(stream, person, why))

    async def decision(self, id: str, *, system: str | None = None) -> StoredDecision:
        """Return an earlier decision with its event, features, reasons in words, and labels since."""
        return await self._run(self._calls.decision(id, system))

    async def features(
        self, entity: str, key: Mapping[str, str], *, as_of: datetime | None = None, system: str | None = None
    ) -> EntityFeatures:
        """Return the features of one entity as of a time, without deciding."""
        return await self._run(self._calls.features(entity, key, as_of, system))

    async def catalogue(self) -> list[CatalogueRow]:
        """Return every field and feature: meaning, type, window, owner and where it is used."""
        return await self._run(self._calls.catalogue())

    async def waiting(self, limit: int = 1_000) -> Waiting:
        """Return labels, outcomes and retractions that wait for events that have not come."""
        return await self._run(self._calls.waiting(limit))

    async def read_log(self, start: int = 0, limit: int = 1_000) -> LogPage:
        """Return a stretch of the log."""
        return await self._run(self._calls.read_log(start, limit))

    async def healthy(self) -> bool:
        """Return whether the process lives; asked once."""
        return await self._run(self._calls.healthy())

    async def ready(self) -> Readiness:
        """Return whether the service decides, and if not, why; asked once."""
        return await self._run(self._calls.ready())

    async def _run(self, steps: Steps[T]) -> T:
        """Send what a call wants sent until it has a result."""
        try:
            attempt = next(steps)
            while True:
                attempt = steps.send(await self._heard(attempt))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _heard(self, attempt: Attempt) -> Heard:
        if attempt.wait_s:
            await self._sleep(attempt.wait_s)
        request = attempt.request
        try:
            async with asyncio.timeout(attempt.timeout_s):
                response = await self._http.request(
                    request.method, request.path, **attempt.arguments(self._address), timeout=None
                )
        except TimeoutError:
            message = "no answer in time"
            return httpx.ReadTimeout(message)
        except httpx.RequestError as error:
            return error
        return Reply(response.status_code, response.headers, response.content)
