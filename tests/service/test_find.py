"""Decisions are found by id, by any key, by amount and by what was decided, as soon as they are made."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adjudge.errors import InputError
from adjudge.service.find import Finder, Wanted, amounts_in
from tests.service.shop import START, Shop, many_purchases, purchase


def ids(finder: Finder, text: str = "", **wanted: object) -> list[str]:
    return [hit.id for hit in finder.find(Wanted(text, **wanted)).hits]  # type: ignore[arg-type]


def test_what_was_just_decided_is_found_by_everything_about_it() -> None:
    shop = Shop()
    finder = Finder(shop.decider)
    assert ids(finder) == []
    shop.decide(purchase(1, user="ada", card="c1", amount="250.00"), purchase(2, user="bob", amount="31.00"))
    shop.decide(purchase(3, user="ada", card="stolen", amount="12.50"))
    assert ids(finder) == ["p3", "p2", "p1"]
    assert ids(finder, "p2") == ["p2"]
    assert ids(finder, "ada") == ["p3", "p1"]
    assert ids(finder, " c1 ") == ["p1"]
    assert ids(finder, "250") == ["p1"]
    assert ids(finder, "12..31") == ["p3", "p2"]
    assert ids(finder, "..20") == ["p3"]
    assert ids(finder, "nobody") == []
    found = finder.find(Wanted("ada"))
    assert (found.by, found.total, found.currency) == (["user"], 2, "EUR")
    assert (found.hits[0].action, found.hits[0].amount) == ("block", 12.5)


def test_it_finds_what_a_plain_search_finds() -> None:
    shop, rows = Shop(at=START + timedelta(hours=2)), many_purchases(300)
    answers = [answer for i in range(0, 300, 7) for answer in shop.decide(*rows[i : i + 7])]
    finder = Finder(shop.decider)
    for key in ("u1", "u5", "c3"):
        mine = [r["purchase_id"] for r in rows if key in (r["user"], r.get("card"))]
        assert ids(finder, key, limit=200) == mine[::-1]
    for action in finder.actions:
        mine = [a["id"] for a in answers if a["decision"] == action]
        found = finder.find(Wanted(action=action, limit=10))
        assert ([hit.id for hit in found.hits], found.total) == (mine[::-1][:10], len(mine))
    page = finder.find(Wanted(limit=20))
    rest = finder.find(Wanted(limit=20, before=page.hits[-1].seq))
    assert [hit.id for hit in (*page.hits, *rest.hits)] == [r["purchase_id"] for r in rows[::-1][:40]]
    assert page.total == rest.total == 300


def test_an_action_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'block'"):
        Finder(Shop().decider).find(Wanted(action="blok"))


@pytest.mark.parametrize("text", ["", "x..y", "9..1", "u1", "1e", "nan"])
def test_what_is_no_amount(text: str) -> None:
    assert amounts_in(text) is None
