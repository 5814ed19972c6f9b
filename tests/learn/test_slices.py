"""Slices: figures that can be counted by hand, gaps that are there, and gaps that are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adjudge.errors import ShapeError
from adjudge.learn.bootstrap import Interval
from adjudge.learn.slices import FIGURES, OTHER, Gap, Slicing, _corrected, slicings
from adjudge.learn.table import NEVER, Table
from adjudge.typing import AnyArray, BoolArray, FloatArray


def events(y: FloatArray, entity: AnyArray | None = None) -> Table:
    n = len(y)
    return Table(
        (), np.zeros((0, n)), np.arange(n), y, np.full(n, NEVER), np.ones(n), np.arange(n) if entity is None else entity
    )


def world(gap: float, seed: int = 0, n: int = 6000) -> tuple[Table, BoolArray, AnyArray]:
    """Return events of two countries, of which the second has so many more false alerts."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < 0.1).astype(np.float64)
    country = np.where(random.random(n) < 0.3, "BE", "AT")
    chance = np.where(y == 1, 0.7, 0.05 + gap * (country == "BE"))
    return events(y, random.integers(0, n // 4, n)), random.random(n) < chance, country


def test_figures_counted_by_hand() -> None:
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0], dtype=np.float64)
    alert = np.array([1, 0, 1, 0, 1, 0, 0, 0], dtype=np.bool_)
    part = np.array(["a", "a", "a", "a", "b", "b", "b", "b"])
    ((a, b),) = (one.slices for one in slicings(events(y), alert, {"part": part}, least=1, rounds=5))
    assert (a.name, a.events, a.frauds, a.alerts) == ("a", 4, 2, 2)
    assert [a.figures[name].value for name in FIGURES] == [0.5, 0.5, 0.5, 0.5]
    assert [b.figures[name].value for name in FIGURES] == [0.25, 0.0, 1.0, 1.0]


def test_a_gap_that_is_there_is_found_and_its_interval_holds_it() -> None:
    table, alert, country = world(gap=0.06)
    ((one,),) = (slicings(table, alert, {"country": country}),)
    gaps = {gap.figure: gap for gap in one.gaps}
    found = gaps["false_positive_rate"]
    assert (found.low, found.high) == ("AT", "BE")
    assert found.p < 0.001
    assert found.size.low is not None
    assert found.size.high is not None
    assert found.size.low < 0.06 < found.size.high
    assert gaps["recall"].p > 0.05


def test_where_there_is_no_gap_few_are_found() -> None:
    """Of forty worlds without a gap the corrected test may find one in about two of them."""
    found = 0
    for seed in range(40):
        table, alert, country = world(gap=0.0, seed=seed, n=1500)
        (one,) = slicings(table, alert, {"country": country}, rounds=60)
        found += any(gap.p < 0.05 for gap in one.gaps)
    assert found <= 6


def test_events_of_one_customer_are_not_taken_for_many() -> None:
    """Ten events each, all of them with an alert or none: a tenth as much is known as there are events."""
    found = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        who = np.repeat(np.arange(200), 10)
        alert, country = (random.random(200) < 0.3)[who], np.where(random.random(200) < 0.5, "AT", "BE")[who]
        (one,) = slicings(events(np.zeros(2000), who), alert, {"country": country}, rounds=60)
        found += any(gap.p < 0.05 for gap in one.gaps)
    assert found <= 4


def test_the_chance_of_a_gap_between_two_is_that_of_the_test_of_two_shares() -> None:
    """Shares of 10 and 13 % of a thousand each; three gaps were looked at, so Holm takes it three times."""
    alert = np.concatenate([np.arange(1000) < 100, np.arange(1000) < 130])
    part = np.repeat(["a", "b"], 1000)
    (one,) = slicings(events(np.zeros(2000)), alert, {"part": part}, rounds=400)
    z = 0.03 / np.sqrt(0.1 * 0.9 / 1000 + 0.13 * 0.87 / 1000)
    gaps = {gap.figure: gap.p for gap in one.gaps}
    assert set(gaps) == {"alert_rate", "false_positive_rate", "precision"}
    assert gaps["alert_rate"] == pytest.approx(3 * math.erfc(z / math.sqrt(2)), rel=0.3)


def test_chances_are_corrected_by_holm() -> None:
    """The least three times, the next twice and no less than the one before, the largest once and likewise."""
    gaps = tuple(Gap("recall", "a", "b", Interval(0.1), p) for p in (0.04, 0.01, 0.03))
    (one,) = _corrected([Slicing("field", (), gaps)])
    assert [gap.p for gap in one.gaps] == pytest.approx([0.06, 0.03, 0.06])


def test_numbers_are_put_into_bins_and_missing_ones_into_their_own() -> None:
    table, alert, _ = world(gap=0.0, n=1000)
    age = np.linspace(18, 80, 1000)
    age[::10] = np.nan
    few = np.tile([1.0, 2.0], 500)
    binned, counted = slicings(table, alert, {"age": age, "cards": few}, rounds=5)
    assert [part.name for part in binned.slices][-1] == "missing"
    assert len(binned.slices) == 6
    assert sum(part.events for part in binned.slices) == 1000
    assert max(part.events for part in binned.slices) < 260
    assert [part.name for part in counted.slices] == ["1", "2"]


def test_no_two_slices_have_one_name_and_infinite_values_have_their_place() -> None:
    table, alert, _ = world(gap=0.0, n=400)
    shop = np.tile([1e15, 1e15 + 1, 1e15 + 2, 1e15 + 3], 100)
    speed = np.where(np.arange(400) < 300, np.inf, np.linspace(0, 90, 400))
    shops, speeds = slicings(table, alert, {"shop": shop, "speed": speed}, rounds=5)
    assert [part.name for part in shops.slices] == [f"100000000000000{i}" for i in range(4)]
    assert (speeds.slices[-1].name, speeds.slices[-1].events) == ("inf to inf", 300)
    assert sum(part.events for part in speeds.slices) == 400


def test_values_with_too_few_events_stand_together_and_figures_on_too_few_are_not_told() -> None:
    y = np.zeros(100)
    y[:3] = 1
    value = np.array(["a"] * 50 + ["b"] * 46 + [None] * 3 + ["c"], dtype=object)
    (one,) = slicings(events(y), np.ones(100, dtype=np.bool_), {"kind": value}, rounds=5)
    assert [(part.name, part.events) for part in one.slices] == [("a", 50), ("b", 46), (OTHER, 4)]
    assert one.slices[0].figures["recall"].value is None
    assert "recall" not in {gap.figure for gap in one.gaps}


def test_a_column_of_another_length_is_refused() -> None:
    table, alert, _ = world(gap=0.0, n=100)
    with pytest.raises(ShapeError, match="age"):
        slicings(table, alert, {"age": np.zeros(3)})
