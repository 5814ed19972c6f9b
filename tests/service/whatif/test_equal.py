"""A counterfactual equals what really deciding with it gives, bit for bit, whatever is different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adjudge.define import Policy, Rules, System, days
from adjudge.define.spec import POLICY as POLICY_SPEC
from adjudge.define.spec import to_spec
from adjudge.engine import SECRET, Plan
from adjudge.learn.past import Past
from adjudge.learn.whatif.worlds import World, Worlds
from adjudge.service.bundles import Bundles
from adjudge.service.columns import logged_past
from adjudge.service.versions.revision import ListRevision, Revision
from adjudge.service.whatif.change import Beside, Change
from adjudge.service.whatif.run import Span, counterfactual
from tests.service.shop import many_purchases, user
from tests.service.whatif.lives import OWN, STRICT, Life, bundle, system

CHANGES: dict[str, Callable[[str, str], Change]] = {
    "rules": lambda other, wide: Change(Revision("", rules=Rules.load(STRICT).document())),
    "policy": lambda other, wide: Change(
        Revision("", policy=POLICY_SPEC.write(Policy(thresholds={"review": 0.4, "block": 0.55}), "policy"))
    ),
    "a threshold": lambda other, wide: Change(Revision(""), {"block": 0.55}),
    "bundle": lambda other, wide: Change(Revision("", bundle=other)),
    "bundle and threshold": lambda other, wide: Change(Revision("", bundle=other), {"review": 0.3}),
    "lists": lambda other, wide: Change(Revision("", lists={"blocked": ListRevision(add=["c1", "c2"])})),
    "rules and bundle": lambda other, wide: Change(Revision("", rules=Rules.load(STRICT).document(), bundle=other)),
    "a window": lambda other, wide: Change(Revision("", bundle=wide, definitions=to_spec(wider()))),
}
"""What may be different in the other world: by the ids of another bundle, and of one for other definitions."""


def wider() -> System:
    """Return the shop with a feature more, which a rule reads."""
    rules = Rules.load(OWN + "- {id: high, when: user_amount_max_2d > 300, action: block}\n")
    return replace(system(), features=[*system().features, user.max("amount", days(2))], rules=rules)


def three(folder: Path) -> tuple[Plan, str, str]:
    """Keep three bundles: return the plan of the first, and the ids of another one and of one for `wider`."""
    (_, plan), (_, second), (_, wide) = (bundle(folder, *of) for of in ((system(), 1), (system(), 2), (wider(), 1)))
    return plan, second.bundle, wide.bundle


def same(found: Worlds, really: Past) -> None:
    """Assert that the other world is what another log holds."""
    place = {id_: i for i, id_ in enumerate(really.ids.tolist())}
    at = np.array([place[id_] for id_ in found.past.ids.tolist()])
    other, world = found.other, World.of(really)
    assert other.names().tolist() == world.names()[at].tolist()
    assert other.p.view(np.int64).tolist() == really.p[at].view(np.int64).tolist()
    for mine, theirs in zip(range(len(at)), at.tolist(), strict=True):
        assert sorted(other.reasons(mine)) == sorted(world.reasons(theirs))


@pytest.mark.parametrize("change", CHANGES)
def test_what_would_have_been_is_what_comes_of_really_deciding_so(change: str, tmp_path: Path) -> None:
    """Own declines lead to others, labels and outcomes come between, and a retraction takes them back."""
    plan, second, wide = three(tmp_path)
    actual = Life(tmp_path, plan).live()
    kept = Beside(Bundles(tmp_path / "bundles", SECRET, tmp_path))
    other = CHANGES[change](second, wide)
    found = counterfactual(actual.log, other, kept)
    assert len(found.past) == 238  # two were taken back
    assert 0 < len(found.differing) < 238
    really = Life(tmp_path, other.applied(plan, kept)).live()
    same(found, logged_past(really.log, (), secret=SECRET))
    assert found.past.action.tolist() == logged_past(actual.log, (), secret=SECRET).action.tolist()


def test_own_decisions_are_what_later_ones_see(tmp_path: Path) -> None:
    """With the actual declines in its histories the other world would be another one: the equality is no accident."""
    _, plan = bundle(tmp_path, system(), 1)
    actual = Life(tmp_path, plan).live()
    kept = Beside(Bundles(tmp_path / "bundles", SECRET, tmp_path))
    strict = counterfactual(actual.log, CHANGES["a threshold"]("", ""), kept)
    fired = [strict.other.reasons(i).count("declined_before") for i in range(len(strict.past))]
    in_fact = [strict.actual.reasons(i).count("declined_before") for i in range(len(strict.past))]
    assert fired != in_fact


MIDDLES: dict[str, Callable[[str], Revision]] = {
    "lists": lambda wide: Revision("stolen", lists={"blocked": ListRevision(add=["c5"])}),
    "rules": lambda wide: Revision("stricter", rules=Rules.load(OWN.replace(">= 3", ">= 2")).document()),
    "a window": lambda wide: Revision("more to see", bundle=wide, definitions=to_spec(wider())),
}
"""What changed in fact, in the middle."""


@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("change", ["rules", "a threshold", "lists"])
def test_what_is_not_named_stays_as_it_was_at_each_moment(middle: str, change: str, tmp_path: Path) -> None:
    """Both lives change in the middle; what is different stays different. Another layout is folded as it was lived."""
    plan, second, wide = three(tmp_path)
    kept = Beside(Bundles(tmp_path / "bundles", SECRET, tmp_path))
    other = CHANGES[change](second, wide)
    actual = Life(tmp_path, plan).live(lambda life: life.revise(MIDDLES[middle](wide)))
    found = counterfactual(actual.log, other, kept)

    def both(life: Life) -> None:
        life.revise(MIDDLES[middle](wide))
        again = other.applied(life.desk.decider.workspace.systems["shop"].plan, kept)
        life.desk.decider.activate(again, "ada", "what is different")

    really = Life(tmp_path, other.applied(plan, kept)).live(both)
    same(found, logged_past(really.log, (), secret=SECRET))


def test_from_a_moment_on_and_up_to_one(tmp_path: Path) -> None:
    """Before the span the past is as it was: the same as activating it just there."""
    _, plan = bundle(tmp_path, system(), 1)
    kept = Beside(Bundles(tmp_path / "bundles", SECRET, tmp_path))
    other = CHANGES["a threshold"]("", "")
    actual = Life(tmp_path, plan).live()
    whole = logged_past(actual.log, (), secret=SECRET)
    first = many_purchases(240)[120]["purchase_id"]  # the sixth batch begins with it
    since = int(whole.ts[whole.ids.tolist().index(first)])
    found = counterfactual(actual.log, other, kept, span=Span(between=(since, since + 40 * 60 * 1_000_000)))
    assert 0 < len(found.past) < 120

    def middle(life: Life) -> None:
        life.desk.decider.activate(other.applied(plan, kept), "ada", "what is different")

    same(found, logged_past(Life(tmp_path, plan).live(middle).log, (), secret=SECRET))
