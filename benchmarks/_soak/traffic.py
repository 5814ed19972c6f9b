"""Traffic without end on the same few keys: orders alone and in batches, late ones, labels, logins, and repeats.

Event time runs faster than the clock, so that what is forgotten in weeks is forgotten within the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

USERS, CARDS = 1_000, 1_500
"""Few enough that each fills up within minutes."""

SIZES = ((1, 0.5), (16, 0.38), (128, 0.12))
"""Orders of a request, and the share of such requests among those with orders."""

LABELS, LOGINS, AGAIN = 0.04, 0.02, 0.01
"""Requests with labels, with logins, and sent a second time, as shares of all."""

LABELLED = 20
"""Orders that a request with labels is about."""

RETRACTED = 0.1
"""Requests with retractions, as a share of those with labels."""

LATE, LATEST_DAYS = 0.02, 4.0
"""Share of orders that come late, and how late at most: well within the lateness, whatever the service is doing."""

TOLD_WITHIN = timedelta(days=3)
"""Event time within which something becomes known about an order: a late one is not forgotten by then."""

REMEMBERED = 100_000
"""Orders, at most, about which something may still become known."""


@dataclass(frozen=True)
class Request:
    """Something to be sent.

    Parameters
    ----------
    path, body
        Where and what.
    events
        How many entries of the log it asks for.
    ids
        The orders that it asks to be decided.
    """

    path: str
    body: bytes
    events: int
    ids: tuple[int, ...] = ()


class Traffic:
    """Draws one request after another.

    Parameters
    ----------
    event_time
        Tells the event time.
    seed
        Of all draws.
    """

    def __init__(self, event_time: Callable[[], datetime], seed: int = 0) -> None:
        self._time = event_time
        self._rng = np.random.default_rng(seed)
        self._drawn = [self._rest() for _ in range(50_000)]
        self._orders = self._logins = 0
        self._decided: deque[tuple[datetime, int]] = deque(maxlen=REMEMBERED)
        self._last = self._ordered()

    @property
    def mean(self) -> float:
        """Entries of a request, on average."""
        orders = sum(size * share for size, share in SIZES)
        return LABELS * LABELLED + LOGINS + AGAIN * orders + (1 - LABELS - LOGINS - AGAIN) * orders

    def draw(self) -> Request:
        """Return the next request."""
        kind = self._rng.random()
        if kind < AGAIN:
            return self._last
        if kind < AGAIN + LOGINS:
            return self._login()
        if kind < AGAIN + LOGINS + LABELS and len(self._decided) > LABELLED:
            return self._told()
        self._last = self._ordered()
        return self._last

    def know(self, request: Request) -> None:
        """Learn that the orders of a request are decided, about which something may become known."""
        now = self._time()
        self._decided.extend((now, i) for i in request.ids)
        while self._decided and self._decided[0][0] < now - TOLD_WITHIN:
            self._decided.popleft()

    def _ordered(self) -> Request:
        sizes, shares = zip(*SIZES, strict=True)
        size = int(self._rng.choice(sizes, p=shares))
        first, now = self._orders, self._time()
        self._orders += size
        second = f"{now:%Y-%m-%dT%H:%M:%S}".encode()
        late = self._rng.random(size) < LATE
        rows = [
            b'{"order_id":"o%d","at":"%b.%06dZ"%b'
            % (i, self._earlier(now) if late[i - first] else second, i * 7919 % 1_000_000, self._drawn[i % 50_000])
            for i in range(first, first + size)
        ]
        ids = tuple(range(first, first + size))
        if size == 1:
            return Request("/v1/decide", rows[0], 1, ids)
        return Request("/v1/decide/many", b"[" + b",".join(rows) + b"]", size, ids)

    def _earlier(self, now: datetime) -> bytes:
        return f"{now - timedelta(days=LATEST_DAYS * self._rng.random()):%Y-%m-%dT%H:%M:%S}".encode()

    def _told(self) -> Request:
        ids = {self._decided[i][1] for i in self._rng.integers(0, len(self._decided), LABELLED).tolist()}
        if self._rng.random() < RETRACTED:
            rows = [b'{"id":"o%d"}' % i for i in ids]
            return Request("/v1/retractions", b"[" + b",".join(rows) + b"]", len(rows))
        values = (self._rng.random(len(ids)) < 0.3).tolist()
        rows = [
            b'{"id":"o%d","label":"fraud","value":%b}' % (i, b"true" if v else b"false")
            for i, v in zip(ids, values, strict=True)
        ]
        return Request("/v1/labels", b"[" + b",".join(rows) + b"]", len(rows))

    def _login(self) -> Request:
        self._logins += 1
        at, user = self._time().isoformat(), self._rng.integers(USERS)
        return Request(
            "/v1/events/login", b'{"login_id":"l%d","at":"%b","user":"u%d"}' % (self._logins, at.encode(), user), 1
        )

    def _rest(self) -> bytes:
        """Return what an order says besides its id and time."""
        rng = self._rng
        place = (
            b',"place":{"lat":%.4f,"lon":%.4f}' % (rng.normal(48, 2), rng.normal(14, 3)) if rng.random() < 0.7 else b""
        )
        method = (b"card", b"wallet", b"transfer")[int(rng.integers(3))]
        return b',"user":"u%d","card":"c%d","amount":"%.2f","method":"%b"%b}' % (
            rng.integers(USERS),
            rng.integers(CARDS),
            float(np.exp(rng.normal(3.5, 1.0))),
            method,
            place,
        )
