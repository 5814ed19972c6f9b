"""Lists change under a plan: what it then decides is what the changed system decides when compiled anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adjudge.define import Rules, System, days
from adjudge.engine import compile
from adjudge.engine.lists import with_lists
from adjudge.errors import DefinitionError
from tests.define.everything import BY_BANDS, buyer
from tests.engine.alike import assert_alike

Lists = dict[str, Any]


def changed(system: System, lists: Lists) -> System:
    """Return the system as somebody would have written it with other lists."""
    rules = Rules(system.rules.rules, {n: tuple(lists.get(n, v)) for n, v in system.rules.lists.items()})
    beside = {name: lists.get(name, values) for name, values in system.lists.items()}
    return replace(system, rules=rules, lists=beside)


@pytest.mark.parametrize(
    "lists",
    [
        {"stolen": ("b1", "b2")},  # with the rules
        {"sizes": (3,)},  # beside them, asked by a feature
        {"pages": ["help"], "stolen": (), "none": ("b7",)},
        {},
    ],
)
def test_changed_lists_decide_as_if_compiled_with_them(lists: Lists) -> None:
    """Every version, every bit of every feature and decision, and the state are those of the changed system."""
    assert_alike(with_lists(compile(BY_BANDS), lists), compile(changed(BY_BANDS, lists)))


def test_a_state_goes_on_under_other_lists() -> None:
    """Streams and histories are the very same objects, so nothing that was folded is folded again."""
    plan = compile(BY_BANDS)
    other = with_lists(plan, {"stolen": ["b9"]})
    assert other.histories is plan.histories
    assert other.streams is plan.streams
    assert other.versions["lists"] != plan.versions["lists"]
    assert with_lists(other, {"stolen": plan.system.rules.lists["stolen"]}).versions == plan.versions


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"stolne": ["b1"]}, "there is no list 'stolne'; did you mean 'stolen'"),
        ({"stolen": [1, "b1"]}, "stolen"),
    ],
)
def test_lists_that_cannot_be_are_refused(lists: Lists, message: str) -> None:
    """An unknown one, and one of two types."""
    with pytest.raises(DefinitionError, match=message):
        with_lists(compile(BY_BANDS), lists)


def test_a_list_by_which_rows_were_counted_cannot_change() -> None:
    """The rows that histories hold were let in by the list as it was."""
    counted = replace(BY_BANDS, features=[buyer.where("device in stolen", called="odd").count(days(1))])
    counted = replace(counted, inputs=None, leave_out=(), rules=Rules((), {"stolen": ("d1",)}), lists={})
    with pytest.raises(DefinitionError, match=r"'buyer_odd_count.*by the list 'stolen'"):
        with_lists(compile(counted), {"stolen": ["d2"]})
    with_lists(compile(counted), {"stolen": ["d1"]})  # nothing changes
