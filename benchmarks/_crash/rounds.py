"""One round: clients at work, a process that dies at a random moment, and another one that goes on where it ended."""

from __future__ import annotations

import asyncio
import random
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from benchmarks._crash.clients import Accounts, Connections, offer_until
from benchmarks._crash.site import Process, Site
from benchmarks._crash.workload import Clients, Request

Kind = Literal["restart", "standby", "snapshot", "hang"]
"""What happens: the killed service is started again; a standby takes over; a snapshot is being made, and in half of the
rounds its process is killed as well; the service is not killed but stopped, wakes up when a standby has taken over,
and is killed then."""

RATE_PER_S = 3_000.0
"""Events that clients offer in a second."""

WAITING_PER_S = 1_000.0
"""The same while they wait for a snapshot to be written, which takes a process that has to start first."""

STANDBY_EVERY = 1_000
"""Entries after which a standby makes a snapshot: about three times a second."""

LASTS_S = (0.3, 1.2)
"""How long they do it before the moment of the kill is drawn."""

AFTER_S = 0.004
"""How long after a request has left the process is killed, at most: a kill of an idle service tests little."""

ANY_MOMENT = 0.2
"""Share of the rounds in which it is killed whatever it is doing."""

WRITING_S = 0.05
"""How long after a snapshot has begun to be written the processes are killed, at most."""

LOOK_S = 0.002
"""How often somebody looks whether a snapshot is being written."""

READ = 300
"""Decisions that are read back one by one in the end; all are asked again."""


@dataclass
class Told:
    """What the rounds on one workspace came to.

    Parameters
    ----------
    rounds, in_flight
        How many, and in how many of them requests were sent before the kill that got no answer.
    restart_s, takeover_s
        From the start of the process, or the death of the other, until decisions are made again.
    seconds, acknowledged
        How long clients were at work, and the entries that were acknowledged meanwhile.
    bytes_lost
        Bytes that were written and not synced when the power was lost.
    """

    rounds: int = 0
    in_flight: int = 0
    restart_s: list[float] = field(default_factory=list)
    takeover_s: list[float] = field(default_factory=list)
    seconds: float = 0.0
    acknowledged: int = 0
    bytes_lost: int = 0


class Story:
    """All rounds on one workspace.

    Parameters
    ----------
    site
        The workspace.
    seed
        Of every draw.
    """

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.accounts = Accounts()
        self.told = Told()
        self.process = site.start()
        self._clients = Clients(seed)
        self._rng = random.Random(seed)
        self._open: list[Request] = []
        self.process.ready()

    def round(self, kind: Kind) -> None:
        """Play one round."""
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(self._round(kind))
        self.told.rounds += 1

    def settle(self) -> None:
        """Ask until everything is answered that was ever asked, ask everything again, and read some of it back."""
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(self._settle())

    def stop(self) -> None:
        """Have the service finish and end."""
        self.process.signal(signal.SIGTERM)
        if code := self.process.child.wait(60):
            self.accounts.wrong.append(f"the service ended with exit code {code} when told to finish")

    async def _round(self, kind: Kind) -> None:
        site, victim = self.site, self.process
        heir = site.start("standby", snapshot_every=STANDBY_EVERY) if kind in ("standby", "hang") else None
        if heir is not None:
            await asyncio.to_thread(heir.standing_by)
        writer = site.make_snapshot() if kind == "snapshot" else None
        connections = Connections(victim.port, self.accounts)
        flying = await self._until_killed(victim, connections, writer, hang=kind == "hang")
        if writer is not None and self._rng.random() < 0.5:
            writer.kill()
        if site.power:
            self.told.bytes_lost += site.lose_power(victim, self._rng)
        began = time.perf_counter()
        if heir is None:
            heir = site.start()
            await asyncio.to_thread(heir.ready)
            self.told.restart_s.append(time.perf_counter() - began)
        else:
            await asyncio.to_thread(heir.ready)
            if kind == "hang":  # it wakes up and must find that its time is over; what it still answers counts
                victim.signal(signal.SIGCONT)
            else:
                self.told.takeover_s.append(time.perf_counter() - began)
        self._open = await connections.close()
        self.told.in_flight += any(request in self._open for request in flying)
        victim.signal(signal.SIGKILL)
        if writer is not None:
            writer.wait()
        self.process = heir

    async def _until_killed(
        self, victim: Process, connections: Connections, writer: subprocess.Popen[bytes] | None, *, hang: bool
    ) -> list[Request]:
        """Have clients work until a process is killed or stopped, and return what was on its way at that moment."""
        began, before = time.perf_counter(), self.accounts.acknowledged
        for request in self._open:
            connections.offer(request)
        dead = asyncio.Event()
        rate = RATE_PER_S if writer is None else WAITING_PER_S
        offering = asyncio.create_task(offer_until(dead, connections, self._clients, self.accounts, rate))
        await self._moment(connections, writer)
        flying = list(connections.flying.values())
        victim.signal(signal.SIGSTOP if hang else signal.SIGKILL)
        dead.set()
        await offering
        self.told.seconds += time.perf_counter() - began
        self.told.acknowledged += self.accounts.acknowledged - before
        return flying

    async def _moment(self, connections: Connections, writer: subprocess.Popen[bytes] | None) -> None:
        """Wait until it is time to kill."""
        rng = self._rng
        await asyncio.sleep(rng.uniform(*LASTS_S))
        if writer is not None:
            while writer.poll() is None and not any(self.site.snapshots.glob(".building-*")):
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(rng.uniform(0.0, WRITING_S))
        elif rng.random() > ANY_MOMENT:
            connections.left.clear()
            await connections.left.wait()
            await asyncio.sleep(rng.uniform(0.0, AFTER_S))

    async def _settle(self) -> None:
        while self._open:
            self._open = await self._send(self._open)
        if lost := await self._send(self.accounts.answered.copy()):
            self.accounts.wrong.append(f"{len(lost)} requests were not answered again")
        ids = self._rng.sample(sorted(self.accounts.decisions), min(READ, len(self.accounts.decisions)))
        connections = Connections(self.process.port, self.accounts)
        for id_ in ids:
            status, body = await connections.get(f"/v1/decisions/{id_}")
            if status != 200 or msgspec.json.decode(body, type=Stored).decision != msgspec.Raw(
                self.accounts.decisions[id_]
            ):
                self.accounts.wrong.append(f"{id_} was read back with other bytes: {body[:300]!r}")
        await connections.close()

    async def _send(self, requests: list[Request]) -> list[Request]:
        connections = Connections(self.process.port, self.accounts)
        for request in requests:
            connections.offer(request)
        return await connections.close()


class Stored(msgspec.Struct):
    """The part of a stored decision that was answered."""

    decision: msgspec.Raw


def _loop() -> asyncio.AbstractEventLoop:
    """Return a loop that waits to the microsecond, where epoll rounds to the millisecond."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())
