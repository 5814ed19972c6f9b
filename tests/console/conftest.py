"""A service with its console and a browser to look at it with."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

SIZE: ViewportSize = {"width": 1280, "height": 720}
"""The smallest screen that everything has to fit."""


@dataclass
class Served:
    """A running service.

    Parameters
    ----------
    url
        Its address.
    keys
        A secret for each kind of person.
    """

    url: str
    keys: dict[str, str]


@contextmanager
def serving(*words: str) -> Iterator[Served]:
    """Serve with a console, as `tests.console.serving` does."""
    from adjudge.service.server import free_port, python, wait_ready

    port = free_port()
    child = subprocess.Popen(python("tests.console.serving", str(port), *words), stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        keys = json.loads(child.stdout.readline())
        wait_ready(port, child=child)
        yield Served(f"http://127.0.0.1:{port}", keys)
    finally:
        child.terminate()
        child.wait(20)
        if child.stdout is not None:
            child.stdout.close()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """Serve the small shop with its console."""
    with serving() as found:
        yield found


@pytest.fixture(scope="session")
def long_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a workspace in which weeks have passed, with a log in a file that other processes can look at."""
    from tests.console.serving import live

    folder = tmp_path_factory.mktemp("long")
    live(folder)
    with serving(str(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return the browser of the system; while it is open, nothing else can run a loop in this thread."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """Somebody's browser window.

    Parameters
    ----------
    page
        The window.
    served
        Where it goes.
    """

    def __init__(self, page: Page, served: Served) -> None:
        self.page = page
        self.served = served
        self.errors: list[str] = []
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", lambda request: self._failed(request))
        page.on("request", lambda request: self._asked(request.url))

    def _failed(self, request: Any) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # a page that is left stops loading
            self.errors.append(f"{request.url}: {request.failure}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.served.url, self.served.url.replace("http", "ws"), "data:", "blob:")):
            self.errors.append(f"asked elsewhere: {url}")

    def sign_in(self, who: str) -> None:
        """Sign in with a key."""
        self.page.goto(f"{self.served.url}/console")
        self.page.fill("#key", self.served.keys[who])
        self.page.click("text=Sign in")
        self.page.wait_for_url("**/console/overview")
        self.page.wait_for_selector("h1")

    def go(self, path: str) -> None:
        """Go to a page and wait until it is usable."""
        self.page.goto(f"{self.served.url}/console{path}")
        self.page.wait_for_selector("h1")

    def theme(self, name: str) -> None:
        """Dress the page."""
        self.page.context.add_cookies([{"name": "adjudge_theme", "value": name, "url": f"{self.served.url}/console"}])

    def fits(self) -> bool:
        """Return whether nothing of the page has to be scrolled to sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))

    def shot(self, path: Path) -> None:
        """Keep what the page looks like."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))


@pytest.fixture
def visit(chromium: Browser, served: Served) -> Iterator[Visit]:
    """Return somebody's browser window."""
    with visiting(chromium, served) as found:
        yield found


@pytest.fixture
def long_visit(chromium: Browser, long_served: Served) -> Iterator[Visit]:
    """Return somebody's browser window where weeks have passed."""
    with visiting(chromium, long_served) as found:
        yield found


@contextmanager
def visiting(chromium: Browser, served: Served) -> Iterator[Visit]:
    """Open a browser window for a service."""
    context = chromium.new_context(viewport=SIZE, timezone_id="Europe/Berlin", locale="en-GB")
    context.set_default_timeout(60_000)  # a machine that is busy with other tests takes its time
    yield Visit(context.new_page(), served)
    for page in context.pages:
        page.goto("about:blank")  # closing a window that is on its way to a page can hang the browser
    context.close()
