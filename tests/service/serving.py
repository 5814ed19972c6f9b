"""Serves the small shop as a process of its own: ``python -m tests.service.serving PORT``."""

from __future__ import annotations

import sys

from adjudge.service.app import Service
from adjudge.service.decider import Decider
from adjudge.service.server import serve
from adjudge.service.settings import Settings
from adjudge.service.warm import warm
from tests.service.shop import shop

if __name__ == "__main__":
    plans = [shop()]
    warm(plans, lambda text: print(text, file=sys.stderr))
    settings = Settings(port=int(sys.argv[1]), max_body_bytes=100_000, auth="off")
    serve(Service(Decider(plans), settings), settings)
