"""The contract on linked entities: who shares a key, and what was known of them, exactly as of each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.define import Label, Outcome, System, days, from_spec, hours, micros, to_spec
from adjudge.engine import compile, linked
from adjudge.engine import fold as folding
from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError
from adjudge.history import ADVANCE, INSERT, SCAN, Histories
from adjudge.learn.backfill import backfill
from adjudge.learn.source import Source
from adjudge.service.replay import replay
from adjudge.service.verify import script_of, verify_python
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment as CardPayment
from adjudge.systems.payments.simulate import simulate
from tests.contracts.timeline import Payment, Timeline, at, device, pair, user

WINDOWS = {"1d": 24 * 60, "7d": 7 * 24 * 60}

FEATURES = (
    device.linked("user").count(days(1), days(7)),
    device.linked("user").known("fraud", days(1), days(7)),
    device.linked("user").events(days(1), days(7)),
    device.linked("user").events(days(1), days(7), of="fraud"),
)
NAMES = {
    "count": "device_linked_user_count",
    "known": "device_linked_user_fraud_known",
    "events": "device_linked_user_events",
    "frauds": "device_linked_user_fraud_events",
}


@dataclass
class Seen:
    """A payment as the oracle remembers it."""

    minute: float
    seq: int
    user: str | None
    device: str | None
    fraud: bool = False


def expected(past: Sequence[Seen], own: Seen, fan_out: int = 64) -> dict[str, float | None]:
    """Return what the definition says of an event, from everything that was logged before it."""
    if own.device is None:
        return {f"{name}_{w}": None for name in NAMES.values() for w in WINDOWS}
    found: dict[str, float | None] = {}
    for w, length in WINDOWS.items():
        window = [p for p in past if own.minute - length < p.minute <= own.minute]
        sharing = sorted((p for p in window if p.device == own.device), key=lambda p: (-p.minute, -p.seq))
        others = list(dict.fromkeys(p.user for p in sharing if p.user not in (None, own.user)))[:fan_out]
        events = [p for p in window if p.user in others]
        found[f"{NAMES['count']}_{w}"] = len(others)
        found[f"{NAMES['known']}_{w}"] = len({p.user for p in events if p.fraud})
        found[f"{NAMES['events']}_{w}"] = len(events)
        found[f"{NAMES['frauds']}_{w}"] = sum(p.fraud for p in events)
    return found


def test_linked_users_are_those_of_the_device_but_the_own_one() -> None:
    """Devices are columns; e asks about d1, where a, b and its own u were seen; c was elsewhere.

    minute   0     10    20    30    40
             a@d1  b@d1  u@d1  c@d2  u@d1 = e
    """
    line = Timeline(*FEATURES)
    for minute, who, where in ((0, "a", "d1"), (10, "b", "d1"), (20, "u", "d1"), (30, "c", "d2")):
        line.send(who, minute, user=who, device=where)
    seen = line.send("e", 40, device="d1")
    assert (seen["device_linked_user_count_1d"], seen["device_linked_user_events_1d"]) == (2, 2)


def test_linked_frauds_count_from_the_moment_they_are_known_wherever_they_happened() -> None:
    """The fraud of a is on another device; it is known after the second question, and taken back after the third."""
    line = Timeline(*FEATURES)
    line.send("a1", 0, user="a", device="d1")
    line.send("a2", 5, user="a", device="d2")
    assert line.send("e1", 10, device="d1")["device_linked_user_fraud_known_1d"] == 0
    line.label("a2")
    told = line.send("e2", 20, device="d1")
    assert (told["device_linked_user_fraud_known_1d"], told["device_linked_user_fraud_events_1d"]) == (1, 1)
    assert line.score(24 * 60 + 5, device="d1")["device_linked_user_fraud_known_1d"] == 0, "exactly as old is out"
    line.label("a2", value=False)
    assert line.send("e3", 30, device="d1")["device_linked_user_fraud_known_1d"] == 0
    line.label("a1")
    line.retract("a1")
    gone = line.send("e4", 40, device="d1")
    assert (gone["device_linked_user_count_1d"], gone["device_linked_user_fraud_known_1d"]) == (0, 0)


def test_linked_events_of_the_own_user_and_of_nobody_are_no_neighbours() -> None:
    line = Timeline(*FEATURES)
    line.send("own", 0, device="d")
    line.send("nobody", 1, user=None, device="d")
    assert line.score(2, device="d")["device_linked_user_count_1d"] == 0
    assert line.score(2, user=None, device="d")["device_linked_user_count_1d"] == 1, "who is unknown is nobody's own"
    assert set(line.score(2, device=None).values()) == {None}, "no device, nothing linked"


def test_a_hub_is_looked_at_up_to_its_fan_out_the_newest_first() -> None:
    sharing = device.linked("user", fan_out=3)
    line = Timeline(sharing.count(days(1)), sharing.known("fraud", days(1)))
    for i in range(10):
        line.send(f"p{i}", i, user=f"u{i}", device="hub")
    for id_ in ("p0", "p1", "p6", "p8"):
        line.label(id_)
    seen = line.score(20, user="u9", device="hub")
    assert seen == {"device_linked_user_count_1d": 3, "device_linked_user_fraud_known_1d": 2}, "u8, u7 and u6"


def test_a_future_edge_is_not_seen() -> None:
    """Neither what is logged later, in the same batch or after it, nor what is later in time, logged before."""
    rows = [
        {"payment_id": "e", "at": at(10), "user": "u", "device": "d"},
        {"payment_id": "later", "at": at(5), "user": "a", "device": "d"},
        {"payment_id": "asks", "at": at(10), "user": "b", "device": "d"},
    ]
    line = Timeline(*FEATURES)
    line.send("ahead", 11, user="z", device="d")
    line.send("known", 12, user="z", device="x")
    line.label("known")
    line.offer_all(rows)
    first, last = line.stored("e").features, line.stored("asks").features
    assert first["device_linked_user_count_1d"] == 0, "z is later in time, a later in the log"
    assert last["device_linked_user_count_1d"] == 2, "u and a were logged before"
    assert last["device_linked_user_fraud_known_1d"] == 0
    assert line.score(12, user="b", device="d")["device_linked_user_fraud_known_1d"] == 1


def test_a_neighbour_whose_fraud_is_later_in_time_is_clean_for_a_late_event() -> None:
    line = Timeline(*FEATURES)
    line.send("a1", 0, user="a", device="d")
    line.send("a2", 60, user="a", device="x")
    line.label("a2")
    assert line.send("late", 30, device="d")["device_linked_user_fraud_known_1d"] == 0
    assert line.send("e", 60, device="d")["device_linked_user_fraud_known_1d"] == 1


_users = st.sampled_from(["u0", "u1", "u2", "u3", "u4", None])
_devices = st.sampled_from(["d0", "d0", "d1", "d2", None])
_steps = st.sampled_from([0, 0, 1, 7, 60, -1, -30, 24 * 60, 24 * 60 - 1, -3 * 24 * 60, 6 * 24 * 60])
_events = st.tuples(st.just("event"), _users, _devices, _steps)
_changes = st.tuples(st.sampled_from(["label", "unlabel", "retract"]), st.integers(0, 60))


@settings(max_examples=60)
@given(st.lists(st.one_of(_events, _events, _changes), min_size=5, max_size=60), st.sampled_from([1, 2, 64]))
def test_the_definition_holds_at_every_event(story: list[Any], fan_out: int) -> None:
    """Labels between events, late ones, ties, retractions, devices with more users than are looked at."""
    sharing = device.linked("user", fan_out=fan_out)
    line = Timeline(
        sharing.count(days(1), days(7)),
        sharing.known("fraud", days(1), days(7)),
        sharing.events(days(1), days(7)),
        sharing.events(days(1), days(7), of="fraud"),
    )
    past: dict[str, Seen] = {}
    minute, seq = 0.0, 0
    for what in story:
        if what[0] == "event":
            _, who, where, step = what
            minute = max(minute + step, -60.0)
            seq += 1
            own = Seen(minute, seq, who, where)
            assert line.send(f"p{seq}", minute, user=who, device=where) == expected(list(past.values()), own, fan_out)
            past[f"p{seq}"] = own
        elif past:
            id_ = sorted(past)[what[1] % len(past)]
            if what[0] == "retract":
                line.retract(id_)
                del past[id_]
            else:
                line.label(id_, value=what[0] == "label")
                past[id_].fraud = what[0] == "label"


def payments(n: int, seed: int = 3) -> list[dict[str, Any]]:
    """Draw payments over a week, of many users on few devices, one of which is a hub; some late, some incomplete."""
    draw = np.random.default_rng(seed)
    minute = np.round(np.sort(draw.uniform(0, 7 * 24 * 60, n)) - draw.exponential(60, n))
    return [
        {
            "payment_id": f"p{i}",
            "at": at(float(minute[i])),
            "user": None if draw.random() < 0.05 else f"u{draw.integers(60)}",
            "device": None if draw.random() < 0.1 else "hub" if draw.random() < 0.3 else f"d{draw.integers(20)}",
        }
        for i in range(n)
    ]


def system(threads: int = 1, *, capacity: int = 512) -> Timeline:
    """Return a system with links in both directions, over a pair, beside plain windows of the same keys."""
    small = Payment.by("device", capacity=capacity, eps=0.1)
    return Timeline(
        small.linked("user", fan_out=8).count(hours(1), days(7)),
        small.linked("user", fan_out=8).known("fraud", days(1), days(7)),
        small.linked("user", fan_out=8).events(days(7), of="fraud"),
        user.linked("device").known("fraud", days(7)),
        pair.linked("user").count(days(7)),
        user.count(days(1)),
        device.distinct("user", days(7)),
        threads=threads,
    )


def fold(line: Timeline, events: Sequence[dict[str, Any]], batch: int) -> list[bytes]:
    """Offer events in batches, with labels and a retraction every fifty, and return the bits of their features."""
    found = []
    for start in range(0, len(events), 50):
        stretch = events[start : start + 50]
        for first in range(0, len(stretch), batch):
            found += [v.bits(line.plan.system.name) for v in line.offer_all(stretch[first : first + batch])]
        for event in stretch[:20]:
            line.label(event["payment_id"])
        line.retract(stretch[7]["payment_id"])
    return found


@pytest.mark.parametrize("capacity", [8, 512])
@pytest.mark.parametrize(("batch", "threads"), [(7, 1), (50, 2)])
def test_batches_and_threads_change_no_bit_of_a_link(batch: int, threads: int, capacity: int) -> None:
    one, other = system(capacity=capacity), system(threads, capacity=capacity)
    events = payments(400)
    assert fold(one, events, 1) == fold(other, events, batch)
    states = [line.decider.workspace.system(None).state.digest() for line in (one, other)]
    assert states[0] == states[1]


@pytest.mark.parametrize("capacity", [8, 512])
def test_replay_and_restart_change_no_bit_of_a_link(capacity: int) -> None:
    line = system(capacity=capacity)
    events = payments(400)
    fold(line, events[:200], 13)
    restarted = system(capacity=capacity)
    restarted.decider = type(line.decider)([restarted.plan], line.decider.log, clock=line.decider.clock)
    fold(restarted, events[200:], 13)
    found = replay([restarted.plan], restarted.decider.log, batch=50)
    assert found.features_compared == 400 * len(line.plan.names)
    assert (found.features_differing, found.scores_differing) == (0, 0)


def test_own_decisions_are_seen_through_links_whatever_the_batch() -> None:
    """A decline of somebody who shares a device is known at the next event, in the same batch."""
    rules = "version: 1\nrules:\n- id: large\n  when: x > 1\n  action: block\n  reason: large\n"
    declined = device.linked("user").known("declined", days(1))

    def line() -> Timeline:
        return Timeline(declined, rules=rules, outcomes=[Outcome("declined", decided=("block",))])

    rows = [
        {"payment_id": "a1", "at": at(0), "user": "a", "device": "d1"},
        {"payment_id": "a2", "at": at(1), "user": "a", "device": "d2", "x": 5.0},
        {"payment_id": "b", "at": at(2), "user": "b", "device": "d1"},
    ]
    alone, together = line(), line()
    for row in rows:
        alone.offer_all([row])
    together.offer_all(rows)
    for each in (alone, together):
        assert each.stored("b").features["device_linked_user_declined_known_1d"] == 1
    assert len({each.decider.workspace.system(None).state.digest() for each in (alone, together)}) == 1


def past() -> tuple[pl.DataFrame, pl.DataFrame, list[dict[str, float | None]]]:
    """Return payments and labels as tables, and what each payment must see."""
    draw = np.random.default_rng(11)
    when = np.sort(draw.choice(9 * 24 * 60, 250, replace=False)).astype(float)
    rows = [(f"p{i:03}", at(m), f"u{draw.integers(25)}", f"d{draw.integers(8)}") for i, m in enumerate(when)]
    known = {i: when[i] + 0.5 + float(draw.integers(0, 3 * 24 * 60)) for i in range(0, 250, 3)}
    seen = [Seen(m, i, rows[i][2], rows[i][3]) for i, m in enumerate(when)]
    wanted = []
    for i, own in enumerate(seen):
        for j, other in enumerate(seen[:i]):
            other.fraud = j in known and known[j] <= own.minute
        wanted.append(expected(seen[:i], own))
    stamp = pl.Datetime("us", "UTC")
    schema: dict[str, Any] = {"payment_id": pl.String, "at": stamp, "user": pl.String, "device": pl.String}
    told = [(rows[i][0], True, at(m)) for i, m in known.items()]
    label_schema: dict[str, Any] = {"payment_id": pl.String, "value": pl.Boolean, "known_at": stamp}
    labels = pl.DataFrame(told, schema=label_schema, orient="row")
    return pl.DataFrame(rows, schema=schema, orient="row"), labels, wanted


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_backfill_knows_what_was_known_between_its_events(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjudge.learn.backfill.CHUNK", chunk)
    frame, labels, wanted = past()
    plan = compile(System("past", Payment, label=Label("fraud", delay=days(1)), features=FEATURES))
    table = backfill(plan, {"payment": frame}, {"fraud": labels}).table
    for i, row in enumerate(wanted):
        assert {name: table.X[k, i] for k, name in enumerate(table.names) if name in row} == row
    assert any(row["device_linked_user_fraud_known_1d"] for row in wanted)


def test_a_link_that_sees_one_row_too_many_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: an engine that enters who shares before it asks, not after, is not the definition."""

    def early(history: Any, kept: Histories, batch: Any, kind: int, out: Any = None) -> None:
        linked_fold(history, kept, batch, INSERT if kind == ADVANCE else kind)
        if out is not None:
            linked_fold(history, kept, batch, SCAN, out)

    linked_fold = linked.fold_linked
    monkeypatch.setattr(folding, "fold_linked", early)
    with pytest.raises(AssertionError):
        test_a_future_edge_is_not_seen()


