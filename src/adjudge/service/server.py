"""Running the service: Granian in this process, or a child process that is waited for until it is ready."""

from __future__ import annotations

import asyncio
import errno
import gc
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from adjudge.errors import InputError, UnavailableError
from adjudge.service.settings import Settings

COLLECT = (20_000, 50, 50)
"""When Python looks for cycles: hardly anything here makes any, and looking costs latency."""

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter while another waits. A decision gives it up for each kernel and each
write, and with the usual 5 ms waits as long each time for whoever reads the log beside it."""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

READY_S = 900.0
"""How long a service is waited for: the first start compiles kernels, a minute or on a busy machine many; one that
ends is told at once."""


Begin = Callable[[threading.Event], AbstractContextManager[None]]
"""Makes what is served ready, told when to stop; what it returns is left when serving has ended."""


def serve(application: Callable[..., Any], settings: Settings, begin: Begin | None = None) -> str:
    """Serve an ASGI application until the process is told to stop, finishing what was accepted.

    Parameters
    ----------
    application
        Usually a `Service`, or a `Front` that becomes one.
    settings
        Address and port.
    begin
        Makes the application ready on a thread of its own, while requests are answered already; what it raises ends
        serving and is raised here. None for an application that is ready.

    Returns
    -------
    str
        Why it ended: the name of the signal.
    """
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        return runner.run(_serve(application, settings, begin))


def settle() -> None:
    """Have Python cost as little latency as it can.

    It does not look through what has been loaded for good over and over, and a thread beside the one that decides
    gives way soon.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(SWITCH_S)


def claim(host: str, port: int) -> str:
    """Return the IP address of a host after making sure that its port is free.

    The server would share the port with another one that shares it too, and each would decide half of the events.

    Parameters
    ----------
    host
        Name or address of this machine.
    port
        Where to listen.

    Raises
    ------
    InputError
        If the host is none of this machine, or somebody listens there.
    """
    try:
        found = socket.getaddrinfo(host or "?", port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        message = f"host {host!r} is no address, and no name of one"
        raise InputError(message, field="host") from None
    family, kind, _, _, address = min(found)  # IPv4 goes first
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just ended is not in use
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = f"port {port} of {host} is in use"
                raise InputError(message, field="port") from None
            message = f"nothing can listen on port {port} of {host}: {error.strerror}"
            raise InputError(message, field="host") from None
    return str(address[0])


def _event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not made for every operating system
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(application: Callable[..., Any], settings: Settings, begin: Begin | None) -> str:
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    server = Server(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=settings.console != "off",  # pages for people are live over one
        backlog=BACKLOG,
        log_enabled=False,
    )
    loop, stop = asyncio.get_running_loop(), threading.Event()
    why = ""

    def end(reason: str) -> None:
        nonlocal why
        why = why or reason
        stop.set()
        server.stop()  # type: ignore[no-untyped-call]

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end, name.name)
    if begin is None:
        settle()
        await server.serve()
        return why
    with ExitStack() as stack:
        beginning = loop.run_in_executor(None, lambda: stack.enter_context(begin(stop)))

        def begun(done: asyncio.Future[None]) -> None:
            if done.exception() is not None:
                end("failure")
            settle()

        beginning.add_done_callback(begun)
        await server.serve()
        stop.set()
        await beginning
    return why


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    host: str = "127.0.0.1",
    timeout_s: float = READY_S,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a service as a child process, wait until it is ready, and stop it at the end.

    Parameters
    ----------
    command
        The command line that serves.
    port, host
        Where it will listen.
    timeout_s
        How long it may take to be ready.
    environ
        What its environment has besides that of this process.

    Raises
    ------
    UnavailableError
        If it ends or does not get ready in time.
    """
    child = subprocess.Popen(list(command), env={**os.environ, **(environ or {})})
    try:
        wait_ready(port, host=host, child=child, timeout_s=timeout_s)
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_ready(
    port: int,
    *,
    host: str = "127.0.0.1",
    child: subprocess.Popen[Any] | None = None,
    timeout_s: float = READY_S,
) -> None:
    """Return as soon as a service answers that it is ready.

    Parameters
    ----------
    port, host
        Where it listens.
    child
        Its process, if it is ours: when it ends there is nothing to wait for.
    timeout_s
        How long to wait.

    Raises
    ------
    UnavailableError
        If it ends or does not get ready in time.
    """
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if child is not None and child.poll() is not None:
            message = f"the service ended with exit code {child.returncode} before it was ready"
            raise UnavailableError(message)
        if _is_ready(host, port):
            return
        time.sleep(0.05)
    message = f"the service at {host}:{port} was not ready within {timeout_s:g} s"
    raise UnavailableError(message)


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]
