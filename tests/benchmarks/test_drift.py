"""The protocol of the drift suite: what a scenario holds, that changes are what they say, and how looks are judged."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from benchmarks import _drift
from benchmarks._drift import DAY_US, SCENARIOS, Case, Look, build, judge

NAMES = {scenario.name: scenario for scenario in SCENARIOS}


def parts(name: str) -> tuple[Case, pl.DataFrame, pl.DataFrame]:
    """Return a scenario, and its payments before and since the change, of the days before and after it."""
    case = build(NAMES[name], 1)
    assert case.change_us is not None
    at = pl.col("at").to_physical()
    before = case.payments.filter(at < case.change_us, at >= case.change_us - 9 * DAY_US)
    return case, before, case.payments.filter(at >= case.change_us)


def test_half_of_forty_scenarios_change_and_half_of_these_are_the_pipelines() -> None:
    assert Counter(scenario.cause for scenario in SCENARIOS) == {"none": 20, "world": 10, "pipeline": 10}
    assert len(NAMES) == 40


def test_a_scenario_is_a_function_of_its_seed_and_in_order_of_time() -> None:
    one, same, other = (build(NAMES["few_payments"], seed) for seed in (1, 1, 2))
    assert one.payments.equals(same.payments)
    assert not one.payments.equals(other.payments)
    at = one.payments["at"].to_physical()
    assert at.is_sorted()
    assert (int(at[0]) - one.start_us) // DAY_US == 0
    assert (int(at[-1]) - one.start_us) // DAY_US == _drift.DAYS - 1
    assert one.watch_us == one.start_us + 42 * DAY_US


def test_nothing_is_changed_before_the_change() -> None:
    changed = build(NAMES["cents_for_euros"], 1)
    assert changed.change_us is not None
    before = pl.col("at").to_physical() < changed.change_us
    untouched = _drift._world(datetime(2025, 4, 7, tzinfo=UTC), 1_000 + 13, 3_000 * _drift.DAYS)
    expected = untouched.filter(before).select("payment_id", "amount")
    assert changed.payments.filter(before).select("payment_id", "amount").equals(expected)


@pytest.mark.parametrize(
    ("name", "measure", "low", "high"),
    [
        ("amounts_up_after_holiday", pl.col("amount").median(), 1.05, 1.30),
        ("currency_switched", (pl.col("currency") == "GBP").mean(), 5.0, 9.0),
        ("typing_gone_in_app", pl.col("typing_speed").is_null().mean(), 1.05, 1.3),
        ("cents_for_euros", pl.col("amount").median(), 80.0, 125.0),
        ("methods_renamed", pl.col("method").str.contains("[a-z]").mean(), 0.0, 0.0),
        ("app_feed_stale", (pl.col("channel") == "app").mean(), 0.0, 0.0),
        ("new_market", (pl.col("card_country") == "US").mean(), 2.3, 3.3),
        ("marketplaces_twice", (pl.col("category") == "marketplace").mean(), 1.6, 2.2),
        ("web_to_app", (pl.col("channel") == "web").mean(), 0.78, 0.92),
        ("delivered_twice", pl.len().cast(pl.Float64), 0.95, 1.3),
    ],
)
def test_changes_are_what_they_say(name: str, measure: pl.Expr, low: float, high: float) -> None:
    _, before, after = parts(name)
    ratio = after.select(measure).item() / before.select(measure).item()
    assert low <= ratio <= high


def test_a_new_pattern_is_what_joins_and_the_clock_is_hours_ahead() -> None:
    _, before, after = parts("new_card_testing")
    small = pl.col("amount_eur") < 3
    assert after.select(small.mean()).item() > before.select(small.mean()).item() + 0.005
    ahead, _, later = parts("clock_ahead")
    assert ahead.change_us is not None
    assert int(later["at"].to_physical().min()) >= ahead.change_us + 2 * 3_600_000_000  # type: ignore[arg-type]


def test_the_score_is_computed_from_what_arrives() -> None:
    _, before, after = parts("cents_for_euros")
    assert after["probability"].mean() > 5 * before["probability"].mean()  # type: ignore[operator]
    assert (after["reason"] == "high_amount").mean() > (before["reason"] == "high_amount").mean()  # type: ignore[operator]


def test_looks_are_judged_by_the_protocol() -> None:
    real, none = NAMES["clock_ahead"], NAMES["easter"]
    start = 100 * DAY_US
    change = start + 45 * DAY_US + DAY_US // 2

    def case(scenario: _drift.Scenario) -> Case:
        at = change if scenario.cause != "none" else None
        return Case(scenario, pl.DataFrame(), start, start + 42 * DAY_US, at)

    def looks(*causes: _drift.Cause) -> list[Look]:
        return [Look(start + (43 + day) * DAY_US, cause) for day, cause in enumerate(causes)]

    quiet = looks(*(("none",) * 12))
    right = looks("none", "none", "none", "world", "pipeline", "world")
    late = looks("none", "none", "none", "none", "none", "pipeline")
    early = looks("none", "world", "none", "none", "none", "none")
    found = judge(
        [(case(real), right), (case(real), late), (case(real), early), (case(none), quiet), (case(none), early)]
    )
    rows = found["scenarios"]
    assert isinstance(rows, list)
    assert [row.get("flagged") for row in rows[:3]] == [True, False, False]
    assert rows[0] == {
        "name": "clock_ahead", "cause": "pipeline", "flagged": True, "after_hours": 12.0, "said": "pipeline",
        "told_apart": True, "alarms_before": 0,
    }  # fmt: skip
    assert rows[2]["alarms_before"] == 1
    shares = {name: found[name]["share"] for name in ("flagged", "false_alarms", "told_apart")}  # type: ignore[index]
    assert shares == {
        "flagged": pytest.approx(1 / 3, abs=1e-3),
        "false_alarms": 0.5,
        "told_apart": pytest.approx(1 / 3, abs=1e-3),
    }
    assert np.isclose(found["false_alarms_by_looks"]["share"], 2 / (3 * 3 + 12 + 6), atol=1e-3)  # type: ignore[index]
