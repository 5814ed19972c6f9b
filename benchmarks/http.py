"""`http`: whole decisions over HTTP, beside an echo on the same server and beside the usual design.

All three answer the same bodies from the same native load generator (wrk, one thread, 32 connections). The
open loop sends 1,000 requests a second, whether earlier ones were answered or not, and counts from when each
was due.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from adjudge.errors import UnavailableError
from adjudge.service.load import Report
from adjudge.service.server import free_port, python, running
from benchmarks._http import workload

CONNECTIONS = 32
OPEN_RATE = 1_000
LUA = Path(workload.__file__).with_name("payments.lua")


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    quick
        Measure the same for shorter.
    progress
        Is told what happens.
    """
    for program in ("wrk", "redis-server"):
        if shutil.which(program) is None:
            message = f"this benchmark needs {program}; on Debian and Ubuntu: apt install wrk redis-server"
            raise UnavailableError(message)
    seconds, rounds = (2, 2) if quick else (8, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("training 500 trees and drawing a history")
        keys = 1_000 if quick else 2_000
        workload.prepare(folder, rows=keys * 100, keys=keys)
        figures = _ours(folder, keys, seconds, rounds, progress)
        usual = _usual(folder, keys, seconds, rounds, progress)
    return {
        **figures,
        **usual,
        "ratio_usual_design": figures["closed_per_s"] / usual["usual_design_per_s"],
        "connections": CONNECTIONS,
        "windows": 2 * len(workload.KEYS) * len(workload.WINDOWS),
        "trees": workload.TREES,
        "rules": workload.RULES,
    }


def with_and_without_log(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the closed-loop rate with a log in memory and with one in a file, in turns, and the ratio.

    Parameters
    ----------
    quick
        Measure the same on less.
    progress
        Is told what is going on.
    """
    seconds, rounds, rows, keys = (3, 3, 20_000, 200) if quick else (10, 5, 100_000, 1_000)
    rates: dict[str, list[float]] = {"memory": [], "sqlite": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("preparing the workload of the service")
        workload.prepare(folder, rows=rows, keys=keys)
        ports = {kind: free_port() for kind in rates}
        servers = {
            kind: running(python("benchmarks._http.ours", str(folder), str(port), kind, str(folder / kind)), port=port)
            for kind, port in ports.items()
        }
        with servers["memory"], servers["sqlite"]:
            for i in range(rounds):
                for kind, port in ports.items():
                    progress(f"closed loop, log in {kind}, round {i + 1} of {rounds}")
                    rates[kind].append(_wrk(f"http://127.0.0.1:{port}/v1/decide", keys, f"{kind}{i}", seconds)["per_s"])
    return {
        "http_per_s_memory": _median(rates["memory"]),
        "http_per_s_sqlite": _median(rates["sqlite"]),
        "ratio_http_with_log": _median([a / b for a, b in zip(rates["sqlite"], rates["memory"], strict=True)]),
    }


def _ours(folder: Path, keys: int, seconds: int, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    port = free_port()
    progress("starting the service and importing the history")
    began = time.perf_counter()
    with running(python("benchmarks._http.ours", str(folder), str(port)), port=port) as server:
        ready_s = time.perf_counter() - began
        at = f"http://127.0.0.1:{port}"
        _wrk(f"{at}/v1/decide", keys, "warm", 1)
        echo, decide = [], []
        for i in range(rounds):  # in turns, so that both see the same neighbours on the machine
            progress(f"echo and decisions, closed loop, round {i + 1} of {rounds}")
            echo.append(_wrk(f"{at}/echo", keys, f"e{i}", seconds))
            cpu = _cpu_s(server.pid)
            decide.append(_wrk(f"{at}/v1/decide", keys, f"d{i}", seconds))
            decide[-1]["server_cpu_s"] = _cpu_s(server.pid) - cpu
        progress(f"decisions, open loop at {OPEN_RATE}/s")
        opened = _open_loop(f"{at}/v1/decide", folder, keys, OPEN_RATE * seconds * 2)
    best = max(decide, key=lambda d: d["per_s"])
    per_s, echo_per_s = _median([d["per_s"] for d in decide]), _median([e["per_s"] for e in echo])
    return {
        "closed_per_s": per_s,
        "echo_per_s": echo_per_s,
        "ratio_echo": per_s / echo_per_s,
        "closed_p99_ms": _median([d["p99_ms"] for d in decide]),
        "open_rate": opened.offered_per_s,
        "open_p50_ms": opened.p50_ms,
        "open_p99_ms": opened.p99_ms,
        "open_p999_ms": opened.p999_ms,
        "open_failed": opened.failed,
        "open_requests": opened.sent,
        "open_generator_lag_p99_ms": opened.lag_p99_ms,
        "failed": sum(d["failed"] for d in decide),
        "client_cpu_share": best["client_cpu_s"] / (best["client_cpu_s"] + best["server_cpu_s"]),
        "server_cpu_us_per_request": best["server_cpu_s"] / best["requests"] * 1e6,
        "ready_s": ready_s,
    }


def _usual(folder: Path, keys: int, seconds: int, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    port, redis_port = free_port(), free_port()
    progress("starting the usual design and its Redis")
    with _redis(redis_port):
        command = python("benchmarks._http.usual_design", str(folder), str(port), str(redis_port))
        with running(command, port=port) as server:
            at = f"http://127.0.0.1:{port}/decide"
            _wrk(at, keys, "warm", 1)
            found = []
            for i in range(rounds):
                progress(f"the usual design, closed loop, round {i + 1} of {rounds}")
                cpu = _cpu_s(server.pid)
                found.append(_wrk(at, keys, f"u{i}", seconds))
                found[-1]["server_cpu_s"] = _cpu_s(server.pid) - cpu
    best = max(found, key=lambda f: f["per_s"])
    return {
        "usual_design_per_s": _median([f["per_s"] for f in found]),
        "usual_design_p99_ms": _median([f["p99_ms"] for f in found]),
        "usual_design_failed": sum(f["failed"] for f in found),
        "usual_design_cpu_us_per_request": best["server_cpu_s"] / best["requests"] * 1e6,
    }


def _wrk(url: str, keys: int, prefix: str, seconds: int) -> dict[str, Any]:
    """Send different payments as fast as 32 connections allow, each waiting for its answer."""
    seed = str(zlib.crc32(prefix.encode()) % 10_000)
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(LUA),
        url,
        "--",
        str(keys),
        prefix,
        seed,
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    found["per_s"] = found["requests"] / found["seconds"]
    found["client_cpu_s"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found


def _open_loop(url: str, folder: Path, keys: int, requests: int) -> Report:
    path = folder / "bodies.jsonl"
    path.write_bytes(b"\n".join(workload.bodies(requests, keys, seed=requests)))
    command = python("adjudge.service.load", url, str(path), "--rate", str(OPEN_RATE))
    done = subprocess.run(command, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Report)


@contextmanager
def _redis(port: int) -> Iterator[None]:
    """Start a Redis without persistence, and stop it again."""
    options = ["--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait(10)


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2
