"""Leakage: the system as it is passes, and each way of peeking that is planted is caught by the test made for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from adjudge.errors import DefinitionError, InputError
from adjudge.learn.backfill import backfill
from adjudge.learn.leakage import Leakage, leakage
from adjudge.learn.source import Source
from adjudge.learn.table import Table
from adjudge.typing import FloatArray
from tests.learn import worlds


def honest(source: Source) -> Table:
    return backfill(worlds.plan(), source.frames, source.labels).table


def planted(table: Table, name: str, values: FloatArray) -> Table:
    return replace(table, names=(*table.names, name), X=np.vstack([table.X, values]))


def caught(found: Leakage) -> set[tuple[str, str]]:
    every = [(one.feature, one.test) for one in found.found]
    assert len(every) == len(set(every))  # nothing is told twice
    return set(every)


def test_a_system_of_ours_passes_and_says_which_features_read_the_label() -> None:
    found = leakage(worlds.plan(), worlds.source(), worlds.table())
    assert found.found == ()
    assert not found.proven
    readers = dict(found.readers)
    assert set(readers) == {"device_fraud_rate_30d", "merchant_fraud_count_30d", "merchant_bad"}
    assert readers["merchant_fraud_count_30d"] > 0
    assert set(found.tests) == {"cut", "delay", "too_good", "filled_later"}


def of_user(source: Source, *, known: bool) -> FloatArray:
    """Count the frauds of each payment's user: those known at its time, or all that anybody ever reports."""
    frame = source.frames["payment"].sort("at", maintain_order=True).select("payment_id", "at", "user")
    frauds = source.labels["fraud"].filter(pl.col("value")).select("payment_id", "known_at")
    told = frauds.join(frame.select("payment_id", "user"), on="payment_id").select("user", "known_at")
    pairs = frame.with_row_index("row").join(told, on="user")
    if known:
        pairs = pairs.filter(pl.col("known_at") <= pl.col("at"))
    counts = pairs.group_by("row").len()
    result = np.zeros(frame.height)
    result[counts["row"].to_numpy()] = counts["len"].to_numpy()
    return result


def test_a_count_of_frauds_that_nobody_knew_of_yet_is_caught_by_cutting_the_past_off() -> None:
    def peeking(source: Source) -> Table:
        return planted(honest(source), "chargebacks", of_user(source, known=False))

    found = leakage(worlds.plan(), worlds.source(), recompute=peeking)
    assert ("chargebacks", "cut") in caught(found)
    assert {feature for feature, _ in caught(found)} == {"chargebacks"}
    assert found.proven


def test_a_column_of_outcomes_is_caught_though_it_is_about_earlier_events() -> None:
    """Of its own event, or the one before: what matters is when it became known."""

    def peeking(source: Source) -> Table:
        table = honest(source)
        frauds = source.labels["fraud"].filter(pl.col("value"))["payment_id"].to_numpy()
        noise = np.random.default_rng(2).random(8_000)[: len(table)] < 0.3
        return planted(table, "flag", (np.isin(table.ids, frauds) | noise).astype(np.float64))

    found = caught(leakage(worlds.plan(), worlds.source(), recompute=peeking))
    assert ("flag", "cut") in found


def test_a_count_of_known_frauds_that_says_it_reads_no_label_is_caught_by_delaying_labels() -> None:
    def undeclared(source: Source) -> Table:
        return planted(honest(source), "trouble", of_user(source, known=True))

    found = leakage(worlds.plan(), worlds.source(), recompute=undeclared)
    assert caught(found) == {("trouble", "delay")}


def test_a_mean_over_the_whole_file_is_caught_by_cutting_the_past_off() -> None:
    """The commonest leak in notebooks has nothing to do with labels: a statistic over everything, the future too."""

    def whole_file(source: Source) -> Table:
        table = honest(source)
        amount = table.column("amount")
        return planted(table, "amount_z", (amount - amount.mean()) / amount.std())

    assert caught(leakage(worlds.plan(), worlds.source(), recompute=whole_file)) == {("amount_z", "cut")}


def with_column(name: str, values: FloatArray) -> Leakage:
    """Test a column that came with the data, so that computing again gives the same."""

    def recompute(source: Source) -> Table:
        table = honest(source)
        return planted(table, name, values[: len(table)])

    return leakage(worlds.plan(), worlds.source(), recompute=recompute)


def test_a_column_made_from_the_outcome_is_too_good() -> None:
    y = worlds.table().label == 1
    noise = np.random.default_rng(0).normal(size=len(y))
    found = with_column("risk_of_the_old_system", 3.5 * y + noise)
    assert ("risk_of_the_old_system", "too_good") in caught(found)
    assert not found.proven


def test_a_weak_column_made_from_behaviour_is_not_too_good() -> None:
    y = worlds.table().label == 1
    noise = np.random.default_rng(0).normal(size=len(y))
    assert caught(with_column("hunch", 1.2 * y + noise)) == set()


def test_a_column_that_is_filled_in_when_the_truth_comes_out_is_caught_by_its_youth() -> None:
    table = worlds.table()
    closed = (table.label == 1) & (table.known_at <= table.ts[-1])
    some = closed & (np.random.default_rng(0).random(len(table)) < 0.6)
    found = with_column("account_closed", np.where(some, 1.0, np.nan))
    assert ("account_closed", "filled_later") in caught(found)


def test_without_labels_there_is_nothing_to_test() -> None:
    made = worlds.source()
    with pytest.raises(InputError, match="no labels"):
        leakage(worlds.plan(), replace(made, labels={}))
    with pytest.raises(DefinitionError, match="moved"):
        leakage(worlds.plan(), made, worlds.table(), recompute=lambda source: honest(made))
