"""Serves payments on a machine where compiling takes for as long as nobody writes to standard input.

``python -m tests.service.cold PORT`` is the real ``serve``; only the kernels' compilation is replaced.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from adjudge.service import warm
from adjudge.service.run import Served, serve
from adjudge.service.settings import Settings


def compile_until_told(plans: Any, say: Any, stop: threading.Event) -> float:
    """Return when a line is read, or when the service is told to stop."""
    go_on = threading.Event()

    def read() -> None:
        sys.stdin.readline()
        go_on.set()

    threading.Thread(target=read, daemon=True).start()
    while not go_on.wait(0.01) and not stop.is_set():
        pass
    return 0.0


if __name__ == "__main__":
    warm.warm = compile_until_told  # type: ignore[assignment]
    settings = Settings(port=int(sys.argv[1]), auth="off", log="memory", log_format="json")
    serve(Served(["payments"]), settings)