def test_verify_proves_links_on_payments() -> None:
    world = of_world(simulate(600, seed=5, days=14, fraud_share=0.1))
    source = Source({"payment": world.frames["payment"]}, {"fraud": world.labels["fraud"]})
    shop, own = CardPayment.by("device"), CardPayment.by("user")
    plan = compile(
        System(
            "linked",
            CardPayment,
            label=Label("fraud", delay=days(7)),
            features=[
                own.count(hours(24)),
                shop.linked("user").count(days(30)),
                shop.linked("user").known("fraud", days(30)),
                CardPayment.by("merchant").linked("user", fan_out=16).events(days(7), of="fraud"),
            ],
            amount="amount",
        )
    )
    _, points, caught = verify_python(plan, script_of(plan, source), told=lambda what, done, of: None)
    assert caught
    for point in points:
        assert point.features_compared == 600 * len(plan.names)
        assert (point.features_differing, point.scores_differing) == (0, 0), point.name


def test_erasing_a_person_takes_what_was_known_of_them_and_leaves_the_devices() -> None:
    line = Timeline(*FEATURES)
    line.send("a", 0, user="a", device="d")
    line.label("a")
    plan, state = line.plan, line.decider.workspace.system(None).state
    assert line.score(1, device="d")["device_linked_user_fraud_known_1d"] == 1
    encoder = plan.stream("payment").encoder
    plan.erase(state, "payment", "user", {"user": hash_texts(encoder.secret, TEXT_TAG, ["a"])})
    seen = line.score(1, device="d")
    assert (seen["device_linked_user_count_1d"], seen["device_linked_user_fraud_known_1d"]) == (1, 0)
    plan.erase(state, "payment", "device", {"device": hash_texts(encoder.secret, TEXT_TAG, ["d"])})
    assert line.score(1, device="d")["device_linked_user_count_1d"] == 0


