"""A receiver of webhooks on this machine that does what it is told: confirm, fail, be slow, be away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from adjudge.client.webhooks import verify
from adjudge.service.server import free_port

SECRET = b"shared secret"

Answer = Callable[[list[dict[str, Any]]], int | None]
"""Is given the decisions of a message and returns the status to answer with; None answers nothing at all."""


def confirm(decisions: list[dict[str, Any]]) -> int:
    return 204


class Receiver:
    """A web server that checks signatures, and remembers what it has confirmed and in what order."""

    def __init__(self, answer: Answer = confirm) -> None:
        self.answer = answer
        self.port = free_port()
        self.now: Callable[[], float] = time.time
        self.confirmed: list[dict[str, Any]] = []
        self.tried: list[list[int]] = []
        self.lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def seqs(self) -> list[int]:
        """Positions of the confirmed decisions, as they came."""
        with self.lock:
            return [d["seq"] for d in self.confirmed]

    def start(self) -> None:
        """Be there."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                verify(SECRET, {k.lower(): v for k, v in self.headers.items()}, body, now_s=receiver.now())
                status = receiver.receive(json.loads(body)["decisions"])
                if status is not None:
                    self.send_response(status)
                    self.send_header("content-length", "0")
                    self.end_headers()
                self.close_connection = status is None

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def receive(self, decisions: list[dict[str, Any]]) -> int | None:
        with self.lock:
            self.tried.append([d["seq"] for d in decisions])
            status = self.answer(decisions)
            if status is not None and 200 <= status < 300:
                self.confirmed += decisions
        return status

    def stop(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
