"""Exporting: every entry of the log is a row, and what was exported in parts is what was exported at once."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adjudge.define import Event, Id, Key, Money, Rules, System, Text, Time, days, field
from adjudge.engine import compile as compile_system
from adjudge.errors import InputError
from adjudge.log import Kind, MemoryLog, entries_of
from adjudge.service.decider import Decider
from adjudge.service.export import export, files
from adjudge.service.export.files import MANIFEST
from tests.service.shop import START, Shop, many_purchases, purchase, shop
from tests.service.test_decider import busy_day, history


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture(scope="module")
def desk(plan: Any) -> Shop:
    """Return a decider after weeks of imported history and a busy day."""
    made = Shop(plan)
    made.decider.import_table("purchase", history(40))
    busy_day(made)
    return made


@pytest.fixture(scope="module")
def folder(desk: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the whole log as Parquet."""
    made = tmp_path_factory.mktemp("exported")
    export(desk.decider.log, made)
    return made


def table(folder: Path, dataset: str) -> pl.DataFrame:
    """Return a table of an export in log order."""
    parts = [pl.read_parquet(file, hive_partitioning=True) for file in sorted((folder / dataset).rglob("*.parquet"))]
    return pl.concat(parts, how="diagonal_relaxed").sort("seq")


def test_every_entry_of_the_log_is_a_row_of_one_table(desk: Shop, folder: Path) -> None:
    """Positions run on over events, labels and notes, without a gap and none twice."""
    seqs = pl.concat([table(folder, name)["seq"] for name in ("events", "labels", "notes")])
    assert seqs.sort().to_list() == list(range(len(desk.decider.log)))


def test_events_have_their_fields_in_columns_of_their_types(desk: Shop, folder: Path) -> None:
    """Exact amounts, times in UTC, places in two numbers; what was missing is null."""
    rows = {row["purchase_id"]: row for row in many_purchases(120)}
    found = table(folder / "events", "stream=purchase").filter(pl.col("purchase_id").is_in(list(rows)))
    assert found.height == 120
    assert found.schema["amount"] == pl.Decimal(20, 4)
    for row in found.iter_rows(named=True):
        sent = rows[row["purchase_id"]]
        assert row["amount"] == Decimal(sent["amount"])
        assert row["at"] == row["ts"]
        assert row["at"].isoformat() == sent["at"]
        assert row["place"] == sent.get("place", {"lat": None, "lon": None} if row["place"] else None)
        assert row["card"] == sent.get("card")
        assert row["day"] == row["at"].date()
    logins = table(folder / "events", "stream=login")
    assert logins["login_id"].to_list() == [f"l{i}" for i in range(0, 120, 24)]
    accounts = table(folder / "events", "stream=account")
    assert accounts["verified"].to_list() == [i > 48 for i in range(0, 120, 24)]


def test_imported_history_is_among_the_events_on_the_days_on_which_it_happened(folder: Path) -> None:
    given = history(40)
    found = table(folder / "events", "stream=purchase").filter(pl.col("day") < START.date())
    assert found["purchase_id"].to_list() == given["purchase_id"].to_list()
    assert found["ts"].to_list() == given["at"].to_list()
    assert [float(amount) for amount in found["amount"]] == given["amount"].to_list()
    assert found["received_at"].dt.date().unique().to_list() == [START.date()]


def test_decisions_are_what_their_clients_were_told(desk: Shop, folder: Path) -> None:
    """Every member of the answer, and every feature behind it."""
    decisions = {row["id"]: row for row in table(folder, "decisions").iter_rows(named=True)}
    features = {row["id"]: row for row in table(folder, "features").iter_rows(named=True)}
    assert len(decisions) == len(features) == 120
    for id_, row in decisions.items():
        stored = desk.decider.decision(id_)
        told = json.loads(stored.record)
        for name in ("seq", "decision", "score", "probability", "reason", "rules", "method", "degraded", "latency_ms"):
            assert row[name] == told[name]
        assert row["reasons"] == [{"value": None, **reason} for reason in told["reasons"]]
        assert dict(row["versions"]) == told["versions"]
        assert row["system"] == "shop"
        assert {name: features[id_][name] for name in stored.features} == stored.features


def test_labels_and_retractions_are_rows_of_the_day_they_came(desk: Shop, folder: Path) -> None:
    """In the order of the log, with what they say."""
    said = [
        (entry.seq, entry.kind.name.lower(), entry.id, json.loads(bytes(entry.content)))
        for commit in desk.decider.log.read()
        for entry in entries_of(commit)
        if entry.kind in (Kind.LABEL, Kind.RETRACTION)
    ]
    found = table(folder, "labels")
    rows = found.select("seq", "kind", "id", "name", "value").rows()
    assert rows == [(seq, kind, id_, said.get("name"), said.get("value")) for seq, kind, id_, said in said]
    assert found["day"].unique().to_list() == [START.date()]
    assert set(found["stream"]) == {"purchase"}


