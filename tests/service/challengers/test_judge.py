"""What is known of a challenger, the rule that promotes it, and the guards that take it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adjudge.errors import ConflictError
from adjudge.log import Kind
from adjudge.service.access.ledger import By
from adjudge.service.challengers.asked import Challenge, Ending, Sharing
from adjudge.service.challengers.judge import Judge
from adjudge.service.challengers.rule import Standing
from adjudge.service.challengers.second import ProposedChallenges
from adjudge.service.challengers.terms import Terms
from adjudge.service.replay import replay
from adjudge.service.versions.revision import ListRevision, Revision
from adjudge.service.workspace import Change
from tests.service.challengers.test_shadow import Dark
from tests.service.challengers.test_split import ADA, STRICT, who
from tests.service.shop import many_purchases, purchase, shop

TERMS = Terms(cap=1000.0, scale=10.0, days=14.0, drift=1.0, slices=["method"])
MILD: dict[str, Any] = {"rules": {"version": 1, "rules": []}}
HARSH = {
    "rules": {"version": 1, "rules": [{"id": "all", "when": "amount >= 0", "action": "block", "reason": "Everything."}]}
}


class Court(Dark):
    """A shop with a judge."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = Judge(self.desk)
        self.proposed = ProposedChallenges(self.desk)
        self.sent = 0

    def send(self, amount: str, count: int, *, fraud: bool | None = None, **more: Any) -> list[dict[str, Any]]:
        """Send purchases of as many users, and say whether they are fraud."""
        rows = []
        for _ in range(count):
            self.sent += 1
            name = f"new{self.sent}"
            rows.append(purchase(name, self.clock.at, **{"user": name, "card": name, "amount": amount, **more}))
        answers = self.decide(*rows)
        if fraud is not None:
            said = [Change(Kind.LABEL, "purchase", row["purchase_id"], "fraud", float(fraud)) for row in rows]
            self.decider.change(said)
        self.shadows.flush()
        return answers

    def mature(self, days: float = 2.0) -> None:
        """Let time pass, so that labels are old enough."""
        self.clock.advance(timedelta(days=days))
        self.send("1.00", 1)

    def known(self, name: str = "strict") -> Standing:
        """Return what is known of a challenger."""
        return self.judge.standing(self.desk.site.bench(None), name)


def better() -> Court:
    """Return a shop with a shadow that stops 60 frauds of 290 that the champion lets through, among 120 events."""
    court = Court()
    court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}, terms=TERMS), ADA)
    court.send("290.00", 60, fraud=True)
    court.send("20.00", 60, fraud=False)
    court.mature()
    return court


def test_a_shadow_is_told_in_money_by_hand() -> None:
    """60 frauds of 290 of 120 mature decisions: 145 a decision."""
    known = better().known()
    assert known.figures is not None
    assert known.figures.bound is not None
    assert (known.figures.bound.gain, known.figures.bound.decisions, known.figures.bound.entities) == (145.0, 120, 60)
    assert (known.figures.champion.cost, known.figures.challenger.cost) == (145.0, 0.0)
    assert (known.figures.differ, known.figures.frauds, known.figures.unknown) == (60, 60, 0)
    (one,) = known.figures.slices
    assert (one.field, one.value, one.gain, one.worse) == ("method", "card", 145.0, False)
    assert known.verdict == "better"
    assert known.lacks == ["it has run 2.0 of 14 days"]


def test_nothing_is_mature_before_its_time() -> None:
    court = Court()
    court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}, terms=TERMS), ADA)
    court.send("290.00", 60, fraud=True)
    known = court.known()
    assert known.figures is not None
    assert known.figures.challenger.mature == 0
    assert known.verdict == "undecided"
    assert "too few to say anything" in known.lacks[1]


def test_promotion_asks_for_the_rule_and_keeps_who_decided_before() -> None:
    court = better()
    with pytest.raises(ConflictError, match=r"it has run 2\.0 of 14 days"):
        court.proposed.promote(None, "strict", Ending("better"), ADA)
    court.clock.advance(timedelta(days=13))
    view = court.proposed.promote(None, "strict", Ending("better"), ADA)
    assert view.stage == "promoted"
    assert view.steps[-1].figures["verdict"] == "better"
    assert view.steps[-1].figures["bound"]["gain"] == 145.0
    assert [one.seat.name for one in court.decider.workspace.systems["shop"].seated] == ["before-strict"]
    (answer,) = court.send("290.00", 1)
    assert answer["rules"] == ["large"]
    assert replay([shop()], court.decider.log).equal


def test_whoever_is_worse_for_somebody_is_not_promoted() -> None:
    court = Court()
    court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}, terms=TERMS), ADA)
    court.send("290.00", 120, fraud=True)
    court.send("280.00", 60, fraud=False, method="transfer")  # stopped, and honest
    court.mature(15)
    known = court.known()
    assert known.verdict == "better"
    assert len(known.lacks) == 1
    assert known.lacks[0].startswith("it is worse where method is transfer: -19 a decision")


