"""Markup and scripts wherever somebody can write something: every page shows them, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.console.conftest import Served, serving, visiting
from tests.console.furnished import furnish
from tests.console.people import WICKED
from tests.console.test_browser import PAGES

pytestmark = pytest.mark.slow

SHOWN = {
    "/decisions?q={wicked}",
    "/decision?id=p{wicked}&system=shop",
    "/cases",
    "/case?id=p{wicked}&system=shop",
    "/case?id=p1-8&system=shop",
    "/linked?field=user&value={wicked}&system=shop",
    "/lists?system=shop&list=blocked",
    "/releases",
    "/alerts",
    "/log",
}
"""Pages on which such a text has to be seen, as text."""

ASKED = {"/decision?id={wicked}", "/decisions?system={wicked}", "/cases?list={wicked}", "/money?days={wicked}"}
"""Addresses with such a text in what they ask for."""


@pytest.fixture(scope="module")
def wicked() -> Iterator[Served]:
    """Serve a shop in which somebody has written such a text everywhere."""
    with serving() as found:
        furnish(found)
        yield found


@pytest.mark.parametrize("who", ["analyst", "engineer"])
def test_what_somebody_wrote_is_shown_and_not_run(chromium: Any, wicked: Served, who: str) -> None:
    with visiting(chromium, wicked) as visit:
        visit.sign_in(who)
        for path in (*PAGES, *sorted(SHOWN), *sorted(ASKED)):
            visit.go(path.format(wicked=quote(WICKED, safe="")))
            if path in SHOWN and visit.page.locator(".refusal").count() == 0:
                visit.page.wait_for_selector("text=<img src=x onerror")
            visit.page.wait_for_timeout(100)  # what would run has had its time
            assert visit.page.evaluate("window.hacked") is None, path
            assert visit.page.locator("#page img, #page script, header img").count() == 0, path
