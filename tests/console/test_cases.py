"""An analyst's day at the desk: next case, a look, one key, and what came of it in the log and in the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.console.asked import ask, tell
from tests.console.conftest import Visit
from tests.console.people import WICKED

pytestmark = pytest.mark.slow


def case(visit: Visit, id_: str) -> Any:
    """Return a case as the API tells it."""
    return ask(visit.served, f"/v1/cases/one/{id_}")["case"]


def press(visit: Visit, key: str) -> None:
    """Press a key that leads to another case, and wait for that."""
    before = visit.page.url
    visit.page.keyboard.press(key)
    visit.page.wait_for_url(lambda url: url != before and "/console/case" in url)
    visit.page.wait_for_selector("h1")
    visit.page.wait_for_timeout(250)  # what is pressed right as a case comes was meant for the one before


def id_of(visit: Visit) -> str:
    """Return the case that is shown."""
    return str(visit.page.locator(".panel a.mono").first.inner_text())


def test_an_analyst_works_a_case_by_its_keys_and_takes_it_back(visit: Visit) -> None:
    visit.sign_in("analyst")
    visit.page.keyboard.press("g")
    visit.page.keyboard.press("q")
    visit.page.wait_for_url("**/console/cases")
    first = ask(visit.served, "/v1/cases")["cases"][0]["id"]
    press(visit, "n")
    assert id_of(visit) == first
    assert case(visit, first)["assigned"] == "analyst"
    assert visit.page.evaluate("document.documentElement.scrollHeight <= innerHeight")  # all of it on one screen
    visit.page.keyboard.press("i")
    visit.page.keyboard.type("the customer did not know of it")
    visit.page.keyboard.press("Enter")
    press(visit, "f")
    visit.page.wait_for_selector(f"text={first}: fraud, decided")
    second = id_of(visit)
    assert second != first
    found = case(visit, first)
    assert (found["state"], found["truth"]) == ("closed", True)
    assert [(v["who"], v["value"], v["why"]) for v in found["verdicts"]] == [
        ("analyst", True, "the customer did not know of it")
    ]
    assert ask(visit.served, f"/v1/decisions/{first}")["labels"]["fraud"] is True
    assert "the customer did not know of it" in json.dumps(ask(visit.served, "/v1/log?limit=10000"))

    visit.go(f"/case?id={first}&system=shop")
    visit.page.keyboard.press("u")
    visit.page.wait_for_selector(f"text={first}: open again")
    assert (case(visit, first)["state"], case(visit, first)["assigned"]) == ("open", "analyst")
    press(visit, "l")
    assert case(visit, first)["truth"] is False
    assert visit.errors == []


def test_the_next_case_comes_in_place_and_the_way_back_leads_to_the_one_before(visit: Visit) -> None:
    visit.sign_in("analyst")
    visit.go("/cases")
    press(visit, "n")
    first = id_of(visit)
    visit.page.evaluate("window.stays = true")
    visit.page.keyboard.press("l")
    visit.page.wait_for_function("id => document.querySelector('.panel a.mono').innerText !== id", arg=first)
    visit.page.keyboard.press("l")  # twice by mistake: it is not about the case that has just come
    second = id_of(visit)
    assert visit.page.evaluate("window.stays") is True
    assert visit.page.evaluate("document.activeElement.tagName") == "H1"
    visit.page.wait_for_timeout(250)
    assert (id_of(visit), case(visit, second)["truth"]) == (second, None)
    press(visit, "l")
    assert case(visit, second)["truth"] is False
    visit.page.evaluate("location.hash = 'page'")
    assert visit.page.evaluate("window.stays") is True
    for id_ in (second, first):
        while id_of(visit) != id_:
            visit.page.go_back()
            visit.page.wait_for_selector(".panel a.mono")
    visit.page.go_forward()
    visit.page.wait_for_function("id => document.querySelector('.panel a.mono')?.innerText === id", arg=second)
    tell(visit.served, "/v1/cases/undo", {"ids": [first, second], "why": "as before"}, "analyst")
    assert visit.errors == []


def test_what_needs_more_rests_and_what_is_escalated_goes_to_somebody_else(visit: Visit) -> None:
    visit.sign_in("analyst")
    visit.go("/cases")
    press(visit, "n")
    first = id_of(visit)
    press(visit, "m")
    assert case(visit, first)["until"] is not None
    second = id_of(visit)
    press(visit, "x")
    assert case(visit, second)["escalated"] == ["analyst"]
    assert id_of(visit) not in (first, second)
    visit.go("/cases?list=escalated")
    visit.page.get_by_role("link", name=second, exact=True).wait_for()
    visit.go("/cases?list=deferred")
    visit.page.get_by_role("link", name=first, exact=True).wait_for()
    assert visit.errors == []


def test_a_ring_is_decided_once_somebody_has_said_why(visit: Visit) -> None:
    visit.sign_in("analyst")
    page = ask(visit.served, "/v1/cases?limit=1000")["cases"]
    id_ = next(one["id"] for one in page if len(ask(visit.served, f"/v1/cases/one/{one['id']}")["ring"]) > 2)
    ring = ask(visit.served, f"/v1/cases/one/{id_}")["ring"]
    waiting = [one for one in ring if case(visit, one)["state"] == "open"]
    visit.go(f"/case?id={id_}&system=shop")
    visit.page.keyboard.press("Shift+F")
    visit.page.wait_for_selector(f"text=All of the {len(ring)} cases")
    visit.page.fill(".ask:visible input", "one card, many names")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("text=cases of the ring are decided")
    assert all(case(visit, one)["truth"] is True for one in waiting)
    assert {case(visit, one)["verdicts"][-1]["why"] for one in waiting} == {"one card, many names"}
    assert visit.errors == []


def test_whoever_may_not_label_has_no_key_that_decides(visit: Visit) -> None:
    """The manager of these tests may look at cases and may not say what is true of them."""
    visit.sign_in("manager")
    id_ = next(one["id"] for one in ask(visit.served, "/v1/cases?which=waiting")["cases"] if one["until"] is None)
    visit.go(f"/case?id={id_}&system=shop")
    before = case(visit, id_)
    assert not visit.page.locator("[data-key=f]").is_visible()
    visit.page.keyboard.press("f")  # what is hidden is pressed all the same, and the service takes no notice
    visit.page.keyboard.press("a")
    visit.page.wait_for_selector("text=assigned")
    assert case(visit, id_) == {**before, "assigned": "manager"}
    assert visit.errors == []


def test_markup_in_a_case_and_its_notes_is_shown_and_not_run(visit: Visit) -> None:
    tell(visit.served, "/v1/cases/note", {"ids": [f"p{WICKED}"], "text": WICKED}, "analyst")
    visit.sign_in("analyst")
    visit.page.goto(f"{visit.served.url}/console/cases?list=waiting")  # no such list: what is asked is not repeated
    visit.page.wait_for_selector("text=there is no list")
    for path in ("/cases", f"/case?id={_quoted(f'p{WICKED}')}", f"/cases?list={_quoted(WICKED)}"):
        visit.page.goto(f"{visit.served.url}/console{path}")
        visit.page.wait_for_selector("h1")
        assert visit.page.evaluate("window.hacked") is None
        assert visit.page.locator("#page img").count() == 0


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def test_what_is_linked_is_walked_from_a_case_by_keys_alone(visit: Visit) -> None:
    visit.sign_in("analyst")
    visit.go("/case?id=p1-8&system=shop")
    for name in ("What is usual", "Places", "Linked"):
        assert visit.page.locator(f".panel h2:text-is('{name}')").is_visible()
    assert visit.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    visit.page.keyboard.press("e")
    visit.page.wait_for_url("**/console/linked?field=user**")
    middle = visit.page.locator("svg.graph a[aria-current]")
    middle.wait_for()
    first = middle.get_attribute("aria-label")
    visit.page.locator("svg.graph a:not([aria-current])").first.focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/console/linked?field=card**")
    middle.wait_for()
    assert (middle.get_attribute("aria-label") or "").startswith("card ")
    visit.page.go_back()
    visit.page.wait_for_url("**/console/linked?field=user**")
    middle.wait_for()
    assert middle.get_attribute("aria-label") == first
    asked = ask(visit.served, "/v1/linked/user?value=u0")["nodes"]
    assert visit.page.locator("svg.graph a").count() == len(asked)
    assert visit.fits()
    assert visit.errors == []
