"""What is around a decision is what was known when it was made; what came later is told apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adjudge.errors import InputError, NotFoundError
from adjudge.history.geo import distance_km
from adjudge.log import Kind
from adjudge.service.app import Service
from adjudge.service.around.desk import AroundDesk
from adjudge.service.around.normal import bins
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.changed import Change
from adjudge.service.settings import Settings
from tests.service.shop import START, Shop, many_purchases, purchase

BERLIN, LISBON = {"lat": 52.52, "lon": 13.405}, {"lat": 38.722, "lon": -9.139}


def say(shop: Shop, id_: str, kind: Kind = Kind.LABEL, *, value: bool = True) -> None:
    """Tell the log something about a purchase."""
    shop.decider.change([Change(kind, "purchase", id_, "" if kind == Kind.RETRACTION else "fraud", float(value))])


def at(minutes: float) -> Any:
    """Return a time so many minutes after the shop opens."""
    return START + timedelta(minutes=minutes)


def test_only_what_was_known_by_then_is_usual() -> None:
    """p1 ... p3 come before p4, p5 after it; p2 is fraud before, p1 only after p4 was decided."""
    shop = Shop(at=at(300))
    desk = AroundDesk(shop.decider, CaseDesk(shop.decider))
    shop.decide(purchase(1, at(0), card="c1", amount="12.00", place=BERLIN))
    shop.decide(purchase(2, at(60), card="c1", amount="15.00"), purchase(3, at(120), card="c2", amount="3.00"))
    say(shop, "p2")
    say(shop, "p3", Kind.RETRACTION)
    shop.decide(purchase(4, at(180), card="c9", amount="60.00", place=LISBON))
    say(shop, "p1")
    say(shop, "p2", value=False)
    shop.decide(purchase(5, at(240), card="c1", amount="70.00"), purchase(6, at(1), user="u2", amount="9.00"))
    found = desk.around("p4")
    assert (found.field, found.value, found.currency, found.earlier, found.later) == ("user", "u1", "EUR", 3, 1)
    assert [(one.id, one.when, one.truth_then, one.truth, one.retracted) for one in found.events] == [
        ("p1", "earlier", None, True, False),
        ("p2", "earlier", True, False, False),
        ("p3", "earlier", None, None, True),
        ("p4", "this", None, None, False),
        ("p5", "later", None, None, False),
    ]
    usual = found.normal
    assert (usual.events, usual.below) == (2, 1.0)
    assert {(b.low, b.high): b.count for b in usual.amounts if b.count} == {(10.0, 20.0): 2}
    assert [hour for hour, count in enumerate(usual.hours) if count] == [12, 13]
    assert [(c.value, c.count, c.here) for c in usual.values["card"]] == [("c1", 2, False), ("c9", 0, True)]
    this = found.this
    assert this is not None
    km = distance_km(52.52, 13.405, 38.722, -9.139)
    assert this.km == pytest.approx(km, abs=0.001)
    assert this.kmh == pytest.approx(km / 3, abs=0.1)
    assert desk.around("p1").normal.events == 0
    assert [one.id for one in desk.around("p4", by="card").events] == ["p4"]
    few = desk.around("p4", earlier=1, later=0)
    assert ([one.id for one in few.events], few.earlier, few.later) == (["p3", "p4"], 3, 1)


def test_an_event_that_comes_late_moves_none_that_was_decided_before_it() -> None:
    shop = Shop(at=at(300))
    shop.decide(purchase(1, at(0), place=BERLIN), purchase(2, at(60), place=BERLIN))
    shop.decide(purchase(3, at(30), place=LISBON))
    found = {one.id: one for one in AroundDesk(shop.decider, CaseDesk(shop.decider)).around("p2").events}
    assert list(found) == ["p1", "p3", "p2"]
    assert (found["p2"].km, found["p3"].when) == (0.0, "later")
    assert found["p3"].km == pytest.approx(distance_km(52.52, 13.405, 38.722, -9.139), abs=0.001)


def test_hours_are_those_of_the_clocks_where_it_happened() -> None:
    shop = Shop(at=at(300))
    row = purchase(1) | {"at": "2026-03-01T23:30:00+09:00"}
    shop.decide(row, purchase(2, at(200)))
    found = AroundDesk(shop.decider, CaseDesk(shop.decider)).around("p2")
    assert [one.hour for one in found.events] == [23, 15]
    assert found.normal.hours[23] == 1


def test_it_agrees_with_a_plain_look_at_the_rows() -> None:
    shop, rows = Shop(at=START + timedelta(hours=2)), many_purchases(200)
    for i in range(0, 200, 9):
        shop.decide(*rows[i : i + 9])
    desk = AroundDesk(shop.decider, CaseDesk(shop.decider))
    for i in (150, 80, 199):
        mine = rows[i]
        before = [r for r in rows[:i] if r["user"] == mine["user"]]
        found = desk.around(mine["purchase_id"], earlier=500, later=500)
        assert found.earlier == len(before) == found.normal.events == sum(b.count for b in found.normal.amounts)
        assert (
            found.later == sum(r["user"] == mine["user"] for r in rows[i + 1 :]) == len(found.events) - len(before) - 1
        )
        amounts = [float(r["amount"]) for r in before]
        assert found.normal.below == sum(a < float(mine["amount"]) for a in amounts) / len(amounts)
        assert [one.at for one in found.events] == sorted(one.at for one in found.events)


@pytest.mark.parametrize("amounts", [[0.01, 99_999_999.0], [-5.0, 0.0, 3.0], [7.0], [1e-9, 1e12]])
def test_every_amount_is_in_one_bin_of_a_few(amounts: list[float]) -> None:
    found = bins(amounts, 10.0)
    assert sum(b.count for b in found) == len(amounts)
    assert any(b.low <= 10.0 < b.high for b in found)
    assert len(found) <= 14


def test_the_speed_is_that_of_the_feature() -> None:
    shop, rows = Shop(at=START + timedelta(hours=2)), many_purchases(120, seed=4)
    shop.decide(*rows)
    desk = AroundDesk(shop.decider, CaseDesk(shop.decider))
    seen = 0
    for row in rows:
        this = desk.around(row["purchase_id"], earlier=500).this
        assert this is not None
        recorded = shop.decider.decision(row["purchase_id"]).features["user_place_speed_kmh"]
        if this.kmh is not None:
            assert recorded == pytest.approx(this.kmh, abs=0.1)
            seen += 1
    assert seen > 30


def test_what_there_is_not_is_refused() -> None:
    shop = Shop()
    shop.decide(purchase(1))
    desk = AroundDesk(shop.decider, CaseDesk(shop.decider))
    with pytest.raises(NotFoundError):
        desk.around("p2")
    with pytest.raises(InputError, match="did you mean 'card'"):
        desk.around("p1", by="crd")
    with pytest.raises(InputError):
        desk.around("p1", "no such system")


def test_the_route_says_the_same() -> None:
    shop = Shop()
    shop.decide(purchase("a/1"), purchase(2))
    service = Service(shop.decider, Settings(auth="off"))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=service, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/v1/around/pa%2F1?later=5")

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    assert [(one["id"], one["when"]) for one in answer.json()["events"]] == [("pa/1", "this"), ("p2", "later")]
