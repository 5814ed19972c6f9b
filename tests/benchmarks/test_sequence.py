"""The sequence net's measurement: its steps are the card's last payments, and its figures belong to every cell."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from adjudge.models.sequence import CELLS, find_steps
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb
from benchmarks import _sequence as sequence

from .test_handbook import world


@pytest.fixture(scope="module")
def data() -> hb.Cards:
    return world()


@pytest.fixture(scope="module")
def X(data: hb.Cards) -> FloatArray:
    return sequence.inputs(data)


def test_steps_are_the_last_payments_of_the_card(data: hb.Cards, X: FloatArray) -> None:
    """As polars sees them, for every payment."""
    steps = find_steps(sequence.NAMES)
    assert [len(steps), len(steps[0])] == [sequence.LAST, len(sequence.STEMS)]
    column = {name: X[:, i] for i, name in enumerate(sequence.NAMES)}
    seconds = pl.col("TX_TIME_SECONDS").cast(pl.Float64)
    for k in (1, 5, sequence.LAST):
        seen = data.frame.select(
            amount=pl.col("TX_AMOUNT").shift(k).over("CUSTOMER_ID"),
            since=(seconds - seconds.shift(k)).over("CUSTOMER_ID"),
        ).cast(pl.Float64)
        np.testing.assert_array_equal(column[f"customer_amount_last_{sequence.LAST}_{k}"], seen["amount"].to_numpy())
        np.testing.assert_array_equal(column[f"customer_since_last_s_{sequence.LAST}_{k}"], seen["since"].to_numpy())


def test_figures_are_of_every_cell(data: hb.Cards, X: FloatArray) -> None:
    settings = {cell: {"epochs": 1, "hidden": 4, "head": 8} for cell in CELLS}
    said: list[str] = []
    found = sequence.figures(data, X, said.append, settings=settings, starts=(10, 12))
    assert [text.split(":")[0] for text in said] == [*CELLS]
    for cell in CELLS:
        assert 0.0 < found[cell]["ap"] <= 1.0
        assert 0.0 < found[cell]["batched_us"] < found[cell]["contributions_us"]


def test_what_the_steps_are_worth_is_told_apart(data: hb.Cards, X: FloatArray) -> None:
    setting = {"epochs": 1, "hidden": 4, "head": 8}
    found = sequence.without(data, X, list[str]().append, cell="gru", setting=setting, starts=(10,))
    assert found["beside_only"]["ap"] != found["steps_only"]["ap"]
