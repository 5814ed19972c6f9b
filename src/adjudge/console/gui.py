"""NiceGUI, set up once for the process: it knows pages and nothing of whose service they show."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from inspect import isawaitable
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from nicegui import Client, app, core, ui

from adjudge.console import shell
from adjudge.console.assets import address, asset
from adjudge.console.desk import Desk, words_of
from adjudge.console.markup import tag
from adjudge.console.page import Page
from adjudge.console.pages import PAGES
from adjudge.console.sessions import Session
from adjudge.service.access.refusal import RefusedError
from adjudge.service.problem import problem_of

WAIT_S = 20.0
"""How long a page may take to be built before its reader is told that it has failed."""

DESK = "adjudge.desk"

CALLS = ("connect", "handshake", "event", "javascript_response", "ack", "log")
"""What a browser says over its connection."""


@functools.cache
def gui() -> FastAPI:
    """Return the application that serves the pages; everything that they load comes from this process."""
    for page in PAGES:
        ui.page(page.path, title=f"{page.title} · adjudge", response_timeout=WAIT_S)(_shown(page))
    head = f'<link rel="stylesheet" href="{address("console.css")}"><script src="{address("console.js")}"></script>'
    ui.add_head_html(head, shared=True)
    host = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(
        host,
        mount_path="/console",
        title="adjudge",
        favicon=asset("icon.svg").decode(),
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        gzip_middleware_factory=None,  # it would pack in the loop that decides
        show_welcome_message=False,
        reconnect_timeout=5.0,
    )
    app.on_exception(_told)
    for call in CALLS:
        core.sio.on(call, _of_their_own(core.sio.handlers["/"][call]))
    core.app.config.quasar_config["brand"] = {}
    return host


def _of_their_own(handler: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return a handler that hears nothing about a page that was built for another session, even where its id leaked."""

    async def heard(sid: str, said: dict[str, Any], *more: Any) -> Any:
        scope = core.sio.get_environ(sid)["asgi.scope"]
        id_ = said.get("client_id") or dict(parse_qsl(said.get("QUERY_STRING", ""))).get("client_id")
        client = Client.instances.get(str(id_))
        if client is not None and _session(client) is not scope[DESK].session:
            return False
        answer = handler(sid, said, *more)
        return await answer if isawaitable(answer) else answer

    return heard


def _session(client: Client) -> Session | None:
    """Return the session that a page was built for."""
    desk = None if client._request is None else client._request.scope.get(DESK)
    return desk.session if isinstance(desk, Desk) else None


def leave(session: Session) -> None:
    """Close every page that is open in a session: none shows anything after it has ended."""
    for client in list(Client.instances.values()):
        if _session(client) is session:
            client.run_javascript("location.assign('/console/sign-in')")


def _shown(page: Page) -> Any:
    """Return what NiceGUI calls for a page."""

    async def shown(request: Request) -> None:
        desk: Desk = request.scope[DESK]
        ui.html(shell.keys(desk, page, PAGES), sanitize=False)
        header = ui.header(elevated=False).classes("top")
        with ui.column().classes("page").props('id="page"'):
            ui.html(tag("h1", page.title), sanitize=False)
            try:
                await desk.admit(page.need)
                await page.show(desk, {**request.query_params, **request.path_params})
            except Exception as error:
                status = error.status if isinstance(error, RefusedError) else _status(error)
                ui.context.client.status_code = status
                ui.html(shell.refusal(words_of(error)), sanitize=False)
        with header:
            ui.html(shell.bar(desk, page, PAGES), sanitize=False)

    return shown


def _status(error: Exception) -> int:
    from adjudge.errors import AdjudgeError

    return problem_of(error).status if isinstance(error, AdjudgeError) else 500


def _told(error: Exception) -> None:
    """Tell whoever has caused an error in words, with an id to quote."""
    words = words_of(error)
    try:
        client = ui.context.client
    except RuntimeError:  # nobody's page
        return
    with nullcontext() if client.is_deleted else client:
        ui.notify(words, type="negative", multi_line=True, timeout=0, close_button="Close")
