"""Fraud: every pattern is there, does what its name says, costs what it costs, and comes out late."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from adjudge.systems.payments.simulate import PATTERNS, SHARES, simulate
from adjudge.systems.payments.simulate.fraud import budgets
from adjudge.systems.payments.simulate.geography import distance_km
from adjudge.systems.payments.simulate.labels import REPORTING
from tests.systems.payments.simulated import fraud, honest, told, world


def _of(name: str) -> pl.DataFrame:
    return fraud().filter(pl.col("pattern") == name)


def _reports() -> pl.DataFrame:
    """Return reports of true fraud with the payment beside each."""
    return world().labels.filter("fraud").join(fraud(), on="payment_id")


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_its_share(name: str) -> None:
    assert _of(name).height == budgets(fraud().height)[name]
    assert _of(name).height == pytest.approx(SHARES[name] * fraud().height, abs=1)


def test_fraud_does_not_stop_and_does_not_pile_up() -> None:
    day = (fraud()["at"] - honest()["at"][0]).dt.total_days()
    weekly = np.bincount(day.to_numpy() // 7, minlength=9)[:9]
    assert weekly.min() > 0.35 * weekly.mean()
    assert weekly.max() < 2.2 * weekly.mean()
    assert fraud()["at"].value_counts()["count"].max() == 1


def test_fraud_costs_more_than_honest_payments_but_not_always() -> None:
    loss = fraud().filter(pl.col("loss") > 0)["loss"].to_numpy()
    assert 2.0 < loss.mean() / honest()["eur"].to_numpy().mean() < 6.0
    assert (loss < 30).mean() > 0.15
    assert told().filter("declined")["loss"].max() == 0.0


def test_stolen_card_spree_runs_for_hours() -> None:
    cases = _of("stolen_card_spree").group_by("case").agg(
        hours=(pl.col("at").max() - pl.col("at").min()).dt.total_seconds() / 3600,
        cards=pl.col("card").n_unique(), n=pl.len(),
    )  # fmt: skip
    assert cases["hours"].max() < 12  # type: ignore[operator]
    assert cases["n"].mean() > 4  # type: ignore[operator]
    # A card that is reported in the middle of a spree would be replaced; nearly none is.
    assert (cases["cards"] == 1).mean() > 0.9  # type: ignore[operator]


def test_card_testing_is_many_small_then_large() -> None:
    tries = _of("card_testing").with_columns(small=pl.col("amount") < 12)
    assert 0.6 < tries["small"].mean() < 0.95  # type: ignore[operator]
    assert tries["declined"].mean() > 0.25  # type: ignore[operator]
    order = tries.sort("at").group_by("case", "card").agg(
        first=pl.col("small").first(), last=pl.col("small").last(), n=pl.len()
    )  # fmt: skip
    assert order["first"].mean() > 0.95  # type: ignore[operator]
    assert 0.3 < 1 - order["last"].mean() < 0.8  # type: ignore[operator]
    assert tries.group_by("case").agg(pl.col("user").n_unique())["user"].median() >= 4  # type: ignore[operator]


def test_account_takeover_comes_from_a_device_never_seen() -> None:
    takeover = _of("account_takeover")
    known = told().join(takeover.select("user", "device", at_theft="at"), on=["user", "device"])
    earlier = known.filter((pl.col("at") < pl.col("at_theft")) & ~pl.col("fraud"))
    assert earlier.height < 0.02 * takeover.height
    assert takeover["device"].null_count() == 0


def test_impossible_travel_is_faster_than_a_plane() -> None:
    rows = told().filter(pl.col("channel") == "pos").sort("user", "at").with_columns(
        lat0=pl.col("lat").shift(1).over("user"), lon0=pl.col("lon").shift(1).over("user"),
        hours=pl.col("at").diff().over("user").dt.total_seconds() / 3600,
    ).filter(pl.col("pattern") == "impossible_travel")  # fmt: skip
    first = rows.sort("at").unique("case", keep="first").drop_nulls("lat0")
    km = distance_km(*(first[name].to_numpy() for name in ("lat0", "lon0", "lat", "lon")))
    assert (km / first["hours"].to_numpy() > 500).mean() > 0.6


def test_compromised_merchant_has_seen_the_cards_before() -> None:
    cashed = _of("compromised_merchant")["card"].unique()
    before = honest().filter(pl.col("card").is_in(cashed.implode()))
    reached = before.group_by("merchant").agg(pl.col("card").n_unique())["card"].max()
    assert reached > 0.25 * len(cashed)  # type: ignore[operator]


def test_colluding_merchants_are_few_and_busy_with_fraud() -> None:
    per_merchant = _of("colluding_merchant").group_by("merchant").len()
    assert per_merchant.height <= max(2, _of("colluding_merchant").height // 60)
    crooked = told().filter(pl.col("merchant").is_in(per_merchant["merchant"].implode()))
    assert crooked["fraud"].mean() > 0.3  # type: ignore[operator]


def test_device_farm_shares_few_devices_among_young_accounts() -> None:
    rings = _of("device_farm").group_by("case").agg(
        devices=pl.col("device").n_unique(), users=pl.col("user").n_unique()
    )  # fmt: skip
    assert (rings["devices"] <= 4).all()
    assert rings["users"].max() >= 12  # type: ignore[operator]
    opened = world().accounts.unique("user", keep="first").select("user", "opened")
    age = _of("device_farm").join(opened, on="user").select((pl.col("at") - pl.col("opened")).dt.total_days())
    assert age["at"].median() < 45  # type: ignore[operator]
    young = told().join(opened, on="user").filter((pl.col("at") - pl.col("opened")).dt.total_days() < 30)
    # Being young is no proof.
    assert young["fraud"].mean() < 0.3  # type: ignore[operator]


def test_bust_out_grows_and_ends() -> None:
    cases = _of("bust_out").sort("at").group_by("case", "user").agg(
        first=pl.col("eur").head(4).median(), last=pl.col("eur").tail(4).median(), end=pl.col("at").max()
    )  # fmt: skip
    assert (cases["last"] > cases["first"]).mean() > 0.55  # type: ignore[operator]
    after = honest().join(cases.select("user", "end"), on="user").filter(pl.col("at") > pl.col("end"))
    assert after.height == 0


def test_hot_spot_sends_everything_to_one_area() -> None:
    areas = _of("hot_spot")["postal_area"].value_counts()
    assert areas.height == 1
    total = told().filter(pl.col("postal_area") == areas["postal_area"][0])
    assert total["fraud"].mean() > 0.03  # type: ignore[operator]


def test_quiet_fraud_looks_legitimate() -> None:
    assert fraud().filter("looks_legitimate")["pattern"].unique().to_list() == ["quiet"]
    assert 0.10 <= fraud()["looks_legitimate"].mean() <= 0.20  # type: ignore[operator]


def test_reports_come_late_by_case() -> None:
    delay = (_reports()["known_at"] - _reports()["at"]).dt.total_seconds() / 86400
    assert delay.min() > 0  # type: ignore[operator]
    assert 2 < delay.median() < 7  # type: ignore[operator]
    assert 0.55 < (delay <= 7).mean() < 0.85  # type: ignore[operator]
    assert delay.quantile(0.99) > 25  # type: ignore[operator]
    slow, fast = (
        _reports().filter(pl.col("pattern") == name).select(pl.col("known_at") - pl.col("at")).to_series().median()
        for name in ("bust_out", "account_takeover")
    )
    assert slow > 2 * fast  # type: ignore[operator]
    assert world().labels["known_at"].is_sorted()


def test_some_fraud_is_never_reported() -> None:
    reported = fraud()["payment_id"].is_in(world().labels.filter("fraud")["payment_id"].implode())
    assert 0.03 < 1 - reported.mean() < 0.15  # type: ignore[operator]
    quiet = reported.filter(fraud()["pattern"] == "quiet")
    assert 1 - quiet.mean() == pytest.approx(REPORTING["quiet"][1], abs=0.1)  # type: ignore[operator]


def test_some_honest_payments_are_disputed_and_some_disputes_withdrawn() -> None:
    disputed = world().labels.join(honest().select("payment_id"), on="payment_id")
    claims, withdrawn = disputed.filter("fraud"), disputed.filter(~pl.col("fraud"))
    assert 0.0001 < claims.height / honest().height < 0.001
    assert 0.1 < withdrawn.height / claims.height < 0.55
    pairs = claims.join(withdrawn, on="payment_id", suffix="_later")
    assert pairs.height == withdrawn.height
    assert (pairs["known_at_later"] > pairs["known_at"]).all()


def _alive_again(began: dict[str, float]) -> int:
    """Return how many honest payments there are of customers who had vanished with the money."""
    made = simulate(12_000, days=60, seed=0, fraud_share=0.1, begins=began)
    told = made.truth.join(made.payments, on="payment_id")
    gone = told.filter(pl.col("pattern") == "bust_out").group_by("user").agg(began=pl.col("at").min())
    assert gone.height
    return told.filter(pl.col("pattern").is_null()).join(gone, on="user").filter(pl.col("at") > pl.col("began")).height


@pytest.mark.parametrize("began", [{}, {"hot_spot": 50}, {"hot_spot": 50, "bust_out": 20, "quiet": 40}])
def test_whoever_vanished_stays_away_when_cases_of_another_pattern_are_left_out(began: dict[str, float]) -> None:
    assert _alive_again(began) == 0


def test_a_world_in_which_nothing_begins_later_is_the_same_world() -> None:
    plain, empty, first = (
        simulate(3_000, days=30, seed=3, fraud_share=0.1, begins=begins) for begins in (None, {}, {"bust_out": 0.0})
    )
    for other in (empty, first):
        for name in ("payments", "accounts", "truth", "labels"):
            assert getattr(other, name).equals(getattr(plain, name)), name


def test_no_case_of_a_pattern_begins_before_its_day() -> None:
    made = simulate(6_000, days=60, seed=0, fraud_share=0.1, begins={"hot_spot": 30})
    told = made.truth.join(made.payments, on="payment_id")
    days = (told.filter(pl.col("pattern") == "hot_spot")["at"] - told["at"].min()).dt.total_days()
    assert len(days)
    assert days.min() >= 29  # type: ignore[operator]  # the first payment comes a moment after the world begins
