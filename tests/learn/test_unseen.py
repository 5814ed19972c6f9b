"""Declined traffic: on the simulator naive figures are wrong, and weighted ones right within their intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.table import NEVER, Table
from adjudge.learn.unseen import PROPENSITY, SEEN, Unseen, unseen
from adjudge.systems.payments.simulate import declining, simulate
from adjudge.systems.payments.simulate.holdout import suspicious
from adjudge.typing import BoolArray, FloatArray

SHARE = 0.1


def world(seed: int, events: int = 30_000) -> tuple[Table, BoolArray, FloatArray, FloatArray]:
    """Return payments with labels where they were let through, what a model says of them, and the truth."""
    plain = simulate(events, seed=seed, days=30, fraud_share=0.03)
    made = declining(plain, SHARE, seed=seed)
    assert made.approvals is not None
    truth = made.truth["fraud"].to_numpy().astype(np.float64)
    n = len(truth)
    seen = made.approvals["approved"].to_numpy()
    # a model that sees what the old rule sees, and something more
    score = 0.8 * suspicious(plain) + 1.2 * truth + np.random.default_rng(seed).normal(size=n)
    table = Table(
        (),
        np.zeros((0, n)),
        made.payments["at"].dt.epoch("us").to_numpy(),
        np.where(seen, truth, np.nan),
        np.full(n, NEVER),
        (made.payments["amount"] * made.payments["rate"]).to_numpy(),
        made.payments["user"].to_physical().rank("dense").to_numpy(),
        extra={SEEN: seen.astype(np.float64), PROPENSITY: made.approvals["propensity"].to_numpy()},
    )
    return table, score > 1.6, score, truth


def found(seed: int = 0, events: int = 30_000, rounds: int = 200) -> Unseen:
    table, alert, score, truth = world(seed, events)
    return unseen(table, alert, score, truth=truth, rounds=rounds)


def test_an_interval_draws_whole_customers() -> None:
    """Every payment three times over tells no more than once; taken for those of three customers it would."""
    table, alert, score, _ = world(0, 3_000)
    rows = np.repeat(np.arange(len(table)), 3)
    thrice, alone = table.select(rows), np.arange(len(rows))
    widths = []
    for entity in (np.repeat(np.arange(len(table)), 3), alone):
        one = unseen(replace(thrice, entity=entity), alert[rows], score[rows], rounds=100).figures["fraud_share"]
        assert one.weighted.low is not None
        assert one.weighted.high is not None
        widths.append(one.weighted.high - one.weighted.low)
    assert 1.4 < widths[0] / widths[1] < 2.1


def test_the_naive_estimate_is_wrong_and_the_weighted_one_is_right_within_its_interval() -> None:
    figures = found().figures
    for name in ("fraud_share", "frauds_per_day", "precision", "average_precision", "false_positive_rate"):
        one = figures[name]
        assert one.truth is not None
        assert one.naive.low is not None
        assert one.naive.high is not None
        assert one.weighted.low is not None
        assert one.weighted.high is not None
        assert not one.naive.low <= one.truth <= one.naive.high, name
        assert one.weighted.low <= one.truth <= one.weighted.high, name


def test_over_many_worlds_the_weighted_estimate_is_right_on_average_and_its_interval_mostly_holds_the_truth() -> None:
    """An unbiased sum over eight worlds; a 95 % interval of a heavy-tailed sum may miss once or twice."""
    worlds = [found(seed, 12_000, 40).figures["frauds_per_day"] for seed in range(8)]
    ratio = [one.weighted.value / one.truth for one in worlds if one.weighted.value is not None and one.truth]
    naive = [one.naive.value / one.truth for one in worlds if one.naive.value is not None and one.truth]
    assert abs(float(np.mean(ratio)) - 1) < 0.05
    assert float(np.mean(naive)) < 0.7
    inside = [
        one.weighted.low <= one.truth <= one.weighted.high
        for one in worlds
        if one.weighted.low is not None and one.weighted.high is not None and one.truth is not None
    ]
    assert sum(inside) >= 6


def test_counted_by_hand() -> None:
    """Two of four suspicious payments were let through, one of them a fraud: it stands for two."""
    extra = {SEEN: np.array([1.0, 1, 0, 0, 1, 1]), PROPENSITY: np.array([0.5, 0.5, 0.5, 0.5, 1, 1])}
    table = Table(
        (), np.zeros((0, 6)), np.arange(6), np.array([1.0, 0, np.nan, np.nan, 0, 1]), np.full(6, NEVER),
        np.full(6, 10.0), np.arange(6), extra=extra,
    )  # fmt: skip
    one = unseen(table, np.array([1, 1, 1, 1, 0, 0], dtype=np.bool_), np.arange(6.0)[::-1], rounds=0)
    assert (one.events, one.declined, one.tried, one.least_propensity) == (6, 2, 2, 0.5)
    assert one.figures["frauds_per_day"].weighted.value == 3.0
    assert one.figures["frauds_per_day"].naive.value == 2.0
    assert one.figures["fraud_share"].weighted.value == 0.5
    assert one.figures["recall"].weighted.value == pytest.approx(2 / 3)
    assert one.figures["precision"].weighted.value == 0.5
    assert one.figures["precision"].naive.value == 0.25
    assert one.effective == pytest.approx(36 / 10)


def test_an_event_that_could_not_have_been_seen_is_refused() -> None:
    table, alert, score, _ = world(0)
    never = replace(table, extra={**table.extra, PROPENSITY: np.zeros(len(table))})
    with pytest.raises(DefinitionError, match="chance above 0"):
        unseen(never, alert, score)
    with pytest.raises(ShapeError, match="propensity"):
        unseen(replace(table, extra={SEEN: table.extra[SEEN]}), alert, score)
