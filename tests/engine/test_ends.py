"""What ends by itself ends by the time of the event: for every batch, and whenever it is asked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adjudge.define import Category, Event, Id, Key, Number, Policy, Rule, Rules, System, Term, Time, days
from adjudge.engine import Plan, compile
from adjudge.engine.lists import with_lists
from adjudge.engine.versions import state_version
from adjudge.errors import DefinitionError

START = datetime(2026, 5, 31, 22, tzinfo=UTC)


class Sale(Event):
    """A sale."""

    sale_id: Id
    at: Time
    buyer: Key | None
    kind: Category
    size: Number


RULES = Rules(
    (
        Rule("season", "size > 1", "review", expires="2026-06-01"),
        Rule("listed", "buyer in blocked or size in sizes", "block", priority=1),
        Rule("unlisted", "not (buyer in blocked)", "flag"),
    ),
    {"blocked": ("b1", "b2"), "sizes": (3.0, 4.0)},
)
TERMS: dict[str, dict[Any, Term]] = {
    "blocked": {"b1": Term("2026-06-01", "stolen")},
    "sizes": {3.0: Term("2026-06-01T01:00:00Z")},
}
SYSTEM = System(
    "sales",
    Sale,
    features=[Sale.by("kind").where("buyer in blocked", called="listed").including().count(days(7))],
    rules=RULES,
    policy=Policy(actions=("approve", "review", "block")),
    terms=TERMS,
)


def fired(plan: Plan, *, batch: int = 100) -> list[tuple[str, ...]]:
    """Return which rules fire for a sale every hour, across midnight, of each kind."""
    sales = [
        SimpleNamespace(sale_id=f"s{i}", at=START + timedelta(hours=i // 4), buyer=buyer, kind="a", size=size)
        for i, (buyer, size) in enumerate([("b1", 2.0), ("b2", 0.0), (None, 3.0), ("b3", 4.0)] * 4)
    ]
    state, found = plan.start(), list[tuple[str, ...]]()
    for start in range(0, len(sales), batch):
        part = sales[start : start + batch]
        made = plan.step(state, plan.encode("sale", part, start + np.arange(len(part))))
        assert made is not None
        found += [tuple(made.rules(i)) for i in range(len(part))]
    return found


BEFORE = [("listed", "season"), ("listed",), ("listed", "season"), ("listed", "season", "unlisted")]
AFTER = [("unlisted",), ("listed",), ("listed",), ("listed", "unlisted")]
LATER = [("unlisted",), ("listed",), (), ("listed", "unlisted")]


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_a_rule_and_an_element_end_at_their_time_and_not_a_moment_later(batch: int) -> None:
    """Two hours before midnight, midnight itself, and an hour after it, when a size ends, too."""
    found = [sorted(each) for each in fired(compile(SYSTEM), batch=batch)]
    assert found == [sorted(each) for each in [*BEFORE, *BEFORE, *AFTER, *LATER]]


def test_without_ends_the_program_is_the_same_words() -> None:
    plain = Rules(tuple(Rule(r.id, r.when, r.action, priority=r.priority) for r in RULES.rules), RULES.lists)
    told = {"blocked": {"b1": Term(reason="stolen")}}
    one, other = (compile(System("s", Sale, rules=plain, terms=terms)).program for terms in ({}, told))
    assert one.words.tolist() == other.words.tolist()


def test_changed_terms_decide_as_if_compiled_with_them() -> None:
    system = replace(SYSTEM, features=[])
    later: dict[str, dict[Any, Term]] = {"blocked": {"b1": Term("2026-06-02")}}
    changed, whole = with_lists(compile(system), {}, later), compile(replace(system, terms={**TERMS, **later}))
    assert fired(changed) == fired(whole)
    assert changed.versions == whole.versions
    assert changed.system.terms == whole.system.terms
    assert changed.versions["lists"] != compile(system).versions["lists"]
    with pytest.raises(DefinitionError, match="there is no list 'blokced'; did you mean 'blocked'"):
        with_lists(compile(system), {}, {"blokced": {}})


def test_a_list_by_which_rows_were_counted_keeps_its_ends() -> None:
    """The rows that histories hold were let in by the ends as they were; words are no part of that."""
    plan = compile(SYSTEM)
    with pytest.raises(DefinitionError, match="have counted by the list 'blocked'"):
        with_lists(plan, {}, {"blocked": {"b1": Term("2026-06-02")}})
    assert state_version(plan) != state_version(compile(replace(SYSTEM, terms={})))
