"""Starting and ending: it is alive before it is ready, it says what it does, and why it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import httpx
import pytest

from adjudge.service.server import free_port, python, wait_ready


@contextmanager
def cold(port: int) -> Iterator[subprocess.Popen[str]]:
    """Start a service that compiles until a line is written to it."""
    pipe = subprocess.PIPE
    command = python("tests.service.cold", str(port))
    with subprocess.Popen(
        command, stdin=pipe, stderr=pipe, text=True, env={**os.environ, "PYTHONWARNINGS": ""}
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def told_at_its_end(stderr: IO[str] | None) -> dict[str, object]:
    assert stderr is not None
    lines = [json.loads(line) for line in stderr if line.startswith("{")]
    assert [line["event"] for line in lines].count("ended") == 1
    last: dict[str, object] = lines[-1]
    return last


def first_answer(url: str, child: subprocess.Popen[str]) -> httpx.Response:
    """Return the first answer of a process that is starting, which is asked for as long as it lives."""
    while child.poll() is None:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            continue
    raise AssertionError(child.returncode)


@pytest.mark.slow
def test_it_is_alive_before_kernels_are_compiled_and_ready_after() -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with cold(port) as child:
        alive = first_answer(f"{address}/healthz", child)
        while (ready := httpx.get(f"{address}/readyz")).json()["detail"] == "the service is starting":
            assert child.poll() is None
        assert alive.status_code == 200
        assert (ready.status_code, ready.json()["state"]) == (503, "starting")
        assert ready.json()["detail"].startswith("compiling kernels")
        assert httpx.post(f"{address}/v1/decide", json={}).status_code == 503
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        wait_ready(port)
        assert httpx.get(f"{address}/healthz").json()["state"] == "deciding"
        child.send_signal(signal.SIGTERM)
        end = told_at_its_end(child.stderr)
        assert child.wait() == 0
    assert (end["event"], end["why"]) == ("ended", "SIGTERM")
    assert isinstance(end["position"], int)
    assert isinstance(end["seconds"], float)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_ends_when_told_while_it_compiles(name: str) -> None:
    port = free_port()
    with cold(port) as child:
        first_answer(f"http://127.0.0.1:{port}/healthz", child)
        child.send_signal(signal.Signals[name])
        end = told_at_its_end(child.stderr)
        assert child.wait() == 0
    assert (end["event"], end["why"], end["position"]) == ("ended", name, 0)
