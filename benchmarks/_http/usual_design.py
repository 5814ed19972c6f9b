"""The usual design, written fairly: FastAPI, pydantic, counters in Redis, and the booster in one process.

What a competent team builds in a week. Counters are kept by minute, five minutes, hour and day, so that a window is
at most a fifth of its length too short. Every payment makes one round trip to Redis, in which the counters of its
five keys are read and then raised (C parser, pipelined, no transaction). The booster predicts one row on one thread.
There are no reasons, no log, and no second look at an id that comes again: all of that would cost it more.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel, Field
from redis.asyncio import Redis

BUCKETS = {"5m": 60, "1h": 300, "1d": 3_600, "7d": 86_400, "30d": 86_400}
"""Seconds that one counter of each window covers; windows with the same share them."""

KEEP_S = 40 * 86_400
"""How long Redis keeps the counters of a key that is not seen again."""


class Payment(BaseModel):
    """A payment before authorisation."""

    payment_id: str = Field(min_length=1, max_length=200)
    at: AwareDatetime
    user: str = Field(min_length=1, max_length=200)
    card: str = Field(min_length=1, max_length=200)
    device: str = Field(min_length=1, max_length=200)
    merchant: str = Field(min_length=1, max_length=200)
    ip: str = Field(min_length=1, max_length=200)
    amount: float = Field(ge=0, allow_inf_nan=False)
    method: str = Field(max_length=200)
    category: str = Field(max_length=200)


class Answer(BaseModel):
    """What the service decides."""

    id: str
    decision: str
    score: int
    rules: list[str]


class Counters:
    """Counts and sums of the amount by key and time, as one Redis hash per key.

    Parameters
    ----------
    redis
        The connection pool.
    keys
        What is counted by.
    windows
        Windows by name, in seconds.
    """

    def __init__(self, redis: Redis, keys: list[str], windows: dict[str, int]) -> None:
        self._redis = redis
        self._keys = keys
        longest: dict[int, int] = {}
        for name, seconds in windows.items():
            size = BUCKETS[name]
            longest[size] = max(longest.get(size, 0), seconds // size)
        self._read = longest
        starts, at = {}, 0
        for size, count in longest.items():
            starts[size] = at
            at += count
        self._parts = [slice(starts[s := BUCKETS[n]], starts[s] + w // s) for n, w in windows.items()]

    async def read_and_raise(self, payment: Payment) -> list[float]:
        """Return all counts, then all sums, as they were before this payment, and count it."""
        now = int(payment.at.timestamp())
        buckets = [f"{size}:{now // size - age}" for size, count in self._read.items() for age in range(count)]
        fields = [f"{b}:n" for b in buckets] + [f"{b}:s" for b in buckets]
        current = [f"{size}:{now // size}" for size in self._read]
        cents = round(payment.amount * 100)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in self._keys:
                at = f"{key}:{getattr(payment, key)}"
                pipe.hmget(at, fields)
                for bucket in current:
                    pipe.hincrby(at, f"{bucket}:n", 1)
                    pipe.hincrby(at, f"{bucket}:s", cents)
                pipe.expire(at, KEEP_S)
            replies: list[Any] = await pipe.execute()
        counts: list[float] = []
        sums: list[float] = []
        for values in replies[:: 2 + 2 * len(current)]:
            numbers = [0 if v is None else int(v) for v in values]
            n, s = numbers[: len(buckets)], numbers[len(buckets) :]
            counts += [float(sum(n[part])) for part in self._parts]
            sums += [sum(s[part]) / 100 for part in self._parts]
        return counts + sums


def application(folder: Path, redis_port: int) -> FastAPI:
    """Return the service.

    Parameters
    ----------
    folder
        Holds the booster and the facts about it.
    redis_port
        Where Redis listens.
    """
    facts = json.loads((folder / "facts.json").read_text())
    booster = lightgbm.Booster(model_file=folder / "model.txt")
    redis = Redis(port=redis_port)
    counters = Counters(redis, facts["by"], facts["windows"])
    rules = [(f"limit_{name}", i, bound) for i, (name, bound) in enumerate(facts["rules"])]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await redis.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/decide")
    async def decide(payment: Payment) -> Answer:
        windows = await counters.read_and_raise(payment)
        row = np.array([[payment.amount, *windows]])
        p = float(booster.predict(row, num_threads=1)[0])
        fired = [rule for rule, i, bound in rules if windows[i] > bound]
        decision = "block" if p > 0.9 else "review" if p > 0.5 or fired else "approve"
        return Answer(id=payment.payment_id, decision=decision, score=math.floor(p * 100 + 0.5), rules=fired)

    @app.get("/readyz")
    async def ready() -> dict[str, Any]:
        await redis.ping()
        return {"ready": True, "at": datetime.now().astimezone()}

    return app


if __name__ == "__main__":
    from adjudge.service.server import serve
    from adjudge.service.settings import Settings

    serve(application(Path(sys.argv[1]), int(sys.argv[3])), Settings(port=int(sys.argv[2])))
