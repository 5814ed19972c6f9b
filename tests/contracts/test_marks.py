"""The contract on what is learned later, rules 19 to 23: labels, retractions, profiles, decisions."""

from __future__ import annotations

import pytest

from adjudge.define import Outcome, days, hours
from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.service.replay import replay
from adjudge.service.workspace import Change
from tests.contracts.timeline import Account, Payment, Timeline, at, user

DAY = 24 * 60.0


def test_rule_19_a_label_counts_from_its_own_position_on() -> None:
    line = Timeline(user.count(days(1), of="fraud"))
    line.send("p1", 0)
    assert line.send("p2", 1)["user_fraud_count_1d"] == 0
    assert line.label("p1") == "set"
    assert line.send("p3", 2)["user_fraud_count_1d"] == 1
    assert line.stored("p2").features["user_fraud_count_1d"] == 0, "what was decided stands"


def test_rule_19_the_last_label_counts() -> None:
    line = Timeline(user.count(days(1), of="fraud"))
    line.send("p1", 0)
    said = [line.label("p1", value) for value in (True, True, False)]
    assert said == ["set", "unchanged", "set"]
    assert line.score(1)["user_fraud_count_1d"] == 0


def test_rule_19_a_label_for_an_unknown_event_waits() -> None:
    line = Timeline(user.count(days(1), of="fraud"))
    assert line.label("p1") == "waiting"
    line.send("p1", 0)
    assert line.score(1)["user_fraud_count_1d"] == 1


STEP_UP = Outcome("step_up", values=("passed", "failed", "timed_out"))


def test_rule_19_of_an_outcome_with_values_the_last_one_said_counts_alone() -> None:
    counted = [user.count(days(1), of=mark) for mark in STEP_UP.marks]
    line = Timeline(*counted, user.rate("step_up_failed", days(1)), outcomes=[STEP_UP])
    line.send("a", 0)
    line.send("b", 1)
    seen = []
    for said in (("a", "failed"), ("b", "failed"), ("a", "failed"), ("a", "passed"), ("b", "timed_out")):
        told = line.say(said[0], "step_up", said[1])
        seen.append((told, *line.score(2).values()))
    assert seen == [
        ("set", 0, 1, 0, 1 / 2),
        ("set", 0, 2, 0, 2 / 2),
        ("unchanged", 0, 2, 0, 2 / 2),
        ("set", 1, 1, 0, 1 / 2),
        ("set", 1, 0, 1, 0),
    ]
    assert line.stored("a").said == {"step_up": "passed"}


def test_rule_19_a_value_waits_for_its_event_and_leaves_with_it() -> None:
    small = Payment.by("user", capacity=8, eps=0.5)
    line = Timeline(small.count(days(30)), small.count(days(30), of="step_up_failed"), outcomes=[STEP_UP])
    assert [line.say("p3", "step_up", value) for value in ("passed", "failed", "failed")] == [
        "waiting",
        "waiting",
        "unchanged",
    ]
    for i in range(20):
        line.send(f"p{i}", i)
    assert list(line.score(20).values()) == [20, 1]
    line.retract("p3")
    assert list(line.score(20).values()) == [19, 0]
    assert replay([line.plan], line.decider.log).equal


def test_rule_20_a_rate_is_positives_over_all_rows_of_a_delayed_window() -> None:
    """Rate over 30 days with the label's own delay of 7 days, asked on day 40.

    day      3      4     20     33     34    40
             a      b     c      d      e     asked
             out    in    in     in     out
    """
    line = Timeline(user.rate("fraud", days(30)), lateness=days(60))
    for id_, day in (("a", 3), ("b", 4), ("c", 20), ("d", 33), ("e", 34)):
        line.send(id_, day * DAY)
    for id_ in ("a", "c", "e"):
        line.label(id_)
    assert line.score(40 * DAY)["user_fraud_rate_30d"] == 1 / 3


def test_rule_21_a_retracted_row_is_dead() -> None:
    line = Timeline(user.count(hours(1)), user.sum("x", hours(1)), user.since_last(), user.max("x", hours(1)))
    line.send("a", 0, x=1)
    line.send("b", 1, x=100)
    assert line.retract("b") == "set"
    seen = line.score(2)
    assert seen == {"user_count_1h": 1, "user_x_sum_1h": 1, "user_since_last_s": 120, "user_x_max_1h": 1}
    assert line.stored("b").retracted


def test_rule_21_out_of_a_merged_row_goes_what_the_event_gave_it() -> None:
    """Labels and outcomes are among it, though nobody says them again with the retraction."""
    small = Payment.by("user", capacity=8, eps=0.5)
    line = Timeline(
        small.count(days(30)),
        small.count(days(30), of="fraud"),
        small.count(days(30), of="declined"),
        small.where("x > 2", called="large").count(days(30), of="fraud"),
        small.rate("fraud", days(30), delay=hours(0)),
        outcomes=[Outcome("declined", decided=("block",))],
        rules="version: 1\nrules: [{id: third, when: x == 3, action: block}]",
    )
    for i in range(20):
        line.send(f"p{i}", i, x=i)
    for i in range(4):
        line.label(f"p{i}")
    assert line.decider.workspace.system(None).state.histories[0].stats().merged_keys == 1
    assert list(line.score(20).values()) == [20, 4, 1, 1, 4 / 20]
    for i in range(4):
        line.retract(f"p{i}")
    assert list(line.score(20).values()) == [16, 0, 0, 0, 0]
    assert replay([line.plan], line.decider.log).equal


def test_rule_21_the_row_of_a_profile_is_not_retracted() -> None:
    line = Timeline(Account.by("user").latest("level"))
    line.account("c1", 0, level=1)
    (refused,) = line.decider.change([Change(Kind.RETRACTION, "account", "c1")])
    assert isinstance(refused, InputError)
    assert (refused.code, refused.field) == ("not_retractable", "stream")
    assert line.send("p1", 1)["user_account_level"] == 1


def test_rule_22_a_profile_is_the_latest_row_by_position() -> None:
    line = Timeline(Account.by("user").latest("level"))
    assert line.send("p1", 0)["user_account_level"] is None
    line.account("c1", 10, level=1)
    line.account("c2", 5, level=2)
    assert line.send("p2", 6)["user_account_level"] == 2, "c2 is older in time and newer in the log"


@pytest.mark.parametrize("together", [True, False])
def test_rule_23_a_decision_is_visible_to_the_very_next_event(together: bool) -> None:
    line = Timeline(
        user.count(hours(1), of="declined"),
        rules="version: 1\nrules: [{id: large, when: x > 100, action: block}]",
        outcomes=[Outcome("declined", decided=("block",))],
    )
    rows = [
        {"payment_id": f"p{i}", "at": at(i), "user": user_, "x": x}
        for i, (user_, x) in enumerate([("u", 1), ("u", 500), ("v", 1), ("u", 1), ("u", 500), ("u", 1)])
    ]
    for batch in [rows] if together else [[row] for row in rows]:
        line.offer_all(batch)
    counts = [line.stored(f"p{i}").features["user_declined_count_1h"] for i in range(6)]
    assert counts == [0, 0, 0, 1, 1, 2]
