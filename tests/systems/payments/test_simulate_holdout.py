"""A world with declines: nothing is known of what was declined, and the coin is fair."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adjudge.errors import InputError
from adjudge.systems.payments.data import of_world, simulate
from adjudge.systems.payments.simulate import World, declining, read
from adjudge.systems.payments.simulate import simulate as make
from adjudge.systems.payments.simulate.holdout import REASON, suspicious


@cache
def plain() -> World:
    return make(20_000, seed=2, days=30, fraud_share=0.02)


@cache
def declined() -> World:
    return declining(plain(), 0.2, seed=1)


def test_what_was_declined_has_an_outcome_and_nothing_else() -> None:
    world = declined()
    assert world.approvals is not None
    gone = world.approvals.filter(~pl.col("approved")).select("payment_id")
    assert gone.height > 500
    for frame in (world.labels, world.inquiries):
        assert frame.join(gone, on="payment_id").is_empty()
    told = world.outcomes.join(gone, on="payment_id")
    assert told["declined"].all()
    assert (told["reason"] == REASON).all()
    assert world.truth.join(gone, on="payment_id")["loss"].sum() == 0
    assert world.outcomes["at"].is_sorted()


def test_what_was_let_through_is_known_as_before() -> None:
    world = declined()
    assert world.approvals is not None
    kept = world.approvals.filter("approved").select("payment_id")
    for mine, before in ((world.labels, plain().labels), (world.inquiries, plain().inquiries)):
        assert mine.equals(before.join(kept, on="payment_id", how="semi", maintain_order="left"))
    assert world.payments.equals(plain().payments)
    assert world.truth.drop("loss").equals(plain().truth.drop("loss"))


def test_the_coin_lets_its_share_through_and_says_so() -> None:
    world = declined()
    assert world.approvals is not None
    would = suspicious(plain())
    assert world.approvals["propensity"].to_numpy()[would].tolist() == [0.2] * int(would.sum())
    assert (world.approvals["propensity"].to_numpy()[~would] == 1.0).all()
    assert world.approvals["approved"].to_numpy()[~would].all()
    share = float(world.approvals["approved"].to_numpy()[would].mean())
    assert abs(share - 0.2) < 4 * np.sqrt(0.16 / would.sum())


def test_it_is_written_and_read_with_the_world_and_as_a_source(tmp_path: Path) -> None:
    declined().write(tmp_path / "world")
    found = read(tmp_path / "world").approvals
    expected = declined().approvals
    assert found is not None
    assert expected is not None
    assert found.equals(expected)
    assert of_world(plain()).approvals is None
    made = simulate(2000, seed=3, holdout=0.5)
    assert made.approvals is not None
    assert set(made.approvals["propensity"].unique()) == {0.5, 1.0}


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="let through"):
        declining(plain(), share)
