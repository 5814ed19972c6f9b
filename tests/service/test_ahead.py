"""Batches admitted ahead of their turn: whatever comes between, they are decided as if each had waited for the last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adjudge.errors import UnavailableError
from adjudge.log import Kind
from adjudge.service.decider import Decider
from adjudge.service.replay import replay
from adjudge.service.verdict import Verdict
from adjudge.service.workspace import Change
from tests.service.shop import Shop, many_purchases, purchase, shop
from tests.service.test_decider import Moody, label


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


def open_shop(plan: Any) -> Shop:
    """Return a fresh decider at the end of the day, when all purchases are past."""
    desk = Shop(plan)
    desk.clock.at += timedelta(days=1)
    return desk


def batches(desk: Shop, size: int = 8, count: int = 160) -> list[list[Any]]:
    """Return purchases in batches; the last of each comes again at the start of the next."""
    rows = many_purchases(count, seed=3)
    events = desk.decider.workspace.door("purchase").rows(rows).events
    return [events[max(0, i - 1) : i + size] for i in range(0, count, size)]


def told(verdicts: list[Verdict]) -> list[Any]:
    """Return what can be seen of verdicts, but for the time they took."""
    return [(v.seq, v.repeated, v.error and v.error.code, v.answer("shop").split(b',"latency')[0]) for v in verdicts]


def test_ahead_is_the_same_as_one_after_the_other(plan: Any) -> None:
    """Positions, features, repeated ids and the log."""
    waits, runs = open_shop(plan), open_shop(plan)
    expected = [told(waits.decider.decide("purchase", batch)) for batch in batches(waits)]
    assert [told(v) for v in runs.decider.decide_all("purchase", batches(runs))] == expected
    assert runs.decider.workspace.digest() == waits.decider.workspace.digest()
    assert len(runs.decider.log) == len(waits.decider.log)
    assert replay([plan], runs.decider.log).equal


def test_labels_and_other_batches_may_come_between(plan: Any) -> None:
    """They wait for the batch in hand and go before those that are only admitted."""
    waits, runs = open_shop(plan), open_shop(plan)

    def between(desk: Shop, n: int, verdicts: list[Verdict]) -> None:
        if n % 3 == 1:
            desk.decider.change([label(f"between{n}"), label("p-none")])
            desk.decide(purchase(f"between{n}"))
        if n % 4 == 2:
            id_ = verdicts[-1].decided["shop"].ids[-1]
            desk.decider.change([Change(Kind.RETRACTION, "purchase", id_), label(id_)])

    expected, found = [], []
    for n, batch in enumerate(batches(waits)):
        verdicts = waits.decider.decide("purchase", batch)
        expected.append(told(verdicts))
        between(waits, n, verdicts)
    for n, verdicts in enumerate(runs.decider.decide_all("purchase", batches(runs))):
        found.append(told(verdicts))
        between(runs, n, verdicts)
    assert found == expected
    assert runs.decider.workspace.digest() == waits.decider.workspace.digest()
    assert replay([plan], runs.decider.log).equal


def test_whoever_stops_asking_leaves_nothing_behind(plan: Any) -> None:
    """Admitted and never asked for: ids are free again."""
    desk = open_shop(plan)
    first = batches(desk)
    stream = desk.decider.decide_all("purchase", first)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert desk.decider.workspace.known_events == 8
    assert len(desk.decider.log) == 9
    rest = [told(desk.decider.decide("purchase", batch)) for batch in first[1:]]
    assert [r[1] for batch in rest for r in batch[1:]] == [False] * 152
    assert replay([plan], desk.decider.log).equal


def test_what_the_source_raises_ends_the_stream(plan: Any) -> None:
    """After what came before was decided."""
    desk = open_shop(plan)

    def source() -> Iterator[list[Any]]:
        yield batches(desk)[0]
        message = "torn"
        raise ValueError(message)

    stream = desk.decider.decide_all("purchase", source())
    assert len(next(stream)) == 8
    with pytest.raises(ValueError, match="torn"):
        next(stream)
    assert desk.decider.workspace.known_events == 8
    assert desk.decide(purchase("p9"))[0]["seq"] == 9


def test_a_log_that_fails_ends_the_stream_and_keeps_what_was_yielded(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again when the log works again, everything is as if nothing had happened."""
    monkeypatch.setattr("adjudge.service.writer.PAUSE_S", 0.0)
    log, calm = Moody(), open_shop(plan)
    desk = open_shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    found, every = [], batches(desk)
    stream = desk.decider.decide_all("purchase", every)
    found += [told(next(stream)) for _ in range(5)]
    log.full = True
    with pytest.raises(UnavailableError, match="no space"):
        next(stream)
    log.full = False
    found += [told(v) for v in desk.decider.decide_all("purchase", every[5:])]
    assert found == [told(v) for v in calm.decider.decide_all("purchase", batches(calm))]
    assert desk.decider.workspace.digest() == calm.decider.workspace.digest()
