"""NiceGUI, set up once for the process: it knows pages and nothing of whose service they show."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import Any

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
    core.app.config.quasar_config["brand"] = {}
    return host


def leave(session: Session) -> None:
    """Close every page that is open in a session: none shows anything after it has ended."""
    for client in list(Client.instances.values()):
        request = client._request
        desk = None if request is None else request.scope.get(DESK)
        if isinstance(desk, Desk) and desk.session is session:
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
