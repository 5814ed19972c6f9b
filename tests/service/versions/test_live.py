"""Changing a running service: one entry at one position, before which nothing is different, on every kind of log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adjudge.define import Rules
from adjudge.engine import SECRET, compile
from adjudge.errors import InputError, UnavailableError
from adjudge.log import Commit, Kind, Log, LogUnavailableError, MemoryLog, entries_of
from adjudge.service.bundles import Bundles
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.logs import facts_of
from adjudge.service.replay import replay
from adjudge.service.resolver import Resolver
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.remote import RemoteVersions
from adjudge.service.versions.revision import Entry, ListRevision, Revision
from tests.contracts.test_log import MAKERS, Opener
from tests.service import bundled
from tests.service.access.test_remote import Wire
from tests.service.shop import RULES, START, Shop, many_purchases, purchase, shop, shop_system
from tests.service.test_http import Client

STRICT = Rules.load(RULES.replace(">= 3", ">= 1")).document()
POLICY = {"actions": ["approve", "review", "block"], "thresholds": [["review", 0.05], ["block", 0.6]], "review": []}

REVISIONS: dict[str, Revision] = {
    "lists": Revision("a ring", lists={"blocked": ListRevision(add=["c1", "c2"])}),
    "ending": Revision("a ring", lists={"blocked": ListRevision(add=[Entry("c1", "2026-03-01T12:05:00Z", "ring")])}),
    "rules": Revision("too lenient", rules=STRICT),
    "policy": Revision("capacity", policy=POLICY),
    "several": Revision("a ring", rules=STRICT, lists={"blocked": ListRevision(set=["c3"])}),
    "bundle": Revision("trained again", bundle="new"),
}


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Return what opens handles on one fresh log of each kind."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return MAKERS[request.param](tmp_path, url)


@pytest.fixture
def log(opener: Opener) -> Iterator[Log]:
    """Return a fresh log of each kind."""
    with closing(opener()) as made:
        yield made


class Site:
    """A service on a log, with a workspace's folder."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder = folder
        self.bundles = Bundles(folder / "bundles", SECRET, folder)
        bundled.write(folder / "new", shop_system(), 7)
        self.shop = Shop(shop())
        self.log = log
        self.start()

    def start(self, *changes: Callable[[Any], Any]) -> None:
        """Start, or start again, with what the code says."""
        system = shop_system()
        for change in changes:
            system = change(system)
        plan = bundled.plan_with(self.first_bundle, system)
        resolver = Resolver([plan], self.bundles)
        self.shop.decider = Decider([plan], self.log, clock=self.shop.clock, resolver=resolver)
        self.desk = LiveDesk(self.shop.decider)

    @property
    def first_bundle(self) -> Path:
        """The bundle that every start is given."""
        path = self.folder / "first"
        if not path.exists():
            bundled.write(path, shop_system(), 1)
            self.bundles.keep(path)
        return path

    def purchases(self, seed: int) -> list[dict[str, Any]]:
        """Decide purchases of an hour of their own, and return the answers."""
        self.shop.clock.at = START + timedelta(hours=seed)
        rows = many_purchases(30, seed=seed, at=START + timedelta(hours=seed - 1))
        return [answer for i in range(0, 30, 10) for answer in self.shop.decide(*rows[i : i + 10])]

    def replayed(self) -> Any:
        """Return what a replay finds that has another system at hand."""
        return replay([compile(shop_system(rules=False))], self.log, bundles=self.bundles)


