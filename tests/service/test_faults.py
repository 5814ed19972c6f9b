"""A log that cannot be written for a while, seen by whoever asks the service: refused, found out, nothing lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from adjudge.log import Commit, Log, LogUnavailableError, MemoryLog
from adjudge.log.postgres import PostgresLog
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.keeper import Keeper
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from tests.log.cluster import Cluster
from tests.service.shop import Shop, many_purchases, shop
from tests.service.test_http import Client

ROWS = many_purchases(40, seed=3, step_s=1.0)


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@contextmanager
def full_disk(log: SqliteLog) -> Iterator[None]:
    """Let the file not grow any more."""
    (pages,) = log._writer.execute("PRAGMA page_count").fetchone()
    log._writer.execute(f"PRAGMA max_page_count = {pages}")
    yield
    log._writer.execute(f"PRAGMA max_page_count = {1 << 30}")


@contextmanager
def read_only(log: SqliteLog) -> Iterator[None]:
    """Let nothing be written."""
    log._writer.execute("PRAGMA query_only = ON")
    yield
    log._writer.execute("PRAGMA query_only = OFF")


class Sender:
    """Somebody who asks a service on a log that others can read too."""

    def __init__(self, plan: Any, log: Log) -> None:
        self.plan, self.log = plan, log
        self.desk = Shop(plan)
        self.desk.decider = Decider([plan], log, clock=self.desk.clock)
        self.client = Client(self.desk)
        self.keeper = Keeper(self.desk.decider)
        self.answered: list[dict[str, Any]] = []

    def send(self, *rows: dict[str, Any]) -> int:
        """Send events in one batch, remember what was answered, and return the status."""
        answer = self.client.post("/v1/decide/many", rows)
        if answer.status_code == 200:
            self.answered += answer.json()["decisions"]
        return answer.status_code

    def ready(self) -> int:
        """Return the status of the service's own word about itself."""
        return self.client.get("/readyz").status_code

    def check_nothing_lost(self) -> None:
        """Hold everything that was answered against what another process finds in the log."""
        again = Follower([self.plan], self.log, say=pytest.fail)
        again.catch_up()
        assert again.workspace.digest() == self.desk.decider.workspace.digest()
        ids = again.workspace.ids["purchase"]
        assert [ids.get(answer["id"]) for answer in self.answered] == [answer["seq"] for answer in self.answered]
        assert len(ids) == len({answer["id"] for answer in self.answered})
        assert replay([self.plan], self.log).equal


def through(sender: Sender, fault: AbstractContextManager[None], *, reads: int = 200) -> None:
    """Decide, be refused while there is a fault, see that the service finds out when it is over, and decide again."""
    label = {"id": ROWS[0]["purchase_id"], "value": True}
    assert sender.send(*ROWS[:20]) == 200
    with fault:
        at = next(i for i in range(20, len(ROWS)) if sender.send(ROWS[i]) != 200)  # there may be room for a few
        refused = sender.client.post("/v1/decide", ROWS[at])
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:adjudge:problem:service-unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert sender.client.post("/v1/labels", label).status_code == 503
        assert sender.client.get(f"/v1/decisions/{ROWS[0]['purchase_id']}").status_code == reads
        assert (sender.ready(), sender.client.get("/healthz").status_code) == (503, 200)
        sender.keeper.keep()  # on a full disk the lease, which does not grow, may still be renewed
        assert sender.client.post("/v1/decide", ROWS[at]).status_code == 503
        assert sender.ready() == 503
    sender.keeper.keep()  # nobody asks a service that says it is not ready
    assert sender.ready() == 200
    assert sender.send(*ROWS) == 200
    assert sender.client.post("/v1/labels", label).status_code == 200
    sender.check_nothing_lost()


@pytest.mark.parametrize("fault", [full_disk, read_only])
def test_a_file_that_cannot_be_written_for_a_while(
    plan: Any, tmp_path: Path, fault: Callable[[SqliteLog], AbstractContextManager[None]]
) -> None:
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        through(Sender(plan, log), fault(log))


def test_housekeeping_that_fails_is_told_when_it_begins_and_when_it_ends(
    plan: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not every second of a night on which the disk is full."""
    sender = Sender(plan, MemoryLog())
    full = LogUnavailableError("log.sqlite cannot be used now: database or disk is full")
    with caplog.at_level(logging.INFO), monkeypatch.context() as patched:
        patched.setattr(sender.log, "maintain", Mock(side_effect=full))
        for _ in range(3):
            sender.keeper.keep()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            sender.keeper.keep()
    told = [(getattr(r, "event", ""), r.levelname) for r in caplog.records]
    assert told == [("maintenance_failed", "WARNING"), ("maintenance_recovered", "INFO")]


def test_a_database_that_goes_away_and_comes_back(plan: Any, postgres_programs: Path) -> None:
    cluster = Cluster(postgres_programs, settings=())

    @contextmanager
    def away() -> Iterator[None]:
        cluster.stop()
        yield
        cluster.start()

    try:
        cluster.start()
        with closing(PostgresLog(cluster.url, durability="fsync")) as log:
            through(Sender(plan, log), away(), reads=503)
            cluster.stop()
    finally:
        cluster.remove()


class SlowLog(MemoryLog):
    """A log whose appends wait until they are told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()
        self.waits = threading.Event()

    def release(self) -> None:
        """Let appends go on, once one waits."""
        assert self.waits.wait(timeout=60.0)
        self.go.set()

    def append(self, commit: Commit) -> None:
        """Append, as soon as it may."""
        self.waits.set()
        assert self.go.wait(timeout=60.0)
        super().append(commit)


def test_a_disk_that_is_slow_for_a_while_lets_a_bounded_number_wait(plan: Any) -> None:
    """Whoever finds no room is told when to come again; whoever found some is decided and logged in the end."""
    log = SlowLog()
    sender = Sender(plan, log)
    sender.client = Client(sender.desk, Settings(max_waiting=3, max_batch=2, retry_after_s=2))
    assert sender.send(ROWS[0]) == 200
    log.go.clear()
    log.waits.clear()
    releaser = threading.Thread(target=log.release)
    releaser.start()
    answers = sender.client.together(*[("POST", "/v1/decide", row, {}) for row in ROWS[1:11]])
    releaser.join()
    done = [answer.json() for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert (len(done), {(a.status_code, a.headers["retry-after"]) for a in refused}) == (3, {(429, "2")})
    sender.answered += done
    assert sender.send(*ROWS[1:3]) == 200
    assert sender.send(*ROWS[3:5]) == 200
    sender.check_nothing_lost()
