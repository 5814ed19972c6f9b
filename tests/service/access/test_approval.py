"""A second person: who is one, what an answer makes of a proposal, and that the log is the judge of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import AdjudgeError, ConflictError, InputError, NotFoundError
from adjudge.service.access import approval
from adjudge.service.access.approval import Proposal, approve, propose, refuse, used_note
from adjudge.service.access.keys import DAY_US, Grant, create, rotate
from adjudge.service.access.ledger import Act, By
from adjudge.service.access.management import Management, ManagementFacts
from adjudge.service.access.refusal import SecondPersonError
from adjudge.service.access.scope import SOMEBODY, Principal
from tests.service.access.acts import START_US, Desk

ADA, BOB, CAROL = By("ada", "fewer false alarms"), By("bob", "seen in the back-test"), By("carol", "I was asked")
CONTENT = {"system": "payments", "rules": ["a", "b"]}


class Office(Desk):
    """A desk where things are proposed."""

    def __init__(self) -> None:
        super().__init__()
        self.approvals = self.management.approvals

    def propose(self, by: By = ADA, **content: Any) -> Proposal:
        return propose(self.approvals, self.ledger, "activate", content or CONTENT, by)

    def approve(self, id_: int, by: By = BOB) -> Proposal:
        return approve(self.approvals, self.ledger, id_, by)

    def refuse(self, id_: int, by: By = BOB) -> Proposal:
        return refuse(self.approvals, self.ledger, id_, by)

    def use(self, id_: int, by: By = BOB) -> None:
        """Do what was approved, as whoever does it writes it down."""
        note = used_note(self.approvals.ready(id_, self.now_us), by)
        content = Act.read(0, 0, note).content
        self.ledger.record(approval.USED, note.who, note.why, content)

    def state(self, id_: int) -> str:
        return self.approvals[id_].state(self.now_us)


@pytest.fixture
def office() -> Office:
    return Office()


def test_one_proposes_another_approves_and_it_is_done_once(office: Office) -> None:
    made = office.propose()
    assert (made.id, made.who, made.why, made.content) == (0, "ada", ADA.why, CONTENT)
    with pytest.raises(ConflictError, match="proposal 0 waits for a second person") as caught:
        office.approvals.ready(made.id, office.now_us)
    assert caught.value.code == "proposal_open"
    office.advance(DAY_US)
    approved = office.approve(made.id)
    assert (approved.approved_by, approved.approved_us) == ("bob", START_US + DAY_US)
    assert office.approvals.ready(made.id, office.now_us) == approved
    office.use(made.id)
    assert office.state(made.id) == "used"
    with pytest.raises(ConflictError, match="is done"):
        office.approvals.ready(made.id, office.now_us)
    acts = [(act.action, act.who, act.why) for act in office.ledger.acts]
    assert acts == [
        ("proposal_made", "ada", ADA.why),
        ("proposal_approved", "bob", BOB.why),
        ("proposal_used", "bob", BOB.why),
    ]


def test_the_same_said_twice_is_written_once(office: Office) -> None:
    """A client whose answer was lost sends it again."""
    made = office.propose()
    assert office.propose() == made
    assert office.propose(rules=["c"]).id != made.id
    assert office.propose(CAROL).id != made.id
    written = len(office.ledger.acts)
    first = office.approve(made.id)
    assert office.approve(made.id) == first
    assert len(office.ledger.acts) == written + 1
    office.refuse(made.id, CAROL)
    assert office.refuse(made.id, CAROL).refused_by == "carol"
    assert len(office.ledger.acts) == written + 2
    assert office.propose().id not in (made.id, first.id)  # what was refused does not wait


def by_key(office: Office, owner: str, maker: By | None = None) -> By:
    """Return somebody with a new key, made with the credential of somebody else over HTTP, or offline."""
    grant = Grant(owner, ["manage"])
    made = create(office.management.keys, office.ledger, grant, maker or By("root", "offline"))
    return by(office.management.keys.check(made.text, office.now_us))


def by(principal: Principal | None) -> By:
    assert principal is not None
    return By(principal.who, "because", principal.holders)


def test_two_keys_of_one_owner_are_one_person(office: Office) -> None:
    made = office.propose(by_key(office, "ada"))
    for again in (by_key(office, "ada"), by_key(office, " Ada"), by_key(office, "\uff41da"), ADA, By("ADA", "x")):
        with pytest.raises(SecondPersonError, match="takes another person"):
            office.approve(made.id, again)
    assert office.approve(made.id, by_key(office, "bob")).approved_by == "bob"


def test_a_key_that_somebody_made_is_in_their_hands_too(office: Office) -> None:
    """Ada makes a key for somebody who may not exist, which makes another, and gives itself a new secret."""
    keys, ada = office.management.keys, by_key(office, "ada")
    puppet = by_key(office, "bob", ada)
    made = create(keys, office.ledger, Grant("carol", ["manage"]), puppet)
    second = by(keys.check(made.text, office.now_us))
    renewed = by(keys.check(rotate(keys, office.ledger, made.key.id, second).text, office.now_us))
    for_ada, for_puppet = office.propose(ada), office.propose(puppet, rules=[])
    for other in (puppet, second, renewed):
        with pytest.raises(SecondPersonError):
            office.approve(for_ada.id, other)
    with pytest.raises(SecondPersonError):
        office.approve(for_puppet.id, ada)
    assert office.approve(for_ada.id, by_key(office, "carol")).approved_by == "carol"


def test_a_key_that_somebody_else_gave_a_new_secret_is_in_their_hands_until_its_owner_has_another(
    office: Office,
) -> None:
    keys = office.management.keys
    ada = by_key(office, "ada")
    made = office.propose(ada)
    first = create(keys, office.ledger, Grant("bob", ["manage"]), By("root", "offline"))
    taken = rotate(keys, office.ledger, first.key.id, ada)
    with pytest.raises(SecondPersonError):
        office.approve(made.id, by(keys.check(taken.text, office.now_us)))
    old = by(keys.check(first.text, office.now_us))  # the secret that ada has not seen, while it is good
    assert office.approve(made.id, old).approved_by == "bob"


def test_where_nobody_is_asked_who_they_are_nobody_is_a_second_person(office: Office) -> None:
    somebody = By(SOMEBODY, "x", frozenset({SOMEBODY}))
    with pytest.raises(SecondPersonError):
        office.approve(office.propose(somebody).id, somebody)


def test_an_answer_to_nothing_is_told(office: Office) -> None:
    for answer in (office.approve, office.refuse):
        with pytest.raises(NotFoundError, match="no proposal 7"):
            answer(7)


@pytest.mark.parametrize("lasts", [0, -1, approval.MOST_OPEN_US + 1])
def test_a_proposal_lasts_a_while_and_not_for_ever(office: Office, lasts: int) -> None:
    with pytest.raises(InputError, match="lasts up to 90 days"):
        propose(office.approvals, office.ledger, "activate", CONTENT, ADA, lasts_us=lasts)


def test_what_nobody_answers_ends_and_so_does_what_nobody_does(office: Office) -> None:
    left, approved = office.propose(), office.propose(rules=[])
    office.approve(approved.id)
    office.advance(approval.OPEN_US - 1)
    assert (office.state(left.id), office.state(approved.id)) == ("open", "approved")
    office.advance(1)
    for answer in (office.approve, office.refuse):
        with pytest.raises(ConflictError, match="was left too long"):
            answer(left.id)
    with pytest.raises(ConflictError, match="was left too long"):
        office.approvals.ready(approved.id, office.now_us)
    assert office.propose().id != left.id


def test_what_is_refused_is_not_done(office: Office) -> None:
    """Also by whoever proposed it, and after somebody has approved it."""
    made, approved = office.propose(), office.propose(rules=[])
    office.refuse(made.id, ADA)
    office.approve(approved.id)
    office.refuse(approved.id, CAROL)
    with pytest.raises(ConflictError, match="was refused by ada"):
        office.approve(made.id)
    with pytest.raises(ConflictError, match="was refused by carol"):
        office.approvals.ready(approved.id, office.now_us)
    with pytest.raises(ConflictError, match="was refused by carol"):
        office.approve(approved.id)


def test_what_is_done_is_neither_refused_nor_approved_again(office: Office) -> None:
    made = office.propose()
    office.approve(made.id)
    office.use(made.id)
    for answer in (office.approve, office.refuse):
        with pytest.raises(ConflictError, match="is done"):
            answer(made.id)


def test_the_log_is_the_judge_of_answers_that_nobody_checked(office: Office) -> None:
    """Whoever writes entries by hand, or at the same moment, gains nothing."""
    made = office.propose()
    for who, holders in (("ada", ["ada"]), ("bob", ["bob", "ada"]), ("bob", [])):
        office.ledger.record(approval.APPROVED, who, "x", {"proposal": made.id, "holders": holders})
        office.ledger.record(approval.USED, who, "x", {"proposal": made.id})
    assert office.state(made.id) == "open"
    office.ledger.record(approval.APPROVED, "bob", "x", {"proposal": made.id, "holders": ["bob"]})
    office.ledger.record(approval.APPROVED, "carol", "x", {"proposal": made.id, "holders": ["carol"]})
    office.ledger.record(approval.APPROVED, "carol", "x", {"proposal": 99, "holders": ["carol"]})
    assert office.approvals[made.id].approved_by == "bob"


def test_of_two_answers_at_once_the_first_in_the_log_counts(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    real = office.ledger.record

    def slow(action: str, who: str, why: str, content: dict[str, Any]) -> int:
        real(*first)
        return real(action, who, why, content)

    for answer, said in ((approval.APPROVED, "was approved by carol"), (approval.REFUSED, "was refused by carol")):
        made = office.propose(which=answer)
        first = (answer, "carol", "x", {"proposal": made.id, "holders": ["carol"]})
        monkeypatch.setattr(office.ledger, "record", slow)
        with pytest.raises(ConflictError, match=said):
            office.approve(made.id)
        monkeypatch.undo()


def test_what_ended_long_ago_is_forgotten_with_the_next_proposal(office: Office) -> None:
    done, waiting = office.propose(), office.propose(rules=[])
    office.refuse(done.id)
    office.advance(approval.KEPT_US)
    office.propose(rules=["c"])
    assert done.id not in [proposal.id for proposal in office.approvals]
    with pytest.raises(NotFoundError, match="the log has it at that position"):
        office.approve(done.id)
    assert office.state(waiting.id) == "expired"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["propose", "approve", "refuse", "use", "wait"]),
        st.integers(0, 12),
        st.sampled_from([ADA, BOB, CAROL]),
    ),
    max_size=30,
)


@given(STEPS)
def test_folding_the_log_again_gives_the_same_also_from_a_snapshot(steps: list[tuple[str, int, By]]) -> None:
    """Whatever people do: what is done was approved by somebody else before, and nothing is done twice."""
    office = Office()
    for verb, number, by in steps:
        try:
            if verb == "propose":
                office.propose(by, number=number % 3)
            elif verb == "wait":
                office.advance(number * DAY_US)
            else:
                {"approve": office.approve, "refuse": office.refuse, "use": office.use}[verb](number, by)
        except AdjudgeError:
            continue
    facts = office.management.facts()
    assert office.folded().facts() == facts
    encoded = msgspec.json.encode(facts)
    assert Management(msgspec.json.decode(encoded, type=ManagementFacts)).facts() == facts
    used = [act.content["proposal"] for act in office.ledger.acts if act.action == approval.USED]
    assert len(used) == len(set(used))
    for proposal in office.approvals:
        if proposal.used_us is not None:
            assert proposal.approved_by not in ("", proposal.who)
            assert proposal.approved_us is not None
            assert proposal.made_us <= proposal.approved_us <= proposal.used_us < proposal.until_us
