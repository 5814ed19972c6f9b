"""The console as an ASGI application of its own: who has a session is let through to NiceGUI, nobody else.

Everything that a browser loads comes from this process. A page from elsewhere cannot use a session: its cookie is not
sent along, and what changes something, or opens a connection, must say that it comes from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from adjudge.console.apart import HomeGuard, serve_apart
from adjudge.console.assets import ASSETS, asset
from adjudge.console.desk import Command, Desk, Tools, words_of
from adjudge.console.sessions import Session, Sessions
from adjudge.console.signin import page as sign_in_page
from adjudge.service.access.refusal import RefusedError
from adjudge.service.hot import TRANSPORT, Message, Receive, Scope, Send, TooLargeError, read_body

if TYPE_CHECKING:
    from fastapi import FastAPI

    from adjudge.service.app import Service

AT = "/console"
"""Where the console is."""

COOKIE = "adjudge_console"
"""What a browser keeps of a session."""

DESK = "adjudge.desk"
"""Where a request keeps the desk that its page is for."""

MAX_FORM = 16 * 1024
"""Longest form that is read; a credential may have half of that."""

POLICY = (
    # Vue compiles templates in the browser, and NiceGUI begins a page in its own text: both are from here.
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"server", b"adjudge"),
)
"""Headers of every answer of the console."""


KEPT = (b"cache-control", b"public, max-age=31536000, immutable")
"""Header of what a browser loads once: its address changes with what it holds."""

COMPONENTS = "/components/"
"""In the address of a part of NiceGUI, behind its version and before its hash."""


class Console:
    """Everything below ``/console``.

    Parameters
    ----------
    service
        What the pages are about.
    command
        See `adjudge.console.desk.Tools`.
    """

    def __init__(self, service: Service, command: Command | None = None) -> None:
        from adjudge.console.gui import gui  # loads NiceGUI, which takes a second

        self.service = service
        self.tools = Tools(service, command)
        self._guard = HomeGuard(service.guard)
        self.sessions = Sessions(self._guard, service.decider.clock)
        self.local = service.settings.auth == "off"
        self._gui: FastAPI = gui()
        self._starting = asyncio.Lock()
        self._started: AbstractAsyncContextManager[Any] | None = None
        self._assets = {name: asset(name) for name in ASSETS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one connection, apart from the loop that decides."""
        self._guard.home = asyncio.get_running_loop()
        await serve_apart(self._answer, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except Exception as error:  # the server would say nothing of it
            await self._turn_away(scope, send, 500, words_of(error))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not reads and not comes_from_here(headers):
            await self._turn_away(scope, send, 403, "this was not sent by a page of the console")
            return
        path = scope["path"][len(AT) :] or "/"
        if (name := path.removeprefix("/assets/")) in self._assets:
            await _say(scope, send, 200, self._assets[name], ((b"content-type", ASSETS[name]), KEPT))
        elif path == "/sign-in" and not self.local:
            await self._sign_in(scope, receive, send)
        else:
            await self._with_session(scope, receive, send, path)

    async def _with_session(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        session, more = await self._session(scope)
        if session is None:
            await self._ask(scope, send, path)
        elif path == "/sign-out":
            await self._sign_out(scope, receive, send, session)
        elif path == "/":
            await _say(scope, send, 303, b"", ((b"location", f"{AT}/overview".encode()), *more))
        else:
            scope[DESK] = Desk(self.service, self.sessions, session, self.tools)
            await self._start()
            await self._gui(scope, receive, _dressed(scope, send, more))

    async def _session(self, scope: Scope) -> tuple[Session | None, tuple[tuple[bytes, bytes], ...]]:
        """Return whose request it is, and what the answer has to set; where nobody is asked, somebody's at once."""
        token = cookie(dict(scope["headers"]), COOKIE)
        session = self.sessions.find(token) if token else None
        if session is None and self.local:
            names = (b"host", b"origin")
            try:
                token, session = await self.sessions.open([h for h in scope["headers"] if h[0] in names])
            except RefusedError:
                return None, ()
            return session, (_kept(scope, token),)
        return session, ()

    async def _ask(self, scope: Scope, send: Send, path: str) -> None:
        """Ask whoever has no session to sign in; what a page loads is refused instead."""
        is_page = scope["type"] == "http" and scope["method"] == "GET" and not path.startswith("/_nicegui")
        if self.local or not is_page:
            await self._turn_away(scope, send, 401, "sign in to the console first")
            return
        query = f"?next={_quoted(scope)}" if path != "/" else ""
        await _say(scope, send, 303, b"", ((b"location", f"{AT}/sign-in{query}".encode()),))

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show the form, or begin a session with what was sent."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        target = inside(query.get("next", [""])[0])
        theme = cookie(dict(scope["headers"]), "adjudge_theme")
        html = ((b"content-type", b"text/html; charset=utf-8"),)
        if scope["method"] != "POST":
            await _say(scope, send, 200, sign_in_page(target, theme=theme), html)
            return
        try:
            form = await self._form(receive)
            sent = form.get("key", "").strip().encode("latin-1", "replace")
            token, _ = await self.sessions.open([(b"authorization", b"Bearer " + sent)])
        except (RefusedError, TooLargeError) as error:
            status = error.status if isinstance(error, RefusedError) else 413
            await _say(scope, send, status, sign_in_page(target, words_of(error), theme=theme), html)
            return
        to = inside(form.get("next", ""))
        await _say(scope, send, 303, b"", ((b"location", to.encode("latin-1", "ignore")), _kept(scope, token)))

    async def _sign_out(self, scope: Scope, receive: Receive, send: Send, session: Session) -> None:
        """End a session and the pages that are open in it."""
        form = await self._form(receive) if scope.get("method") == "POST" else {}
        if not session.brings_back(form.get("form", "")):
            await self._turn_away(scope, send, 403, "this was not sent by a page of the console")
            return
        from adjudge.console.gui import leave

        self.sessions.close(session)
        leave(session)
        await _say(scope, send, 303, b"", ((b"location", f"{AT}/sign-in".encode()), _kept(scope, "", "; Max-Age=0")))

    async def _form(self, receive: Receive) -> dict[str, str]:
        body = await read_body(await receive(), receive, MAX_FORM)
        return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}

    async def _start(self) -> None:
        """Start NiceGUI in the console's loop, when it is needed first; it ends with the process."""
        async with self._starting:
            if self._started is None:
                started = self._gui.router.lifespan_context(self._gui)
                await started.__aenter__()
                self._started = started

    async def _turn_away(self, scope: Scope, send: Send, status: int, words: str) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": words})
        else:
            await _say(scope, send, status, words.encode(), ((b"content-type", b"text/plain; charset=utf-8"),))


def is_console(path: str) -> bool:
    """Return whether an address is one of the console.

    Examples
    --------
    >>> is_console("/console/overview"), is_console("/console"), is_console("/consoles")
    (True, True, False)
    """
    return path.startswith(AT) and path[len(AT) : len(AT) + 1] in ("", "/")


def comes_from_here(headers: dict[bytes, bytes]) -> bool:
    """Return whether a request says that a page of this very address has sent it.

    Examples
    --------
    >>> comes_from_here({b"host": b"desk:8000", b"origin": b"http://desk:8000"})
    True
    >>> comes_from_here({b"host": b"desk:8000", b"origin": b"http://elsewhere"}), comes_from_here({b"host": b"desk"})
    (False, False)
    """
    scheme, _, place = headers.get(b"origin", b"").partition(b"://")
    return scheme in (b"http", b"https") and place == headers.get(b"host")


def cookie(headers: dict[bytes, bytes], name: str) -> str:
    """Return what a browser keeps under a name; empty if nothing.

    Examples
    --------
    >>> cookie({b"cookie": b"a=1; theme=dark"}, "theme")
    'dark'
    """
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def inside(address: str) -> str:
    """Return an address if it is a page of the console, else the console's first.

    Examples
    --------
    >>> inside("/console/decisions?q=u1"), inside("//elsewhere/console"), inside("/console/../v1")
    ('/console/decisions?q=u1', '/console/overview', '/console/overview')
    """
    plain = address.isprintable() and "\\" not in address and "/.." not in address
    return address if plain and address.startswith(f"{AT}/") else f"{AT}/overview"


def _quoted(scope: Scope) -> str:
    from urllib.parse import quote

    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"] + (f"?{query}" if query else ""), safe="")


def _kept(scope: Scope, token: str, more: str = "") -> tuple[bytes, bytes]:
    secure = "; Secure" if scope.get("scheme") in ("https", "wss") else ""
    return b"set-cookie", f"{COOKIE}={token}; Path={AT}; HttpOnly; SameSite=Strict{secure}{more}".encode()


def _dressed(scope: Scope, send: Send, more: tuple[tuple[bytes, bytes], ...]) -> Send:
    """Return a `send` that puts our headers on an answer."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            if COMPONENTS in scope["path"] and message["status"] == 200:
                headers = [*(h for h in headers if h[0] != KEPT[0]), KEPT]
            given = {name for name, _ in headers}
            ours = [h for h in _headers(scope) if h[0] not in given]
            message = {**message, "headers": [*headers, *ours, *more]}
        await send(message)

    return dressed


def _headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    return (*HEADERS, TRANSPORT) if scope.get("scheme") == "https" else HEADERS


async def _say(
    scope: Scope, send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    given = {name for name, _ in headers}
    ours = [h for h in _headers(scope) if h[0] not in given]
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*ours, *headers, length]})
    await send({"type": "http.response.body", "body": body})


Application = Callable[[Scope, Receive, Send], Any]
