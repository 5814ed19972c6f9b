"""Looks at weeks of a log: a manager stops a hot spot, an engineer sees a drift, and what was looked at is kept."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.console.asked import ask, tell
from tests.console.conftest import Visit
from tests.console.test_acts import confirm
from tests.console.test_browser import serious
from tests.service.shop import purchase

pytestmark = pytest.mark.slow

OVER = "text=/it took [0-9]+ s/"
"""What a look says once it is over."""


def decided(visit: Visit, **changes: Any) -> Any:
    """Have a purchase of now decided, as a sender would."""
    from datetime import UTC, datetime

    key = {"authorization": f"Bearer {visit.served.keys['sender']}"}
    row = purchase(f"now-{changes.get('user')}", datetime.now(UTC), amount="20.00", **changes)
    answer = httpx.post(f"{visit.served.url}/v1/decide", json=row, headers=key)
    answer.raise_for_status()
    return answer.json()


def test_a_look_is_kept_for_whoever_comes_next_and_says_how_old_it_is(long_visit: Visit) -> None:
    visit = long_visit
    visit.sign_in("engineer")
    visit.go("/drift")
    visit.page.wait_for_selector(OVER)
    told = visit.page.locator("text=/As of/").inner_text()
    visit.page.context.clear_cookies()
    visit.sign_in("engineer")
    visit.go("/drift")
    assert visit.page.locator("text=/As of/").inner_text() == told  # at once, and the same
    visit.page.keyboard.press("v")
    visit.page.wait_for_function(
        "t => [...document.querySelectorAll('p')].some(p => p.innerText.startsWith('As of') && p.innerText !== t)",
        arg=told,
    )
    assert visit.errors == []


def test_a_drift_says_whose_it_is_and_performance_has_estimate_and_truth(long_visit: Visit) -> None:
    visit = long_visit
    visit.sign_in("engineer")
    visit.go("/drift")
    visit.page.wait_for_selector(OVER)
    assert (
        visit.page.locator(".mark", has_text="the pipeline's").count()
        + visit.page.locator(".mark", has_text="the world's").count()
        >= 2
    )
    assert visit.page.locator("text=Jensen-Shannon").locator("visible=true").count() == 1
    for name in ("Precision", "Recall", "Calibration"):
        assert visit.page.locator("figcaption", has_text=name).count() >= 1
    assert visit.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_was_found_fits_and_shuts_nobody_out(long_visit: Visit, theme: str) -> None:
    visit = long_visit
    visit.theme(theme)
    visit.sign_in("engineer")
    for path in ("/money", "/hotspots", "/drift", "/thresholds", "/performance", "/log"):
        visit.go(path)
        visit.page.wait_for_selector(OVER)
        assert visit.fits(), path
        assert serious(visit) == [], path
    assert visit.errors == []


def test_a_log_in_memory_says_that_nobody_else_can_look(visit: Visit) -> None:
    visit.sign_in("engineer")
    for path in ("/money", "/hotspots", "/drift", "/thresholds", "/performance", "/log"):
        visit.go(path)
        visit.page.wait_for_selector("text=Nothing can be looked at here.")
    assert visit.errors == []


def test_the_log_is_proven_whole_and_says_who_did_what(long_visit: Visit) -> None:
    visit = long_visit
    visit.sign_in("engineer")
    visit.go("/log")
    visit.page.wait_for_selector(OVER)
    assert visit.page.locator("text=The log is").inner_text().split()[-1] == "whole"
    assert visit.page.locator("tr", has_text="release staged").first.locator("td").nth(3).inner_text() == "ada"
    assert visit.errors == []


def test_a_challenger_stands_beside_the_champion_with_what_its_rule_asks_for(long_visit: Visit) -> None:
    visit = long_visit
    policy = {"name": "mild", "why": "fewer alerts", "revision": {"policy": {"soft_rules": "advise"}}}
    tell(visit.served, "/v1/challengers", policy)
    visit.sign_in("manager")
    visit.go("/challengers")
    visit.page.wait_for_selector("text=What its rule still asks for")
    assert visit.page.locator("text=/it has run 0.0 of 14 days/").count() == 1
    confirm(visit, "Retire mild", "no better")
    visit.page.wait_for_selector("text=mild is retired now")
    assert ask(visit.served, "/v1/challengers")["challengers"] == []
    assert visit.errors == []


def test_rules_at_work_are_told_dead_and_redundant(long_visit: Visit) -> None:
    visit = long_visit
    visit.sign_in("manager")
    visit.go("/performance")
    visit.page.wait_for_selector(OVER)
    row = visit.page.locator("tr", has=visit.page.get_by_role("rowheader", name="never", exact=True))
    assert "never fired" in row.inner_text()
    assert visit.page.locator("tr", has_text="larger").last.inner_text().split()[:2] == ["larger", "large"]
    assert visit.errors == []


def test_a_bundle_says_what_it_is(long_visit: Visit) -> None:
    visit = long_visit
    visit.sign_in("engineer")
    visit.go("/releases")
    visit.page.locator("details.card summary").first.click()
    visit.page.wait_for_selector("details.card pre >> text=Model card: shop")
    assert visit.fits()
    assert serious(visit) == []
    assert visit.errors == []


def move(visit: Visit, key: str, to: int) -> None:
    """Move the first slider by a key, and wait until the address says where it is."""
    visit.page.get_by_role("slider").first.press(key)
    visit.page.wait_for_function("at => new URLSearchParams(location.search).get('review') === at", arg=str(to))


def test_a_threshold_is_looked_at_before_it_decides(long_visit: Visit) -> None:
    visit = long_visit
    visit.sign_in("manager")
    visit.go("/thresholds")
    visit.page.wait_for_selector(OVER)
    slider = visit.page.get_by_role("slider").first
    figures = visit.page.locator("[role=status] .figures").first
    before = figures.inner_text()
    began = int(slider.input_value())
    for at in range(began + 1, began + 6):
        move(visit, "ArrowRight", at)
    assert slider.input_value() == str(began + 5)  # it stays where it was left
    assert figures.inner_text() != before
    address, moved = visit.page.url, figures.inner_text()
    visit.page.goto(address)  # as a colleague would see it
    visit.page.wait_for_selector(OVER)
    assert visit.page.locator("[role=status] .figures").first.inner_text() == moved
    for at in range(began + 4, began, -1):
        move(visit, "ArrowLeft", at)
    versions = ask(visit.served, "/v1/activations")["systems"][0]["versions"]
    confirm(visit, "Have review begin there", "more of them are worth it")
    visit.page.wait_for_selector("text=Decides from position")
    after = ask(visit.served, "/v1/activations")["systems"][0]["versions"]
    assert (after["policy"] != versions["policy"], after["model"]) == (True, versions["model"])
    assert "more of them are worth it" in json.dumps(ask(visit.served, "/v1/log?limit=10000"))
    assert visit.errors == []


def test_a_manager_reads_what_was_saved_and_stops_a_hot_spot(long_visit: Visit) -> None:
    """The last one here: what it has decided is of now, and the weeks before end in May."""
    visit = long_visit
    visit.sign_in("manager")
    visit.go("/money?days=30")
    visit.page.wait_for_selector("text=/beginning|export|report/")
    visit.page.wait_for_selector(OVER)
    assert visit.page.locator(".figure", has_text="loss prevented").inner_text().split()[1] == "EUR"
    visit.go("/hotspots")
    visit.page.wait_for_selector(OVER)
    assert visit.page.locator("tbody th").first.inner_text() == "method=voucher"
    assert visit.page.locator("svg.map circle.hot title").first.inner_html().startswith("method=voucher · 12 customers")
    assert decided(visit, user="before", method="voucher")["decision"] == "approve"
    confirm(visit, "Stop method=voucher", "twelve customers in a day")
    visit.page.wait_for_selector("text=Decides from position")
    answer = decided(visit, user="after", method="voucher")
    assert (answer["decision"], answer["rules"]) == (
        "block",
        [one for one in answer["rules"] if one.startswith("hotspot_")],
    )
    assert decided(visit, user="other", method="card")["decision"] == "approve"
    assert "twelve customers in a day" in json.dumps(ask(visit.served, "/v1/log?limit=10000"))
    assert visit.errors == []
