"""Our side of the `http` benchmark: the service, with an echo endpoint beside it on the same server."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from adjudge.service.app import Service
from adjudge.service.decider import Decider
from adjudge.service.home import open_log
from adjudge.service.hot import Message, Receive, Scope, Send, read_body
from adjudge.service.keeper import Keeper
from adjudge.service.server import serve
from adjudge.service.settings import Settings
from adjudge.service.warm import warm
from benchmarks._http.workload import TABLE, plan

ECHO = "/echo"
"""Where a body comes back as it was sent."""


class WithEcho:
    """The service and, before it, an endpoint that does nothing but return the body."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limit = service.settings.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != ECHO:
            await self._service(scope, receive, send)
            return
        first: Message = await receive()
        body = await read_body(first, receive, self._limit)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main(folder: str, port: str, log: str = "memory", workspace: str = "") -> None:
    """Serve a prepared workload, with its log in memory or in a file."""
    settings = Settings(port=int(port), log=log, workspace=workspace or folder, auth="off")
    made = plan(Path(folder))
    warm([made], lambda text: print(text, file=sys.stderr))
    decider = Decider([made], open_log(settings, new=True))
    decider.import_table("payment", pl.read_parquet(Path(folder) / TABLE))
    keeper = Keeper(decider)
    keeper.start()
    serve(WithEcho(Service(decider, settings)), settings)
    keeper.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