def test_reading_a_device_tells_who_shares_it_whoever_asks() -> None:
    line = Timeline(*FEATURES)
    line.send("a", 0, user="a", device="d")
    line.send("b", 1, user="b", device="d")
    line.label("a")
    state = line.decider.workspace.system(None).state
    found = line.plan.read(state, "device", {"device": "d"}, micros(at(2) - datetime(1970, 1, 1, tzinfo=UTC)))
    assert (found["device_linked_user_count_1d"], found["device_linked_user_fraud_known_1d"]) == (2, 1)


def test_links_are_written_down_and_read_back() -> None:
    line = system()
    again = compile(from_spec(to_spec(line.plan.system)))
    assert again.versions == line.plan.versions
    assert again.names == line.plan.names


def test_what_cannot_be_linked_is_refused_with_its_place() -> None:
    with pytest.raises(DefinitionError, match="at least one field"):
        device.linked()
    with pytest.raises(DefinitionError, match="another one only"):
        device.linked("device")
    with pytest.raises(DefinitionError, match="without a condition"):
        device.where("x > 1").linked("user")
    with pytest.raises(DefinitionError, match="fan-out from 1 to 1024, not 0"):
        device.linked("user", fan_out=0)
    twice = [*device.linked("user").count(days(1)), *device.linked("user", fan_out=2).count(days(2))]
    for features, message in (
        (list(device.linked("usr").count(days(1))), "no field 'usr'; did you mean 'user'"),
        (list(device.linked("user").known("frod", days(1))), "'frod' is no label or outcome; did you mean 'fraud'"),
        (list(device.linked("amount").count(days(1))), "keys are made of key or category fields"),
        (twice, "different capacity, eps, memory or fan-out"),
    ):
        with pytest.raises(DefinitionError, match=message):
            Timeline(features)
