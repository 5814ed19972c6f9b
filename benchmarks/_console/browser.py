"""A browser in which pages are loaded, a case after another is taken, and something is searched for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjudge.errors import UnavailableError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZE: Any = {"width": 1280, "height": 720}

USABLE = "window.did_handshake === true && document.querySelector('h1') !== null"
"""A page is usable once all of it is there and what is pressed arrives."""

THERE = "new URLSearchParams(location.search).get('id') === document.querySelector('#page a.mono')?.innerText"
"""A case is there once the page shows the one that its address names."""

LOOK_MS = 300
"""How long somebody looks at a case at least: what is pressed right as it comes was meant for the one before."""

WAIT_MS = 120_000


@contextmanager
def opened(folder: Path, *, politely: bool = False) -> Iterator[Browser]:
    """Start the browser of the system; politely, it only gets what nobody else wants of this machine.

    Raises
    ------
    UnavailableError
        If there is none.
    """
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "the benchmark needs Chromium: apt-get install chromium"
        raise UnavailableError(message)
    if politely:
        polite = folder / "polite"
        polite.write_text(f'#!/bin/sh\nexec nice -n 19 {found} "$@"\n')
        polite.chmod(0o755)
        found = str(polite)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def usable(page: Page, go: Callable[[], Any]) -> float:
    """Return the seconds from going somewhere until that page is usable."""
    began = time.perf_counter()
    go()
    page.wait_for_function(USABLE, timeout=WAIT_MS)
    return time.perf_counter() - began


def load(page: Page, address: str) -> float:
    """Return the seconds until a page is usable."""
    return usable(page, lambda: page.goto(address))


def take_case(page: Page, cases: str) -> float:
    """Return the seconds from the key that asks for a case, on the page of cases, until that is usable."""
    load(page, cases)
    return usable(page, lambda: _pressed(page, "n"))


def next_case(page: Page) -> float:
    """Return the seconds from the key that says what a case is until the next one is usable."""
    page.wait_for_timeout(LOOK_MS)
    took = usable(page, lambda: _pressed(page, "l"))
    if not page.evaluate(THERE):
        message = "the address names a case that is not there yet"
        raise RuntimeError(message)
    return took


def _pressed(page: Page, key: str) -> None:
    before = page.url
    page.keyboard.press(key)
    page.wait_for_url(lambda url: url != before, wait_until="commit", timeout=WAIT_MS)
