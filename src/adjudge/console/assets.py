"""Our own files that a browser loads, at addresses that change with what they hold."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources

ASSETS = {
    "console.css": b"text/css; charset=utf-8",
    "console.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}
"""Their names, with their types."""


@functools.cache
def asset(name: str) -> bytes:
    """Return what one of `ASSETS` holds."""
    return (importlib.resources.files("adjudge.console") / "static" / name).read_bytes()


@functools.cache
def address(name: str) -> str:
    """Return where a browser gets one of `ASSETS`."""
    return f"/console/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"