@pytest.mark.parametrize("name", REVISIONS)
def test_what_was_activated_decides_from_its_position_on(
    name: str, tmp_path: Path, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """Before it nothing is different; replay, a standby, a snapshot and a restart all come to the same."""
    site = Site(tmp_path, log)
    before = site.purchases(1)
    with caplog.at_level("INFO", "adjudge"):
        done = site.desk.revise(REVISIONS[name], "ada")
    assert (done.status, done.seq) == ("active", max(a["seq"] for a in before) + 1)
    (told,) = (facts for facts in map(facts_of, caplog.records) if facts["event"] == "activated")
    assert (told["who"], told["system"], told["position"], told["versions"]) == ("ada", "shop", done.seq, done.versions)
    after = site.purchases(2)
    assert {a["seq"] > done.seq for a in after} == {True}
    assert {json.dumps(a["versions"]) for a in after} == {json.dumps(done.versions)}
    assert done.versions != before[0]["versions"]
    (entry,) = (e for c in log.read(done.seq) for e in entries_of(c) if e.kind == Kind.ACTIVATION)
    assert (entry.seq, entry.who, entry.why) == (done.seq, "ada", REVISIONS[name].why)
    site.start()  # with the same code and bundle as before
    again = site.purchases(3)
    assert {json.dumps(a["versions"]) for a in again} == {json.dumps(done.versions)}
    found = site.replayed()
    assert (found.events, found.other_versions, found.differences) == (90, 0, [])
    snapshots = tmp_path / "snapshots"
    follower = Follower([shop()], log, snapshots, say=pytest.fail)
    follower.catch_up()
    follower.snapshot(snapshots)
    restored = Follower([shop()], log, snapshots, say=pytest.fail)
    assert restored.workspace.active == site.shop.decider.workspace.active
    assert restored.workspace.activated == site.shop.decider.workspace.activated


def test_a_changed_list_decides_otherwise(tmp_path: Path) -> None:
    """From the next purchase on, and back again."""
    site = Site(tmp_path, MemoryLog())

    def decided(number: int) -> list[str]:
        made: list[str] = site.shop.decide(purchase(number, card="c9", user=f"u{number}"))[0]["rules"]
        return made

    assert decided(1) == []
    site.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c9"])}), "ada")
    assert decided(2) == ["listed"]
    assert site.desk.active().systems[0].lists == {"blocked": 2}
    site.desk.revise(Revision("found", lists={"blocked": ListRevision(remove=["c9"])}), "ada")
    assert decided(3) == []
    assert site.replayed().differences == []


def test_what_makes_no_difference_is_not_logged(tmp_path: Path) -> None:
    """The position told is the one since which it decides."""
    site = Site(tmp_path, MemoryLog())
    first = site.desk.revise(Revision("a ring", lists={"blocked": ListRevision(add=["c1"])}), "ada")
    position = len(site.log)
    again = site.desk.revise(Revision("a ring", lists={"blocked": ListRevision(add=["c1"])}), "ada")
    assert (again.status, again.seq, len(site.log)) == ("unchanged", first.seq, position)


BAD: dict[str, tuple[Revision, str, str]] = {
    "nothing": (Revision("why not"), "", "say what is to be different"),
    "no list": (Revision("x", lists={"blokced": ListRevision(add=["c"])}), "lists.blokced", "did you mean 'blocked'"),
    "two types": (Revision("x", lists={"blocked": ListRevision(add=[3])}), "lists.blocked", "blocked"),
    "a condition": (
        Revision("x", rules={"version": 1, "rules": [{"id": "a", "when": "amout > 1", "action": "block"}]}),
        "rules",
        "amout",
    ),
    "no rule file": (Revision("x", rules={"version": 1, "ruels": []}), "rules", "ruels"),
    "no action": (
        Revision("x", rules={"version": 1, "rules": [{"id": "a", "when": "amount > 1", "action": "blok"}]}),
        "rules",
        "blok",
    ),
    "a policy": (Revision("x", policy={"bands": {"approve": 30, "aprove": 100}}), "policy", "aprove"),
    "another key": (Revision("x", policy=POLICY | {"more": 1}), "policy", "more"),
    "no bundle": (Revision("x", bundle="0" * 64), "bundle", "is not in the workspace"),
    "elsewhere": (Revision("x", bundle="../there"), "bundle", "does not lie in the workspace"),
    "no directory": (Revision("x", bundle="nowhere"), "bundle", "there is no bundle"),
    "no reason": (Revision(" ", rules=STRICT), "why", "needs why"),
    "no system": (Revision("x", system="shpo", rules=STRICT), "system", "did you mean 'shop'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_and_nothing_is_different(name: str, tmp_path: Path) -> None:
    """With the field that is wrong."""
    site = Site(tmp_path, MemoryLog())
    versions, position = site.desk.active(), len(site.log)
    revision, field, message = BAD[name]
    with pytest.raises(InputError, match=message) as caught:
        site.desk.revise(revision, "ada")
    assert caught.value.field == field
    assert (site.desk.active(), len(site.log)) == (versions, position)


def test_a_bundle_for_another_system_is_refused(tmp_path: Path) -> None:
    """One that was made before a feature was another."""
    site = Site(tmp_path, MemoryLog())
    other = shop_system(rules=True)
    bundled.write(tmp_path / "old", type(other)(**{**vars(other), "leave_out": [], "features": other.features[:4]}), 3)
    with pytest.raises(InputError, match="made before system 'shop' changed") as caught:
        site.desk.revise(Revision("x", bundle="old"), "ada")
    assert caught.value.field == "bundle"


def test_rules_that_come_with_a_list_do_not_change_what_it_holds(tmp_path: Path) -> None:
    """A rule file is older than what was listed since; a list that is new comes with it."""
    site = Site(tmp_path, MemoryLog())
    site.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c9"])}), "ada")
    rules = STRICT | {"lists": {"blocked": ["stolen"], "watched": ["c1", "c2", "c3"]}}
    site.desk.revise(Revision("rules", rules=rules), "ada")
    assert site.desk.active().systems[0].lists == {"blocked": 2, "watched": 3}


class Refusing(MemoryLog):
    """A log whose next appends are refused, or whose answers are lost."""

    refuse = lose = False

    def append(self, commit: Commit) -> None:
        """Append, unless told otherwise."""
        if self.refuse:
            message = "the disk is full"
            raise LogUnavailableError(message)
        super().append(commit)
        if self.lose:
            message = "the answer was lost"
            raise LogUnavailableError(message)


@pytest.mark.parametrize("lost", [True, False])
def test_an_activation_that_cannot_be_logged(lost: bool, tmp_path: Path) -> None:
    """Nothing is different; unless the log has it after all, then it decides before anything else does."""
    log = Refusing()
    site = Site(tmp_path, log)
    versions = site.purchases(1)[0]["versions"]
    log.refuse, log.lose = not lost, lost
    with pytest.raises(UnavailableError):
        site.desk.revise(Revision("too lenient", rules=STRICT), "ada")
    log.refuse = log.lose = False
    site.shop.decider.writer.renew()
    answer = site.purchases(2)[0]
    assert (answer["versions"] != versions) is lost
    assert site.replayed().differences == []


def test_over_http() -> None:
    """The route answers since when, names the field of what is wrong, and tells what decides."""
    client = Client(Shop(shop()))
    body = {"why": "stolen", "lists": {"blocked": {"add": ["c9"]}}}
    answer = client.post("/v1/activations", body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["seq"]) == ("active", 1)
    assert client.post("/v1/decide", purchase(1, card="c9")).json()["decision"] == "block"
    active = client.get("/v1/activations").json()["systems"]
    assert [(s["system"], s["seq"], s["lists"]) for s in active] == [("shop", 1, {"blocked": 2})]
    refused = client.post("/v1/activations", {"why": "x", "lists": {"blokced": {"add": ["c9"]}}})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "lists.blokced")
    assert client.post("/v1/activations", {"why": "x", "wat": 1}).status_code == 422
    assert client.post("/v1/activations", {"lists": {}}).json()["errors"][0]["code"] == "wrong_type"


def test_entries_with_expiry_and_reason_over_http() -> None:
    """What is said of an element is told again, and ends by the event's own time."""
    client = Client(Shop(shop()))
    entry = {"value": "c9", "expires": "2026-03-01T14:00:00+01:00", "reason": "in a ring"}
    body = {"why": "stolen", "lists": {"blocked": {"add": [entry, "c8"]}}}
    assert client.post("/v1/activations", body).status_code == 200
    held = client.get("/v1/lists/blocked").json()
    told = {"value": "c9", "expires": "2026-03-01T13:00:00Z", "reason": "in a ring"}
    assert held == {"system": "shop", "name": "blocked", "entries": [{"value": "c8"}, told, {"value": "stolen"}]}
    late = client.post("/v1/decide", purchase(1, START + timedelta(hours=1), card="c9"))
    assert late.status_code == 422  # an hour ahead of the clock
    assert client.post("/v1/decide", purchase(1, START, card="c9")).json()["decision"] == "block"
    assert client.get("/v1/lists/blokced").status_code == 404
    for wrong in ({"value": "c9", "expires": "soon"}, {"value": "c9", "expires": "2026-03-01T14:00:00"}):
        refused = client.post("/v1/activations", {"why": "x", "lists": {"blocked": {"add": [wrong]}}})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "lists.blocked")
    with RemoteVersions("http://localhost:8000", "", Wire(client.service)) as desk:
        assert [entry.value for entry in desk.held("blocked", "shop").entries] == ["c8", "c9", "stolen"]
    again = {"why": "for good", "lists": {"blocked": {"add": ["c9"], "remove": ["c8"]}}}
    assert client.post("/v1/activations", again).json()["status"] == "active"
    assert client.get("/v1/lists/blocked").json()["entries"] == [{"value": "c9"}, {"value": "stolen"}]


def test_what_is_said_of_elements_stays_when_rules_change(tmp_path: Path) -> None:
    """Rules that come with a list of that name change neither what it holds nor until when."""
    site = Site(tmp_path, MemoryLog())
    listed = Revision("a ring", lists={"blocked": ListRevision(add=[Entry("c2", "2026-04-01", "ring")])})
    site.desk.revise(listed, "ada")
    site.desk.revise(Revision("too lenient", rules=STRICT), "ada")
    site.start()
    assert site.desk.held("blocked").entries == [Entry("c2", "2026-04-01", "ring"), Entry("stolen")]
    assert site.replayed().differences == []


def test_requests_decide_while_a_service_is_changed() -> None:
    """Sent at once: each decision is made by what was active at its position, and by nothing between."""
    client = Client(Shop(shop(), at=START + timedelta(days=1)))
    rows = many_purchases(40)
    requests: list[Any] = [("POST", "/v1/decide", row, {}) for row in rows]
    for at, revision in ((10, {"rules": STRICT}), (25, {"lists": {"blocked": {"add": ["c1"]}}})):
        requests.insert(at, ("POST", "/v1/activations", {"why": "x", **revision}, {}))
    answers = client.together(*requests)
    assert {a.status_code for a in answers} == {200}
    found = replay([shop(rules=False)], client.desk.decider.log)
    assert (found.events, found.other_versions, found.differences) == (40, 0, [])
