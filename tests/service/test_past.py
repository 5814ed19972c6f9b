"""Importing the past: an event after it sees what it would have seen had everything been decided live."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from adjudge.errors import InputError
from adjudge.learn.source import Source
from adjudge.log import Kind
from adjudge.service.decider import Decider
from adjudge.service.past import import_source
from adjudge.service.replay import replay
from adjudge.service.workspace import Change
from tests.service.shop import START, Shop, many_purchases, purchase, shop

UTC_US = pl.Datetime("us", "UTC")
END = START + timedelta(days=2)

PURCHASES = sorted(many_purchases(300, step_s=200.0), key=lambda row: str(row["at"]))
LOGINS = [{"login_id": f"l{i}", "at": START + timedelta(minutes=7 * i), "user": f"u{i % 6}"} for i in range(100)]
ACCOUNTS = [{"change_id": f"a{i}", "at": START, "user": f"u{i}", "verified": i % 2 == 0} for i in range(6)]
FRAUDS = [(str(PURCHASES[i]["purchase_id"]), i % 3 > 0, START + timedelta(hours=i % 20)) for i in range(0, 300, 7)]


def source() -> Source:
    """Return the shop's past as tables."""
    rows = []
    for row in PURCHASES:
        place = row.get("place") or {"lat": None, "lon": None}
        more = {"at": datetime.fromisoformat(str(row["at"])), "amount": float(row["amount"])}
        rows.append(row | more | {"place_lat": place["lat"], "place_lon": place["lon"]})
    purchases = pl.DataFrame([{k: v for k, v in r.items() if k != "place"} for r in rows], infer_schema_length=None)
    tables = {"purchase": purchases, "login": pl.DataFrame(LOGINS), "account": pl.DataFrame(ACCOUNTS)}
    told = pl.DataFrame(
        FRAUDS, schema={"purchase_id": pl.String, "value": pl.Boolean, "known_at": UTC_US}, orient="row"
    )
    return Source({name: frame.cast({"at": UTC_US}) for name, frame in tables.items()}, {"fraud": told})


def open_shop() -> Shop:
    """Return a shop that blocks nothing, so that deciding leaves no outcome."""
    return Shop(shop(model=False, rules=False), at=END)


def lived(until: datetime = END) -> Shop:
    """Return a shop that has decided its past live, and was told of the frauds."""
    desk = open_shop()
    for stream, rows in (("account", ACCOUNTS), ("login", LOGINS), ("purchase", PURCHASES)):
        times = [datetime.fromisoformat(str(row["at"])) for row in rows]
        shown = [dict(row) | {"at": at.isoformat()} for row, at in zip(rows, times, strict=True) if at < until]
        desk.decide(*shown, stream=stream)
    known = [(id_, value) for id_, value, when in sorted(FRAUDS, key=lambda told: told[2]) if when < until]
    desk.decider.change([Change(Kind.LABEL, "purchase", id_, "fraud", float(value)) for id_, value in known])
    return desk


def seen(desk: Shop) -> list[bytes]:
    """Return the bits of the features of purchases that come next."""
    rows = many_purchases(30, seed=2, at=START + timedelta(days=1, hours=1))
    decoded = desk.decider.workspace.door("purchase").rows(rows, strict=False)
    assert not decoded.errors
    return [v.bits("shop") for v in desk.decider.decide("purchase", decoded.events)]


def test_features_after_an_import_are_those_after_deciding_live() -> None:
    desk = open_shop()
    assert import_source(desk.decider, source(), "shop") == 300 + 100 + 6
    live = lived()
    assert seen(desk) == seen(live)
    assert replay([shop(model=False, rules=False)], desk.decider.log).equal


def test_what_was_not_known_by_then_is_left_out() -> None:
    until = START + timedelta(hours=9)
    desk = open_shop()
    count = import_source(desk.decider, source(), "shop", until=until)
    live = lived(until)
    assert count == sum(len(ids) for ids in live.decider.workspace.ids.values()) < 300
    assert seen(desk) == seen(live)


def test_the_past_comes_before_the_first_decision() -> None:
    desk = open_shop()
    desk.decide(purchase(1))
    with pytest.raises(InputError, match="before the first decision"):
        import_source(desk.decider, source(), "shop")


def test_an_imported_event_has_no_decision() -> None:
    desk = open_shop()
    import_source(desk.decider, source(), "shop")
    assert desk.decide(PURCHASES[0]) == ["not_decided"]


def test_a_restart_knows_the_past() -> None:
    desk = open_shop()
    import_source(desk.decider, source(), "shop")
    again = open_shop()
    again.decider = Decider([shop(model=False, rules=False)], desk.decider.log, clock=again.clock)
    log: Any = again.decider.log
    assert len(log) == len(desk.decider.log)
    first = [d.workspace.digest() for d in (desk.decider, again.decider)]
    assert first[0] == first[1]
