"""What is done at the console is in the log and in the API, under the name of who did it, and takes two."""

from __future__ import annotations

import json

import pytest

from tests.console.asked import ask, tell
from tests.console.conftest import Visit
from tests.service.shop import shop_system

pytestmark = pytest.mark.slow


def write(visit: Visit, text: str) -> None:
    """Put a rule file into the editor."""
    visit.page.fill(".editor textarea", text)


def confirm(visit: Visit, button: str, why: str) -> None:
    """Press a button that asks for a reason, and give it."""
    visit.page.locator("button:visible", has_text=button).first.click()
    visit.page.fill(".ask:visible input", why)
    visit.page.locator(".ask:visible button", has_text=button).click()


def cancel(visit: Visit) -> None:
    """Leave a dialog, and see it gone: while it fades it can still be typed into."""
    visit.page.locator(".ask:visible button", has_text="Cancel").click()
    visit.page.locator(".ask").first.wait_for(state="hidden")


def confirm_with_a_reason_only(visit: Visit, button: str, why: str) -> None:
    """Press a button that asks for a reason, be refused without one, and give it."""
    confirm(visit, button, "")
    visit.page.wait_for_selector("text=needs why in readable words")
    visit.page.fill(".ask:visible input", why)
    visit.page.locator(".ask:visible button", has_text=button).click()


def test_a_rule_writer_is_told_mistakes_tries_a_draft_and_has_a_second_person_let_it_decide(visit: Visit) -> None:
    visit.sign_in("manager")
    visit.go("/rules")
    before = visit.page.input_value(".editor textarea")
    write(visit, before.replace("user_count_1h >= 3", "user_cuont_1h >= 3"))
    visit.page.wait_for_selector("text=did you mean 'user_count_1h'?")
    write(visit, before.replace("user_count_1h >= 3", "user_count_1h >= 7"))
    visit.page.wait_for_selector("text=no mistakes")
    visit.page.click("text=Try on the past")
    visit.page.wait_for_selector("text=all together")
    confirm(visit, "Have it decide", "three is too few")
    visit.page.wait_for_selector("text=waits for a second person")
    proposal = ask(visit.served, "/v1/proposals")["proposals"][-1]
    assert (proposal["who"], proposal["why"], proposal["state"]) == ("manager", "three is too few", "open")

    visit.go("/releases")
    confirm(visit, "Approve", "I say so myself")
    visit.page.wait_for_selector("text=manager has proposed this")
    assert ask(visit.served, "/v1/proposals")["proposals"][-1]["state"] == "open"

    visit.page.context.clear_cookies()
    visit.sign_in("second")
    visit.go("/releases")
    confirm(visit, "Approve", "read and agreed")
    visit.page.wait_for_selector("text=Decides from position")
    done = ask(visit.served, "/v1/proposals")["proposals"][-1]
    assert (done["state"], done["approved_by"]) == ("used", "second")
    assert "user_count_1h >= 7" in json.dumps(ask(visit.served, "/v1/log?limit=10000"))
    visit.page.wait_for_selector("text=Nothing waits.")
    assert visit.errors == []


def test_a_name_completes_itself(visit: Visit) -> None:
    visit.sign_in("manager")
    visit.go("/rules")
    editor = visit.page.locator(".editor textarea")
    editor.fill("version: 1\nrules:\n- {id: big, action: review, when: ")
    editor.press_sequentially("above_us")
    visit.page.wait_for_selector(".names button")
    editor.press("Tab")
    editor.press_sequentially(" > 3}")
    assert editor.input_value().endswith("when: above_usual > 3}")
    visit.page.wait_for_selector("text=no mistakes")
    assert visit.errors == []


def test_something_is_proposed_for_a_list_with_its_end_and_without_a_reason_nothing_is(visit: Visit) -> None:
    visit.sign_in("manager")
    visit.go("/lists")
    visit.page.get_by_label("Element").fill("c77")
    visit.page.get_by_label("Expires").fill("2027-01-31")
    confirm_with_a_reason_only(visit, "Put on the list", "reported stolen")
    visit.page.wait_for_selector("text=waits for a second person")
    entry = ask(visit.served, "/v1/proposals")["proposals"][-1]["content"]["lists"]["blocked"]["add"][0]
    assert (entry["value"], entry["expires"]) == ("c77", "2027-01-31")


