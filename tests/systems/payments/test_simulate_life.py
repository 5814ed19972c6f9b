"""Honest life has the shapes of life: hours, weeks, wages, prices, habits, travel."""

from __future__ import annotations

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.geography import distance_km
from tests.systems.payments.simulated import honest


def _share(by: pl.Expr) -> dict[int, float]:
    """Return the share of payments by a whole number."""
    counts = honest().group_by(by.alias("value")).len()
    return {int(value): n / honest().height for value, n in counts.iter_rows()}


def test_days_have_a_night_a_noon_and_an_evening() -> None:
    share = _share(pl.col("local").dt.hour())
    night = sum(share[hour] for hour in range(1, 5))
    assert night < 0.07
    assert share[12] > 1.15 * share[15]
    assert share[18] > 1.15 * share[15]
    assert min(share, key=lambda hour: share[hour]) in (2, 3, 4)


def test_weeks_peak_before_the_weekend_and_rest_on_sunday() -> None:
    share = _share(pl.col("local").dt.weekday())
    assert max(share, key=lambda day: share[day]) in (5, 6)
    assert min(share, key=lambda day: share[day]) == 7
    assert share[5] > 1.15 * share[1]


def test_weekend_mornings_are_slower() -> None:
    early = honest().with_columns(
        rest=pl.col("local").dt.weekday() >= 6, early=pl.col("local").dt.hour().is_between(5, 8)
    )
    share = dict(early.group_by("rest").agg(pl.col("early").mean()).iter_rows())
    assert share[True] < 0.75 * share[False]


def test_wages_are_spent_and_holidays_are_quiet() -> None:
    by_day = honest().group_by(day=pl.col("local").dt.date()).len().filter(pl.col("len") > 100)
    day = by_day["day"]
    payments = dict(by_day.group_by(day.dt.day().alias("number")).agg(pl.col("len").mean()).iter_rows())
    after, before = (
        np.mean([payments[d] for d in (15, 16, 17, 25, 26, 27)]),
        np.mean([payments[d] for d in (12, 13, 14, 22, 23, 24)]),
    )
    assert after > 1.02 * before
    counts = {str(key): value for key, value in by_day.iter_rows()}
    # Epiphany 2025 was a Monday.
    assert counts["2025-01-06"] < 0.85 * np.mean([counts["2025-01-13"], counts["2025-01-20"], counts["2025-02-03"]])


def test_first_digits_follow_benford() -> None:
    digit = honest()["amount_minor"].cast(pl.String).str.slice(0, 1).cast(pl.Int64).to_numpy()
    seen = np.bincount(digit, minlength=10)[1:] / len(digit)
    expected = np.log10(1 + 1 / np.arange(1, 10))
    # Nigrini's bound for close conformity of first digits is a mean deviation of 0.006, for acceptable 0.012.
    assert np.abs(seen - expected).mean() < 0.012


def test_prices_end_as_prices_do() -> None:
    ending = (honest()["amount_minor"] % 100).to_numpy()
    share = {cents: float((ending == cents).mean()) for cents in (99, 95, 0, 50, 37)}
    assert 0.15 < share[99] < 0.4
    assert 0.04 < share[95] < 0.2
    assert 0.08 < share[0] < 0.3
    assert 0.04 < share[50] < 0.2
    assert share[37] < 0.01


def test_amounts_are_heavy_tailed() -> None:
    eur = honest()["eur"].to_numpy()
    assert 15 < np.median(eur) < 35
    assert eur.mean() > 1.6 * np.median(eur)
    assert np.quantile(eur, 0.999) > 30 * np.median(eur)