def test_the_split_is_told_in_money_by_hand() -> None:
    court = Court()
    court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}, share=0.5, by="user", terms=TERMS), ADA)
    sides = who(court.send("290.00", 200, fraud=True))
    court.mature()
    known = court.known().figures
    assert known is not None
    assert known.bound is not None
    assert known.challenger.mature == sides.count("strict")
    assert (known.champion.cost, known.challenger.cost, known.bound.gain) == (290.0, 0.0, 290.0)
    assert court.known().verdict == "better"


def test_a_share_on_which_a_guard_trips_is_taken_back() -> None:
    court = Court()
    court.desk.seat(Challenge("w", "harsh", revision=HARSH, share=0.5, terms=Terms(cap=1.0, scale=1.0)), ADA)
    court.send("20.00", 600)
    (done,) = court.judge.look()
    assert "it acts on 100.0% of the events, and the champion on 0.0%" in done
    (career,) = court.decider.workspace.management.careers
    assert (career.steps[-1].what, career.steps[-1].who) == ("rolled_back", "guard")
    assert not any(who(court.send("20.00", 50)))
    assert court.judge.look() == []
    assert replay([shop()], court.decider.log).equal


def test_a_promotion_on_which_a_guard_trips_is_gone_back_on() -> None:
    court = Court()
    court.desk.seat(Challenge("w", "harsh", revision=HARSH, terms=Terms(cap=1.0, scale=1.0)), ADA)
    before = court.decider.workspace.active["shop"].card
    court.proposed.promote(None, "harsh", Ending("w", anyway=True), ADA)
    assert {one["decision"] for one in court.send("20.00", 300)} == {"block"}
    (done,) = court.judge.look()
    assert "gone back: it acts on 100.0% of the events, and who decided before on 0.0%" in done
    assert court.decider.workspace.active["shop"].card == before
    assert {one["decision"] for one in court.send("20.00", 50)} == {"approve"}
    assert [(c.name, c.steps[-1].what) for c in court.decider.workspace.management.careers] == [
        ("harsh", "promoted"),
        ("before-harsh", "restored"),
    ]
    assert court.decider.workspace.seats == []
    assert replay([shop()], court.decider.log).equal


def test_who_decided_before_is_let_go_when_the_time_is_over() -> None:
    court = better()
    court.proposed.promote(None, "strict", Ending("w", anyway=True), ADA)
    court.send("20.00", 50)
    assert court.judge.look() == []
    assert len(court.decider.workspace.seats) == 1
    court.clock.advance(timedelta(days=15))
    court.judge.look()
    assert court.decider.workspace.seats == []


def test_a_later_change_by_a_person_is_not_undone_by_going_back() -> None:
    court = better()
    court.proposed.promote(None, "strict", Ending("w", anyway=True), ADA)
    court.live.revise(Revision("reported", lists={"blocked": ListRevision(add=["c3"])}), "bob")
    assert [seat.name for seat in court.decider.workspace.seats] == ["before-strict"]  # lists are no such change
    court.live.revise(Revision("fewer", policy={"thresholds": {"review": 0.4, "block": 0.95}}), "bob")
    assert court.decider.workspace.seats == []
    career = court.decider.workspace.management.careers.find("shop", "before-strict")
    assert "to go back now would undo it" in career.steps[-1].why


def test_the_rule_promotes_alone_only_where_the_terms_say_so() -> None:
    for promotes, expected in (("asked", 1), ("alone", 0)):
        court = Court()
        terms = Terms(cap=1000.0, scale=10.0, days=1.0, drift=1.0, promotes=promotes)  # type: ignore[arg-type]
        court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}, terms=terms), ADA)
        court.send("290.00", 60, fraud=True)
        court.send("20.00", 60, fraud=False)
        court.mature()
        court.judge.look()
        assert sum(seat.name == "strict" for seat in court.decider.workspace.seats) == expected


def test_what_nobody_says_of_the_test_is_settled_by_what_happened_before() -> None:
    court = Court()
    court.send("290.00", 10, fraud=True)
    court.send("20.00", 90, fraud=False)
    court.mature()
    court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}), ADA)
    terms = court.decider.workspace.seats[0].terms
    assert terms.cap == 290.0
    assert terms.scale == pytest.approx(2900 / 100)
    empty = Court()
    empty.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}), ADA)
    empty.send("20.00", 5)
    assert "give cap and scale" in "".join(empty.known().lacks)


def test_stopped_and_unlabelled_is_nobodys_win_in_the_shadow() -> None:
    """The champion stops what a mild challenger would let through; nobody knows what would have come of it."""
    court = Court()
    court.desk.seat(Challenge("w", "mild", revision=MILD, terms=TERMS), ADA)
    court.send("20.00", 40, card="stolen")
    court.mature()
    known = court.known("mild").figures
    assert known is not None
    assert known.bound is not None
    assert (known.unknown, known.bound.gain, known.differ) == (40, 0.0, 40)


def test_the_log_without_decisions_says_nothing() -> None:
    court = Court()
    court.desk.seat(Challenge("w", "strict", revision={"rules": STRICT}, terms=TERMS), ADA)
    assert court.known().lacks[-1] == "nothing was decided since"
    court.desk.share(None, "strict", Sharing("w", 0.3), By("bob", "why"))
    assert court.known().verdict == "undecided"
    court.decide(*many_purchases(5))
    assert court.known().figures is not None
