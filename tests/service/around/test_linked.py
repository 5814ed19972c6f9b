"""Entities are linked where events name both; the walk is bounded, and says what is known of each."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from adjudge.errors import InputError, NotFoundError
from adjudge.log import Kind
from adjudge.service.app import Service
from adjudge.service.around import linked as module
from adjudge.service.around.desk import AroundDesk
from adjudge.service.around.radial import radial
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.changed import Change
from adjudge.service.settings import Settings
from tests.service.shop import START, Shop, many_purchases, purchase


def desk_of(shop: Shop) -> AroundDesk:
    """Return what is around the decisions of a shop."""
    return AroundDesk(shop.decider, CaseDesk(shop.decider))


def label(shop: Shop, id_: str, *, value: bool = True) -> None:
    """Say what is true of a purchase."""
    shop.decider.change([Change(Kind.LABEL, "purchase", id_, "fraud", float(value))])


def ring() -> Shop:
    """Return a shop: ada and bob share card c1, bob and cid card c2; dan stands alone."""
    shop = Shop()
    shop.decide(purchase(1, user="ada", card="c1"), purchase(2, user="bob", card="c1"))
    shop.decide(
        purchase(3, user="bob", card="c2"), purchase(4, user="cid", card="c2"), purchase(5, user="dan", card="c9")
    )
    return shop


def test_two_steps_are_walked_and_no_more() -> None:
    found = desk_of(ring()).linked("user", "ada")
    assert [(n.field, n.value, n.hops) for n in found.nodes] == [
        ("user", "ada", 0),
        ("card", "c1", 1),
        ("user", "bob", 2),
    ]
    assert [(t.a, t.b, t.events, t.true) for t in found.ties] == [(0, 1, 1, 0), (1, 2, 1, 0)]
    assert found.left_out == 0
    walked = desk_of(ring()).linked("card", "c1")
    assert {(n.field, n.value) for n in walked.nodes} == {
        ("card", "c1"),
        ("user", "ada"),
        ("user", "bob"),
        ("card", "c2"),
    }


def test_what_is_known_of_each_is_told_as_it_is_now() -> None:
    """p2 is fraud; p3 was said to be and is not; p4 was fraud and is taken back."""
    shop = ring()
    answer = shop.decide(purchase("x", START, user="bob", card="c1", amount="250.00"))
    assert answer[0]["decision"] == "review"
    label(shop, "p2")
    label(shop, "p3")
    label(shop, "p3", value=False)
    label(shop, "p4")
    shop.decider.change([Change(Kind.RETRACTION, "purchase", "p4")])
    desk = desk_of(shop)
    found = {n.value: n for n in desk.linked("card", "c1").nodes}
    assert {value: (n.decisions, n.true) for value, n in found.items()} == {
        "c1": (3, 1),
        "ada": (1, 0),
        "bob": (3, 1),
        "c2": (2, 0),
    }
    waiting = CaseDesk(shop.decider).cases().cases
    assert found["bob"].waiting == len(waiting) == 1
    ties = {(t.a, t.b): (t.events, t.true) for t in desk.linked("card", "c1").ties}
    assert ties[0, 1] == (2, 1)


def test_it_agrees_with_a_plain_walk_over_the_rows() -> None:
    shop, rows = Shop(at=START + timedelta(hours=2)), many_purchases(150)
    for i in range(0, 150, 11):
        shop.decide(*rows[i : i + 11])
    found = desk_of(shop).linked("user", "u1")
    cards = {r["card"] for r in rows if r["user"] == "u1" and "card" in r}
    users = {r["user"] for r in rows if r.get("card") in cards}
    assert {n.value for n in found.nodes} == cards | users
    shared = {(r["user"], r["card"]) for r in rows if "card" in r and r["card"] in cards}
    names = [n.value for n in found.nodes]
    assert {tuple(sorted((names[t.a], names[t.b]), reverse=True)) for t in found.ties} == shared
    assert all(n.x**2 + n.y**2 <= 1.0001 for n in found.nodes)
    assert len({(n.x, n.y) for n in found.nodes}) == len(found.nodes)


def test_what_too_many_name_is_shown_and_not_walked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WALKED", 2)
    shop = Shop()
    shop.decide(*[purchase(i, user=f"u{i}", card="shared") for i in range(4)])
    found = desk_of(shop).linked("user", "u1")
    assert [(n.value, n.walked, n.decisions) for n in found.nodes] == [("u1", True, 1), ("shared", False, 4)]
    middle = desk_of(shop).linked("card", "shared")
    assert len(middle.nodes) == 5


def test_the_walk_is_bounded_and_says_what_it_left_out() -> None:
    shop = Shop(at=START + timedelta(hours=1))
    shop.decide(*[purchase(i, user="u", card=f"c{i}") for i in range(30)])
    found = desk_of(shop).linked("user", "u")
    assert (len(found.nodes), found.left_out) == (1 + module.MOST_NEXT, 30 - module.MOST_NEXT)


def test_of_the_one_in_the_middle_the_newest_decisions_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEWEST", 2)
    shop = Shop()
    shop.decide(*[purchase(i, user=f"u{i}", card="shared") for i in range(4)])
    found = desk_of(shop).linked("card", "shared")
    assert [(n.value, n.decisions) for n in found.nodes] == [("shared", 4), ("u3", 1), ("u2", 1)]
    assert [(t.a, t.b, t.events) for t in found.ties] == [(0, 1, 1), (0, 2, 1)]


def test_the_drawing_is_the_same_every_time() -> None:
    parents = [-1, 0, 0, 0, 1, 1, 2]
    at = radial(parents)
    assert at == radial(parents)
    assert len(set(at)) == len(parents)
    assert radial([-1]) == [(0.0, 0.0)]


def test_what_there_is_not_is_refused() -> None:
    desk = desk_of(ring())
    with pytest.raises(InputError, match="did you mean 'card'"):
        desk.linked("crd", "c1")
    with pytest.raises(NotFoundError):
        desk.linked("card", "c77")


def test_the_route_says_the_same() -> None:
    service = Service(ring().decider, Settings(auth="off"))

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=service, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    answer = asyncio.run(ask("/v1/linked/user?value=ada"))
    assert answer.status_code == 200, answer.text
    assert [one["value"] for one in answer.json()["nodes"]] == ["ada", "c1", "bob"]
    assert asyncio.run(ask("/v1/linked/user?value=nobody")).status_code == 404