def test_payments_of_a_user_come_in_clusters() -> None:
    gaps = (
        honest()
        .sort("user", "at")
        .with_columns(gap=pl.col("at").diff().over("user").dt.total_seconds(), n=pl.len().over("user"))
    )
    busy = gaps.filter((pl.col("n") >= 20) & pl.col("gap").is_not_null())
    variation = busy.group_by("user").agg(cv=pl.col("gap").std() / pl.col("gap").mean())["cv"].to_numpy()
    # A Poisson process has a coefficient of variation of 1, and less when estimated from few gaps.
    assert np.median(variation) > 1.15
    within_hour = float((busy["gap"] < 3600).mean())  # type: ignore[arg-type]
    assert 0.2 < within_hour < 0.5


def test_activity_is_heavy_tailed_but_not_owned_by_a_few() -> None:
    counts = np.sort(honest()["user"].value_counts()["count"].to_numpy())[::-1]
    share = counts[: len(counts) // 100].sum() / counts.sum()
    assert 0.04 < share < 0.2
    trade = np.sort(honest()["merchant"].value_counts()["count"].to_numpy())[::-1]
    assert 0.15 < trade[: len(trade) // 20].sum() / trade.sum() < 0.7


def test_habits_settle_and_new_things_keep_coming() -> None:
    flags = honest().with_columns(
        merchant_new=pl.struct("user", "merchant").is_first_distinct(),
        week=(pl.col("at") - pl.col("at").min()).dt.total_days() // 7,
    )
    share = dict(flags.group_by("week").agg(pl.col("merchant_new").mean()).iter_rows())
    assert share[0] > share[4] > share[8]
    assert 0.2 < share[8] < 0.55
    device = flags.filter(pl.col("device").is_not_null()).with_columns(
        device_new=pl.struct("user", "device").is_first_distinct()
    )
    last = device.filter(pl.col("week") == 8)["device_new"].mean()
    assert isinstance(last, float)
    assert 0.04 < last < 0.3


def test_merchants_keep_opening() -> None:
    seen = honest().group_by("merchant").agg(first=(pl.col("at").min() - honest()["at"][0]).dt.total_days())
    late = seen.filter(pl.col("first") > 30).height / seen.height
    assert 0.01 < late < 0.35


def test_some_people_travel_and_nobody_flies_faster_than_a_plane() -> None:
    placed = honest().filter(pl.col("channel") == "pos").sort("user", "at")
    lat, lon = placed["lat"].to_numpy(), placed["lon"].to_numpy()
    km = distance_km(lat[:-1], lon[:-1], lat[1:], lon[1:])
    hours = placed["at"].diff().dt.total_microseconds().to_numpy()[1:] / 3.6e9
    same = (placed["user"][1:] == placed["user"][:-1]).to_numpy()
    far = same & (km > 100)
    assert 0.002 < far.mean() < 0.05
    assert (km[far] / hours[far] > 1000).mean() < 0.05


def test_honest_people_do_what_rules_suspect() -> None:
    h = honest()
    carded = h.filter(pl.col("ip_country").is_not_null() & pl.col("card_country").is_not_null())
    assert 0.02 < (carded["ip_country"] != carded["card_country"]).mean() < 0.15  # type: ignore[operator]
    assert 0.002 < h["proxy"].mean() < 0.03  # type: ignore[operator]
    assert 0.008 < h["declined"].mean() < 0.05  # type: ignore[operator]
    hourly = h.group_by("user", hour=pl.col("at").dt.truncate("1h")).len()
    assert (hourly["len"] >= 5).sum() > 30
    sharing = h.filter(pl.col("device").is_not_null()).group_by("device").agg(pl.col("user").n_unique())
    assert (sharing["user"] >= 2).mean() > 0.01  # type: ignore[operator]


def test_subscriptions_repeat_to_the_cent() -> None:
    silent = honest().filter((pl.col("channel") == "web") & pl.col("device").is_null())
    series = silent.group_by("user", "merchant").agg(pl.len(), pl.col("amount_minor").n_unique())
    several = series.filter(pl.col("len") >= 2)
    assert several.height > 1000
    assert (several["amount_minor"] == 1).mean() > 0.8  # type: ignore[operator]