def test_parts_are_the_whole(plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported as it grows, in short steps, and at once: the same rows."""
    desk = Shop(plan)
    monkeypatch.setattr(files, "STEP", 7)
    starts = []
    for i in range(4):
        desk.clock.advance(timedelta(hours=5))
        desk.decide(*many_purchases(10, seed=i, at=desk.clock.at))
        found = export(desk.decider.log, tmp_path / "parts")
        starts.append((found.start, found.stop, found.rows["events"]))
    assert starts == [(0, 11, 10), (11, 21, 10), (21, 31, 10), (31, 41, 10)]
    assert export(desk.decider.log, tmp_path / "parts").files == 0
    monkeypatch.setattr(files, "STEP", 100_000)
    export(desk.decider.log, tmp_path / "whole")
    for name in ("events", "decisions", "features", "notes"):
        assert table(tmp_path / "parts", name).equals(table(tmp_path / "whole", name))


def test_what_an_export_left_behind_that_was_cut_short_counts_for_nothing(
    desk: Shop, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files without a manifest that names them are made again, and half-written ones removed."""
    monkeypatch.setattr(files, "STEP", 50)
    told: list[int] = []

    def killed(position: int, stop: int) -> None:
        told.append(position)
        if len(told) == 2:
            (tmp_path / "again" / MANIFEST).write_bytes(first)
            raise KeyboardInterrupt
        first.extend((tmp_path / "again" / MANIFEST).read_bytes())

    first = bytearray()
    with pytest.raises(KeyboardInterrupt):
        export(desk.decider.log, tmp_path / "again", told=killed)
    (half,) = [next((tmp_path / "again" / "labels").rglob("part-*"))]
    half.with_name(".part-0000000000000999.parquet.tmp").write_bytes(b"half")
    monkeypatch.setattr(files, "STEP", 100_000)
    found = export(desk.decider.log, tmp_path / "again")
    assert found.start == told[0]
    for name in ("events", "decisions", "features", "labels", "notes"):
        assert table(tmp_path / "again", name).equals(table(folder, name))
    assert not list((tmp_path / "again").rglob("*.tmp"))


def test_a_new_version_of_a_system_is_read_by_its_own_card(plan: Any, tmp_path: Path) -> None:
    """Later decisions know nothing of rules and a model that earlier ones had."""
    log, desk = MemoryLog(), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    desk.decide(purchase(1, card="stolen"))
    desk.decider = Decider([shop(rules=False, model=False)], log, clock=desk.clock)
    desk.decide(purchase(2, card="stolen"))
    export(log, tmp_path)
    found = table(tmp_path, "decisions")
    assert found["rules"].to_list() == [["listed"], []]
    assert found["probability"].is_null().to_list() == [False, True]


class Transfer(Event):
    """A transfer from a customer's account."""

    transfer_id: Id
    at: Time
    customer: Key = field(person=True)
    remark: Text | None = field(personal=True)
    amount: Money


def test_what_is_personal_stays_sealed(tmp_path: Path) -> None:
    """Neither its values nor what they are sealed in leave the log; everything else of the event does."""
    features = [Transfer.by("customer").count(days(30))]
    desk = Shop(compile_system(System("transfers", decides=Transfer, features=features, rules=Rules())))
    row = {"transfer_id": "t1", "at": START.isoformat(), "customer": "ada", "remark": "from ada", "amount": "10.00"}
    desk.decide(row, stream="transfer")
    export(desk.decider.log, tmp_path)
    found = table(tmp_path, "events")
    shown = found.select("transfer_id", "customer", "remark", "amount").row(0)
    assert shown == ("t1", None, None, Decimal("10.0000"))
    assert not any("sealed" in name for name in found.columns)
    assert not any(b"ada" in part.read_bytes() for part in tmp_path.rglob("*.parquet"))


def test_the_export_of_another_log_is_refused(desk: Shop, plan: Any, folder: Path, tmp_path: Path) -> None:
    """Nothing is mixed up, nor written into a folder of something else."""
    other = Shop(plan)
    busy_day(other)
    with pytest.raises(InputError, match="made from another log"):
        export(other.decider.log, folder)
    with pytest.raises(InputError, match="made from another log"):
        export(MemoryLog(), folder)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(InputError, match="holds something else"):
        export(desk.decider.log, tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"{}")
    with pytest.raises(InputError, match="cannot be read"):
        export(desk.decider.log, tmp_path)


def test_a_log_that_was_archived_goes_on_where_the_export_ended(plan: Any, tmp_path: Path) -> None:
    """What is needed to read it was noted; a new folder cannot know it, and one that was left behind has a gap."""
    desk = Shop(plan)
    desk.decide(*many_purchases(10))
    export(desk.decider.log, tmp_path / "kept")
    export(desk.decider.log, tmp_path / "left")
    desk.decide(*many_purchases(10, seed=2))
    desk.decider.log.drop(11)
    assert export(desk.decider.log, tmp_path / "kept").rows["decisions"] == 10
    with pytest.raises(InputError, match="stands before the log's begin"):
        export(desk.decider.log, tmp_path / "new")
    desk.decide(*many_purchases(10, seed=3))
    desk.decider.log.drop(21)
    with pytest.raises(InputError, match="ends at position 11, but the log begins at 21"):
        export(desk.decider.log, tmp_path / "left")
