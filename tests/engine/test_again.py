"""Deciding again: from what was kept of an event, without any history, the decision is what it would have been then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adjudge.define import (
    Category,
    Event,
    Id,
    Key,
    Money,
    Place,
    Policy,
    Profile,
    Rule,
    Rules,
    System,
    Time,
    days,
    feature,
    hours,
)
from adjudge.engine import Decisions, Guarded, Plan, compile, decide_again
from adjudge.errors import DefinitionError
from adjudge.typing import FloatArray
from tests.engine.moody import Moody, bets, columns, decide, plan_with


def kept_of(found: Decisions) -> dict[str, FloatArray]:
    """Return what a log must keep beside the fields."""
    return {name: found.X[row].copy() for name, row in found.plan.kept.items()}


def again(plan: Plan, found: Decisions, kept: dict[str, FloatArray] | None = None) -> Decisions:
    width = plan.stream(plan.decides).encoder.width
    fields = found.X[:width].copy()
    return decide_again(
        plan, fields, kept_of(found) if kept is None else kept, found.batch.seq, ids=list(found.batch.ids)
    )


def test_what_a_broken_model_left_out_is_made_up_for() -> None:
    events = bets(10, 600, 666, 950, 2000, user="u")
    whole = decide(plan_with(Moody()), events)
    down = decide(plan_with(Moody(down=True)), events, Guarded(lambda layer, error: None))
    second = again(whole.plan, down)
    assert down.layers.all()
    assert not second.layers.any()
    assert second.batch.ids == down.batch.ids
    assert [d.method for d in second] == ["model", "model", "rules", "model", "rules"]
    assert second.scores is not None
    assert whole.scores is not None
    assert second.scores.p.tolist() == whole.scores.p.tolist()
    assert [d.seq for d in second] == [0, 1, 2, 3, 4]


def test_what_was_whole_comes_out_the_same_in_bits() -> None:
    found = decide(plan_with(Moody()), bets(10, 600, 950, 2000, None, user="u"))
    assert set(found.plan.kept) == {"user_count_1h"}  # all that the rules and the model read
    everything = {name: found.X[found.plan.slots[name].row] for name in found.plan.names}
    assert columns(again(found.plan, found, everything)) == columns(found)
    shown = again(found.plan, found).features(1)
    assert (shown["user_count_1h"], shown["user_amount_sum_1d"]) == (1.0, None)  # None: nobody needed it


def test_what_was_not_kept_is_named() -> None:
    found = decide(plan_with(Moody()), bets(10))
    with pytest.raises(DefinitionError, match="'bets' reads 'user_count_1h', which was not kept"):
        again(found.plan, found, {})


class Trip(Event):
    """A trip."""

    trip_id: Id
    at: Time
    rider: Key
    town: Category
    fare: Money
    start: Place | None


class Home(Profile):
    """Where a rider lives, and since when."""

    change_id: Id
    at: Time
    rider: Key
    home: Place | None
    since: Time | None
    kind: Category | None


rider = Trip.by("rider")

TRIPS = System(
    "trips",
    Trip,
    features=[
        rider.last("town"),
        rider.count(hours(1), days(1)),
        rider.max("fare", days(1)),
        Home.by("rider").latest("home"),
        Home.by("rider").latest("since"),
        Home.by("rider").latest("kind"),
        feature("far", "distance(start, rider_home_home)"),
        feature("hour_moved", "hour(rider_home_since)"),
    ],
    rules=Rules(
        (
            Rule("elsewhere", "town != rider_town_last and far > 100", "review"),
            Rule("moved_at_night", "hour_moved < 6", "verify"),
            Rule("company", "rider_home_kind == 'company'", "flag"),
        )
    ),
    policy=Policy(),
    inputs=["fare", "far"],
)


def test_texts_places_and_times_that_rules_read_are_kept_too() -> None:
    """The model reads two numbers; what the rules read besides has to be kept as well, in all of its rows."""
    plan = compile(TRIPS)
    assert set(plan.kept) == {
        "rider_town_last",
        "rider_home_home",
        "rider_home_home.2",
        "rider_home_since",
        "rider_home_since.2",
        "rider_home_kind",
    }
    at = datetime(2025, 6, 1, 3, tzinfo=UTC)
    state = plan.start()
    home = SimpleNamespace(
        change_id="h", at=at, rider="r", home=SimpleNamespace(lat=48.2, lon=16.4), since=at, kind="company"
    )
    plan.step(state, plan.encode("home", [home], np.arange(1)))

    def trip(i: int, town: str, lat: float) -> Any:
        place = SimpleNamespace(lat=lat, lon=16.4)
        when = at + timedelta(minutes=i)
        return SimpleNamespace(trip_id=f"t{i}", at=when, rider="r", town=town, fare=Decimal(5), start=place)

    trips = [trip(1, "Vienna", 48.2), trip(2, "Vienna", 48.3), trip(3, "Graz", 50.0)]
    found = plan.step(state, plan.encode("trip", trips, np.arange(1, 4)))
    assert found is not None
    assert [found.rules(i) for i in (0, 2)] == [
        ["company", "moved_at_night"],
        ["company", "elsewhere", "moved_at_night"],
    ]
    second = again(plan, found)
    assert [second.rules(i) for i in range(3)] == [found.rules(i) for i in range(3)]
    assert second.action == found.action
