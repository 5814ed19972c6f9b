"""Outcomes with values: whichever way events and outcomes come in, and go out again, they say and count the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.client import AsyncClient, Waiting, WaitingChange
from adjudge.define import Entity, Event, Id, Key, Label, Outcome, Rules, System, Time, days
from adjudge.define.feature import Features
from adjudge.engine import Plan, compile
from adjudge.errors import DefinitionError, InputError
from adjudge.learn.backfill import backfill
from adjudge.learn.source import Source, read_streams
from adjudge.log import Kind, MemoryLog
from adjudge.log.codec import entries_of
from adjudge.service.app import Service
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.export.files import export
from adjudge.service.follow import Follower
from adjudge.service.past import import_source
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from adjudge.service.verify import script_of, verify_python
from adjudge.service.workspace import Change
from tests.service.shop import START, ManualClock


class Transfer(Event):
    """Money on its way."""

    transfer_id: Id
    at: Time
    user: Key


STEP_UP = Outcome("step_up", values=("passed", "failed", "timed_out"))


def features(user: Entity) -> list[Features]:
    """Return features that count outcomes."""
    return [
        user.count(days(1)),
        *(user.count(days(1), of=mark) for mark in STEP_UP.marks),
        user.rate("step_up_failed", days(7)),
        user.count(days(7), of="dispute_opened"),
        user.where("user != 'u1'", called="other").count(days(1), of="step_up_failed"),
        user.count(days(1), of="declined"),
    ]


user = Transfer.by("user", capacity=8, eps=0.2)
SYSTEM = System(
    "bank",
    decides=Transfer,
    label=Label("fraud", delay=days(7)),
    outcomes=[Outcome("declined", decided=("block",)), STEP_UP, Outcome("dispute", values=("opened", "won", "lost"))],
    features=features(user),
    rules=Rules.load("version: 1\nrules: [{id: failed, when: user_step_up_failed_count_1d >= 2, action: block}]"),
)
PLAN = compile(SYSTEM)


@dataclass(frozen=True)
class Paid:
    """A transfer of a user in some minute."""

    number: int
    minute: int
    user: str


@dataclass(frozen=True)
class Said:
    """What became known of a transfer in some minute; True is its retraction."""

    number: int
    minute: int
    outcome: str
    value: str


Step = Paid | Said


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Draw transfers and what became known of them, each in a minute of its own, some of it ahead of the transfer."""
    size = draw(st.integers(1, 40))
    found: list[Step] = []
    for minute in range(size):
        if draw(st.booleans()):
            number = sum(isinstance(step, Paid) for step in found)
            found.append(Paid(number, minute * 60, draw(st.sampled_from(["u1", "u2"]))))
        else:
            outcome = draw(st.sampled_from([STEP_UP, SYSTEM.outcomes[2]]))
            about = draw(st.integers(0, size // 2))
            found.append(Said(about, minute * 60, outcome.name, draw(st.sampled_from(outcome.values))))
    return found


def counts(known: Sequence[Step], asked: Paid) -> dict[str, float]:
    """Return what a transfer must see, said slowly: filter what is known, look at the last word on each."""
    last = {(s.number, s.outcome): s.value for s in known if isinstance(s, Said)}
    own = [s for s in known if isinstance(s, Paid) and s.user == asked.user]
    day = [s for s in own if s.minute > asked.minute - 24 * 60]
    week = [s for s in own if s.minute > asked.minute - 7 * 24 * 60]
    failed = [s for s in week if last.get((s.number, "step_up")) == "failed"]
    seen = {
        f"user_step_up_{value}_count_1d": float(sum(last.get((s.number, "step_up")) == value for s in day))
        for value in STEP_UP.values
    }
    seen["user_count_1d"] = float(len(day))
    seen["user_step_up_failed_rate_7d"] = len(failed) / len(week) if week else np.nan
    seen["user_dispute_opened_count_7d"] = float(sum(last.get((s.number, "dispute")) == "opened" for s in week))
    seen["user_step_up_failed_other_count_1d"] = 0.0 if asked.user == "u1" else seen["user_step_up_failed_count_1d"]
    return seen


class Bank:
    """A decider that is told steps."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.clock = ManualClock(START + timedelta(days=30))
        self.decider = Decider([plan], clock=self.clock)

    def tell(self, step: Step) -> dict[str, Any]:
        """Decide a transfer and return its features, or log what is known of one."""
        if isinstance(step, Said):
            (status,) = self.decider.change([change(step)])
            assert not isinstance(status, InputError), status
            return {}
        door = self.decider.workspace.door("transfer")
        at = START + timedelta(minutes=step.minute)
        self.decider.decide(
            "transfer", door.rows([{"transfer_id": f"t{step.number}", "at": at, "user": step.user}]).events
        )
        return dict(self.decider.decision(f"t{step.number}").features)


def change(step: Said) -> Change:
    """Return what a step logs."""
    return Change(Kind.OUTCOME, "transfer", f"t{step.number}", step.outcome, 1.0, step.value)


def as_source(known: Sequence[Step]) -> Source:
    """Return steps as tables."""
    paid = [(f"t{s.number}", START + timedelta(minutes=s.minute), s.user) for s in known if isinstance(s, Paid)]
    times = pl.Datetime("us", "UTC")
    fields: dict[str, Any] = {"transfer_id": pl.String, "at": times, "user": pl.String}
    frame = pl.DataFrame(paid, fields, orient="row")
    told: dict[str, list[Any]] = {}
    for step in known:
        if isinstance(step, Said):
            row = (f"t{step.number}", step.value, START + timedelta(minutes=step.minute))
            told.setdefault(step.outcome, []).append(row)
    shape: dict[str, Any] = {"transfer_id": pl.String, "value": pl.String, "known_at": times}
    return Source({"transfer": frame}, {name: pl.DataFrame(rows, shape, orient="row") for name, rows in told.items()})


WIDE = compile(replace(SYSTEM, rules=Rules(), features=features(Transfer.by("user"))))
"""The same with histories that never merge, so that slow counting is exact, and without rules."""


@settings(max_examples=40)
@given(steps())
def test_live_and_table_count_what_slow_counting_does(known: list[Step]) -> None:
    bank = Bank(WIDE)
    seen = [bank.tell(step) for step in known]
    decided = [(i, step) for i, step in enumerate(known) if isinstance(step, Paid)]
    for i, step in decided:
        expected = counts(known[:i], step)
        assert {n: np.nan if seen[i][n] is None else seen[i][n] for n in expected} == pytest.approx(
            expected, nan_ok=True
        )
    if not decided:
        return
    source = as_source(known)
    table = backfill(WIDE, source.frames, source.labels).table
    live = np.array([[np.nan if seen[i][n] is None else seen[i][n] for i, _ in decided] for n in table.names])
    assert np.array_equal(table.X.view(np.uint64), live.view(np.uint64))


def busy() -> tuple[Bank, list[Step]]:
    """Return a bank after a few days, with merged histories, corrected outcomes and some that wait, and the steps."""
    draw = np.random.default_rng(5)
    known: list[Step] = []
    for minute in range(0, 400):
        if draw.random() < 0.4:
            outcome = [STEP_UP, SYSTEM.outcomes[2]][int(draw.integers(2))]
            about = int(draw.integers(0, 260))
            known.append(Said(about, minute * 20, outcome.name, outcome.values[int(draw.integers(3))]))
        else:
            number = sum(isinstance(step, Paid) for step in known)
            known.append(Paid(number, minute * 20, f"u{draw.integers(3)}"))
    bank = Bank()
    for step in known:
        bank.tell(step)
    return bank, known


def test_replay_snapshot_and_restart_come_to_the_same(tmp_path: Path) -> None:
    bank, _ = busy()
    bank.decider.change([Change(Kind.RETRACTION, "transfer", f"t{i}") for i in range(0, 200, 7)])
    workspace, log = bank.decider.workspace, bank.decider.log
    assert workspace.system(None).state.histories[0].stats().merged_keys == 3
    assert workspace.waiting > 0
    assert replay([PLAN], log).equal
    part = MemoryLog()
    for commit in list(log.read())[: len(log) // 2]:
        part.append(commit)
    early = Follower([PLAN], part, say=pytest.fail)
    early.catch_up()
    early.snapshot(tmp_path)
    for snapshots in (tmp_path, None):
        other = Follower([PLAN], log, snapshots, say=pytest.fail)
        other.catch_up()
        assert other.workspace.digest() == workspace.digest()
        assert other.workspace.waiting_changes == workspace.waiting_changes
        said = [w.system(None).said_of(i) for w in (other.workspace, workspace) for i in range(len(log))]
        assert said[: len(log)] == said[len(log) :]


def test_what_was_said_is_read_back_everywhere(tmp_path: Path) -> None:
    bank = Bank()
    for step in (Paid(0, 0, "u1"), Said(0, 1, "step_up", "failed"), Said(0, 2, "step_up", "passed")):
        bank.tell(step)
    log = bank.decider.log
    assert bank.decider.decision("t0").said == {"step_up": "passed"}
    assert explain([PLAN], log, "t0").labels == {"step_up": "passed"}
    entries = [e for commit in log.read() for e in entries_of(commit) if e.kind == Kind.OUTCOME]
    assert [json.loads(bytes(e.content)) for e in entries] == [
        {"name": "step_up", "value": "failed"},
        {"name": "step_up", "value": "passed"},
    ]
    export(log, tmp_path)
    rows = pl.read_parquet(str(tmp_path / "labels" / "**" / "*.parquet"), hive_partitioning=True)
    assert rows.select("name", "value", "text").rows() == [("step_up", None, "failed"), ("step_up", None, "passed")]


def test_an_imported_past_and_its_files_say_the_same(tmp_path: Path) -> None:
    _, known = busy()
    source = as_source(known)
    source.write(tmp_path)
    read = read_streams(SYSTEM, tmp_path)
    assert read.labels["step_up"]["value"].to_list() == source.labels["step_up"]["value"].to_list()
    imported = Bank()
    import_source(imported.decider, read, "bank")
    expected = backfill(PLAN, source.frames, source.labels)
    asked = Paid(999, 400 * 20, "u2")
    seen = imported.tell(asked)
    table = as_source([*known, asked])
    last = backfill(PLAN, table.frames, table.labels).table.X[:, -1]
    assert expected.state.digest() != Bank().decider.workspace.digest()
    assert [np.nan if seen[n] is None else seen[n] for n in expected.table.names] == pytest.approx(last, nan_ok=True)
    spoilt = source.labels["step_up"].with_columns(value=pl.lit("fialed"))
    with pytest.raises(
        InputError, match="outcome 'step_up' is one of passed, failed, timed_out; did you mean 'failed'"
    ):
        backfill(PLAN, source.frames, {"step_up": spoilt})


def test_every_size_of_batch_comes_to_the_same() -> None:
    """Serially, in batches, on threads and as a table, by the product's own proof."""
    _, known = busy()
    _, points, caught = verify_python(PLAN, script_of(PLAN, as_source(known)), told=lambda *_: None)
    assert caught
    assert {(p.features_differing, p.scores_differing) for p in points} == {(0, 0)}


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ({"outcome": "step_up", "value": "fialed"}, "unknown_value", "; did you mean 'failed'?"),
        ({"outcome": "step_up", "value": True}, "wrong_type", "is one of passed, failed, timed_out"),
        ({"outcome": "declined", "value": "yes"}, "wrong_type", "outcome 'declined' is true or false"),
        ({"outcome": "step_up_failed", "value": True}, "unknown_outcome", "did you mean 'step_up'?"),
        ({"outcome": "step_up", "value": 1}, "wrong_type", "value must be true or false or text, not a number"),
        ({"outcome": "step_up", "value": None}, "missing_field", "value is required"),
        ({"outcome": "step_up", "value": "x" * 201}, "too_long", "value may have at most 200 characters"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(said: Mapping[str, Any], code: str, words: str) -> None:
    answer = posted(Bank(), {"id": "t0", **said})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    assert words in error["message"]


def posted(bank: Bank, body: Any) -> httpx.Response:
    """Post outcomes to the service around a bank."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(Service(bank.decider, Settings(auth="off")))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/outcomes", json=body)

    return asyncio.run(send())


def test_a_client_says_and_reads_values() -> None:
    bank = Bank()
    bank.tell(Paid(0, 0, "u1"))

    async def talk() -> Any:
        transport = httpx.ASGITransport(Service(bank.decider, Settings(auth="off")))
        async with AsyncClient("http://localhost", transport=transport) as client:
            one = await client.outcome_one("t0", "failed", outcome="step_up")
            rows = [
                {"id": "t0", "outcome": "step_up", "value": "timed_out"},
                {"id": "t0", "outcome": "dispute", "value": "?"},
            ]
            many = await client.outcome_many(rows)
            return one.status, [done and done.status for done in many.results], (await client.decision("t0")).labels

    assert asyncio.run(talk()) == ("set", ["set", None], {"step_up": "timed_out"})


def test_what_waits_is_told_also_after_a_restart() -> None:
    """By event and value, until the event comes."""
    bank = Bank()
    bank.decider.change([change(Said(3, 0, "step_up", "failed")), Change(Kind.RETRACTION, "transfer", "t4")])
    bank.decider = Decider([PLAN], bank.decider.log, clock=bank.clock)

    async def talk() -> Waiting:
        transport = httpx.ASGITransport(Service(bank.decider, Settings(auth="off")))
        async with AsyncClient("http://localhost", transport=transport) as client:
            return await client.waiting()

    assert asyncio.run(talk()) == Waiting(
        2,
        [
            WaitingChange("outcome", "transfer", "t3", "step_up", "failed"),
            WaitingChange("retraction", "transfer", "t4"),
        ],
    )
    bank.tell(Paid(3, 0, "u1"))
    assert asyncio.run(talk()).waiting == 1


def test_two_systems_may_give_an_outcome_other_values() -> None:
    """Each takes what it knows; of a value that it does not know, it knows that it is none of its own."""
    other = compile(
        replace(
            SYSTEM, name="other", outcomes=[Outcome("step_up", values=("failed", "odd"))], features=(), rules=Rules()
        )
    )
    decider = Decider([PLAN, other], clock=ManualClock())
    door = decider.workspace.door("transfer")
    decider.decide("transfer", door.rows([{"transfer_id": "t0", "at": START, "user": "u1"}]).events)
    for value, known in (("failed", ("failed", "failed")), ("odd", (None, "odd")), ("passed", ("passed", None))):
        assert decider.change([Change(Kind.OUTCOME, "transfer", "t0", "step_up", 1.0, value)]) == ["set"]
        seen = [decider.decision("t0", system=name).said.get("step_up") for name in ("bank", "other")]
        assert tuple(seen) == known


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            {"features": [user.count(days(1), of="step_up")]},
            "has values: ask for one of step_up_passed, step_up_failed",
        ),
        ({"features": [user.rate("step_up", days(1))]}, "has values: ask for one of step_up_passed"),
        ({"outcomes": [STEP_UP, Outcome("step_up_failed")]}, "'step_up_failed' is set by two labels or outcomes"),
    ],
)
def test_mistakes_in_definitions_are_named(broken: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        compile(replace(SYSTEM, rules=Rules(), **broken))


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"values": ("passed", "time out")}, "a value is a plain name such as 'failed', not 'time out'"),
        ({"values": ("true", "no")}, "not 'true'"),
        ({"values": ("one",)}, "needs two or more values"),
        ({"values": ("a", "b", "a")}, "none of them twice"),
        ({"values": ("a", "b"), "decided": ("block",)}, "only an outcome that is true or false can be set by actions"),
    ],
)
def test_mistakes_in_values_are_named(given_: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        Outcome("step_up", **given_)
