"""Automatic listing: confirmed fraud puts a key on a list by the rule's name, until a time, and replay agrees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adjudge.define import Rules
from adjudge.engine import Plan
from adjudge.engine import compile as compile_system
from adjudge.errors import DefinitionError, UnavailableError
from adjudge.log import Kind, Log, MemoryLog
from adjudge.log.codec import Note, blocks_of
from adjudge.service.changed import Change
from adjudge.service.decider import Decider
from adjudge.service.replay import replay
from adjudge.service.versions import desk as desk_module
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import Entry, ListRevision, Revision
from tests.service.shop import START, Shop, purchase, shop_system
from tests.service.test_decider import label

RULES = """
version: 1
lists: {blocked: [], watched: [u9]}
rules:
- {id: listed, when: card in blocked, action: block, priority: 1}
- {id: large, when: amount > 100, action: review, on_fraud: {list: blocked, add: card, for: 2d}}
- {id: known, when: user in watched, action: flag, on_fraud: {list: watched, add: user}}
"""


def plan_of(rules: str = RULES) -> Plan:
    return compile_system(replace(shop_system(), rules=Rules.load(rules)))


class Site:
    """A decider with a desk, on a log that outlives both."""

    def __init__(self, log: Log | None = None) -> None:
        self.plan = plan_of()
        self.log = MemoryLog() if log is None else log
        self.shop = Shop(self.plan)
        self.start()

    def start(self) -> None:
        """Start, or start again."""
        self.shop.decider = Decider([self.plan], self.log, clock=self.shop.clock)
        self.desk = LiveDesk(self.shop.decider, background=False)

    def buy(self, number: int, hours: float, **changes: Any) -> str:
        """Return what is decided of a purchase at so many hours after the shop has opened."""
        at = START + timedelta(hours=hours)
        self.shop.clock.at = max(self.shop.clock.at, at)
        (answer,) = self.shop.decide(purchase(number, at, card="c1", **changes))
        decision: str = answer["decision"]
        return decision

    def confirm(self, *ids: str, value: bool = True) -> None:
        self.shop.decider.change([label(id_, value) for id_ in ids])

    def held(self, name: str = "blocked") -> list[Entry]:
        return self.desk.held(name).entries

    def activations(self) -> list[tuple[str, str]]:
        """Return who has had something else decide, and why."""
        notes = [block for commit in self.log.read() for _, block in blocks_of(commit)]
        return [(n.who, n.why) for n in notes if isinstance(n, Note) and n.kind == Kind.ACTIVATION and n.who]


@pytest.fixture
def site() -> Site:
    made = Site()
    assert made.buy(1, 0, amount="150.00") == "review"
    return made


def test_confirmed_fraud_lists_the_key_for_a_time_by_the_name_of_the_rule(site: Site) -> None:
    """The next decision obeys, until the event time at which it ends: not a moment longer, and late events still do."""
    assert site.buy(2, 1) == "approve"
    site.confirm("p1")
    assert site.held() == [Entry("c1", "2026-03-03T13:00:00Z", "fraud of p1 confirmed")]
    assert site.activations() == [("rule large", "fraud confirmed of 1 event that it fired for")]
    assert site.buy(3, 2) == "block"
    assert site.buy(4, 49) == "approve"
    assert site.buy(5, 48.9) == "block"
    found = replay([site.plan], site.log)
    assert (found.differences, found.events, found.other_versions) == ([], 5, 0)


def test_only_a_rule_that_fired_lists_and_only_what_is_confirmed(site: Site) -> None:
    site.buy(2, 1)
    site.confirm("p2")
    site.confirm("p1", value=False)
    assert site.held() == []
    assert site.activations() == []


def test_what_is_listed_as_long_already_is_not_listed_again(site: Site) -> None:
    """A later confirmation makes it last longer; what somebody has listed for good stays so."""
    site.buy(2, 1, amount="200.00")
    site.confirm("p1", "p2")
    site.confirm("p1")
    assert len(site.activations()) == 1
    site.buy(3, 10, amount="200.00")
    site.confirm("p3")
    assert site.held() == [Entry("c1", "2026-03-03T22:00:00Z", "fraud of p3 confirmed")]
    site.desk.revise(Revision("for good", lists={"blocked": ListRevision(add=["c1"])}), "ada")
    site.buy(4, 60, amount="200.00")
    site.confirm("p4")
    assert site.held() == [Entry("c1")]


def test_a_key_can_be_listed_for_good(site: Site) -> None:
    site.buy(2, 1, user="u9")
    site.confirm("p2")
    assert site.held("watched") == [Entry("u9")]
    site.desk.revise(Revision("until May", lists={"watched": ListRevision(add=[Entry("u9", "2026-05-01")])}), "ada")
    site.buy(3, 2, user="u9")
    site.confirm("p3")
    assert site.held("watched") == [Entry("u9", reason="fraud of p3 confirmed")]


def test_what_ended_before_any_event_that_may_come_is_removed_with_the_next(site: Site) -> None:
    site.confirm("p1")
    (answer,) = _later(site, days=20)
    assert answer["decision"] == "review"
    site.confirm("p9")
    assert [entry.value for entry in site.held()] == ["c2"]


def _later(site: Site, days: int) -> list[Any]:
    at = START + timedelta(days=days)
    site.shop.clock.at = at
    return site.shop.decide(purchase(9, at, card="c2", amount="150.00"))


def test_a_process_that_ended_before_it_listed_is_made_up_for(site: Site) -> None:
    """Unless somebody has had something else decide since: a listing that was taken back stays taken back."""
    site.shop.decider.labelled = lambda changes: None  # it dies between the label and the listing
    site.confirm("p1")
    site.start()
    assert site.held() == []
    site.desk.resume()
    assert [entry.value for entry in site.held()] == ["c1"]
    site.desk.revise(Revision("a mistake", lists={"blocked": ListRevision(remove=["c1"])}), "ada")
    site.start()
    site.desk.resume()
    assert site.held() == []


def test_a_process_that_ended_between_two_listings_makes_up_for_the_second(site: Site) -> None:
    """What it has listed stays as it is, and the other ends when it would have, however long nobody was there."""
    site.shop.clock.at = START + timedelta(hours=1)
    site.shop.decide(purchase(2, START, card="c2", amount="150.00"))
    site.shop.decider.labelled = lambda changes: None
    site.confirm("p1")
    site.confirm("p2")
    site.desk.list_confirmed([label("p1", True)])  # and then it dies
    before = site.held()
    site.shop.clock.at = START + timedelta(hours=30)
    site.start()
    site.desk.resume()
    assert [entry.value for entry in before] == ["c1"]
    assert site.held() == [*before, Entry("c2", before[0].expires, "fraud of p2 confirmed")]
    site.start()
    site.desk.resume()
    assert len(site.activations()) == 2


def test_a_running_service_lists_beside_its_decisions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that cannot be written is tried again; what was told before the end is listed before it."""
    decider, tries = site.shop.decider, iter((UnavailableError("full"), None))
    activate = decider.activate

    def hesitant(*given: Any, **more: Any) -> int:
        problem = next(tries)
        if problem is not None:
            raise problem
        return activate(*given, **more)

    monkeypatch.setattr(decider, "activate", hesitant)
    monkeypatch.setattr(desk_module, "RETRY_S", 0.0)
    site.desk = LiveDesk(decider)
    site.confirm("p1")
    assert site.desk._listing is not None
    site.desk._listing.submit(lambda: None).result(timeout=60)  # the one thread has come to the end of what it had
    site.desk.stop()
    assert [entry.value for entry in site.held()] == ["c1"]
    site.confirm("p1", value=False)
    site.confirm("p1")  # after the end: the next process makes up for it
    assert len(site.activations()) == 1


