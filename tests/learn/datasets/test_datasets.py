"""Every public data set is read from files of its own shape, counted, and folded by the system that comes with it."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adjudge.engine import compile
from adjudge.errors import InputError
from adjudge.learn.backfill import backfill
from adjudge.learn.datasets import DATASETS, Edition, dataset, handbook
from tests.learn.datasets.shapes import FILES, write

ROWS = {"tabformer": (3, 1), "paysim": (3, 2), "ecommerce": (3, 1), "handbook": (3, 1)}
"""Rows and frauds of the small files; two and one of the others."""


def events(name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the events of the small files of a set."""
    return DATASETS[name].events(write(name, folder)).to_dicts()


@pytest.mark.parametrize("name", DATASETS)
def test_rows_and_frauds_are_counted_and_held_to_what_was_published(name: str, tmp_path: Path) -> None:
    """The error names both numbers; a part is read when one says that it is one."""
    known, folder = DATASETS[name], write(name, tmp_path)
    found = known.check(folder)
    assert (found.rows, found.frauds) == ROWS.get(name, (2, 1))
    assert (found.edition, found.files) == (None, (next(iter(FILES[name])),))
    with pytest.raises(InputError, match=rf"holds {found.rows} rows, where {known.editions[0].rows:,} \(") as caught:
        known.read(folder)
    assert caught.value.code == "altered_data"
    source = known.read(folder, strict=False)
    assert source.frames[known.system().decides.schema().name].height == found.rows
    assert source.labels["fraud"].height == found.frauds


@pytest.mark.parametrize("name", DATASETS)
def test_the_system_that_comes_with_a_set_folds_its_events(name: str, tmp_path: Path) -> None:
    """Each event is seen, labels come when the delay has passed, and no feature is missing everywhere by mistake."""
    known = DATASETS[name]
    source, system = known.read(write(name, tmp_path), strict=False), known.system()
    assert system.name == name
    assert system.label is not None
    table = backfill(compile(system), source.frames, source.labels).table
    assert (table.label == 1).sum() == ROWS.get(name, (2, 1))[1]
    reported = table.label == 1
    assert (table.known_at[reported] - table.ts[reported] == system.label.delay.total_seconds() * 1e6).all()
    assert (table.amount != 0).all()


@pytest.mark.parametrize("name", DATASETS)
def test_a_published_edition_passes_and_an_altered_one_is_named(name: str, tmp_path: Path) -> None:
    rows, frauds = ROWS.get(name, (2, 1))
    folder = write(name, tmp_path)
    replace(DATASETS[name], editions=(Edition("small", rows, frauds),)).read(folder)
    altered = replace(DATASETS[name], editions=(Edition("small", rows, frauds + 1),))
    with pytest.raises(InputError, match=f"{frauds} frauds among {rows} rows, where {frauds + 1} were published"):
        altered.read(folder)


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_column_is_named_with_what_is_near(name: str, tmp_path: Path) -> None:
    column = next(c for c in DATASETS[name].forms[0].columns if len(c) > 3)
    folder = write(name, tmp_path, lambda text: text.replace(column, column + "x", 1))
    with pytest.raises(InputError, match=f"has no column '{column}'.*did you mean '{column}x'"):
        DATASETS[name].read(folder, strict=False)


@pytest.mark.parametrize("name", DATASETS)
def test_what_a_set_says_about_itself_is_complete(name: str) -> None:
    known = DATASETS[name]
    assert dataset(name) is known
    assert known.obtain.startswith("https://")
    assert known.licence
    assert known.notes
    assert known.system().decides.schema().time_field == "at"


def test_an_unknown_set_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="no data set 'sparkof'; did you mean 'sparkov'"):
        dataset("sparkof")


def test_what_is_not_there_or_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a folder with fraudTrain.csv, .* holds none of them"):
        DATASETS["sparkov"].read(tmp_path)
    with pytest.raises(InputError, match="nowhere is not there"):
        DATASETS["sparkov"].read(tmp_path / "nowhere")
    (tmp_path / "transactions.parquet").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"transactions.parquet cannot be read"):
        DATASETS["handbook"].read(tmp_path)
    folder = write("banksim", tmp_path / "b", lambda text: text.replace("4.55", "cheap"))
    with pytest.raises(InputError, match=r"bs140513_032310.csv cannot be read: .*cheap"):
        DATASETS["banksim"].read(folder)


