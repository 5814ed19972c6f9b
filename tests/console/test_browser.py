"""Every page in a browser: it works, fits, says nothing wrong, and can be used by everybody."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.console.conftest import SIZE, Visit
from tests.console.people import WICKED

pytestmark = pytest.mark.slow

PAGES = (
    "/overview",
    "/decisions",
    "/decision?id=pbusy-5&system=shop",
    "/cases",
    "/cases?list=closed",
    "/case?id=p1-8&system=shop",
    "/case?id=p1-43&system=shop",
    "/decision?id=p1-180&system=shop",
    "/linked?field=user&value=u4&system=shop",
    "/review",
    "/money",
    "/hotspots",
    "/drift",
    "/thresholds",
    "/performance",
    "/log",
    "/rules",
    "/lists",
    "/releases",
    "/challengers",
    "/alerts",
)
"""Every page, as it looks with something on it."""


TABLETS: Any = ({"width": 1024, "height": 768}, {"width": 820, "height": 1180})
"""Lying and standing."""


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
        for size in TABLETS:
            visit.page.set_viewport_size(size)
            assert visit.fits(), (path, size)
        visit.page.set_viewport_size(SIZE)
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
    visit.page.keyboard.press("d")
    visit.page.wait_for_url("**/console/decisions")
    assert visit.errors == []


def test_an_analyst_finds_a_decision_and_reads_why(visit: Visit) -> None:
    visit.sign_in("analyst")
    visit.go("/decisions")
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("u-busy")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("text=6 decisions, found by user")
    assert "q=u-busy" in visit.page.url
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("text=Rules that fired: busy")
    assert visit.page.locator("text=purchases of u-busy within an hour").count() == 1
    assert visit.page.locator("text=Time line of user u-busy").count() == 1
    visit.page.keyboard.press("c")
    visit.page.wait_for_selector("text=the same, bit for bit")
    assert visit.errors == []


def test_times_are_in_the_readers_zone_with_the_exact_utc_on_hover(visit: Visit) -> None:
    visit.sign_in("analyst")
    visit.go("/decisions?q=plisted")
    shown = visit.page.locator("tbody time[data-told]")
    shown.wait_for()
    title, text = shown.get_attribute("title"), shown.inner_text()
    assert title is not None
    assert title.endswith(" UTC")
    hour = visit.page.evaluate(f"new Date('{title[:-4].replace(' ', 'T')}Z').getHours()")
    assert f" {hour:02d}:" in text


@pytest.mark.parametrize(
    "path",
    [
        "/decisions",
        "/decisions?q={wicked}",
        "/decision?id=p{wicked}",
        "/decision?id={wicked}",
        "/linked?field=user&value={wicked}",
    ],
)
def test_a_field_that_holds_a_script_is_shown_and_not_run(visit: Visit, path: str) -> None:
    visit.sign_in("engineer")
    visit.page.goto(f"{visit.served.url}/console{path.format(wicked=quote(WICKED))}")
    visit.page.wait_for_selector("h1")
    if "/decision?id={" not in path:  # what is not there is not repeated
        visit.page.wait_for_selector("text=<img src=x onerror")
    assert visit.page.evaluate("window.hacked") is None
    assert visit.page.locator("#page img").count() == 0


ROLES = {
    "/overview": {"analyst", "manager", "second", "engineer", "sender"},
    "/decisions": {"analyst", "manager", "engineer"},
    "/decision?id=plisted": {"analyst", "manager", "engineer"},
    "/cases": {"analyst", "manager", "engineer"},
    "/case?id=p1-8": {"analyst", "manager", "engineer"},
    "/linked?field=user&value=u4": {"analyst", "manager", "engineer"},
    "/review": {"analyst", "manager", "engineer"},
    "/money": {"analyst", "manager", "engineer"},
    "/hotspots": {"analyst", "manager", "engineer"},
    "/drift": {"engineer"},
    "/log": {"engineer"},
    "/thresholds": {"analyst", "manager", "engineer"},
    "/performance": {"analyst", "manager", "engineer"},
    "/rules": {"manager", "second", "engineer"},
    "/lists": {"manager", "second", "engineer"},
    "/releases": {"manager", "second", "engineer"},
    "/challengers": {"manager", "second", "engineer"},
    "/alerts": {"engineer"},
}
"""Who may read which page."""


@pytest.mark.parametrize("who", ["analyst", "manager", "second", "engineer", "sender"])
def test_a_page_shows_nothing_to_whom_the_api_would_not(visit: Visit, who: str) -> None:
    visit.sign_in(who)
    for path, allowed in ROLES.items():
        answer = visit.page.goto(f"{visit.served.url}/console{path}")
        assert answer is not None
        visit.page.wait_for_selector("h1")
        assert answer.status == (200 if who in allowed else 403), (who, path)
        assert (visit.page.locator(".refusal").count() == 0) == (who in allowed)
        linked = visit.page.locator(f"nav a[href='/console{path}']").count()
        assert "?" in path or bool(linked) == (who in allowed)
