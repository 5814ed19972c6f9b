"""A wire that can be cut at a chosen moment: a proxy between a client and a server on this machine."""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType
from typing import Literal

Cut = Literal["request", "answer"]
"""What the wire swallows when it breaks: the next request, or the answer to it."""


class Wire:
    """Carry bytes between clients and a server until told to break.

    Parameters
    ----------
    host, port
        The server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut: Cut | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: dict[socket.socket, tuple[socket.socket, Cut]] = {}
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._carry)
        self._stopping = self._severed = False

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping = True
        self._wake.send(b".")
        self._thread.join()
        self._selector.close()
        for end in (*self._peers, self._listener, self._wake, self._woken):
            end.close()

    def cut(self, what: Cut) -> None:
        """Break every connection as soon as there is a request, or an answer, to carry."""
        self._cut = what

    def sever(self) -> None:
        """Break every connection now."""
        self._severed = True
        self._wake.send(b".")

    def _carry(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    self._woken.recv(1)
                    self._drop_all(self._severed)
                elif key.fileobj is self._listener:
                    self._open()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._pass_on(key.fileobj)

    def _open(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._server)
        self._peers[client], self._peers[server] = (server, "request"), (client, "answer")
        for end in (client, server):
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        other, sends = self._peers[end]
        try:
            data = end.recv(1 << 16)
        except ConnectionError:
            data = b""
        if self._cut == sends and data:
            self._cut = None
            self._drop_all(True)
        elif data:
            other.sendall(data)
        else:
            self._drop(other)
            self._drop(end)

    def _drop_all(self, severed: bool) -> None:
        for end in list(self._peers) if severed else ():
            self._drop(end)
        self._severed = False

    def _drop(self, end: socket.socket) -> None:
        self._selector.unregister(end)
        del self._peers[end]
        end.close()