def test_a_list_that_went_away_is_told_and_nothing_breaks(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    lists = dict.fromkeys(["blocked"], ListRevision(add=[Entry("c1", "2026-03-02")]))
    wanted = [("rule large", Revision("x", "shop", {"blokced": lists["blocked"]}))]
    with caplog.at_level("WARNING"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk_module, "wanted", lambda *_: wanted)
        site.confirm("p1")
    assert "what rule large wanted listed is not: there is no list 'blokced'" in caplog.text
    assert site.buy(2, 1) == "approve"


def test_an_event_that_was_imported_or_is_unknown_lists_nothing(site: Site) -> None:
    site.shop.decider.change([Change(Kind.LABEL, "purchase", "nobody", "fraud", 1.0)])
    assert site.held() == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "list: blocked",
            "list: blokced",
            "rule 'large': on_fraud: there is no list 'blokced'; did you mean 'blocked'?",
        ),
        ("add: card", "add: crad", "on_fraud: 'crad' is no field of texts of 'purchase'; did you mean 'card'?"),
        ("add: card", "add: amount", "on_fraud: 'amount' is no field of texts"),
        ("blocked: []", "blocked: [1.5]", "the list 'blocked' needs a number, 'card' is a text"),
    ],
)
def test_what_could_not_be_listed_is_refused_when_the_rules_are(old: str, new: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        plan_of(RULES.replace(old, new, 1))