def test_a_label_that_is_neither_yes_nor_no_is_refused(tmp_path: Path) -> None:
    folder = write("tabformer", tmp_path, lambda text: text.replace(",Yes", ",Perhaps"))
    with pytest.raises(InputError, match="perhaps"):
        DATASETS["tabformer"].read(folder, strict=False)


def test_a_compressed_file_is_read_as_it_is(tmp_path: Path) -> None:
    text = FILES["paysim"]["PS_20174392719_1491204439457_log.csv"]
    (tmp_path / "paysim.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert DATASETS["paysim"].check(tmp_path).rows == 3


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """A converted set is a folder of events and labels like anybody's."""
    known = DATASETS["banksim"]
    source = known.read(write("banksim", tmp_path), strict=False)
    source.write(tmp_path / "converted")
    again = known.read(tmp_path / "converted")
    assert again.frames["payment"].equals(source.frames["payment"])
    assert again.labels["fraud"]["payment_id"].to_list() == ["t1"]


def test_handbook(tmp_path: Path) -> None:
    """In order of time, whole numbers as names, the file's clock as UTC; and the authors' own table."""
    first, _, last = events("handbook", tmp_path)
    assert (first["transaction_id"], first["customer"], first["amount"]) == ("0", "596", 57.16)
    assert first["at"] == datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC)
    assert last["fraud"]
    table = handbook.table(tmp_path, strict=False)
    assert table["TRANSACTION_ID"].to_list() == [0, 1, 2]
    assert table["TX_FRAUD_SCENARIO"].to_list() == [0, 0, 1]
    with pytest.raises(InputError, match="3 rows, where 1,754,155"):
        handbook.table(tmp_path)


def test_sparkov(tmp_path: Path) -> None:
    """The time is that of the text, not the unix time of seven years before; both files are one history."""
    (tmp_path / "fraudTest.csv").write_text(FILES["sparkov"]["fraudTrain.csv"].replace("2019-", "2020-"))
    found = events("sparkov", tmp_path)
    assert [e["at"].year for e in found] == [2019, 2019, 2020, 2020]
    assert found[1]["at"] == datetime(2019, 1, 2, 1, 6, 37, tzinfo=UTC)
    assert found[0]["merchant"] == "fraud_Rippin, Kub and Mann"
    assert (found[0]["place_lat"], found[0]["home_lon"]) == (36.011293, -81.1781)


def test_sparkov_generated_by_oneself(tmp_path: Path) -> None:
    """Homes come from the table of customers, where it is beside."""
    transactions = {
        "trans_id": [0],
        "ts": [datetime(2019, 1, 1, 0, 0, 14)],  # noqa: DTZ001  # the generator knows no zones
        "customer_id": [7],
        "merchant": ["fraud_Huels-Hahn"],
        "category": ["travel"],
        "amt": [1300.29],
        "merch_lat": [41.5],
        "merch_long": [-81.5],
        "is_fraud": [0],
    }
    pl.DataFrame(transactions).write_parquet(tmp_path / "transactions.parquet")
    known = DATASETS["sparkov"]
    assert known.events(tmp_path)["home_lat"].to_list() == [None]
    customers = {"customer_id": [7], "lat": [40.0], "long": [-80.0], "city_pop": [1565]}
    pl.DataFrame(customers).write_parquet(tmp_path / "customers.parquet")
    (event,) = known.events(tmp_path).to_dicts()
    assert (event["home_lat"], event["city_people"], event["customer"]) == (40.0, 1565.0, "7")


def test_ieee_cis(tmp_path: Path) -> None:
    """The device comes from the identity table; an account is a card, an address and the day on which it began."""
    first, second = events("ieee_cis", tmp_path)
    assert first["at"] == datetime(2017, 12, 1, tzinfo=UTC)
    assert (first["card"], first["account"]) == ("13926--150-142", "13926--150-142-315--13")
    assert (first["device"], second["device"]) == (None, "SAMSUNG SM-G892A Build/NRD90M")
    assert (second["account"], second["d1"], second["c14"]) == (None, None, 1.0)