def test_a_manager_sets_a_deadline_for_cases_and_an_analyst_reads_it_and_cannot(visit: Visit) -> None:
    before = ask(visit.served, "/v1/cases/summary")
    visit.sign_in("manager")
    visit.go("/review")
    assert visit.page.locator(".figure", has_text="wait").first.inner_text().startswith(f"{before['waiting']:,} cases")
    visit.page.get_by_label("Due after, hours").fill("soon")
    confirm(visit, "Work like this", "victims call within two days")
    visit.page.wait_for_selector("text=due_hours is a number, not 'soon'")
    assert ask(visit.served, "/v1/cases/summary")["routine"] == before["routine"]
    cancel(visit)
    visit.page.get_by_label("Due after, hours").fill("48")
    visit.page.get_by_label("Second opinions, percent").fill("10")
    confirm_with_a_reason_only(visit, "Work like this", "victims call within two days")
    visit.page.wait_for_selector("text=Cases are worked like this now.")
    routine = ask(visit.served, "/v1/cases/summary")["routine"]
    assert routine == {**before["routine"], "due_hours": 48.0, "second": 0.1}
    assert "victims call within two days" in json.dumps(ask(visit.served, "/v1/log?limit=10000"))

    visit.page.context.clear_cookies()
    visit.sign_in("analyst")
    visit.go("/review")
    visit.page.wait_for_selector("text=48 h")
    assert visit.page.locator("button:visible", has_text="Work like this").count() == 0
    assert visit.errors == []


def test_a_release_decides_once_somebody_else_has_approved_it(visit: Visit) -> None:
    """One account is refused, through the screen as through the API, however often it says yes."""
    rules = ask(visit.served, "/v1/activations")["systems"][0]["versions"]["rules"]
    large = {"id": "larger", "when": "amount > 800", "action": "review", "reason": "A large amount."}
    document = shop_system().rules.document()
    document["rules"].append(large)
    body = {"why": "fewer", "rules": document, "evidence": {"saved": 12.5}}
    id_ = tell(visit.served, "/v1/releases", body)["id"][:12]
    visit.sign_in("manager")
    visit.go("/releases")
    for approves in (True, False):
        confirm(visit, f"Decide with {id_}", "it saves 12")
        visit.page.wait_for_selector("text=nobody but who registered it")
        cancel(visit)
        if approves:
            confirm(visit, f"Approve {id_}", "I say so myself")
            visit.page.wait_for_selector("text=Approved for development")
    visit.page.context.clear_cookies()
    visit.sign_in("second")
    visit.go("/releases")
    confirm(visit, f"Approve {id_}", "seen the back-test")
    visit.page.wait_for_selector("text=Approved for development")
    confirm(visit, f"Decide with {id_}", "it saves 12")
    visit.page.wait_for_selector("text=Decides from position")
    (release,) = [one for one in ask(visit.served, "/v1/releases")["releases"] if one["id"].startswith(id_)]
    assert [one["who"] for one in release["approvals"]] == ["manager", "second"]
    assert [(one["who"], one["environment"]) for one in release["stages"]] == [("second", "development")]
    assert ask(visit.served, "/v1/activations")["systems"][0]["versions"]["rules"] != rules
    assert visit.errors == []


def test_a_rule_is_let_end(visit: Visit) -> None:
    visit.sign_in("manager")
    visit.go("/rules")
    visit.page.get_by_label("Ends, such as").fill("tomorrow")
    confirm(visit, "Let it end", "it has done its work")
    visit.page.wait_for_selector("text=expires is a")
    cancel(visit)
    visit.page.get_by_label("Ends, such as").fill("2031-12-31")
    confirm(visit, "Let it end", "it has done its work")
    visit.page.wait_for_selector("text=waits for a second person")
    proposal = ask(visit.served, "/v1/proposals")["proposals"][-1]
    ends = {rule["id"]: rule.get("expires") for rule in proposal["content"]["rules"]["rules"]}
    first = next(iter(ends))
    assert ends == {**dict.fromkeys(ends), first: "2031-12-31"}
    tell(visit.served, f"/v1/proposals/{proposal['id']}/refuse", {"why": "not yet"}, "second")
    assert visit.errors == []


def test_a_draft_runs_in_the_shadow_before_it_decides(visit: Visit) -> None:
    visit.sign_in("manager")
    visit.go("/rules")
    before = ask(visit.served, "/v1/activations")["systems"][0]["versions"]
    write(visit, visit.page.input_value(".editor textarea").replace("amount > ", "amount > 1"))
    visit.page.wait_for_selector("text=no mistakes")
    confirm(visit, "Run beside", "is it too strict?")
    visit.page.wait_for_selector("text=/rules-[0-9a-f]{8} runs in the shadow/")
    (seated,) = [one for one in ask(visit.served, "/v1/challengers")["challengers"] if one["name"].startswith("rules-")]
    assert (seated["stage"], seated["changes"], seated["steps"][0]["why"]) == ("shadow", ["rules"], "is it too strict?")
    assert ask(visit.served, "/v1/activations")["systems"][0]["versions"] == before
    tell(visit.served, f"/v1/challengers/{seated['name']}/retire", {"why": "enough"})
    assert visit.errors == []
