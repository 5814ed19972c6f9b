"""Queries: SQL over an export, with a view for each table and each stream."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from adjudge.errors import InputError, UnavailableError
from adjudge.log import MemoryLog
from adjudge.service.export import export, query
from adjudge.service.export.query import EMPTY
from tests.service.shop import START, Shop, purchase, shop
from tests.service.test_decider import label


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export of two purchases, one of which was blocked, a sign-in and a label."""
    made = tmp_path_factory.mktemp("exported")
    desk = Shop(shop())
    desk.decide(purchase(1), purchase(2, card="stolen", amount="12.34"))
    desk.decide({"login_id": "l1", "at": START.isoformat(), "user": "u1"}, stream="login")
    desk.decider.change([label("p2")])
    export(desk.decider.log, made)
    return made


def test_tables_are_joined_by_position_and_id(folder: Path) -> None:
    """What was decided, about what, with which features, and what it turned out to be."""
    found = query(
        folder,
        """
        SELECT p.purchase_id, p.amount, d.decision, f.user_count_1h, l.value, d.day
        FROM purchase p JOIN decisions d USING (seq) JOIN features f USING (seq) LEFT JOIN labels l ON l.id = d.id
        ORDER BY seq
        """,
    )
    assert found.columns == ["purchase_id", "amount", "decision", "user_count_1h", "value", "day"]
    day = date(2026, 3, 1)
    assert found.rows == [
        ("p1", Decimal("10.0000"), "approve", 0.0, None, day),
        ("p2", Decimal("12.3400"), "block", 1.0, True, day),
    ]


def test_events_are_those_of_all_streams(folder: Path) -> None:
    """A stream has a view of its own too, with its own fields."""
    assert query(folder, "SELECT stream, count(*) FROM events GROUP BY 1 ORDER BY 1").rows == [
        ("login", 1),
        ("purchase", 2),
    ]
    assert "amount" not in query(folder, "SELECT * FROM login").columns
    assert query(folder, "SELECT ts FROM login").rows == [(START,)]


def test_what_a_decision_says_is_nested(folder: Path) -> None:
    """Reasons as a list, versions and families by name."""
    found = query(folder, "SELECT reasons[1].code, versions['system'] IS NOT NULL FROM decisions WHERE id = 'p2'")
    assert found.rows == [("listed", True)]
    ((versions,),) = query(folder, "SELECT versions FROM decisions WHERE id = 'p2'").rows
    assert versions["model"] == "slope-1"


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    """A question about a log in which little has happened yet is answered, not refused."""
    export(MemoryLog(), tmp_path)
    for name in EMPTY:
        assert query(tmp_path, f"SELECT * FROM {name}").rows == []
    assert query(tmp_path, "SELECT count(*) FROM decisions d JOIN labels l USING (id)").rows == [(0,)]


def test_the_columns_that_are_promised_are_there(folder: Path) -> None:
    """Of a table without rows and of one that has some."""
    for name, columns in EMPTY.items():
        promised = {column.split()[0]: column.split()[1] for column in columns.split(", ")}
        there = {row[0]: row[1] for row in query(folder, f"DESCRIBE SELECT * FROM {name}").rows}
        full = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
        assert promised.keys() <= there.keys()
        assert {name: there[name] for name in promised} == {n: full.get(t, t) for n, t in promised.items()}


def test_a_question_that_cannot_be_answered_says_why(folder: Path) -> None:
    """In one line, with the names that were meant."""
    with pytest.raises(
        InputError, match=r"there is no table 'decisons'; did you mean 'decisions'\? *; there are events, "
    ):
        query(folder, "SELECT * FROM decisons")
    with pytest.raises(InputError, match=r'column "amout" not found.*amount') as told:
        query(folder, "SELECT amout FROM purchase")
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="syntax error"):
        query(folder, "SELEC")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_text('{folder}/../secret.txt')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{folder}/mine.csv'",
        "ATTACH '{folder}/mine.db'",
        "CREATE TABLE mine (a INTEGER)",
        "CREATE OR REPLACE VIEW events AS SELECT 1",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/mine.csv'",
        "",
    ],
)
def test_a_question_only_reads_and_only_the_export(folder: Path, sql: str) -> None:
    """Whoever may ask may not look around, nor leave anything."""
    secret = folder.parent / "secret.txt"
    secret.write_text("secret")
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as refused:
        query(folder, sql.format(secret=secret, folder=folder))
    assert "secret\n" not in str(refused.value)
    assert sorted(folder.rglob("*")) == before


def test_columns_of_the_same_name_are_told_apart(folder: Path) -> None:
    found = query(folder, "SELECT d.id, l.id FROM decisions d JOIN labels l USING (id)")
    assert (found.columns, found.rows) == (["id", "id_2"], [("p2", "p2")])


def test_without_duckdb_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UnavailableError, match="pip install"):
        query(folder, "SELECT 1")
