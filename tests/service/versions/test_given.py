"""What a start is given against what was activated: only what its code has changed is taken from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adjudge.define import Policy, Rules, System
from adjudge.engine.compile import lists_of
from adjudge.log import MemoryLog
from adjudge.service.versions.revision import ListRevision, Revision
from tests.service.shop import RULES
from tests.service.versions.test_live import STRICT, Site

Change = Callable[[System], System]


def listing(*blocked: str) -> Change:
    """Return what writes other cards into the code."""
    return lambda system: replace(system, rules=Rules(system.rules.rules, {"blocked": blocked}))


def ruled(text: str) -> Change:
    """Return what writes other rules into the code."""
    return lambda system: replace(system, rules=Rules.load(text))


def policy(system: System) -> System:
    """Write another policy into the code."""
    return replace(system, policy=Policy(thresholds={"review": 0.4, "block": 0.8}))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a service whose list and rules were changed while it ran."""
    made = Site(tmp_path, MemoryLog())
    made.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c9"])}), "ada")
    made.desk.revise(Revision("too lenient", rules=STRICT), "ada")
    return made


def state(site: Site) -> tuple[tuple[str, ...], bool, bool]:
    """Return the cards that are blocked, whether the strict rules decide, and whether the policy is the code's."""
    plan = site.shop.decider.workspace.systems["shop"].plan
    strict = any(rule.when.text == "user_count_1h >= 1" for rule in plan.rules)
    return tuple(map(str, lists_of(plan.system)["blocked"])), strict, plan.policy.thresholds["review"] == 0.5


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, (("c9", "stolen"), True, True)),
        (policy, (("c9", "stolen"), True, False)),  # only that was changed in the code
        (listing("c7"), (("c7",), True, True)),  # somebody wants another list, and says nothing of the rules
        (ruled(RULES.replace(">= 3", ">= 30")), (("c9", "stolen"), False, True)),
    ],
)
def test_a_start_changes_what_its_code_has_changed(
    site: Site, change: Change | None, expected: tuple[tuple[str, ...], bool, bool]
) -> None:
    """And goes on with the rest as it is active; a start after that changes nothing at all."""
    assert state(site) == (("c9", "stolen"), True, True)
    changes = [] if change is None else [change]
    site.start(*changes)
    assert state(site) == expected
    position = len(site.log)
    site.purchases(1)
    site.start(*changes)
    assert state(site) == expected
    assert len(site.log) == position + 30
    assert site.replayed().differences == []


def test_going_back_in_the_code_is_a_change_as_well(site: Site) -> None:
    """What the code said first is wanted again."""
    site.start(listing("c7"))
    site.start()
    assert state(site) == (("stolen",), True, True)
