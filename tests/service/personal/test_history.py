"""The past of persons, brought in as a table: sealed event by event, and counted as if it had been decided live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from adjudge.errors import ConflictError, InputError
from adjudge.log import Kind, MemoryLog
from adjudge.service import blocks
from adjudge.service.replay import replay
from adjudge.service.workspace import Change
from tests.service.personal.bank import USERS, Bank, bank, payment

UTC_US = pl.Datetime("us", "UTC")

ROWS = [
    payment(i, USERS[i % 4], 7.0 * i, merchant=f"m{i % 3}", amount=f"{i}.50", remark=None if i % 5 == 0 else f"for {i}")
    for i in range(60)
]
"""Payments, some without a remark."""


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


def table(rows: list[dict[str, Any]] = ROWS) -> pl.DataFrame:
    """Return payments as a table."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.col("at").str.to_datetime(time_zone="UTC").cast(UTC_US), pl.col("amount").cast(float))


def opened(plan: Any) -> Bank:
    """Return a bank on the day after."""
    desk = Bank(plan, MemoryLog())
    desk.clock.advance(timedelta(days=1))
    return desk


def imported(plan: Any) -> Bank:
    """Return a bank that was told its past."""
    desk = opened(plan)
    assert desk.decider.import_table("payment", table()) == len(ROWS)
    return desk


def seen(desk: Bank) -> list[Any]:
    """Return the features of payments that come next."""
    rows = [payment(f"next-{i}", USERS[i % 4], 60.0 * 20 + i, merchant=f"m{i % 2}") for i in range(8)]
    assert desk.send(*rows) == ["new"] * 8
    return [desk.decider.decision(row["payment_id"]).features for row in rows]


@pytest.mark.parametrize("rows", [7, 4096])
def test_features_after_an_import_are_those_after_deciding_live(
    plan: Any, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In however many blocks and commits it came; waiting labels count as well."""
    monkeypatch.setattr(blocks, "ROWS", rows)
    monkeypatch.setattr(blocks, "BLOCKS", 2)
    fraud = [Change(Kind.LABEL, "payment", f"p{i}", "fraud", 1.0) for i in (3, 30)]
    desk, live = opened(plan), opened(plan)
    desk.decider.change(fraud)
    desk.decider.import_table("payment", table())
    live.decider.change(fraud)
    live.send(*ROWS)
    assert seen(desk) == seen(live)
    assert desk.follower().workspace.digest() == desk.decider.workspace.digest()
    found = replay([plan], desk.log, keys=desk.keys)
    assert (found.events, found.differences) == (8, [])


def test_nothing_of_a_table_is_readable_in_the_log(plan: Any) -> None:
    """Nor left out of it: whoever has the keys reads every event as it was."""
    desk = imported(plan)
    raw = b"".join(commit.payload for commit in desk.log.read())
    for value in (b'"ada"', b"card of", b"for 7"):
        assert value not in raw
    assert b"m1" in raw
    first, block = desk.decider.workspace.lookup.block(len(desk.log) - 1)
    vault = desk.decider.workspace.vault
    door = desk.decider.workspace.doors["payment"]
    at = len(desk.log) - 1 - first
    body = vault.read("payment", "p59", block.bodies[at]).body  # type: ignore[union-attr]
    assert door.one(body) == door.rows([ROWS[59]]).events[0]


def test_imported_events_are_known_and_not_decided(plan: Any) -> None:
    """Sent again they are told apart by their content; labels and retractions reach them."""
    desk = imported(plan)
    assert desk.send(ROWS[3], ROWS[4] | {"amount": "1.00"}) == ["not_decided", "conflict"]
    before = desk.decider.features("merchant", {"merchant": "m0"})["merchant_count_30d"]
    assert desk.decider.change([Change(Kind.RETRACTION, "payment", "p0")]) == ["set"]
    assert desk.decider.features("merchant", {"merchant": "m0"})["merchant_count_30d"] == (before or 0) - 1
    with pytest.raises(ConflictError):
        desk.decider.import_table("payment", table(ROWS[:1]))


def test_an_erased_person_leaves_imported_events_too(plan: Any) -> None:
    """History or not."""
    desk = imported(plan)
    assert desk.erase("ada")
    assert desk.decider.features("user", {"user": "ada"})["user_count_30d"] == 0
    assert desk.decider.features("user", {"user": "bob"})["user_count_30d"] == 15
    assert desk.follower().workspace.digest() == desk.decider.workspace.digest()
    assert not desk.erase("ada")


def test_a_rekey_moves_imported_events_too(plan: Any) -> None:
    """As if they had come one by one."""
    desk = imported(plan)
    desk.rekey(bank(secret=bytes([9]) * 16))
    assert desk.decider.features("user", {"user": "bob"})["user_count_30d"] == 15
    assert desk.send(ROWS[3]) == ["not_decided"]


def test_a_table_that_does_not_fit_is_refused_without_its_values(plan: Any) -> None:
    """Nothing of it is logged."""
    desk = opened(plan)
    end = desk.log.end()
    bad = [payment(1, "zanzibar"), payment(2, "zanzibar", amount="-3.00")]
    with pytest.raises(InputError) as refused:
        desk.decider.import_table("payment", table(bad))
    assert "zanzibar" not in str(refused.value)
    assert desk.log.end() == end
