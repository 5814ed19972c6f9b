"""Every call that a page of the screen can make, made by everybody: nothing happens that their key does not allow.

Nothing is listed here by hand: the calls are those that each page registers with the browser, buttons that are hidden
from whoever may not press them among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.console.asked import ask
from tests.console.conftest import Served, Visit, serving, visiting
from tests.console.furnished import furnish
from tests.console.people import PEOPLE
from tests.console.test_browser import PAGES

pytestmark = pytest.mark.slow

CALLS = """() => {
    const elements = Object.entries(document.querySelector('#app')._vnode.component.proxy.elements);
    const held = element => element.props['model-value'] ?? element.props.value ?? '';
    const calls = elements.flatMap(([id, element]) => (element.events ?? []).map(event => ({
        call: {id: Number(id), client_id: window.clientId, listener_id: event.listener_id},
        typed: /value/i.test(event.type), empty: !held(element),
    })));
    const typed = calls.filter(one => one.typed && one.empty).map(one => ({...one.call, args: ['"2031-01-01"']}));
    return [...typed, ...calls.filter(one => !one.typed).map(one => ({...one.call, args: ['{}']}))];
}"""
"""What a page can call: to type into every field that is empty what is good as a reason and as a day, then all else."""

MAKE = """async calls => {
    for (const call of calls) {
        window.socket.emit('event', call);
        await new Promise(done => setTimeout(done, 5));
    }
}"""
"""Makes calls, of this page or another one."""

LABEL = {"case_decided", "case_undone"}
REVIEW = {"case_assigned", "case_released", "case_noted", "case_deferred", "case_escalated", "case_due"}
"""Actions that need no more than that scope; all others are of those who manage."""


def scope_of(entry: dict[str, Any]) -> str:
    """Return what whoever has made an entry needs."""
    if entry["kind"] == 2:
        return "label"
    action = entry["content"].get("action") if entry["kind"] == 8 else None
    return "label" if action in LABEL else "review" if action in REVIEW else "manage"


def made_by(served: Served, who: str, since: int) -> list[dict[str, Any]]:
    """Return the entries that somebody has made."""
    return [one for one in ask(served, f"/v1/log?start={since}&limit=10000")["entries"] if one.get("who") == who]


@pytest.fixture(scope="module")
def busy() -> Iterator[Served]:
    """Serve a shop of its own, since everything is done to it."""
    with serving() as found:
        furnish(found)
        yield found


def settle(served: Served) -> int:
    """Wait until the log has stood still, and return where it ends."""
    import time

    before = -1
    while True:
        entries = ask(served, "/v1/log?limit=10000")["entries"]
        if (now := int(entries[-1]["seq"])) == before:
            return now
        before = now
        time.sleep(0.3)


@pytest.mark.parametrize("who", ["sender", "analyst", "second", "manager", "engineer"])
def test_whatever_a_page_can_be_made_to_call_does_no_more_than_the_key_allows(
    chromium: Any, busy: Served, who: str
) -> None:
    with visiting(chromium, busy) as visit:
        start, calls = settle(busy), everything(visit, who)
        settle(busy)
        done = [scope_of(one) for one in made_by(busy, who, start)]
        allowed = Counter(done)
        assert set(allowed) <= set(PEOPLE[who]), allowed
        if who == "sender":
            assert not done
        else:
            assert calls > 30
            expected = {"label", "review", "manage"} & set(PEOPLE[who])
            assert set(allowed) == expected, allowed  # the calls do something where they may


def test_nobody_speaks_for_a_page_of_somebody_else(chromium: Any, busy: Served) -> None:
    """Not even whoever has learned its id."""
    with visiting(chromium, busy) as theirs, visiting(chromium, busy) as other:
        theirs.sign_in("engineer")
        theirs.go("/lists")
        theirs.page.route("**/*", stay)
        calls = theirs.page.evaluate(CALLS)
        start = settle(busy)
        other.sign_in("analyst")
        other.page.evaluate(MAKE, calls)
        assert settle(busy) == start
        theirs.page.evaluate(MAKE, calls)
        for _ in range(600):  # they do something where they come from, as soon as there is time for it
            if settle(busy) > start:
                break
            theirs.page.wait_for_timeout(100)
        assert settle(busy) > start


def stay(route: Any) -> None:
    """Keep a page where it is, whatever is done on it."""
    route.fulfill(status=204)


def everything(visit: Visit, who: str) -> int:
    """Make every call of every page as somebody, and return how many there are."""
    visit.sign_in(who)
    made = 0
    for path in PAGES:
        page = visit.page.context.new_page()
        page.goto(f"{visit.served.url}/console{path}")
        page.wait_for_selector("h1")
        page.wait_for_timeout(200)  # what is filled in once the page is there
        page.route("**/*", stay)
        calls = page.evaluate(CALLS)
        page.evaluate(MAKE, calls)
        made += len(calls)
        settle(visit.served)
        page.close()
    return made
