"""Payments from other people's files: the handbook's, in any form and order, with labels or without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adjudge.errors import InputError
from adjudge.systems.payments.data import read
from tests.learn.datasets.shapes import HANDBOOK


def test_the_handbook_is_known_by_its_columns(tmp_path: Path) -> None:
    """In order of time, customers as users with a card, terminals as merchants; frauds are known a week later."""
    (tmp_path / "cards.csv").write_text(HANDBOOK)
    source = read(tmp_path / "cards.csv")
    frame, labels = source.frames["payment"], source.labels["fraud"]
    assert frame["payment_id"].to_list() == ["t0", "t1", "t2"]
    assert frame.row(0, named=True) == {
        "payment_id": "t0",
        "at": datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC),
        "user": "c596",
        "card": "c596",
        "merchant": "m3156",
        "amount": 57.16,
    }
    known = datetime(2018, 4, 2, 7, 56, tzinfo=UTC) + timedelta(days=7)
    assert labels.to_dicts() == [{"payment_id": "t2", "value": True, "known_at": known}]


def test_the_handbook_without_labels_has_none(tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text(HANDBOOK.replace("TX_FRAUD,", "TX_OTHER,"))
    source = read(tmp_path / "cards.csv")
    assert source.frames["payment"].height == 3
    assert source.labels == {}


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError):
        read(tmp_path / "cards.csv")
