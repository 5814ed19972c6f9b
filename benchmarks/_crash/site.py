"""A workspace and the processes on it: one that serves, at times one that stands by, one that makes a snapshot."""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from adjudge.errors import UnavailableError
from adjudge.service.server import free_port, python
from adjudge.service.settings import Settings
from benchmarks._crash.model import SYSTEM
from tests.log.unsynced import lose, sizes, traced

LOOK_S = 0.02
"""How often a process is asked what it is doing."""

READY_S = 120.0
"""How long it may take to be ready."""


@dataclass
class Process:
    """A service as a process of its own.

    Parameters
    ----------
    child
        The process.
    port
        Where it listens.
    output
        What it says.
    trace
        Where what it writes and syncs is noted; None if nobody does that.
    """

    child: subprocess.Popen[bytes]
    port: int
    output: Path
    trace: Path | None = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that kills is waited for."""
        if self.trace is None:
            self.child.send_signal(number)
        elif self.child.poll() is None:  # the child is who notes
            os.kill(int(Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()), number)
        if number == signal.SIGKILL:
            self.child.wait()

    def ready(self) -> None:
        """Wait until it decides."""
        self._wait(lambda: self._state()[0] == 200)

    def standing_by(self) -> None:
        """Wait until it keeps up with the log and waits for its turn."""
        self._wait(lambda: b"standing by" in self._state()[1])

    def _wait(self, reached: Callable[[], bool]) -> None:
        until = time.monotonic() + READY_S
        while not reached():
            if self.child.poll() is not None or time.monotonic() > until:
                said = self.output.read_text(errors="replace")[-2000:]
                message = f"the service ended or was not ready in time (exit code {self.child.returncode}):\n{said}"
                raise UnavailableError(message)
            time.sleep(LOOK_S)

    def _state(self) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


@dataclass
class Site:
    """A workspace.

    Parameters
    ----------
    folder
        Its folder.
    bundle
        What it decides with.
    log, durability
        As the settings have them.
    power
        Whether with a service that is killed the power is lost as well: whatever it has not synced is gone.
    system
        Folder of the definition.
    """

    folder: Path
    bundle: Path
    log: str = "sqlite"
    durability: str = "process"
    power: bool = False
    system: str = SYSTEM
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _safe: dict[Path, int] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings that its processes run with."""
        return Settings(workspace=str(self.folder), log=self.log, durability=self.durability)

    @property
    def snapshots(self) -> Path:
        """The folder of its snapshots."""
        return self.folder / "snapshots"

    def start(self, verb: str = "serve", *, snapshot_every: int = 1_000_000) -> Process:
        """Start a process that serves, or stands by; it has a snapshot made after so many entries."""
        port = free_port()
        more = ["--port", str(port), "--durability", self.durability, "--snapshot-every", str(snapshot_every)]
        more += ["--auth", "off"]
        name = self.folder.parent / f"{self.folder.name}-{len(self.started)}"
        trace = name.with_suffix(".trace") if self.power else None
        self._safe = sizes(self.folder)
        return Process(self._run(verb, name, more, trace), port, name.with_suffix(".txt"), trace)

    def lose_power(self, process: Process, rng: random.Random) -> int:
        """Take from the workspace what a killed process has not synced, or some of it; return how many bytes."""
        assert process.trace is not None
        lost = lose(process.trace, self.folder, self._safe, copy=self.folder, rng=rng)
        process.trace.unlink()
        return lost

    def make_snapshot(self) -> subprocess.Popen[bytes]:
        """Start a process that makes a snapshot and ends."""
        return self._run("snapshot", self.folder.parent / f"{self.folder.name}-snapshot", [])

    def end(self) -> None:
        """End every process that is still there."""
        for child in self.started:
            if child.poll() is None:
                child.kill()
                child.wait()

    def _run(self, verb: str, name: Path, more: list[str], trace: Path | None = None) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = python("adjudge", verb, "--system", self.system, "--bundle", str(self.bundle))
        command += ["--workspace", str(self.folder), "--log", self.log, *more]
        with name.with_suffix(".txt").open("ab") as said:
            child = subprocess.Popen(
                command if trace is None else traced(command, trace), stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        self.started.append(child)
        return child
