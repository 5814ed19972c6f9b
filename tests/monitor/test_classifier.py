"""Telling two windows apart: chance where they are alike, and the field that differs where they are not."""

from __future__ import annotations

import polars as pl

from adjudge.monitor.classifier import separation
from adjudge.monitor.fields import Kind
from tests.monitor.made import events

KINDS: dict[str, Kind] = {"amount": "number", "channel": "category", "method": "category", "user": "key"}


def test_windows_that_are_alike_are_not_told_apart() -> None:
    found = separation(events(days=5, seed=1).head(1500), events(days=5, seed=2).head(1500), KINDS)
    assert found.auc.low is not None
    assert found.auc.value is not None
    assert found.auc.low < 0.5 < found.auc.value + 0.05
    assert {name for name, _ in found.fields} == {"amount", "channel", "method"}


def test_what_differs_is_named() -> None:
    other = events(days=5, seed=2).with_columns(pl.col("amount") * 2)
    found = separation(events(days=5, seed=1), other, KINDS)
    assert found.auc.low is not None
    assert found.auc.low > 0.6
    assert found.fields[0][0] == "amount"
    assert found.fields[0][1] > 0.8
    assert found == separation(events(days=5, seed=1), other, KINDS)
