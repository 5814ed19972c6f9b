"""The handbook's protocol on a small world, and on the authors' own data where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from benchmarks import _handbook as hb
from benchmarks import _handbook_oracle as oracle
from benchmarks import handbook


def world(n: int = 6000, days: int = 40, seed: int = 0) -> hb.Cards:
    """Return transactions of 60 customers at 40 terminals; number 3 is compromised from day 5 to 32."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, days * 86_400, n))
    terminal = random.integers(0, 40, n)
    day = seconds // 86_400
    fraud = ((terminal == 3) & (day >= 5) & (day < 33)).astype(np.int8)
    amount = np.round(np.maximum(random.normal(50, 25, n), 0.5), 2)
    amount[::500] = 250.0
    fraud[::500] = 1
    frame = pl.DataFrame(
        {
            "TRANSACTION_ID": np.arange(n, dtype=np.int32),
            "CUSTOMER_ID": random.integers(0, 60, n).astype(np.int32),
            "TERMINAL_ID": terminal.astype(np.int32),
            "TX_AMOUNT": amount,
            "TX_TIME_SECONDS": seconds.astype(np.int32),
            "TX_TIME_DAYS": day.astype(np.int16),
            "TX_FRAUD": fraud,
            "TX_FRAUD_SCENARIO": np.where(amount > 220, 1, 2 * fraud).astype(np.int8),
        }
    )
    return hb.of_frame(frame)


def test_known_victims_take_no_part_in_the_test() -> None:
    """Day d of the test knows the frauds of the training week and of the days up to seven before d."""
    cards = world()
    fold = hb.fold(cards, 10)
    assert set(cards.day[fold.train].tolist()) == set(range(10, 17))
    expected = []
    for d in range(24, 31):
        known = (cards.fraud == 1) & (
            ((cards.day >= 10) & (cards.day < 17)) | ((cards.day >= 16) & (cards.day <= d - 8))
        )
        victims = set(cards.customer[known].tolist())
        expected += [i for i in np.flatnonzero(cards.day == d) if int(cards.customer[i]) not in victims]
    assert fold.test.tolist() == expected


def test_long_training_reaches_back_further_and_no_nearer() -> None:
    cards = world()
    assert set(cards.day[hb.fold(cards, 10, since=2).train].tolist()) == set(range(2, 17))


def test_features_use_labels_a_week_late_and_not_a_moment_earlier() -> None:
    """A transaction's frauds at its terminal are those whose label was known at its time."""
    cards = world(n=1500)
    table = backfill(compile(hb.cards()), hb.streams(cards)).table
    seconds = cards.frame["TX_TIME_SECONDS"].to_numpy().astype(np.int64)
    terminal = cards.frame["TERMINAL_ID"].to_numpy()
    found = table.column("terminal_settled_fraud_count_14d")
    for i in range(0, 1500, 7):
        age = seconds[i] - seconds - 7 * 86_400
        inside = (terminal == terminal[i]) & (age >= 0) & (age < 14 * 86_400)
        assert found[i] == cards.fraud[inside].sum()
    assert hb.inputs(table).shape == (1500, len(hb.INPUTS))


def test_the_oracle_knows_what_can_be_known() -> None:
    cards = world()
    rows = np.flatnonzero(cards.day >= 20)
    p = oracle.scores(cards, rows)
    amount = cards.frame["TX_AMOUNT"].to_numpy()[rows]
    terminal = cards.frame["TERMINAL_ID"].to_numpy()[rows]
    assert ((p >= 0) & (p <= 1)).all()
    assert (p[amount > 220] == 1.0).all()
    compromised = (terminal == 3) & (cards.day[rows] < 31)
    assert p[compromised].min() > 0.5
    assert np.median(p[(terminal != 3) & (amount < 100)]) < 0.01


def test_the_books_split_on_the_books_data(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data's authors and the protocol give 67,240 rows with 598 frauds, and 58,264 with 385."""
    monkeypatch.setenv("ADJUDGE_DATA", str(data_folder))
    cards = hb.read(hb.SINGLE + 3 * hb.WEEK - 1)
    fold = hb.fold(cards, hb.SINGLE)
    assert (len(fold.train), cards.fraud[fold.train].sum()) == (67_240, 598)
    assert (len(fold.test), cards.fraud[fold.test].sum()) == (58_264, 385)


def test_a_figure_below_its_target_or_too_far_below_the_oracle_is_told() -> None:
    goal = handbook.TARGETS["single"]
    oracle_figures = {"auc": 0.9, "ap": goal["ap"] / 0.96, "cp100": 0.31}
    reached = handbook.targets({"single": goal, "oracle": oracle_figures})
    assert reached["single"]["reached"]
    assert handbook.told(reached)[0].endswith("reached")
    low = handbook.targets({"single": goal | {"auc": goal["auc"] - 0.001}, "oracle": oracle_figures})
    far = handbook.targets({"single": goal, "oracle": oracle_figures | {"ap": goal["ap"] / 0.94}})
    assert not low["single"]["reached"]
    assert not far["single"]["reached"]
    assert handbook.told(far)[0].endswith("MISSED")
    assert set(handbook.targets({"single": goal, "oracle": goal})) == {"single"}
