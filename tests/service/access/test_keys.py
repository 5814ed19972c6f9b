"""The registry of keys: what each action changes, and that folding the entries again gives the same registry."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import InputError, NotFoundError
from adjudge.service.access.keys import DAY_US, GRACE_US, Grant, create, revoke, rotate
from adjudge.service.access.ledger import Act, By
from adjudge.service.access.management import Management, ManagementFacts
from adjudge.service.access.scope import Scope
from tests.service.access.acts import BY, CHECKOUT, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_key_says_who_its_sender_is_and_what_they_may_do(desk: Desk) -> None:
    keys = desk.management.keys
    made = create(keys, desk.ledger, CHECKOUT, by=BY)
    found = keys.check(made.text, desk.now_us)
    assert found is not None
    assert (found.who, found.key, sorted(found.scopes)) == ("checkout", made.key.id, [Scope.DECIDE, Scope.LABEL])
    assert keys.check(made.text[:-1] + ("0" if made.text[-1] != "0" else "1"), desk.now_us) is None
    assert keys.check(made.text.replace(made.key.id, "0" * 12), desk.now_us) is None
    assert keys.check("nothing", desk.now_us) is None


def test_a_key_ends_with_its_lifetime(desk: Desk) -> None:
    """Its last moment is in, its end is out.

    made      7 days
    |---------------------)
    """
    keys = desk.management.keys
    made = create(keys, desk.ledger, msgspec.structs.replace(CHECKOUT, lifetime_us=7 * DAY_US), by=BY)
    assert keys.check(made.text, desk.now_us + 7 * DAY_US - 1) is not None
    assert keys.check(made.text, desk.now_us + 7 * DAY_US) is None


def test_a_rotated_key_goes_on_with_both_secrets_until_the_grace_ends(desk: Desk) -> None:
    """Nothing has to stop meanwhile.

    old   |----------rotated-----grace)
    new              |------------------------------>
    """
    keys = desk.management.keys
    old = create(keys, desk.ledger, CHECKOUT, by=BY)
    desk.advance(DAY_US)
    new = rotate(keys, desk.ledger, old.key.id, by=BY)
    assert new.key.id == old.key.id
    for after, good in ((0, True), (GRACE_US - 1, True), (GRACE_US, False)):
        assert (keys.check(old.text, desk.now_us + after) is not None) is good
        assert keys.check(new.text, desk.now_us + after) is not None
    newest = rotate(keys, desk.ledger, old.key.id, by=BY)
    assert keys.check(old.text, desk.now_us) is None  # two secrets at most
    assert keys.check(new.text, desk.now_us) is not None
    assert keys.check(newest.text, desk.now_us) is not None


def test_without_grace_the_old_secret_ends_at_once(desk: Desk) -> None:
    keys = desk.management.keys
    old = create(keys, desk.ledger, CHECKOUT, by=BY)
    rotate(keys, desk.ledger, old.key.id, grace_us=0, by=BY)
    assert keys.check(old.text, desk.now_us) is None


def test_rotating_begins_a_new_lifetime_and_prolongs_no_old_one(desk: Desk) -> None:
    keys = desk.management.keys
    old = create(keys, desk.ledger, msgspec.structs.replace(CHECKOUT, lifetime_us=10 * DAY_US), by=BY)
    end = desk.now_us + 10 * DAY_US
    desk.advance(10 * DAY_US - 5)
    new = rotate(keys, desk.ledger, old.key.id, by=BY)
    assert keys.check(old.text, end - 1) is not None
    assert keys.check(old.text, end) is None
    assert keys.check(new.text, end + 10 * DAY_US - 6) is not None
    assert keys.check(new.text, end + 10 * DAY_US - 5) is None


def test_a_revoked_key_is_good_for_nothing_any_more(desk: Desk) -> None:
    keys = desk.management.keys
    old = create(keys, desk.ledger, CHECKOUT, by=BY)
    new = rotate(keys, desk.ledger, old.key.id, by=BY)
    revoke(keys, desk.ledger, old.key.id, by=BY)
    assert keys.check(old.text, desk.now_us) is None
    assert keys.check(new.text, desk.now_us) is None
    for change in (
        lambda: rotate(keys, desk.ledger, old.key.id, by=BY),
        lambda: revoke(keys, desk.ledger, old.key.id, by=BY),
    ):
        with pytest.raises(InputError, match="was revoked"):
            change()


@pytest.mark.parametrize(
    ("grant", "field"),
    [
        (Grant("", ["decide"]), "owner"),
        (Grant("a\nb", ["decide"]), "owner"),
        (Grant("x" * 201, ["decide"]), "owner"),
        (Grant("shop", []), "scopes"),
        (Grant("shop", ["decide", "root"]), "scopes"),
        (Grant("shop", ["decide"], 0), "lifetime"),
        (Grant("shop", ["decide"], 2**62), "lifetime"),
        (Grant("shop", ["decide"], None, -1), "rate_per_s"),
    ],
)
def test_a_wrong_grant_is_named_and_nothing_is_logged(desk: Desk, grant: Grant, field: str) -> None:
    with pytest.raises(InputError) as caught:
        create(desk.management.keys, desk.ledger, grant, by=BY)
    assert caught.value.field == field
    assert desk.ledger.acts == []


@pytest.mark.parametrize(
    ("by", "field"),
    [
        (By("", "x"), "who"),
        (By("ada", " "), "why"),
        (By("a\x00da", "x"), "who"),
        (By("a" * 201, "x"), "who"),
        (By("ada", "x" * 1001), "why"),
    ],
)
def test_what_nobody_signs_does_not_happen(desk: Desk, by: By, field: str) -> None:
    with pytest.raises(InputError) as caught:
        create(desk.management.keys, desk.ledger, CHECKOUT, by)
    assert caught.value.field == field
    assert len(desk.management.keys) == 0


def test_an_unknown_key_is_told(desk: Desk) -> None:
    made = create(desk.management.keys, desk.ledger, CHECKOUT, by=BY)
    near = made.key.id[:-1] + ("0" if made.key.id[-1] != "0" else "1")
    with pytest.raises(NotFoundError, match=f"did you mean '{made.key.id}'"):
        revoke(desk.management.keys, desk.ledger, near, by=BY)
    with pytest.raises(InputError, match="grace"):
        rotate(desk.management.keys, desk.ledger, made.key.id, grace_us=-1, by=BY)


def test_nothing_that_is_kept_or_printed_holds_a_secret(desk: Desk) -> None:
    """Not the entries, not the registry, not what a traceback or a log would show."""
    made = create(desk.management.keys, desk.ledger, CHECKOUT, by=BY)
    secret = made.text[-64:]
    kept = msgspec.json.encode([desk.ledger.acts, desk.management.facts()]).decode()
    assert made.key.digest in kept
    assert secret not in kept + repr(made) + repr(desk.management.facts()) + repr(replace(made))


def test_actions_of_others_change_nothing(desk: Desk) -> None:
    before = desk.management.facts()
    desk.management.apply(Act(seq=0, at_us=0, action="tea_made", who="ada", why="thirst", content={}))
    assert desk.management.facts() == before
    assert desk.management.keys.version == 0


def test_a_scope_of_a_later_version_is_passed_over(desk: Desk) -> None:
    """A key that may do what this version has no name for may still do the rest."""
    made = create(desk.management.keys, desk.ledger, CHECKOUT, by=BY)
    facts = desk.management.facts()
    later = [msgspec.structs.replace(key, scopes=[*key.scopes, "erase"]) for key in facts.keys]
    found = Management(ManagementFacts(later)).keys.check(made.text, desk.now_us)
    assert found is not None
    assert found.scopes == {Scope.DECIDE, Scope.LABEL}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(0, 3), st.sampled_from([None, DAY_US])),
        st.tuples(st.sampled_from(["rotate", "revoke"]), st.integers(0, 3), st.sampled_from([0, DAY_US // 2])),
    ),
    max_size=12,
)


@given(STEPS, st.integers(0, 12))
def test_folding_again_and_going_on_from_a_snapshot_give_the_same_registry(
    steps: list[tuple[str, int, int | None]], cut: int
) -> None:
    desk = Desk()
    keys = desk.management.keys
    snapshot, taken = desk.management.facts(), 0
    for i, (verb, which, span) in enumerate(steps):
        desk.advance(DAY_US // 3)
        if i == cut:
            snapshot, taken = desk.management.facts(), len(desk.ledger.acts)
        ids = [key.id for key in keys if key.revoked_us is None]
        if verb == "create":
            create(keys, desk.ledger, Grant(f"owner {which}", ["audit"], span), by=BY)
        elif ids and verb == "rotate":
            rotate(keys, desk.ledger, ids[which % len(ids)], grace_us=span or 0, by=BY)
        elif ids:
            revoke(keys, desk.ledger, ids[which % len(ids)], by=BY)
    assert desk.folded().facts() == desk.management.facts()
    stored = msgspec.json.decode(msgspec.json.encode(snapshot), type=ManagementFacts)
    resumed = Management(stored)
    for act in desk.ledger.acts[taken:]:
        resumed.apply(act)
    assert resumed.facts() == desk.management.facts()
