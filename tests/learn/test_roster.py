"""The roster of rings: members, money and times of each, as of a moment, on a table and from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from adjudge.learn.roster import Asked, roster, write
from adjudge.learn.source import Source
from adjudge.systems.payments.definition import payments

START = datetime(2025, 1, 1, tzinfo=UTC)

ROWS = (  # user, device, card, amount
    ("ann", "d1", "c1", 10.0),
    ("bob", "d1", None, 20.0),
    ("cid", "d2", "c1", 40.0),
    ("dan", "d3", "c9", 80.0),
    ("ann", "d4", None, 160.0),
    ("eve", "d5", "c5", 320.0),
    ("fay", "d5", "c6", 640.0),
)


@pytest.fixture
def source() -> Source:
    columns = dict(zip(("user", "device", "card", "amount"), zip(*ROWS, strict=True), strict=True))
    frame = pl.DataFrame(
        {
            "payment_id": [f"p{i}" for i in range(len(ROWS))],
            "at": [START + timedelta(days=i) for i in range(len(ROWS))],
            "merchant": ["m"] * len(ROWS),
            **columns,
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    said = [("p1", True, 2), ("p4", True, 30), ("p2", True, 3), ("p2", False, 5)]
    labels = pl.DataFrame(
        {
            "payment_id": [id_ for id_, _, _ in said],
            "value": [value for _, value, _ in said],
            "known_at": [START + timedelta(days=day) for _, _, day in said],
        }
    )
    return Source({"payment": frame}, {"fraud": labels})


def test_each_ring_is_told_with_members_money_and_times(source: Source) -> None:
    """Ann and Bob share a device, Ann and Cid a card; the second fraud is not known yet, the third was withdrawn."""
    rings, table = roster(payments(), source)
    assert len(rings) == 2
    first, second = table.to_dicts()
    assert first["members"] == ["ann", "bob", "cid"]
    assert first["shares"] == ["card:c1", "device:d1", "device:d2", "device:d4"]
    assert (first["users"], first["shared"], first["edges"], first["events"], first["frauds"]) == (3, 4, 6, 4, 1)
    assert (first["amount"], first["fraud_amount"]) == (230.0, 20.0)
    assert (first["first_seen"], first["last_seen"]) == (START, START + timedelta(days=4))
    assert (second["members"], second["frauds"], second["amount"]) == (["eve", "fay"], 0, 960.0)


def test_it_is_as_of_a_moment(source: Source) -> None:
    moment = round((START + timedelta(days=1, hours=1)).timestamp() * 1e6)
    _, table = roster(payments(), source, Asked(as_of=moment))
    (only,) = table.to_dicts()
    assert (only["members"], only["events"], only["frauds"], only["fraud_amount"]) == (["ann", "bob"], 2, 0, 0.0)
    # one fraud was reported on the third day and withdrawn on the fifth: on the fourth it was one
    for day, frauds in ((4, 2), (6, 1)):
        at = round((START + timedelta(days=day)).timestamp() * 1e6)
        assert roster(payments(), source, Asked(as_of=at))[1]["frauds"].to_list()[0] == frauds
    _, none = roster(payments(), source, Asked(hub=1))
    assert none.height == 0


def test_a_field_that_is_no_key_is_named(source: Source) -> None:
    with pytest.raises(InputError, match="no key 'devise'; did you mean 'device'"):
        roster(payments(), source, Asked(over=("devise",)))
    with pytest.raises(InputError, match="no key 'amount'"):
        roster(payments(), source, Asked(who="amount"))


def test_a_file_has_them_all(source: Source, tmp_path: Path) -> None:
    _, table = roster(payments(), source)
    write(table, tmp_path / "rings.parquet")
    assert pl.read_parquet(tmp_path / "rings.parquet").equals(table)
    write(table, tmp_path / "rings.csv")
    assert pl.read_csv(tmp_path / "rings.csv")["members"].to_list() == ["ann bob cid", "eve fay"]
    with pytest.raises(InputError, match=r"neither \.parquet nor \.csv"):
        write(table, tmp_path / "rings.txt")


def test_from_the_command_line(source: Source, tmp_path: Path) -> None:
    source.write(tmp_path / "world")
    options = ["rings", "--data", str(tmp_path / "world"), "--least", "2"]
    said = CliRunner().invoke(app, [*options, "--json"])
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    assert (facts["rings"], facts["hubs"], facts["shown"][0]["members"]) == (2, 0, ["ann", "bob", "cid"])
    told = CliRunner().invoke(app, [*options, "--to", str(tmp_path / "rings.csv"), "--as-of", "2025-01-03"])
    assert told.exit_code == 0, told.output
    assert "1 rings of 2 users or more" in told.stdout
    assert (tmp_path / "rings.csv").is_file()
