"""Backfilling: what each event of the past saw is what it would have seen live, labels at their own time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from adjudge.define import Label, Outcome, System, days, hours
from adjudge.define.feature import Features
from adjudge.engine import Plan, compile
from adjudge.errors import DefinitionError, InputError
from adjudge.learn.backfill import Backfilled, backfill
from adjudge.learn.table import NEVER
from tests.contracts.timeline import Account, Payment, at, user
from tests.engine.machines import MACHINES, errors, inspection, profile, readings

UTC_US = pl.Datetime("us", "UTC")


def plan(*features: Features) -> Plan:
    return compile(
        System("past", Payment, label=Label("fraud", delay=days(1)), features=features, outcomes=[Outcome("declined")])
    )


def payments(*minutes: float) -> pl.DataFrame:
    """Return payments of one user, p0, p1 and so on."""
    rows = [{"payment_id": f"p{i}", "at": at(m), "user": "u"} for i, m in enumerate(minutes)]
    return pl.DataFrame(rows, schema={"payment_id": pl.String, "at": UTC_US, "user": pl.String})


def labels(*told: tuple[str, bool, float]) -> pl.DataFrame:
    """Return labels: of which payment, what, and known in which minute."""
    rows = [(id_, value, at(minute)) for id_, value, minute in told]
    return pl.DataFrame(rows, schema={"payment_id": pl.String, "value": pl.Boolean, "known_at": UTC_US}, orient="row")


def seen(found: Backfilled, name: str) -> list[float]:
    """Return what each event saw of one feature."""
    values: list[float] = found.table.X[found.table.names.index(name)].tolist()
    return values


FRAUDS = user.count(days(30), of="fraud")


def test_a_label_is_seen_from_the_time_at_which_it_was_known() -> None:
    found = backfill(
        plan(FRAUDS), {"payment": payments(0, 10, 20, 30)}, {"fraud": labels(("p1", True, 25), ("p0", True, 15))}
    )
    assert seen(found, "user_fraud_count_30d") == [0, 0, 1, 2]
    np.testing.assert_array_equal(found.table.label, [1, 1, np.nan, np.nan])
    assert found.table.known_at[2] == NEVER
    assert found.table.known_at[1] - found.table.ts[1] == 15 * 60_000_000


def test_the_last_label_counts_and_one_after_all_events_changes_no_feature() -> None:
    told = labels(("p0", True, 5), ("p0", False, 15), ("p1", True, 1000), ("unknown", True, 5))
    found = backfill(plan(FRAUDS), {"payment": payments(0, 10, 20)}, {"fraud": told})
    assert seen(found, "user_fraud_count_30d") == [0, 1, 0]
    np.testing.assert_array_equal(found.table.label, [0, 1, np.nan])


@pytest.mark.parametrize("minute", [-60, 9, 10])
@pytest.mark.parametrize("chunk", [1, 100])
def test_a_label_that_was_known_before_its_event_waits_for_it(
    minute: float, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adjudge.learn.backfill.CHUNK", chunk)
    told = labels(("p1", True, minute), ("p0", True, 10))
    found = backfill(plan(FRAUDS), {"payment": payments(0, 10, 20)}, {"fraud": told})
    assert seen(found, "user_fraud_count_30d") == [0, 1, 2]
    assert found.table.known_at[1] - found.table.known_at[0] == (minute - 10) * 60_000_000


def test_at_one_time_labels_come_before_profiles_and_events_and_events_in_their_order() -> None:
    """A payment sees the label and the profile of its own time, and the payments that stand before it in the table."""
    account = {"change_id": ["c0", "c1"], "at": [at(20), at(10)], "user": ["u", "u"], "level": [2.0, 1.0]}
    accounts = pl.DataFrame(account, schema_overrides={"at": UTC_US})
    asked = plan(FRAUDS, user.count(hours(1)), Account.by("user").latest("level"))
    found = backfill(
        asked,
        {"payment": payments(20, 0, 10, 10), "account": accounts},
        {"fraud": labels(("p1", True, 20)), "declined": labels()},
    )
    assert found.table.ids.tolist() == ["p1", "p2", "p3", "p0"]
    assert seen(found, "user_count_1h") == [0, 1, 2, 3]
    assert seen(found, "user_fraud_count_30d") == [0, 0, 0, 1]
    np.testing.assert_array_equal(seen(found, "user_account_level"), [np.nan, 1, 1, 2])
    assert (found.next_seq, found.seq.tolist()) == (7, [0, 2, 3, 6])


def frame(events: Sequence[Any], **types: Any) -> pl.DataFrame:
    return pl.DataFrame([vars(e) for e in events], schema_overrides={"at": UTC_US} | types)


def test_several_streams_are_folded_as_a_log_would_bring_them() -> None:
    """By time; at one time what informs before what is decided: the same bits as one event after another."""
    machines = compile(MACHINES)
    volts, shakes = [10.0 + i % 7 for i in range(60)], [None if i % 5 == 0 else 30.0 + i % 23 for i in range(60)]
    streams: dict[str, list[Any]] = {
        "error": errors("m1", [1, 2, 2.5, 30]) + errors("m2", [5]),
        "machine": [profile("m1", "alpha", timedelta(days=400)), profile("m2", "beta", timedelta(days=3))],
        "reading": readings("m1", volts, shakes) + readings("m2", volts[::-1], shakes),
        "inspection": [inspection(m, timedelta(hours=h)) for h in (0, 1, 2, 30, 59, 200) for m in ("m1", "m2", "m3")],
    }
    frames = {name: frame(events) for name, events in streams.items()}
    frames["machine"] = frame(streams["machine"], installed=UTC_US)
    found = backfill(machines, frames)
    live = machines.start()
    log = [(e.at, name == "inspection", order, name, e) for order, name in enumerate(frames) for e in streams[name]]
    columns = []
    for seq, (_, decided, _, name, event) in enumerate(sorted(log, key=lambda entry: entry[:3])):
        decisions = machines.step(live, machines.encode(name, [event], np.array([seq])))
        if decided:
            assert decisions is not None
            columns.append(decisions.X[machines.rows, 0])
    expected = np.stack(columns, axis=1)
    assert np.array_equal(found.table.X.view(np.uint64), expected.view(np.uint64))
    assert found.state.digest() == live.digest()


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_the_size_of_a_chunk_changes_no_bit(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    n = 300
    events = payments(*np.sort(draw.integers(0, 5000, n)).tolist()).with_columns(
        user=pl.Series([f"u{i}" for i in draw.integers(0, 4, n)]), x=pl.Series(draw.normal(size=n))
    )
    told = [(f"p{i}", bool(draw.random() < 0.5), float(draw.integers(0, 6000))) for i in draw.integers(0, n, 150)]
    small = Payment.by("user", capacity=16, eps=0.1)
    asked = plan(
        small.count(days(1), of="fraud"),
        small.where("x > 0", called="high").count(days(1), of="fraud"),
        small.rate("fraud", days(2)),
        small.std("x", hours(6)),
    )
    given = ({"payment": events}, {"fraud": labels(*told), "declined": labels(*told[:20])})
    whole = backfill(asked, *given)
    monkeypatch.setattr("adjudge.learn.backfill.CHUNK", chunk)
    reported: list[int] = []
    parts = backfill(asked, *given, progress=lambda done, _: reported.append(done))
    assert np.array_equal(whole.table.X.view(np.uint64), parts.table.X.view(np.uint64))
    assert whole.state.digest() == parts.state.digest()
    assert reported == [*range(chunk, whole.next_seq, chunk), whole.next_seq]


def test_what_is_missing_or_misspelt_is_named() -> None:
    with pytest.raises(InputError, match="needs events of stream 'payment'"):
        backfill(plan(FRAUDS), {})
    with pytest.raises(DefinitionError, match="no label or outcome 'frod'; did you mean 'fraud'"):
        backfill(plan(FRAUDS), {"payment": payments(0)}, {"frod": labels()})
    with pytest.raises(InputError, match="labels 'fraud' need a column 'known_at'"):
        backfill(plan(FRAUDS), {"payment": payments(0)}, {"fraud": labels().drop("known_at")})
