"""Every page in a browser: it works, fits, says nothing wrong, and can be used by everybody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.console.conftest import Visit

pytestmark = pytest.mark.slow

PAGES = ("/overview",)
"""Every page that the navigation leads to."""


def serious(visit: Visit) -> list[str]:
    """Return what axe-core finds that shuts somebody out."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(visit.page).response["violations"]
    return [
        f"{v['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_says_nothing_wrong_and_shuts_nobody_out(visit: Visit, theme: str) -> None:
    visit.theme(theme)
    visit.page.goto(f"{visit.served.url}/console")
    assert serious(visit) == []
    visit.sign_in("engineer")
    for path in PAGES:
        visit.go(path)
        visit.page.wait_for_function(f"document.body.classList.contains('body--{theme}')")
        assert visit.fits(), path
        assert serious(visit) == [], path
    assert visit.errors == []


def test_signing_out_ends_the_session_and_its_pages(visit: Visit) -> None:
    visit.sign_in("analyst")
    other = visit.page.context.new_page()
    other.goto(f"{visit.served.url}/console/overview")
    other.wait_for_selector("h1")
    visit.page.click("text=Sign out")
    visit.page.wait_for_url("**/console/sign-in")
    other.wait_for_url("**/console/sign-in")
    visit.page.goto(f"{visit.served.url}/console/overview")
    assert "/console/sign-in" in visit.page.url


def test_a_question_mark_shows_the_keys_and_g_goes_somewhere(visit: Visit) -> None:
    visit.sign_in("engineer")
    visit.page.keyboard.press("?")
    visit.page.wait_for_selector("dialog[open] >> text=light or dark")
    visit.page.keyboard.press("Escape")
    before = visit.page.evaluate("document.documentElement.dataset.theme")
    visit.page.keyboard.press("t")
    assert visit.page.evaluate("document.documentElement.dataset.theme") != before
    visit.page.keyboard.press("g")
    visit.page.keyboard.press("o")
    visit.page.wait_for_url("**/console/overview")
    assert visit.errors == []