def test_ieee_cis_without_labels(tmp_path: Path) -> None:
    """The competition's test file has none, and is an edition of its own."""
    text = FILES["ieee_cis"]["train_transaction.csv"]
    lines = [",".join(cell for i, cell in enumerate(line.split(",")) if i != 1) for line in text.splitlines()]
    (tmp_path / "test_transaction.csv").write_text("\n".join(lines))
    known = DATASETS["ieee_cis"]
    assert known.check(tmp_path / "test_transaction.csv").frauds is None
    assert known.read(tmp_path / "test_transaction.csv", strict=False).labels == {}
    small = replace(known, editions=(Edition("small", 2, 1),))
    with pytest.raises(InputError, match="no labelled frauds among 2 rows, where 1 were published"):
        small.read(tmp_path / "test_transaction.csv")


def test_creditcard(tmp_path: Path) -> None:
    first, second = events("creditcard", tmp_path)
    assert (first["amount"], first["v1"], first["fraud"]) == (149.62, -1.3598071336738, False)
    assert second["at"] == datetime(2013, 9, 2, 3, 46, 40, tzinfo=UTC)
    assert second["fraud"]


def test_paysim(tmp_path: Path) -> None:
    """Step 1 is the first hour; no balance is read, because frauds were undone in them."""
    found = events("paysim", tmp_path)
    assert [e["at"] for e in found] == [datetime(2017, 1, d, tzinfo=UTC) for d in (1, 1, 2)]
    assert [e["transfer_id"] for e in found] == ["t0", "t1", "t2"]
    assert not [name for name in found[0] if "balance" in name.lower()]


def test_banksim(tmp_path: Path) -> None:
    """Steps are days, and the quotes are off."""
    found = events("banksim", tmp_path)
    assert found[1]["at"] == datetime(2012, 11, 2, tzinfo=UTC)
    assert (found[0]["customer"], found[0]["category"]) == ("C1093826151", "es_transportation")


def test_tabformer(tmp_path: Path) -> None:
    """Dollars, money back, Yes and No, hashes as they are, users put in one order of time."""
    first, second, third = events("tabformer", tmp_path)
    assert first["at"] == datetime(2002, 8, 31, 23, 59, tzinfo=UTC)
    assert (first["card"], first["state"], first["error"], first["fraud"]) == ("1-2", None, "Bad PIN", True)
    assert second["merchant"] == "3527213246127876953"
    assert (third["amount"], third["error"], third["fraud"]) == (-99.0, None, False)


def test_ecommerce(tmp_path: Path) -> None:
    """The country is that of the range that holds the address, and of no range that ends before it."""
    found = {e["purchase_id"]: e for e in events("ecommerce", tmp_path)}
    assert [found[i]["country"] for i in ("22058", "333320", "1359")] == ["Japan", "United States", None]
    assert found["22058"]["ip"] == "732758368"
    (tmp_path / "IpAddress_to_Country.csv").unlink()
    assert DATASETS["ecommerce"].events(tmp_path)["country"].null_count() == 3


REAL = {
    "handbook": ("fdh_simulated", "all days"),
    "sparkov": ("sparkov_generated", "generated by version 1.0, seed 42"),
    "tabformer": ("tabformer_user0", "user 0 alone"),
    "ecommerce": ("ecommerce_fraud", None),
}
"""Folders of real files, and the edition that each is."""


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_files_are_what_was_published(name: str, data_folder: Path) -> None:
    """The e-commerce file is a part of the published one, which is told with both numbers."""
    folder, edition = REAL[name]
    known, path = DATASETS[name], data_folder / "fraud" / folder
    found = known.check(path)
    assert found.edition == edition
    if edition is None:
        assert (found.rows, found.frauds) == (30_189, 2_867)
        with pytest.raises(InputError, match="holds 30,189 rows, where 151,112"):
            known.read(path)
        located = known.events(path)["country"].is_not_null().mean()
        assert located == pytest.approx(0.755, abs=0.0005)


@pytest.mark.slow
def test_one_real_user_is_folded_by_the_system(data_folder: Path) -> None:
    known = DATASETS["tabformer"]
    source = known.read(data_folder / "fraud" / "tabformer_user0")
    table = backfill(compile(known.system()), source.frames, source.labels).table
    assert (len(table), int((table.label == 1).sum())) == (19_963, 27)
    assert table.column("card_count_30d").max() == 90.0
