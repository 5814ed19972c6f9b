"""Carriers: what takes one message to its receiver, and says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx

from adjudge.client.webhooks import sign
from adjudge.log import Commit
from adjudge.service.outbox.endpoint import Endpoint

LONGEST_PAUSE_S = 300.0
"""The longest that an endpoint is left alone."""

AWAY = (429, 502, 503, 504)
"""Answers that say something of the endpoint, and nothing of the message."""

Outcome = Literal["confirmed", "refused", "away"]


@dataclass(frozen=True)
class Reply:
    """What became of one message.

    Parameters
    ----------
    outcome
        Confirmed; refused, which counts as an attempt; or away, which pauses the endpoint as well.
    error
        What went wrong, in words.
    counts
        Whether it used up an attempt: not where nobody was there to get it.
    retry_after_s
        How long the endpoint asked to be left alone.
    """

    outcome: Outcome
    error: str = ""
    counts: bool = True
    retry_after_s: float = 0.0


Carrier = Callable[[str, bytes], Reply]
"""Takes id and body of a message to its receiver."""


class Reader(Protocol):
    """Reads out of a log what endpoints are sent."""

    @property
    def what(self) -> str:
        """What it reads, as messages name it."""
        ...

    def read(self, commit: Commit) -> Iterator[Any]:
        """Yield what a commit holds: each with ``seq``, ``system``, ``stream`` and ``action``."""
        ...

    def is_rekey(self, commit: Commit) -> bool:
        """Return whether hashes are made with another secret after a commit."""
        ...

    def catch_up_erased(self) -> int:
        """Learn who was erased by now, and return how many keys of persons are destroyed."""
        ...

    def withholds(self, decided: Any) -> bool:
        """Return whether something is about a person who was erased, as far as is known."""
        ...

    def withholds_at(self, seq: int) -> bool:
        """Return the same of what stands at a position."""
        ...

    def answer(self, seq: int, system: str) -> bytes:
        """Return what is sent, as JSON; `NotFoundError` if the log holds it no more."""
        ...

    def name(self, seq: int, system: str) -> str:
        """Return what a message about it is called: receivers pass over names that they have seen."""
        ...

    def key(self, decided: Any, field: str, secret: bytes) -> bytes:
        """Return a digest of what it is ordered by."""
        ...


@dataclass(frozen=True)
class Webhook:
    """Posts signed messages to an address.

    Parameters
    ----------
    endpoint
        Where to, and how long that may take.
    secret
        Signs them.
    client
        Sends.
    clock
        Returns microseconds since 1970 UTC.
    """

    endpoint: Endpoint
    secret: bytes
    client: httpx.Client
    clock: Callable[[], int]

    def __call__(self, id_: str, body: bytes) -> Reply:
        """Post a message."""
        headers = sign(self.secret, id_, self.clock() // 1_000_000, body) | {"content-type": "application/json"}
        try:
            answer = self.client.post(
                self.endpoint.url,
                content=body,
                headers=headers,
                timeout=self.endpoint.timeout_s,
                follow_redirects=False,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Reply("away", f"cannot be reached: {type(error).__name__}", counts=False)
        except httpx.HTTPError as error:
            return Reply("away", f"did not answer: {type(error).__name__}")
        if answer.is_success:
            return Reply("confirmed")
        asked = answer.headers.get("retry-after", "")
        pause = min(float(asked), LONGEST_PAUSE_S) if asked.isascii() and asked.isdigit() else 0.0
        outcome: Outcome = "away" if answer.status_code in AWAY else "refused"
        return Reply(outcome, f"answered {answer.status_code}", retry_after_s=pause)
