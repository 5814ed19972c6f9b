"""What clients ask of the service that is killed: orders alone and in batches, and all that becomes known about them.

A request is made once and sent as often as it takes until it is answered. Of an order at most one thing becomes known,
so that what was acknowledged last is what must hold in the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

USERS, CARDS = 400, 700
"""Users and cards: few enough for histories with many rows."""

BATCHES = ((1, 0.6), (8, 0.25), (40, 0.13), (300, 0.015), (900, 0.005))
"""Mean sizes of the requests that ask for decisions, and their shares; the largest take several commits each."""

TOLD = 0.2
"""Requests that say something about earlier orders, or that are logins and accounts, for each one with orders."""

AHEAD = 200
"""How far ahead of its order a label may come."""


@dataclass(frozen=True)
class Request:
    """Something that a client wants done, however often it has to ask.

    Parameters
    ----------
    path
        Where it is sent.
    body
        JSON.
    ids
        What it is about, in the order of the answers.
    says
        What it says about each: the name of a label or an outcome and its value, or a retraction; empty for events.
    """

    path: str
    body: bytes
    ids: tuple[str, ...]
    says: tuple[str, ...] = ()


def order(rng: np.random.Generator, number: int, at: datetime) -> dict[str, Any]:
    """Return an order as a client would send it."""
    made: dict[str, Any] = {
        "order_id": f"o{number}",
        "at": (at - timedelta(seconds=float(rng.exponential(20.0)))).isoformat(),
        "user": f"u{int(USERS * rng.beta(1, 3))}",
        "amount": f"{float(np.exp(rng.normal(3.5, 1.0))):.2f}",
        "method": ("card", "wallet", "transfer")[int(rng.integers(3))],
    }
    if rng.random() < 0.9:
        made["card"] = f"c{rng.integers(CARDS)}"
    if rng.random() < 0.7:
        made["place"] = {"lat": round(float(rng.normal(48, 2)), 4), "lon": round(float(rng.normal(14, 3)), 4)}
    return made


class Clients:
    """Draws one request after another; everything from one seed but the time of day.

    Parameters
    ----------
    seed
        Of all draws.
    now
        Tells the time.
    """

    def __init__(self, seed: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rng = np.random.default_rng(seed)
        self._now = now
        self._orders = self._others = 0
        self._untold: deque[str] = deque()
        self._early: set[str] = set()
        sizes, shares = zip(*BATCHES, strict=True)
        self._sizes, self._shares = sizes, shares

    def __iter__(self) -> Iterator[Request]:
        """Draw requests without end."""
        while True:
            yield self._told() if self._orders and self._rng.random() < TOLD else self._ordered()

    @property
    def mean(self) -> float:
        """Events of a request, on average."""
        return (1 - TOLD) * float(np.dot(self._sizes, self._shares)) + TOLD

    def know(self, ids: tuple[str, ...]) -> None:
        """Learn of orders that are acknowledged, about which something may become known."""
        self._untold.extend(id_ for id_ in ids[:: max(1, len(ids) // 5)] if id_ not in self._early)

    def _ordered(self) -> Request:
        mean = int(self._rng.choice(self._sizes, p=self._shares))
        size = 1 if mean == 1 else 1 + int(self._rng.integers(2 * mean - 1))
        at, first = self._now(), self._orders
        self._orders += size
        rows = [order(self._rng, first + i, at) for i in range(size)]
        ids = tuple(row["order_id"] for row in rows)
        if size == 1:
            return Request("/v1/decide", msgspec.json.encode(rows[0]), ids)
        return Request("/v1/decide/many", msgspec.json.encode(rows), ids)

    def _told(self) -> Request:
        kind = self._rng.random()
        if kind < 0.25:
            return self._other("login", "login_id", {})
        if kind < 0.35:
            return self._other("account", "change_id", {"verified": bool(self._rng.random() < 0.5)})
        if kind < 0.4:
            early = f"o{self._orders + int(self._rng.integers(AHEAD))}"
            if early not in self._early:
                self._early.add(early)
                return self._marked("label", "fraud", [early])
        ids = [self._untold.popleft() for _ in range(min(len(self._untold), 1 + int(self._rng.integers(6))))]
        if not ids:
            return self._other("login", "login_id", {})
        if kind < 0.9:
            return self._marked("label", "fraud", ids)
        if kind < 0.95:
            return self._marked("outcome", "declined", ids)
        rows = [{"id": id_} for id_ in ids]
        return Request("/v1/retractions", msgspec.json.encode(rows), tuple(ids), ("retracted",) * len(ids))

    def _other(self, stream: str, id_field: str, more: dict[str, Any]) -> Request:
        self._others += 1
        id_ = f"{stream}{self._others}"
        row = {id_field: id_, "at": self._now().isoformat(), "user": f"u{int(USERS * self._rng.beta(1, 3))}", **more}
        return Request(f"/v1/events/{stream}", msgspec.json.encode(row), (id_,))

    def _marked(self, what: str, name: str, ids: list[str]) -> Request:
        values = [bool(v) for v in self._rng.random(len(ids)) < 0.4]
        rows = [{"id": id_, what: name, "value": v} for id_, v in zip(ids, values, strict=True)]
        return Request(f"/v1/{what}s", msgspec.json.encode(rows), tuple(ids), tuple(f"{name}={v}" for v in values))
