"""What takes two people over HTTP: nothing is different before a second one says so, and then once."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from adjudge.define.spec import to_spec
from adjudge.errors import InputError, UnavailableError
from adjudge.log import Kind, MemoryLog, entries_of
from adjudge.service.access.keys import Grant, create
from adjudge.service.access.ledger import By
from adjudge.service.app import Service
from adjudge.service.follow import Follower
from adjudge.service.settings import Settings
from tests.service import bundled
from tests.service.shop import purchase, shop_system
from tests.service.versions.test_beside import more
from tests.service.versions.test_live import POLICY, STRICT, Site

RULES = {"why": "too lenient", "rules": STRICT}
LISTED = {"why": "stolen", "lists": {"blocked": {"add": ["c9"]}}}
YES = {"why": "seen in the back-test"}


class Office(Site):
    """A service where rules, policy and bundles take two people, who have keys of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, MemoryLog())
        self.decider = self.shop.decider
        self.service = Service(self.decider, Settings(second_person="rules,policy,bundle"))
        self.keys = {owner: self.key(owner) for owner in ("ada", "bob", "carol")}

    def key(self, owner: str, **more: Any) -> str:
        registry = self.decider.workspace.management.keys
        grant = Grant(owner, ["manage", "decide"], **more)
        return create(registry, self.decider, grant, By("root", "offline")).text

    def call(self, who: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the service as somebody."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.service)
            headers = {"authorization": f"Bearer {self.keys[who]}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
                return await client.request("GET" if body is None else "POST", f"/v1/{path}", json=body)

        answer = asyncio.run(send())
        return answer.status_code, answer.json()

    def propose(self, who: str = "ada", **revision: Any) -> int:
        """Propose something, and return its number."""
        status, told = self.call(who, "activations", revision or RULES)
        assert (status, told["status"]) == (202, "waiting")
        number: int = told["proposal"]
        return number

    def answer(self, who: str, number: int, verb: str = "approve") -> tuple[int, Any]:
        return self.call(who, f"proposals/{number}/{verb}", YES)

    def state(self, number: int) -> str:
        """Return what is told of a proposal."""
        (state,) = [p["state"] for p in self.call("carol", "proposals")[1]["proposals"] if p["id"] == number]
        return str(state)

    def versions(self) -> dict[str, str]:
        """Return what decides."""
        versions: dict[str, str] = self.call("carol", "activations")[1]["systems"][0]["versions"]
        return versions


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_second_person_puts_it_in_force_with_one_commit(office: Office) -> None:
    before = office.versions()
    number = office.propose()
    assert office.versions() == before
    assert office.state(number) == "open"
    status, told = office.answer("ada", number)
    assert (status, told["type"]) == (403, "urn:adjudge:problem:second-person")
    assert office.versions() == before
    status, done = office.answer("bob", number)
    assert (status, done["status"]) == (200, "active")
    assert office.versions() == done["versions"] != before
    assert office.state(number) == "used"
    (commit,) = office.log.read(done["seq"])
    assert [(e.seq, e.kind, e.who, e.why) for e in entries_of(commit)] == [
        (done["seq"], Kind.ACTIVATION, "ada", "too lenient"),
        (done["seq"] + 1, Kind.MANAGEMENT, "bob", YES["why"]),
    ]
    follower = Follower([running.plan for running in office.decider.workspace.systems.values()], office.log, say=print)
    follower.catch_up()
    assert follower.workspace.management.facts() == office.decider.workspace.management.facts()
    assert office.shop.decide(purchase(1))[0]["versions"] == done["versions"]


def test_what_the_setting_does_not_name_takes_one_person(office: Office) -> None:
    status, done = office.call("ada", "activations", LISTED)
    assert (status, done["status"], "proposal" in done) == (200, "active", False)
    assert office.propose(why="both", rules=STRICT, lists=LISTED["lists"]) > done["seq"]


def test_what_is_wrong_or_nothing_new_is_told_to_who_proposes(office: Office) -> None:
    status, told = office.call("ada", "activations", {"why": "x", "policy": {"actions": []}})
    assert (status, told["errors"][0]["field"]) == (422, "policy")
    assert office.call("ada", "activations", {"why": " ", "rules": STRICT})[0] == 422
    number = office.propose()
    assert office.propose() == number  # asked again because the answer was lost
    office.answer("bob", number)
    status, told = office.call("carol", "activations", RULES)
    assert (status, told["status"]) == (200, "unchanged")
    assert [p["id"] for p in office.call("ada", "proposals")[1]["proposals"]] == [number]


@pytest.mark.parametrize("who", ["ada", "bob"])
def test_what_is_refused_does_not_decide(office: Office, who: str) -> None:
    before, number = office.versions(), office.propose()
    assert office.answer(who, number, "refuse")[1]["refused_by"] == who
    status, told = office.answer("carol", number)
    assert (status, told["errors"][0]["code"]) == (409, "proposal_refused")
    assert office.versions() == before


def test_what_is_done_is_not_done_again(office: Office) -> None:
    """Also not when something else decides by now."""
    number = office.propose()
    office.answer("bob", number)
    back = office.propose("carol", why="reviews", policy=POLICY)
    office.answer("ada", back)
    decides = office.versions()
    for who in ("bob", "carol"):
        assert office.answer(who, number)[0] == 409
    assert office.versions() == decides


def test_of_two_proposals_of_the_same_the_second_has_nothing_left_to_do(office: Office) -> None:
    first, second = office.propose("ada"), office.propose("bob")
    assert office.answer("carol", first)[1]["status"] == "active"
    assert office.answer("carol", second)[1]["status"] == "unchanged"
    assert (office.state(first), office.state(second)) == ("used", "used")


def test_what_could_not_be_done_stays_approved_until_it_can(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    before, number = office.versions(), office.propose()

    def full(*args: Any, **more: Any) -> int:
        message = "the disk is full"
        raise UnavailableError(message)

    with monkeypatch.context() as patch:
        patch.setattr(office.decider, "activate", full)
        assert office.answer("bob", number)[0] == 503
    assert (office.state(number), office.versions()) == ("approved", before)
    assert office.answer("carol", number)[0] == 409
    assert office.answer("bob", number)[1]["status"] == "active"


def test_a_bundle_is_the_one_that_was_proposed(office: Office) -> None:
    """Whatever lies at its path by the time it is approved."""
    number = office.propose(why="trained again", bundle="new")
    (shown,) = office.call("bob", "proposals")[1]["proposals"]
    proposed = shown["content"]["bundle"]
    assert proposed not in ("", "new")
    shutil.rmtree(office.folder / "new")
    assert office.answer("bob", number)[0] == 200
    assert office.call("ada", "activations")[1]["systems"][0]["bundle"] == proposed


def test_somebody_with_a_key_that_the_first_has_made_is_no_second_person(office: Office) -> None:
    status, made = office.call("ada", "keys", {"owner": "dan", "scopes": ["manage"], "why": "for dan"})
    assert status == 201
    office.keys["dan"] = made["secret"]
    number = office.propose()
    assert office.answer("dan", number)[0] == 403
    assert office.answer("bob", number)[0] == 200


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_an_unknown_proposal_is_told(office: Office, verb: str) -> None:
    assert office.answer("bob", 999, verb)[0] == 404
    assert office.call("bob", f"proposals/x/{verb}", YES)[0] == 422


def test_a_setting_that_names_something_else_or_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'rules'"):
        Settings(second_person="rule")
    with pytest.raises(InputError, match="nobody is a second person"):
        replace(Settings(second_person="rules"), auth="off")


def test_definitions_take_two_people_where_their_rules_would(office: Office) -> None:
    """Approved, they are accepted and folded; that the proposal is used stands beside that."""
    desk = office.service.desk
    desk._background = False
    bundled.write(office.folder / "trained", more(shop_system()), 5)
    asked: dict[str, Any] = {"why": "two features", "definitions": to_spec(more(shop_system())), "bundle": "trained"}
    before, number = office.versions(), office.propose(**asked)
    status, done = office.answer("bob", number)
    assert (status, done["status"], office.state(number)) == (200, "folding", "used")
    (commit,) = office.log.read(done["seq"])
    assert [(e.who, e.kind) for e in entries_of(commit)] == [("ada", Kind.MANAGEMENT), ("bob", Kind.MANAGEMENT)]
    assert office.versions() == before
    assert desk.fold("shop")
    assert office.versions() == done["versions"]
