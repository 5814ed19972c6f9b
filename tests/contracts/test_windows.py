"""The contract on time, rules 1 to 10: what is known, what is inside a window, what is late or repeated."""

from __future__ import annotations

import polars as pl
import pytest

from adjudge.define import days, hours, micros, minutes
from tests.contracts.timeline import NOON, Payment, Timeline, at, pair, user

TEN = minutes(10)


def test_rule_01_position_says_what_was_known() -> None:
    """Logged in the order a, b, c, d; c is late.

    minute   0     5     10    15
             a     c     b     d
    """
    line = Timeline(user.sum("x", hours(1)))
    name = "user_x_sum_1h"
    assert line.send("a", 0, x=1)[name] == 0
    assert line.send("b", 10, x=10)[name] == 1
    assert line.send("c", 5, x=100)[name] == 1, "a late event sees only what is before it in time"
    assert line.send("d", 15, x=1000)[name] == 111, "later events see the late one at its place"


def test_rule_01_rows_are_seen_in_the_order_of_their_times() -> None:
    line = Timeline(user.last("x", hours(1)), user.first("x", hours(1)))
    line.send("a", 10, x=1)
    line.send("late", 5, x=2)
    seen = line.send("c", 20, x=3)
    assert (seen["user_x_first_1h"], seen["user_x_last_1h"]) == (2, 1)


def test_rule_02_decisions_stand() -> None:
    line = Timeline(user.count(hours(1)), user.count(hours(1), of="fraud"))
    line.send("a", 0)
    line.send("b", 10)
    before = line.stored("b")
    line.send("late", 5)
    line.label("a")
    after = line.stored("b")
    assert (after.record, after.features) == (before.record, before.features)


def test_rule_03_arrival_is_stamped_from_the_clock_and_logged() -> None:
    line = Timeline(user.count(hours(1)))
    line.send("a", 0)
    line.clock += minutes(1)
    line.send("b", 1)
    first, second = [c.received_at for c in line.decider.log.read(1)]
    assert second - first == micros(minutes(1))
    assert line.stored("b").received_at == second


def test_rule_04_window_edges() -> None:
    """A window of 10 minutes at e.

    minute   0         1       9    10
             a         b       c    d e
             out       in      in   in ·
    """
    line = Timeline(user.count(TEN), user.sum("x", TEN))
    for id_, minute, x in (("a", 0, 1), ("b", 1, 10), ("c", 9, 100), ("d", 10, 1000)):
        line.send(id_, minute, x=x)
    seen = line.send("e", 10, x=10_000)
    assert (seen["user_count_10m"], seen["user_x_sum_10m"]) == (3, 1110)


def test_rule_04_a_microsecond_decides() -> None:
    line = Timeline(user.count(TEN))
    micro = 1 / 60e6
    line.send("a", micro)
    assert line.score(10)["user_count_10m"] == 1
    assert line.score(10 + micro)["user_count_10m"] == 0


def test_rule_04_including_adds_the_event_itself() -> None:
    line = Timeline(user.including().sum("x", TEN), user.sum("x", TEN))
    line.send("a", 0, x=1)
    seen = line.send("b", 5, x=10)
    assert (seen["user_x_sum_10m"], seen["user_x_sum_including_10m"]) == (1, 11)


def test_rule_05_a_delayed_window_ends_before_the_event() -> None:
    """Ten minutes that end 30 minutes before e at 60.

    minute   20    21     30     31     60
             a     b      c      d      e
             out   in     in     out
    """
    line = Timeline(user.delayed_count(minutes(30), TEN))
    for id_, minute in (("a", 20), ("b", 21), ("c", 30), ("d", 31)):
        line.send(id_, minute)
    assert line.send("e", 60)["user_count_10m_after_30m"] == 2


def test_rule_06_what_has_no_window_has_a_memory() -> None:
    forgetful = Payment.by("user", memory=hours(1))
    line = Timeline(forgetful.since_last(), forgetful.is_new())
    assert line.send("a", 0) == {"user_since_last_s": None, "user_is_new": 1}
    assert line.score(59) == {"user_since_last_s": 59 * 60, "user_is_new": 0}
    assert line.score(60) == {"user_since_last_s": None, "user_is_new": 1}, "exactly as old as the memory is out"


def test_rule_07_late_events_are_accepted_up_to_the_lateness() -> None:
    line = Timeline(user.count(hours(24)), lateness=hours(1))
    line.send("new", 60)
    assert line.offer("edge", 0, user="u").error is None
    too_late = line.offer("late", -1 / 60, user="u").error
    assert too_late is not None
    assert (too_late.code, too_late.field) == ("too_late", "at")
    assert line.score(60)["user_count_1d"] == 2, "what was refused left nothing behind"


def test_rule_07_imports_are_never_too_late() -> None:
    line = Timeline(user.count(days(30)), lateness=hours(1))
    frame = pl.DataFrame({"payment_id": ["a", "b", "c"], "at": [at(0), at(600), at(1)], "user": ["u"] * 3})
    assert line.decider.import_table("payment", frame) == 3
    assert line.send("d", 601)["user_count_30d"] == 3


def test_rule_08_the_future_is_refused() -> None:
    line = Timeline(user.count(TEN))
    line.clock = NOON
    assert line.offer("edge", 5, user="u").error is None
    refused = line.offer("ahead", 5 + 1 / 60e6, user="u").error
    assert refused is not None
    assert refused.code == "in_future"


def test_rule_09_the_same_id_again_is_the_same_event() -> None:
    line = Timeline(user.count(TEN))
    first = line.offer("a", 0, user="u", x=1)
    again = line.offer("a", 0, user="u", x=1)
    assert (again.record, again.repeated, first.repeated) == (first.record, True, False)
    assert line.score(1)["user_count_10m"] == 1
    other = line.offer("a", 0, user="u", x=2).error
    assert other is not None
    assert other.code == "conflict"


def test_rule_09_holds_inside_a_batch_and_after_a_restart() -> None:
    line = Timeline(user.count(TEN))
    rows = [{"payment_id": "a", "at": at(0), "user": "u", "x": x} for x in (1, 1, 2)]
    first, again, other = line.offer_all(rows)
    assert (again.record, again.repeated) == (first.record, True)
    assert other.error is not None
    restarted = Timeline(user.count(TEN), log=line.decider.log)
    assert restarted.offer("a", 0, user="u", x=1).record == first.record


@pytest.mark.parametrize("missing", [{"user": None, "device": "d"}, {"user": "u", "device": None}])
def test_rule_10_a_missing_key_touches_nothing(missing: dict[str, str | None]) -> None:
    line = Timeline(pair.count(TEN), pair.is_new())
    for minute in range(2):
        seen = line.send(f"p{minute}", minute, **missing)
        assert seen == {"user_device_count_10m": None, "user_device_is_new": None}
    assert line.score(2, device="d") == {"user_device_count_10m": 0, "user_device_is_new": 1}
