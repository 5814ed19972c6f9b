"""Watching a span: silence where nothing changes, the right cause where something does, and no look ahead."""

from __future__ import annotations

import polars as pl
import pytest

from adjudge.errors import InputError
from adjudge.monitor import Watch, watch
from adjudge.monitor.days import DAY_US
from tests.monitor.made import CHANGE_US, END_US, WATCH_US, events, since

AMOUNT = pl.col("amount")


def watched(frame: pl.DataFrame) -> Watch:
    return watch(frame, WATCH_US, until_us=END_US)


def causes(found: Watch) -> list[str]:
    return [day.verdict.cause if day.verdict is not None else "" for day in found.days]


def marks(found: Watch, day: int) -> set[str]:
    verdict = found.days[day].verdict
    assert verdict is not None
    return {one.mark for one in verdict.evidence}


def test_nothing_is_the_matter_where_nothing_has_changed() -> None:
    found = watched(events())
    assert causes(found) == [""] * 7
    assert found.days[0].date == "2026-03-30"
    assert found.kinds == {
        "id": "id", "user": "key", "country": "category", "currency": "category", "channel": "category",
        "method": "category", "amount": "number", "session_s": "number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "mark", "change", "where"),
    [
        ("world", "scaled", {"amount": (AMOUNT * 1.35).round(2)}, None),
        ("world", "appeared", {"method": pl.lit("crypto")}, pl.col("user").str.ends_with("7")),
        ("pipeline", "unit", {"amount": AMOUNT * 100}, None),
        ("pipeline", "unit", {"amount": AMOUNT / 100}, pl.col("channel") == "web"),
        ("pipeline", "missing", {"session_s": pl.lit(None)}, pl.col("channel") == "app"),
        ("pipeline", "renamed", {"method": pl.col("method").str.to_uppercase()}, None),
        ("pipeline", "exchanged", {"currency": pl.col("currency").replace({"EUR": "GBP", "GBP": "EUR"})}, None),
        (
            "pipeline",
            "default",
            {"session_s": pl.lit(30.0)},
            pl.col("user").str.ends_with("7") & (pl.col("channel") != "pos"),
        ),
    ],
)
def test_whose_change_it_is(cause: str, mark: str, change: dict[str, pl.Expr], where: pl.Expr | None) -> None:
    found = watched(since(change, where=where))
    assert causes(found)[:2] == ["", ""]
    assert causes(found)[3] == cause
    assert mark in marks(found, 3)


def test_all_amounts_up_and_currencies_exchanged_are_told_differently() -> None:
    """Both raise what is counted in euros by about as much."""
    dearer = watched(since({"amount": (AMOUNT * 1.35).round(2)})).days[3].verdict
    switched = watched(since({"currency": pl.col("currency").replace({"EUR": "GBP", "GBP": "EUR"})})).days[3].verdict
    assert dearer is not None
    assert switched is not None
    assert "about the same in" in dearer.evidence[0].words
    assert switched.evidence[0].words.startswith("EUR and GBP have exchanged their shares of currency")


def test_a_feed_that_stops_and_events_that_come_twice() -> None:
    frame = events()
    late = pl.col("at").dt.epoch("us") >= CHANGE_US
    stopped = watched(frame.filter(~(late & (pl.col("channel") == "app"))))
    assert causes(stopped)[3] == "pipeline"
    assert "stopped" in marks(stopped, 3)
    again = frame.filter(late).sample(fraction=0.05, seed=1)
    again = again.with_columns(pl.col("id") + "r", pl.col("at") + pl.duration(seconds=1))
    twice = watched(pl.concat([frame, again]))
    assert causes(twice)[3] == "pipeline"
    assert "twice" in marks(twice, 3)


def test_a_clock_that_is_wrong() -> None:
    """Six hours late: a holiday moves the hours of a day as well, but not so."""
    frame = events()
    late = pl.col("at").dt.epoch("us") >= CHANGE_US
    wrong = frame.with_columns(at=pl.when(late).then(pl.col("at") + pl.duration(hours=6)).otherwise(pl.col("at")))
    found = watched(wrong)
    assert causes(found)[3] == "pipeline"
    assert "clock" in marks(found, 3)


def test_a_missing_field_is_explained_by_the_mix_where_it_is() -> None:
    """More come by terminal, where no session is measured: the session is missing more often and nothing is broken."""
    frame = since({"channel": pl.lit("pos"), "session_s": pl.lit(None)}, where=pl.col("user").str.contains("[147]$"))
    found = watched(frame)
    assert "mixed" in marks(found, 3)
    assert causes(found)[3] == "world"


def test_nothing_that_is_said_of_a_day_depends_on_later_ones() -> None:
    frame = since({"amount": (AMOUNT * 1.35).round(2)})
    whole = watched(frame)
    cut = watch(frame, WATCH_US, until_us=CHANGE_US + 2 * DAY_US)
    assert [day.drifts for day in cut.days] == [day.drifts for day in whole.days[: len(cut.days)]]
    assert causes(cut) == causes(whole)[: len(cut.days)]


def test_distances_stand_beside_what_is_nothing() -> None:
    found = watched(since({"amount": (AMOUNT * 1.35).round(2)}))
    far = {one.field: one for one in found.days[3].distances}
    assert far["amount"].psi > 2 * far["amount"].usual_psi
    assert far["amount"].ks is not None
    assert far["amount"].ks == pytest.approx(0.12, abs=0.04)
    assert far["channel"].ks is None
    assert far["channel"].psi < 0.05


def test_half_a_day_is_held_against_half_days() -> None:
    frame = events()
    noon = WATCH_US + DAY_US // 2
    found = watch(frame, WATCH_US, until_us=noon)
    assert len(found.days) == 1
    assert [drift.field for drift in found.days[0].drifts if drift.field != "hour"] == []


def test_what_is_wrong_with_the_question_is_said() -> None:
    frame = events(days=8, per_day=50)
    with pytest.raises(InputError, match="did you mean 'at'"):
        watch(frame, WATCH_US, time="att")
    with pytest.raises(InputError, match="holds String and no times"):
        watch(frame, WATCH_US, time="user")
    with pytest.raises(InputError, match="nothing lies on one side"):
        watch(frame, WATCH_US)
