"""What takes two people, tried by one: through the API, with a key of their own making, and on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.console.asked import ask, tell
from tests.console.conftest import Served, serving, visiting
from tests.service.shop import shop_system

pytestmark = pytest.mark.slow


def rules(least: int) -> dict[str, Any]:
    """Return the rules of the shop and one more."""
    document = shop_system().rules.document()
    more = {"id": f"over_{least}", "when": f"amount > {least}", "action": "review", "reason": "A large amount."}
    return {**document, "rules": [*document["rules"], more]}


def promoted(served: Served) -> Any:
    """Have a challenger run in the shadow, and ask that it decide."""
    body = {"why": "tried", "name": "in-the-shadow", "revision": {"rules": rules(850)}}
    tell(served, "/v1/challengers", body)
    return tell(served, "/v1/challengers/in-the-shadow/promote", {"why": "it is better", "anyway": True})


def shared(served: Served) -> Any:
    """Ask that a challenger decide some of the events."""
    body = {"why": "tried", "name": "on-a-share", "revision": {"rules": rules(860)}, "share": 0.5}
    return tell(served, "/v1/challengers", body)


def revised(part: str, content: Callable[[], Any]) -> Callable[[Served], Any]:
    """Return what asks for another version of a part."""
    return lambda served: tell(served, "/v1/activations", {"why": "it is better", part: content()})


FLOWS: dict[str, Callable[[Served], Any]] = {
    "rules": revised("rules", lambda: rules(840)),
    "policy": revised("policy", lambda: {"thresholds": {"review": 0.4, "block": 0.9}}),
    "lists": revised("lists", lambda: {"blocked": {"add": [{"value": "c-77", "reason": "stolen"}]}}),
    "a share": shared,
    "a promotion": promoted,
}
"""Everything that is proposed, and who proposes it."""


@pytest.fixture(scope="module")
def strict() -> Iterator[Served]:
    """Serve a shop of its own, in which everything takes two."""
    with serving() as found:
        yield found


def decides(served: Served) -> Any:
    """Return what decides, and on which share."""
    challengers = ask(served, "/v1/challengers")["challengers"]
    systems = ask(served, "/v1/activations")["systems"]
    shares = [(one["name"], one.get("share")) for one in challengers]
    return [(one["versions"], one["lists"]) for one in systems], shares


def own_key(served: Served) -> dict[str, str]:
    """Return the credential of a key that the manager has made under another name."""
    made = tell(served, "/v1/keys", {"owner": "somebody-else", "scopes": ["manage"], "why": "for a colleague"})
    return {"authorization": f"Bearer {made['secret']}"}


@pytest.mark.parametrize("flow", FLOWS)
def test_nobody_approves_what_they_have_proposed(chromium: Any, strict: Served, flow: str) -> None:
    asked = FLOWS[flow](strict)
    before = decides(strict)
    proposal = asked["proposal"]
    address = f"{strict.url}/v1/proposals/{proposal}/approve"
    for headers in ({"authorization": f"Bearer {strict.keys['manager']}"}, own_key(strict)):
        answer = httpx.post(address, json={"why": "I say so myself"}, headers=headers)
        assert answer.status_code == 403, answer.text
    with visiting(chromium, strict) as visit:
        visit.sign_in("manager")
        visit.go("/releases")
        visit.page.get_by_role("button", name="Approve", exact=True).last.click()
        visit.page.fill(".ask:visible input", "I say so myself")
        visit.page.locator(".ask:visible button", has_text="Approve").click()
        visit.page.wait_for_selector("text=manager has proposed this")
    assert decides(strict) == before
    tell(strict, f"/v1/proposals/{proposal}/approve", {"why": "seen it"}, "second")
    assert decides(strict) != before


def test_nobody_promotes_what_they_have_registered(chromium: Any, strict: Served) -> None:
    body = {"why": "fewer", "rules": rules(870), "evidence": {"saved": 12.5}}
    id_ = tell(strict, "/v1/releases", body)["id"]
    before = decides(strict)
    for headers in ({"authorization": f"Bearer {strict.keys['manager']}"}, own_key(strict)):
        for verb in ("approve", "promote"):
            asked = {"why": "I say so myself", "environment": "development"}
            answer = httpx.post(f"{strict.url}/v1/releases/{id_}/{verb}", json=asked, headers=headers)
            assert verb == "approve" or answer.status_code in (403, 409), answer.text
    with visiting(chromium, strict) as visit:
        visit.sign_in("manager")
        visit.go("/releases")
        name = f"Decide with {id_[:12]}"
        visit.page.get_by_role("button", name=name).first.click()
        visit.page.fill(".ask:visible input", "I say so myself")
        visit.page.locator(".ask:visible button", has_text=name).click()
        visit.page.wait_for_selector("text=nobody but who registered it")
    assert decides(strict) == before
    tell(strict, f"/v1/releases/{id_}/approve", {"why": "seen it", "environment": "development"}, "second")
    tell(strict, f"/v1/releases/{id_}/promote", {"why": "seen it", "environment": "development"}, "second")
    assert decides(strict) != before
