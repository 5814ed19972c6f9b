"""The contract on bounds and parity, rules 24 to 30: merging, batches, threads, replay, models, versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from adjudge.define import days, feature, hours, minutes
from adjudge.log import entries_of
from adjudge.models.trees import Trees
from adjudge.service.replay import replay
from tests.contracts.timeline import Payment, Timeline, at, device, pair, user
from tests.models.rows import draw

CAPACITY = 16

small = Payment.by("user", capacity=CAPACITY, eps=0.1)
"""A user whose rows merge early and widely."""


def rows(n: int, seed: int = 7) -> list[dict[str, Any]]:
    """Draw payments of few users and devices over a week, with ties, late ones and missing values."""
    random = np.random.default_rng(seed)
    minute = np.round(np.sort(random.uniform(0, 7 * 24 * 60, n)) - random.exponential(60, n), 0)
    drawn = []
    for i in range(n):
        row: dict[str, Any] = {"payment_id": f"p{i}", "at": at(float(minute[i])), "x": float(random.normal())}
        row |= {"user": f"u{random.integers(3)}", "amount": f"{random.uniform(1, 900):.2f}"}
        if random.random() < 0.7:
            row["device"] = f"d{random.integers(5)}"
        if random.random() < 0.5:
            row["place"] = {"lat": float(random.uniform(45, 55)), "lon": float(random.uniform(5, 15))}
        drawn.append(row)
    return drawn


def everything(threads: int = 1) -> Timeline:
    """Return a system that asks every kind of question of histories that merge."""
    return Timeline(
        small.count(hours(1), days(1), days(7)),
        small.sum("amount", days(1)),
        small.std("x", days(7)),
        small.min("x", days(7)),
        small.trend("x", days(7)),
        small.correlation("x", "amount", days(7)),
        small.distinct("device", days(7)),
        small.speed("place"),
        small.distance_typical("place", days(7)),
        small.decayed_sum("x", hours(6)),
        small.last_n("x", 3),
        small.since_last_n(3),
        small.since_last_n(2, of="x"),
        small.count(days(7), of="fraud"),
        device.count(days(7)),
        device.rate("fraud", days(7), delay=minutes(30)),
        pair.is_new(),
        feature("z", "(x - user_x_min_7d) / user_x_std_7d"),
        threads=threads,
    )


def fold(line: Timeline, events: Sequence[dict[str, Any]], batch: int) -> list[bytes]:
    """Offer events in batches with a label every hundred, and return the bits of their features."""
    found = []
    for start in range(0, len(events), 100):
        stretch = events[start : start + 100]
        for first in range(0, len(stretch), batch):
            offered = line.offer_all(stretch[first : first + batch])
            found += [v.bits(line.plan.system.name) for v in offered]
        line.label(events[start]["payment_id"])
    return found


def test_rule_24_a_key_is_exact_up_to_its_capacity() -> None:
    line = Timeline(small.count(days(7)), small.sum("x", days(7)))
    for i in range(CAPACITY):
        seen = line.send(f"p{i}", i, x=1)
        assert (seen["user_count_7d"], seen["user_x_sum_7d"]) == (i, i)
    histories = line.decider.workspace.system(None).state.histories[0]
    assert histories.stats().merged_keys == 0
    line.send("one more", CAPACITY, x=1)
    assert histories.stats().merged_keys == 1


def test_rule_24_merging_keeps_rows_few_and_sums_whole() -> None:
    """While all rows are inside the window, a merged row is as good as the rows it was made from."""
    line = Timeline(small.count(days(30)), small.sum("x", days(30)))
    for i in range(2000):
        line.send(f"p{i}", 10 * i, x=1)
    seen = line.score(20_000)
    assert (seen["user_count_30d"], seen["user_x_sum_30d"]) == (2000, 2000)
    stats = line.decider.workspace.system(None).state.histories[0].stats()
    assert stats.merged_keys == 1
    assert stats.rows < 300


def test_rule_25_a_count_is_off_by_at_most_the_row_at_the_edge() -> None:
    """An event every ten minutes: a day holds 144, and a row at its edge is a tenth of a day wide."""
    line = Timeline(small.count(days(1)), small.count(days(30)))
    for i in range(3000):
        line.send(f"p{i}", 10 * i)
    widest = 0.1 * 144 + 1
    for minute in range(29_990, 30_600, 7):
        exact = sum(minute - 24 * 60 < 10 * i <= minute for i in range(3000))
        count = line.score(minute)["user_count_1d"]
        assert count is not None
        assert abs(count - exact) <= widest


def test_rule_26_reads_and_batches_never_merge() -> None:
    line, read = everything(), everything()
    events = rows(400)
    for event in events:
        line.offer_all([event])
        read.offer_all([event])
        read.score(7 * 24 * 60, user="u1")
        read.decider.features("user", {"user": "u1"})
    states = [each.decider.workspace.system(None).state.digest() for each in (line, read)]
    assert states[0] == states[1]


def test_rule_26_windows_of_other_entities_change_nothing() -> None:
    few = Timeline(small.count(days(7)), small.std("x", days(7)))
    many = Timeline(small.count(days(7)), small.std("x", days(7)), device.count(days(30)), pair.sum("amount", days(60)))
    for event in rows(300):
        few.offer_all([event])
        many.offer_all([event])
        a, b = (line.stored(event["payment_id"]).features for line in (few, many))
        assert all(b[name] == value for name, value in a.items())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [7, 100])
def test_rule_27_batches_and_threads_change_no_bit(batch: int, threads: int) -> None:
    one, other = everything(), everything(threads)
    events = rows(600)
    assert fold(one, events, 1) == fold(other, events, batch)
    states = [line.decider.workspace.system(None).state.digest() for line in (one, other)]
    assert states[0] == states[1]


def test_rule_27_replay_and_restart_change_no_bit() -> None:
    line = everything()
    events = rows(500)
    fold(line, events[:300], 13)
    restarted = everything()
    restarted.decider = type(line.decider)([restarted.plan], line.decider.log, clock=line.decider.clock)
    fold(restarted, events[300:], 13)
    found = replay([restarted.plan], restarted.decider.log, batch=50)
    assert found.events == 500
    assert found.features_compared == 500 * len(line.plan.names)
    assert (found.features_differing, found.scores_differing) == (0, 0)


def test_rule_28_a_served_model_computes_a_row_whatever_its_neighbours() -> None:
    train, later = draw(1000, seed=1), draw(200, seed=2)
    served = Trees(n_trees=20, depth=4, threads=1).fit(train.X, train.y).served()
    together = served.score(later.slots, later.places)
    for i in range(0, 200, 17):
        alone = served.score(np.ascontiguousarray(later.slots[:, i : i + 1]), later.places)
        assert (alone.margin[0], alone.p[0]) == (together.margin[i], together.p[i])
        assert np.array_equal(alone.top_value[0], together.top_value[i])


def test_rule_30_other_versions_take_over_at_one_position_and_their_values_are_as_if_always_defined() -> None:
    line = Timeline(user.count(hours(1)))
    line.send("a", 0)
    other = Timeline(user.count(hours(2)), log=line.decider.log)
    assert [e.kind.name for c in line.decider.log.read() for e in entries_of(c)] == [
        "ACTIVATION",
        "EVENT",
        "ACTIVATION",
    ]
    assert other.send("b", 90) == {"user_count_2h": 1}
    assert line.stored("a").record == other.stored("a").record


def test_rule_30_decisions_carry_the_versions_of_all_that_made_them() -> None:
    line = Timeline(user.count(hours(1)))
    line.send("a", 0)
    assert set(line.plan.versions) == {"system", "layout", "rules", "policy", "lists"}
    for part, version in line.plan.versions.items():
        assert f'"{part}":"{version}"'.encode() in line.stored("a").record
