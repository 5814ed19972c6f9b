"""The world as delivered: columns, order, keys, settings, files."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from adjudge.errors import InputError
from adjudge.systems.payments import simulate as module
from adjudge.systems.payments.simulate import read, simulate
from adjudge.systems.payments.simulate.seasons import easter
from adjudge.systems.payments.simulate.world import FRAMES
from tests.systems.payments.simulated import DAYS, EVENTS, FRAUD_SHARE, world

REQUIRED = {
    "payment_id", "at", "utc_offset_min", "user", "postal_area", "merchant", "category", "amount_minor",
    "amount", "currency", "rate", "method", "channel", "proxy",
}  # fmt: skip


def test_counts_are_exact() -> None:
    drawn = world()
    assert drawn.payments.height == EVENTS
    assert drawn.truth["fraud"].sum() == round(EVENTS * FRAUD_SHARE)
    assert drawn.outcomes.height == EVENTS


def test_documented_columns_are_the_delivered_ones() -> None:
    assert module.__doc__ is not None
    table = module.__doc__.split("================")
    documented = {name for row in "".join(table).splitlines() for name in row[:18].split(", ")}
    for column in world().payments.columns:
        assert column in {name.strip() for name in documented}, column


def test_required_columns_are_never_null() -> None:
    nulls = world().payments.null_count().row(0, named=True)
    assert {name for name, count in nulls.items() if count == 0} == REQUIRED


def test_values_are_sane() -> None:
    p = world().payments
    assert p["payment_id"].n_unique() == p.height
    assert p["amount_minor"].min() >= 1  # type: ignore[operator]
    assert ((p["amount"] * 100).round().cast(pl.Int64) == p["amount_minor"]).all()
    assert p.filter(pl.col("currency") == "EUR")["rate"].unique().to_list() == [1.0]
    assert p["lat"].is_null().eq(p["lon"].is_null()).all()
    assert p.select(pl.any_horizontal(pl.col(pl.Float64).is_nan().any())).item() is False
    assert p["at"].is_sorted()
    start = datetime(2025, 1, 1, tzinfo=UTC)
    assert p["at"][0] >= start
    assert p["at"][-1] < start + timedelta(days=DAYS)


def test_channels_bring_their_own_fields() -> None:
    p = world().payments
    pos, phone = p.filter(pl.col("channel") == "pos"), p.filter(pl.col("channel") == "phone")
    for column in ("device", "address", "ip", "typing_speed"):
        assert pos[column].null_count() == pos.height, column
    assert pos["lat"].null_count() == 0
    assert phone["device"].null_count() == phone.height
    cards = p.group_by("method").agg(pl.col("card").is_null().mean())
    assert dict(cards.iter_rows()) == {"card": 0, "wallet": 0, "transfer": 1, "direct_debit": 1, "invoice": 1}
    assert p["card"].is_null().eq(p["card_country"].is_null()).all()
    assert p["ip"].is_null().eq(p["ip_country"].is_null()).all()


def test_device_is_the_hash_of_its_traits() -> None:
    row = world().payments.filter(pl.col("device").is_not_null()).row(0, named=True)
    text = "\n".join(row[name] for name in ("browser", "system", "screen", "timezone"))
    assert row["device"] == hashlib.sha256(text.encode()).hexdigest()


def test_network_addresses_are_nobodys() -> None:
    shared, benchmark = ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("198.18.0.0/15")
    for text in world().payments["ip"].drop_nulls().unique().sample(500, seed=1):
        address = ipaddress.ip_address(text)
        assert address in shared or address in benchmark


def test_proxy_says_what_the_list_says() -> None:
    drawn = world()
    p = drawn.payments.filter(pl.col("ip").is_not_null())
    assert p["proxy"].eq(p["ip"].is_in(drawn.lists["proxy_ips"])).all()


def test_lists_are_known_before_the_first_payment() -> None:
    lists = world().lists
    assert 20250101 in lists["holidays"]
    assert lists["pay_days"] == [1, 15, 25]
    used = world().payments.filter(pl.col("card").is_in(lists["blocked_cards"]))
    # A blocked card is only ever tried by somebody who should not have it.
    assert used.height > 0
    assert world().truth.filter(pl.col("payment_id").is_in(used["payment_id"].implode()))["fraud"].all()
    assert used.height < 0.1 * world().truth.filter("fraud").height


def test_clocks_follow_summer_time() -> None:
    drawn = simulate(2000, days=14, start=datetime(2025, 3, 25, tzinfo=UTC))
    switch = datetime(2025, 3, 30, 1, tzinfo=UTC)
    home = drawn.payments.filter(pl.col("postal_area").str.starts_with("DE") & (pl.col("channel") == "pos"))
    assert home.filter(pl.col("at") < switch)["utc_offset_min"].unique().to_list() == [60]
    assert home.filter(pl.col("at") >= switch)["utc_offset_min"].unique().to_list() == [120]


def test_accounts_start_before_their_payments() -> None:
    drawn = world()
    first = drawn.accounts.group_by("user").agg(pl.col("at").min(), pl.col("opened").first(), pl.len())
    joined = drawn.payments.join(first, on="user", how="left", suffix="_account")
    assert joined["at_account"].null_count() == 0
    assert (joined["at_account"] <= joined["at"]).all()
    assert drawn.accounts["at"].is_sorted()
    assert drawn.accounts["verification"].is_between(0, 3).all()
    assert (first["len"] > 1).sum() > 20


def test_answers_arrive_within_seconds() -> None:
    both = world().payments.join(world().outcomes, on="payment_id", suffix="_answer")
    wait = (both["at_answer"] - both["at"]).dt.total_microseconds() / 1e6
    assert wait.min() >= 1.0  # type: ignore[operator]
    assert wait.max() <= 10.0  # type: ignore[operator]
    assert world().outcomes["at"].is_sorted()
    assert both.filter("declined")["reason"].null_count() == 0
    assert both.filter(~pl.col("declined"))["reason"].is_null().all()


def test_same_seed_same_world_other_seed_other_world() -> None:
    one, two, three = (simulate(3000, days=10, seed=seed, fraud_share=0.05) for seed in (5, 5, 6))
    for name in FRAMES:
        assert_frame_equal(getattr(one, name), getattr(two, name))
    assert one.lists == two.lists
    assert not one.payments.equals(three.payments)


def test_written_world_reads_back_the_same(tmp_path: Path) -> None:
    drawn = simulate(2000, days=8)
    drawn.write(tmp_path / "new" / "folder")
    back = read(tmp_path / "new" / "folder")
    for name in FRAMES:
        assert_frame_equal(getattr(back, name), getattr(drawn, name))
    assert back.lists == drawn.lists


def test_reading_from_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"payments\.parquet"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"events": 10}, "events"),
        ({"days": 1}, "days"),
        ({"fraud_share": 0.9}, "fraud_share"),
        ({"start": datetime(2025, 1, 1)}, "start"),  # noqa: DTZ001
        ({"customers": 3}, "customers"),
        ({"merchants": 3}, "merchants"),
        ({"patterns": {"quiet": -1.0}}, "patterns"),
    ],
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate(**{"events": 2000, **settings})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_unknown_pattern_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'device_farm'"):
        simulate(2000, patterns={"device_frm": 1.0})


def test_patterns_can_be_chosen() -> None:
    drawn = simulate(3000, days=20, fraud_share=0.1, patterns={"device_farm": 3, "quiet": 1})
    counts = dict(drawn.truth["pattern"].drop_nulls().value_counts().iter_rows())
    assert counts == {"device_farm": 225, "quiet": 75}


@pytest.mark.parametrize("events", [200, 5001])
@pytest.mark.parametrize("days", [7, 40])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.2])
def test_small_and_strange_sizes_work(events: int, days: int, share: float) -> None:
    drawn = simulate(events, days=days, fraud_share=share, customers=60, merchants=60, seed=2)
    assert drawn.payments.height == events
    assert drawn.truth["fraud"].sum() == round(events * share)


def test_easter_moves() -> None:
    assert [easter(year) for year in (2024, 2026, 2038)] == [
        date(2024, 3, 31),
        date(2026, 4, 5),
        date(2038, 4, 25),
    ]
