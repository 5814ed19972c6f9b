"""The contract on the log, rules 31 to 33: first logged then answered, one process, a chain that proves itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from adjudge.define import hours
from adjudge.errors import UnavailableError
from adjudge.log import Commit, LogUnavailableError, MemoryLog
from adjudge.log.audit import audit
from adjudge.service.replay import replay
from tests.contracts.timeline import Payment, Timeline

user = Payment.by("user")


class Unwilling(MemoryLog):
    """A log that takes so many commits and no more."""

    room = 1_000

    def append(self, commit: Commit) -> None:
        """Append while there is room."""
        if self.room <= 0:
            message = "full"
            raise LogUnavailableError(message)
        super().append(commit)
        self.room -= 1


def test_rule_31_what_could_not_be_logged_has_never_been(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjudge.service.writer.PAUSE_S", 0.0)
    log = Unwilling()
    line = Timeline(user.count(hours(1)), user.is_new(), log=log)
    line.send("a", 0)
    log.room = 0
    for refused in (lambda: line.offer("b", 1, user="u"), lambda: line.label("a"), lambda: line.retract("a")):
        with pytest.raises(UnavailableError, match="full"):
            refused()
    log.room = 1_000
    assert line.score(2) == {"user_count_1h": 1, "user_is_new": 0}
    assert line.send("b", 2) == {"user_count_1h": 1, "user_is_new": 0}
    assert len(log) == 3  # the activation, a and b
    assert replay([line.plan], log).equal


def test_rule_31_an_answer_is_in_the_log_before_it_is_given() -> None:
    line = Timeline(user.count(hours(1)))
    verdict = line.offer("a", 0, user="u")
    restarted = Timeline(user.count(hours(1)), log=line.decider.log)
    assert restarted.stored("a").record == verdict.record


def test_rule_32_one_process_decides_and_the_one_before_cannot() -> None:
    first = MemoryLog()
    line = Timeline(user.count(hours(1)), log=first)
    line.send("a", 0)
    other = MemoryLog(first)
    with pytest.raises(UnavailableError, match="decides on this log"):
        Timeline(user.count(hours(1)), log=other)
    line.clock += timedelta(minutes=1)  # the first one hangs for longer than its right lasts
    now = int(line.clock.timestamp() * 1e6)
    assert other.acquire("another", now_us=now, ttl_us=10_000_000) is not None
    with pytest.raises(UnavailableError, match="another decides now"):
        line.offer("b", 1, user="u")


TAMPERING: dict[str, Callable[[list[Commit]], list[Commit]]] = {
    "changed": lambda c: [*c[:2], msgspec.structs.replace(c[2], payload=c[2].payload + b"x"), *c[3:]],
    "left out": lambda c: [*c[:2], *c[3:]],
    "put in": lambda c: [*c[:2], msgspec.structs.replace(c[1], first=2), *c[2:]],
    "moved": lambda c: [*c[:2], msgspec.structs.replace(c[3], first=2), msgspec.structs.replace(c[2], first=3), *c[4:]],
}


@pytest.mark.parametrize("kind", list(TAMPERING))
def test_rule_33_whatever_was_done_to_a_commit_is_named_by_its_position(kind: str) -> None:
    line = Timeline(user.count(hours(1)))
    for i in range(5):
        line.send(f"p{i}", i)
    log = line.decider.log
    assert isinstance(log, MemoryLog)
    assert audit(log).whole
    log._kept.commits[:] = TAMPERING[kind](log._kept.commits)
    found = audit(log).broken
    assert found is not None
    assert found.position == 2
