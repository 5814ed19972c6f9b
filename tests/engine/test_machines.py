"""The engine on a system without a decision appended, over other streams than the decided one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from adjudge.define import Rules, feature
from adjudge.engine import Plan, State, compile
from tests.engine.machines import MACHINES, Machine, errors, inspection, profile, readings, seqs

DAY = timedelta(days=1)


@pytest.fixture
def plan() -> Plan:
    return compile(MACHINES)


@pytest.fixture
def state(plan: Plan) -> State:
    state = plan.start()
    volts = [10.0, 12.0, 11.0, 13.0]
    plan.step(state, plan.encode("machine", [profile("m1", "alpha", 365 * DAY)], seqs(0, 1)))
    plan.step(state, plan.encode("reading", readings("m1", volts, [30.0, 41.0, None, 50.0]), seqs(1, 4)))
    plan.step(state, plan.encode("error", errors("m1", [1, 2, 2.5]), seqs(5, 3)))
    return state


def ask(plan: Plan, state: State, machine: str = "m1", at: timedelta = timedelta(hours=4)) -> dict[str, float | None]:
    batch = plan.encode("inspection", [inspection(machine, at)], seqs(8, 1))
    decisions = plan.step(state, batch, append=False)
    assert decisions is not None
    return decisions.features(0)


def test_features_of_other_streams(plan: Plan, state: State) -> None:
    found = ask(plan, state)
    assert found["machine_reading_volts_mean_1d"] == 11.5
    assert found["machine_reading_volts_min_7d"] == 10.0
    assert found["machine_reading_shaky_count_1d"] == 2.0
    assert found["machine_reading_volts_last"] == 13.0
    assert [found[f"machine_reading_volts_last_3_{i}"] for i in (1, 2, 3)] == [13.0, 11.0, 12.0]
    assert [found[f"machine_reading_volts_since_last_s_3_{i}"] for i in (1, 2, 3)] == [3600.0, 7200.0, 10800.0]
    assert [found[f"machine_error_since_last_s_2_{i}"] for i in (1, 2)] == [1.5 * 3600, 2 * 3600]
    assert found["machine_error_count_1d"] == 3.0
    assert found["machine_error_stopped_count_7d"] == 1.0
    assert found["machine_error_code_distinct_7d"] == 2.0
    assert found["machine_error_since_last_s"] == 1.5 * 3600
    assert found["age_days"] == pytest.approx(365 + 4 / 24)


def test_trend_and_correlation_match_numpy(plan: Plan, state: State) -> None:
    found = ask(plan, state)
    hours, vibration, volts = np.array([0, 1, 3]), np.array([30.0, 41.0, 50.0]), np.array([10.0, 12.0, 13.0])
    slope = np.polyfit(hours / 24, vibration, 1)[0]
    assert found["machine_reading_vibration_trend_7d"] == pytest.approx(slope, rel=1e-12)
    both = np.corrcoef(volts, vibration)[0, 1]
    assert found["machine_reading_volts_vibration_correlation_7d"] == pytest.approx(both, rel=1e-12)


def test_asking_leaves_no_trace(plan: Plan, state: State) -> None:
    before = state.digest()
    first, second = ask(plan, state), ask(plan, state)
    assert first == second
    assert state.digest() == before


def test_unknown_machine_has_counts_of_zero_and_nothing_else(plan: Plan, state: State) -> None:
    found = ask(plan, state, "m2")
    assert found["machine_error_count_1d"] == 0.0
    assert found["machine_reading_volts_mean_1d"] is None
    assert found["age_days"] is None


def test_a_text_of_no_profile_is_missing() -> None:
    """Not another text: comparing with it is unknown, and whether it is missing can be asked."""
    asked = [
        feature("other", "machine_machine_model != 'alpha'"),
        feature("unknown", "machine_machine_model is missing"),
    ]
    plan = compile(
        replace(MACHINES, features=[Machine.by("machine").latest("installed", "model"), *asked], rules=Rules())
    )
    state = plan.start()
    plan.step(state, plan.encode("machine", [profile("m1", "alpha", DAY)], seqs(0, 1)))
    known, none = ask(plan, state, "m1"), ask(plan, state, "m2")
    assert (known["other"], known["unknown"]) == (0, 0)
    assert (none["other"], none["unknown"]) == (None, 1)


def test_rules_decide_and_say_why(plan: Plan, state: State) -> None:
    batch = plan.encode("inspection", [inspection("m1", timedelta(hours=4))], seqs(8, 1))
    decisions = plan.step(state, batch, append=False)
    assert decisions is not None
    assert decisions[0].decision == "service"
    assert decisions[0].reason == "many_errors"
    assert decisions.render(0) == ["3 errors today"]


def test_reading_features_of_an_entity_equals_deciding(plan: Plan, state: State) -> None:
    asked = ask(plan, state)
    at = plan.encode("inspection", [inspection("m1", timedelta(hours=4))], seqs(8, 1)).ts[0]
    read = plan.read(state, "machine", {"machine": "m1"}, int(at))
    assert {n: v for n, v in read.items() if n in asked} == {n: asked[n] for n in asked if n in read}
    assert len(read) >= 15
