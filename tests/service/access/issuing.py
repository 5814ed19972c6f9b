"""An issuer of our own on this machine, which signs what it is told to, and whatever else somebody might send."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from adjudge.service.access.issuer import DISCOVERY
from tests.service.access.acts import START_US

START_S = START_US // 1_000_000
AUDIENCE = "adjudge"

MAKERS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS384": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
"""How a key is made, by the algorithm that it signs with."""


class Signer:
    """A key pair of an issuer.

    Parameters
    ----------
    kid
        Its name.
    algorithm
        What it signs with.
    private
        The private key; a new one where absent.
    """

    def __init__(self, kid: str, algorithm: str = "ES256", private: Any = None) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private = MAKERS[algorithm]() if private is None else private

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as the issuer shows it."""
        public = get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        fields = {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes
        return {k: v for k, v in ({**public, "key_ops": ["verify"]} | fields).items() if v is not None}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return a token."""
        return jwt.encode(claims, self.private, self.algorithm, {"kid": self.kid} | header)


class PrivateIssuer:
    """A server that says where its keys are, and what they are."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.answers: dict[str, tuple[int, bytes]] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = issuer.answer(self.path)
                self.send_response(status)
                if status == 302:
                    self.send_header("location", issuer.url + "/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return what it says at a path."""
        self.asked += path == DISCOVERY
        if path in self.answers:
            return self.answers[path]
        told = {DISCOVERY: {"issuer": self.url, "jwks_uri": self.url + "/keys"}, "/keys": {"keys": self.keys}}
        return (200, msgspec.json.encode(told[path])) if path in told else (404, b"")

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return what a good token says; changes to None leave something out."""
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "scope": "review label", "exp": START_S + 3600}
        return {k: v for k, v in (good | changes).items() if v is not None}
