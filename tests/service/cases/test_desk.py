"""Cases are opened by decisions, worked by entries, closed by labels, and the same after a restart."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from adjudge.errors import ConflictError, InputError, NotFoundError
from adjudge.log import Kind
from adjudge.service.access.ledger import By
from adjudge.service.cases.asked import Assign, Decide, Defer, Escalate, HandBack, Limit, Next, Undo, Work, Write
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.cases.entries import Routine
from adjudge.service.changed import Change
from adjudge.service.decider import Decider
from tests.service.shop import START, Shop, as_json, many_purchases, purchase, shop

ADA, BOB, EVE = By("ada", "looked at it"), By("bob", "looked as well"), By("eve", "settles it")


def worked() -> tuple[Shop, CaseDesk]:
    """Return a shop in which some purchases go to review."""
    made = Shop(at=START + timedelta(hours=2))
    made.decide(*many_purchases(200, step_s=20))
    return made, CaseDesk(made.decider)


def facts(desk: CaseDesk) -> bytes:
    """Return every case as it is."""
    with desk.book() as book:
        return msgspec.json.encode([*book.cases.values()], enc_hook=str)


def test_a_review_opens_a_case_and_the_queue_is_by_expected_loss_a_minute() -> None:
    made, desk = worked()
    answers = [made.decider.decision(f"p1-{i}") for i in range(200)]
    reviewed = {msgspec.json.decode(a.record)["id"] for a in answers if b'"decision":"review"' in a.record}
    page = desk.cases(limit=1000)
    assert reviewed
    assert {case.id for case in page.cases} == reviewed
    rates = [case.expected_loss / case.minutes for case in page.cases]
    assert rates == sorted(rates, reverse=True)


def test_next_is_the_first_of_the_queue_and_stays_until_it_is_decided() -> None:
    _, desk = worked()
    first = desk.cases().cases[0]
    got = desk.next(Next(), ADA)
    assert got is not None
    assert (got.id, got.assigned) == (first.id, "ada")
    assert desk.next(Next(), ADA) == got
    other = desk.next(Next(), BOB)
    assert other is not None
    assert other.id != got.id
    done = desk.decide(Decide([got.id], True, "stolen"), ADA)
    assert done.results[0].status == "decided"
    following = desk.next(Next(), ADA)
    assert following is not None
    assert following.id not in (got.id, other.id)


def test_a_verdict_is_a_label_and_a_label_closes_a_case() -> None:
    made, desk = worked()
    one, two = [case.id for case in desk.cases().cases[:2]]
    desk.decide(Decide([one], True, "stolen", minutes=3.0), ADA)
    assert made.decider.decision(one).said["fraud"] is True
    assert desk.decide(Decide([one], True, "stolen"), ADA).results[0].status == "unchanged"
    made.decider.change([Change.saying(Kind.LABEL, "purchase", two, "fraud", False)])
    assert (desk.case(two).case.state, desk.case(two).case.truth) == ("closed", False)
    made.decider.change([Change.saying(Kind.LABEL, "purchase", one, "fraud", False)])  # found out later
    assert desk.decide(Decide([one], True, "stolen"), ADA).results[0].status == "unchanged"
    assert made.decider.decision(one).said["fraud"] is False


def test_whoever_folds_the_log_again_has_the_same_cases() -> None:
    made, desk = worked()
    desk.work(Work(Routine(random=0.2, learn=0.3, second=0.5, due_hours=1.0), "how well do we do?"), ADA)
    made.decide(*many_purchases(200, seed=2, at=START + timedelta(hours=1), step_s=10))
    ids = [case.id for case in desk.cases(limit=1000).cases]
    desk.note(Write(ids[:3], "called, no answer"), BOB)
    desk.assign(Assign(ids[3:6], "he knows them", to="bob"), ADA)
    desk.release(HandBack(ids[4:5], "too many"), BOB)
    desk.due(Limit(ids[5:6], "tomorrow", START + timedelta(days=1)), ADA)
    desk.decide(Decide(ids[6:20], True, "a ring"), ADA)
    desk.decide(Decide(ids[6:20], False, "no ring"), BOB)
    made.decider.change([Change(Kind.RETRACTION, "purchase", ids[0])])
    before = facts(desk)
    assert facts(CaseDesk(made.decider)) == before
    again = CaseDesk(Decider([shop()], made.decider.log, clock=made.clock))
    assert facts(again) == before
    assert again.cases(limit=1000) == desk.cases(limit=1000)
    assert again.summary() == desk.summary()


def test_a_second_opinion_is_blind_another_person_s_and_a_third_settles() -> None:
    made, desk = worked()
    desk.work(Work(Routine(second=1.0), "agreement"), ADA)
    made.decide(*[purchase(f"x{i}", START + timedelta(hours=1, seconds=i), user="new", card="c") for i in range(9)])
    id_ = next(case.id for case in desk.cases(limit=1000).cases if case.id.startswith("px"))
    assert desk.decide(Decide([id_], True, "stolen"), ADA).results[0].status == "second"
    hidden = desk.case(id_).case
    assert (hidden.verdicts, hidden.truth) == ([], None)
    assert all(case.id != id_ for case in [desk.next(Next(), ADA)] if case is not None)
    offered = desk.next(Next(), BOB)
    assert offered is not None
    assert offered.id == id_
    assert desk.decide(Decide([id_], False, "a gift"), BOB).results[0].status == "disputed"
    assert made.decider.decision(id_).said["fraud"] is True
    assert desk.summary().agreement.pairs == 1
    assert desk.summary().agreement.share == 0.0
    assert {one.who: (one.pairs, one.agree) for one in desk.people().people} == {"ada": (1, 0.0), "bob": (1, 0.0)}
    assert desk.decide(Decide([id_], False, "the receipt"), EVE).results[0].status == "decided"
    assert made.decider.decision(id_).said["fraud"] is False


def test_a_ring_is_decided_at_once() -> None:
    made, desk = worked()
    late = START + timedelta(hours=1)
    rows = [purchase(f"r{i}", late + timedelta(seconds=i), user=f"ring{i % 2}", card="one") for i in range(12)]
    made.decide(*rows)
    mine = [case.id for case in desk.cases(limit=1000).cases if case.id.startswith("pr")]
    assert len(mine) > 2
    assert set(desk.case(mine[0]).ring) == set(mine)
    assert [link.field for link in desk.case(mine[0]).links] == ["user", "card"]
    done = desk.decide(Decide(mine[:1], True, "one card", ring=True, by=["card"]), ADA)
    assert {one.id for one in done.results} == set(mine)
    assert {made.decider.decision(id_).said["fraud"] for id_ in mine} == {True}
    with pytest.raises(InputError, match="no key field"):
        desk.decide(Decide(mine[:1], True, "x", ring=True, by=["devise"]), ADA)


def test_random_cases_are_of_all_decisions_and_say_how_many_are_positive() -> None:
    made, desk = worked()
    routine = Routine(random=0.5, random_work=1.0, learn_work=0.0)
    desk.work(Work(routine, "what do we miss?"), ADA)
    late = START + timedelta(hours=1)
    rows = [purchase(f"n{i}", late + timedelta(seconds=i), user=f"n{i}", amount=f"{5 * i}.00") for i in range(100)]
    made.decide(*rows)
    drawn = desk.cases("drawn", limit=1000).cases
    assert 30 < len(drawn) < 70
    assert {case.chance for case in drawn} == {0.5}
    assert {"approve", "review"} <= {case.action for case in drawn}
    first = desk.next(Next(), ADA)
    assert first is not None
    assert (first.lot, first.seq) == ("random", min(case.seq for case in drawn))
    for case in drawn:
        desk.decide(Decide([case.id], case.amount is not None and case.amount > 250, "seen"), ADA)
    found = desk.summary().estimate
    assert found.known == len(drawn)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_deadlines_pass_by_the_clock() -> None:
    made, desk = worked()
    id_ = desk.cases().cases[0].id
    desk.due(Limit([id_], "goods leave", START + timedelta(hours=3)), ADA)
    assert desk.cases("late").total == 0
    made.clock.advance(timedelta(hours=2))
    assert [case.id for case in desk.cases("late").cases] == [id_]
    assert desk.summary().late == 1


def test_what_is_wrong_is_refused_by_name() -> None:
    _made, desk = worked()
    id_ = desk.cases().cases[0].id
    with pytest.raises(NotFoundError, match="no case 'nobody'"):
        desk.case("nobody")
    with pytest.raises(NotFoundError):
        desk.decide(Decide([id_, "nobody"], True, "x"), ADA)
    assert desk.case(id_).case.state == "open"
    with pytest.raises(InputError, match="random_work and learn_work"):
        desk.work(Work(Routine(random_work=0.7, learn_work=0.7), "x"), ADA)
    with pytest.raises(InputError, match="offset"):
        desk.due(Limit([id_], "x", START.replace(tzinfo=None)), ADA)
    desk.decide(Decide([id_], False, "fine"), ADA)
    with pytest.raises(ConflictError, match="closed"):
        desk.assign(Assign([id_], "x"), ADA)


def test_capacity_says_how_many_fit() -> None:
    _, desk = worked()
    desk.work(Work(Routine(minutes_per_day=12.0), "two people, ten minutes"), ADA)
    page = desk.cases()
    assert page.within == 2
    assert page.total > 2


def test_a_verdict_that_comes_too_late_is_told_so_and_changes_nothing() -> None:
    made, desk = worked()
    id_ = desk.cases().cases[0].id
    desk.decide(Decide([id_], True, "stolen"), ADA)
    before = len(made.decider.log)
    assert desk.decide(Decide([id_], False, "fine"), BOB).results[0].status == "closed"
    assert len(made.decider.log) == before
    assert made.decider.decision(id_).said["fraud"] is True


def test_lists_tell_no_words_about_anybody() -> None:
    _, desk = worked()
    id_ = desk.cases().cases[0].id
    desk.note(Write([id_], "called"), ADA)
    assert [note.text for note in desk.case(id_).case.notes] == ["called"]
    assert all(not case.notes for case in desk.cases().cases)


def test_two_systems_of_one_stream_have_cases_of_their_own() -> None:
    made = Shop(shop("one"), shop("two", rules=False), at=START + timedelta(hours=2))
    rows = made.decider.workspace.door("purchase").many(as_json(many_purchases(50, step_s=60)))
    made.decider.decide("purchase", rows.events)
    desk = CaseDesk(made.decider)
    with pytest.raises(InputError, match="say which"):
        desk.cases()
    id_ = desk.cases(system="two").cases[0].id
    desk.note(Write([id_], "of two", "two"), ADA)
    with desk.book("one") as book:
        assert all(not case.notes for case in book.cases.values())
    desk.decide(Decide([id_], True, "stolen", system="two"), ADA)
    with desk.book("one") as book:
        assert id_ not in book.waiting  # the label is about the event, whoever set it


def test_an_empty_log_has_no_cases() -> None:
    desk = CaseDesk(Shop().decider)
    assert desk.cases().total == 0
    assert desk.next(Next(), ADA) is None
    assert (desk.summary().waiting, desk.summary().estimate.rate) == (0, None)


def test_what_review_costs_and_finds_is_told() -> None:
    made, desk = worked()
    one, two, three = [case for case in desk.cases().cases if case.amount][:3]
    desk.decide(Decide([one.id], True, "stolen", minutes=15.0), ADA)
    desk.decide(Decide([two.id], False, "fine", minutes=15.0), ADA)
    desk.decide(Decide([three.id], True, "left lying", minutes=10_000.0), BOB)
    caught = sum(case.amount for case in (one, three) if case.amount is not None)
    found = desk.summary().reviewed
    assert (found.cases, found.verdicts, found.true, found.hours) == (3, 3, 2, 0.5)
    assert found.found == pytest.approx(caught)
    assert found.cost == 3 * 4.0
    assert found.cost_per_case == 4.0
    assert found.found_per_hour == pytest.approx(2 * caught)
    ada, bob = desk.people().people
    assert (ada.who, ada.verdicts, ada.positive, ada.hours, ada.minutes, ada.per_hour) == ("ada", 2, 1, 0.5, 15.0, 4.0)
    assert (bob.who, bob.minutes, bob.per_hour, bob.true, bob.agree, bob.overruled) == ("bob", None, None, 1, None, 0)
    assert ada.found + bob.found == pytest.approx(caught)
    made.decider.change([Change.saying(Kind.LABEL, "purchase", one.id, "fraud", False)])  # the victim has remembered
    assert [(one.true, one.overruled) for one in desk.people().people] == [(0, 1), (1, 0)]
    made.decider.change([Change.saying(Kind.LABEL, "purchase", one.id, "fraud", True)])
    made.clock.advance(timedelta(days=8))
    assert desk.people(days=7).people == []
    lately = desk.summary(days=7).reviewed
    assert (lately.cases, lately.found_per_hour, lately.cost_per_case) == (0, None, None)
    assert desk.summary().reviewed.cases == 3
    made.decider.change([Change(Kind.RETRACTION, "purchase", one.id)])
    assert desk.summary().reviewed.cases == 2


def test_a_verdict_is_taken_back_by_whoever_gave_it_and_its_label_with_it() -> None:
    made, desk = worked()
    one = desk.cases().cases[0].id
    with pytest.raises(ConflictError, match="nobody has decided it"):
        desk.undo(Undo([one], "oops"), ADA)
    desk.decide(Decide([one], True, "stolen"), ADA)
    with pytest.raises(ConflictError, match="that of ada, who can take it back"):
        desk.undo(Undo([one], "no"), BOB)
    assert desk.undo(Undo([one], "meant another"), ADA).results[0].status == "open"
    case = desk.case(one).case
    assert (case.state, case.truth, case.verdicts, case.assigned) == ("open", None, [], "ada")
    assert made.decider.decision(one).said["fraud"] is False  # as an event counts that nobody has labelled
    assert desk.next(Next(), ADA) is not None
    desk.decide(Decide([one], False, "she knows of it"), ADA)
    assert (desk.case(one).case.state, desk.case(one).case.truth) == ("closed", False)
    desk.undo(Undo([one], "she does not"), ADA)
    desk.decide(Decide([one], True, "stolen after all"), ADA)
    assert (desk.case(one).case.truth, made.decider.decision(one).said["fraud"]) == (True, True)
    assert facts(CaseDesk(made.decider)) == facts(desk)


def test_a_verdict_that_is_taken_back_leaves_what_others_have_said() -> None:
    made, desk = worked()
    one, two = [case.id for case in desk.cases().cases[:2]]
    desk.decide(Decide([one], False, "she knows of it"), ADA)
    made.decider.change([Change.saying(Kind.LABEL, "purchase", one, "fraud", True)])  # the bank says otherwise
    desk.undo(Undo([one], "the bank is right"), ADA)
    assert (desk.case(one).case.state, desk.case(one).case.truth) == ("closed", True)
    assert made.decider.decision(one).said["fraud"] is True
    desk.work(Work(Routine(second=1.0), "everything twice"), ADA)
    made.decide(purchase("twice", START + timedelta(hours=2), user="twice", amount="350.00"))
    for value, by in ((True, ADA), (False, BOB), (False, EVE)):
        desk.decide(Decide(["ptwice"], value, "x"), by)
    assert made.decider.decision("ptwice").said["fraud"] is False
    assert desk.undo(Undo(["ptwice"], "not sure"), EVE).results[0].status == "disputed"
    assert made.decider.decision("ptwice").said["fraud"] is True  # the first verdict counts again
    desk.decide(Decide([two], True, "x"), ADA)
    with pytest.raises(ConflictError, match="that of bob"):
        desk.undo(Undo([two, "ptwice"], "x"), ADA)
    assert desk.case(two).case.state == "closed"  # of both or of none
    assert facts(CaseDesk(made.decider)) == facts(desk)


def test_what_needs_more_rests_in_its_hands_until_its_time() -> None:
    made, desk = worked()
    got = desk.next(Next(), ADA)
    assert got is not None
    desk.defer(Defer([got.id], "the bank was asked"), ADA)
    other = desk.next(Next(), ADA)
    assert other is not None
    assert other.id != got.id
    assert [case.id for case in desk.cases("deferred").cases] == [got.id]
    assert all(case.id != got.id for case in desk.cases("queue", limit=1000).cases)
    with pytest.raises(InputError, match="lies ahead"):
        desk.defer(Defer([got.id], "x", START), ADA)
    desk.release(HandBack([other.id], "later"), ADA)
    made.clock.advance(timedelta(days=1))
    again = desk.next(Next(), ADA)
    assert again is not None
    assert (again.id, again.until) == (got.id, None)
    assert facts(CaseDesk(made.decider)) == facts(desk)


def test_what_is_escalated_comes_first_for_everybody_else() -> None:
    made, desk = worked()
    last = desk.cases(limit=1000).cases[-1].id
    desk.assign(Assign([last], "mine"), ADA)
    desk.escalate(Escalate([last], "a lawyer has written"), ADA)
    assert [case.id for case in desk.cases("escalated").cases] == [last]
    mine, theirs = desk.next(Next(), ADA), desk.next(Next(), BOB)
    assert mine is not None
    assert theirs is not None
    assert mine.id != last
    assert (theirs.id, theirs.escalated) == (last, ["ada"])
    desk.decide(Decide([last], True, "it is"), BOB)
    with pytest.raises(ConflictError, match="is closed"):
        desk.escalate(Escalate([last], "x"), ADA)
    assert facts(CaseDesk(made.decider)) == facts(desk)
