"""Routes about releases: register, approve, promote and move them, and tell what is known of them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.errors import InputError
from adjudge.service.access.api import Body, by, read
from adjudge.service.hot import TooLargeError
from adjudge.service.registry.asked import Assent, Registration
from adjudge.service.registry.desk import ReleaseDesk
from adjudge.service.registry.package import TOTAL_LIMIT

MEDIA = "application/octet-stream"
"""What a package is sent as."""

FILE = "release.adjudge"
"""Name of the file in which a package lies for as long as it is checked or sent."""


def add_releases(api: FastAPI, desk: ReleaseDesk, body_of: Body) -> None:
    """Add the routes.

    Parameters
    ----------
    api
        Gets them.
    desk
        Where releases are registered.
    body_of
        Reads bodies of JSON.
    """

    @api.get("/v1/releases")
    async def releases(system: str | None = None) -> Response:
        """Return what is registered, oldest first."""
        return _json(await asyncio.to_thread(desk.releases, system))

    @api.post("/v1/releases", status_code=201)
    async def register(request: Request) -> Response:
        """Register a bundle of the workspace's folder or a rule set, with how it was judged; nothing is activated."""
        asked = read(await body_of(request), Registration)
        return _json(await asyncio.to_thread(desk.register, asked, by(request, asked.why)), 201)

    @api.get("/v1/releases/{id}")
    async def release(id: str, system: str | None = None) -> Response:
        """Return what has an id that begins so, or is the `latest`."""
        return _json(await asyncio.to_thread(desk.release, id, system))

    @api.get("/v1/releases/{id}/card")
    async def card(id: str, system: str | None = None) -> Response:
        """Return the model card of a release, as Markdown."""
        text = await asyncio.to_thread(desk.card, id, system)
        return Response(text, media_type="text/markdown")

    @api.post("/v1/releases/{id}/approve")
    async def approve(id: str, request: Request, system: str | None = None) -> Response:
        """Approve a release for an environment; what lacks evidence cannot be approved."""
        asked = read(await body_of(request), Assent)
        return _json(await asyncio.to_thread(desk.approve, id, asked, by(request, asked.why), system))

    @api.post("/v1/releases/{id}/promote")
    async def promote(id: str, request: Request, system: str | None = None) -> Response:
        """Have a release decide from the next position on, if it has evidence and whoever must has approved it."""
        asked = read(await body_of(request), Assent)
        return _json(await asyncio.to_thread(desk.promote, id, asked, by(request, asked.why), system))

    @api.post("/v1/releases/{id}/package")
    async def package(id: str, request: Request, system: str | None = None) -> Response:
        """Return a package of a release with its evidence and approvals, for another workspace; it is not signed."""
        asked = read(await body_of(request), Assent)
        who = by(request, asked.why)

        def packed() -> bytes:
            with tempfile.TemporaryDirectory(prefix=".sent-", dir=desk.home) as scratch:
                path = Path(scratch) / FILE
                desk.export(id, path, asked, who, system)
                return path.read_bytes()

        return Response(await asyncio.to_thread(packed), media_type=MEDIA)

    @api.post("/v1/packages", status_code=201)
    async def take_in(request: Request, why: str, system: str | None = None) -> Response:
        """Take a package in, after checking all its bytes, signature, schema and evidence; nothing is activated."""
        _check_media(request)
        with tempfile.TemporaryDirectory(prefix=".taken-in-", dir=desk.home) as scratch:
            path = Path(scratch) / FILE
            await _received(request, path)
            return _json(await asyncio.to_thread(desk.take_in, path, by(request, why), system), 201)


def _check_media(request: Request) -> None:
    plain = request.headers.get("content-encoding", "identity") == "identity"
    if request.headers.get("content-type", "") != MEDIA or not plain:
        message = f"a package is sent as {MEDIA}, and not compressed"
        raise InputError(message, code="wrong_media_type")


async def _received(request: Request, path: Path) -> None:
    """Write the body of a request to a file, up to the size of the largest package."""
    size = 0
    with path.open("wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > TOTAL_LIMIT:
                raise TooLargeError(TOTAL_LIMIT)
            await asyncio.to_thread(file.write, part)


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")
