"""Hot spots: what is planted is found, chance is not, and nobody is counted twice or before they have said anything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import ShapeError
from adjudge.monitor.hotspots import DAY_US, Field, Place, Reports, Spot, _discovered, scan
from adjudge.typing import IntArray

DAYS = 90
SHOPS = 200
A_DAY = 500


def field(seed: int, planted: int = 0, *, victims: int | None = None, shop: int = 7, at_day: float = 85.0) -> Field:
    """Return a field of shops with two reports a day by chance, and more of one shop if that is wanted."""
    rng = np.random.default_rng(seed)
    n = DAYS * A_DAY
    ts = np.sort(rng.integers(0, DAYS * DAY_US, n))
    code = rng.zipf(1.5, n) % SHOPS
    frauds = rng.choice(n, 2 * DAYS, replace=False)
    known = ts[frauds] + (rng.exponential(3.0, len(frauds)) * DAY_US).astype(np.int64)
    victim = np.arange(n)
    if planted:
        rows = np.flatnonzero((ts > (at_day - 5) * DAY_US) & (ts < at_day * DAY_US))[:planted]
        code[rows] = shop
        victim[rows] = np.arange(planted) % (victims or planted)
        frauds, known = np.append(frauds, rows), np.append(known, np.full(planted, int(at_day * DAY_US)))
    reports = Reports.of(frauds, np.ones(len(frauds), np.bool_), known)
    return Field(ts, victim, np.full(n, 10.0), [Place("shop", code, [f"s{i}" for i in range(SHOPS)])], reports)


def test_a_planted_spot_is_found_with_its_figures() -> None:
    spot, *others = scan(field(1, 6), 86 * DAY_US)
    assert others == []
    assert (spot.id, spot.victims, spot.amount) == ("shop=s7", 6, 60.0)
    assert spot.ratio > 5
    assert 0 < spot.p <= spot.q <= 0.01
    assert spot.first_us == 85 * DAY_US


def test_before_anybody_has_reported_it_there_is_none() -> None:
    assert scan(field(1, 6), 85 * DAY_US - 1) == []


def test_one_customer_with_many_reports_is_no_place() -> None:
    assert scan(field(1, 6, victims=1), 86 * DAY_US) == []
    assert scan(field(1, 6, victims=2), 86 * DAY_US) == []


def test_what_was_taken_back_does_not_count() -> None:
    made = field(1, 6)
    back = made.reports.row[made.reports.known_at == 85 * DAY_US]
    told = np.concatenate([made.reports.row, back])
    known = np.concatenate([made.reports.known_at, np.full(6, int(85.5 * DAY_US))])
    fraud = np.concatenate([np.ones(len(made.reports.row), np.bool_), np.zeros(6, np.bool_)])
    reports = Reports.of(told, fraud, known)
    again = Field(made.ts, made.victim, made.amount, made.places, reports)
    assert [spot.id for spot in scan(again, int(85.4 * DAY_US))] == ["shop=s7"]
    assert scan(again, 86 * DAY_US) == []


def test_a_place_that_has_always_been_so_is_not_hot() -> None:
    made = field(1)
    rng = np.random.default_rng(2)
    rows = rng.choice(len(made.ts), 180, replace=False)
    code = made.places[0].code.copy()
    code[rows] = 7
    told, known = np.append(made.reports.row, rows), np.append(made.reports.known_at, made.ts[rows] + DAY_US)
    reports = Reports.of(told, np.ones(len(told), np.bool_), known)
    steady = Field(made.ts, made.victim, made.amount, [Place("shop", code, made.places[0].names)], reports)
    assert [spot for day in range(80, 90) for spot in scan(steady, day * DAY_US)] == []


def test_chance_alone_is_told_no_more_often_than_is_said() -> None:
    """Two hundred independent looks at worlds without a spot, at a rate of a hundredth."""
    alarms = sum(bool(scan(field(seed), day * DAY_US)) for seed in range(100) for day in (75, 88))
    assert alarms <= 6  # of a binomial with mean 2 at most, this is passed once in a thousand times


def test_without_a_past_nothing_is_told() -> None:
    assert scan(field(1, 6, at_day=6.0), 7 * DAY_US) == []
    nobody = Reports.of(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.int64))
    made = field(1)
    assert scan(Field(made.ts, made.victim, made.amount, made.places, nobody), 86 * DAY_US) == []


def test_columns_have_to_fit() -> None:
    made = field(1)
    with pytest.raises(ShapeError):
        Field(made.ts, made.victim[1:], made.amount, made.places, made.reports)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 50))
def test_discovery_rates_follow_the_definition(p: list[float], more: int) -> None:
    """What is told at a rate are as many of the smallest as the step up of Benjamini and Hochberg lets through."""
    chances, tested = np.array(p), len(p) + more
    q = _discovered(chances, tested)
    ranked = np.sort(chances)
    for rate in (0.01, 0.2, 0.5):
        passed = [k for k in range(1, len(p) + 1) if ranked[k - 1] * tested / k <= rate]
        assert int((q <= rate).sum()) == (0 if not passed else int((chances <= ranked[passed[-1] - 1]).sum()))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 9)), max_size=30), st.integers(0, 10))
def test_the_last_label_counts_at_every_moment(told: list[tuple[int, bool, int]], as_of: int) -> None:
    told = sorted(told, key=lambda one: one[2])
    rows, known = (np.array([one[i] for one in told], np.int64) for i in (0, 2))
    made = Reports.of(rows, np.array([one[1] for one in told], np.bool_), known)
    live: IntArray = made.row[(made.known_at <= as_of) & (as_of < made.until)]
    last = {row: value for row, value, at in told if at <= as_of}
    assert sorted(set(live.tolist())) == sorted(row for row, value in last.items() if value)


def test_a_spot_is_plain_data() -> None:
    assert Spot("a=b", "a", "b", 1, 3, 0.1, 30.0, 1.0, 2.0, 0).q == 1.0
