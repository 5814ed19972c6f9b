"""The sender: whatever a receiver does, every decision arrives, in order for each key, and none is lost silently."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from adjudge.errors import InputError, UnavailableError
from adjudge.log import Log
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.outbox.decisions import DecisionReader
from adjudge.service.outbox.endpoint import Endpoint
from adjudge.service.outbox.ledger import FILE, Ledger
from adjudge.service.outbox.run import report, revive, senders
from adjudge.service.outbox.sender import Sender
from adjudge.service.server import python
from adjudge.service.settings import Settings
from tests.service.outbox.receiver import SECRET, Receiver, confirm
from tests.service.shop import Shop, many_purchases, purchase, shop


@pytest.fixture(scope="module")
def plan() -> Any:
    return shop()


@pytest.fixture(scope="module")
def log(plan: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """Return a log with sixty decisions of six users, a label and a sign-in between."""
    with closing(SqliteLog(tmp_path_factory.mktemp("outbox") / LOG_FILE)) as made:
        desk = Shop(plan)
        desk.decider = Decider([plan], made, clock=desk.clock)
        desk.decide(*many_purchases(30, step_s=1.0))
        desk.decide({"login_id": "l1", "at": desk.clock.at.isoformat(), "user": "u1"}, stream="login")
        desk.decide(*many_purchases(29, seed=2, step_s=1.0), purchase("bad", card="stolen"))
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


class Desk:
    """A sender with a clock that goes when it is told to."""

    def __init__(self, log: Log, folder: Path, url: str, **more: Any) -> None:
        given: dict[str, Any] = {"timeout_s": 5.0, "key": "user"} | more
        self.endpoint = Endpoint(id="bank", url=url, secret_variable="BANK", **given)
        self.ledger = Ledger(folder / FILE)
        self.client = httpx.Client()
        self.now = 10**15
        reader = DecisionReader(log, self.ledger)
        self.sender = Sender(self.endpoint, SECRET, log, self.ledger, reader, self.client, self.clock)
        self.sender.start(0)

    def clock(self) -> int:
        return self.now

    def rounds(self, most: int = 200, *, until: Callable[[], bool] | None = None) -> None:
        """Let time pass and have rounds until nothing is owed."""
        for _ in range(most):
            self.sender.round()
            if until() if until else self.ledger.counts("bank")[0] == 0:
                return
            self.now += 1_000_000
        message = f"still owed: {self.ledger.living('bank', 5)}"
        raise AssertionError(message)

    def close(self) -> None:
        self.client.close()
        self.ledger.close()


@pytest.fixture
def open_desk(log: Log, receiver: Receiver, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def open_(url: str, **more: Any) -> Desk:
        desk = Desk(log, tmp_path, url, **more)
        receiver.now = lambda: desk.now / 1e6
        opened.append(desk)
        return desk

    yield open_
    for desk in opened:
        desk.close()


def decided(log: Log, tmp: Path) -> dict[int, dict[str, Any]]:
    """Return every decision of the log as it was answered, by position."""
    with closing(Ledger(tmp / "reading.sqlite")) as ledger:
        reader = DecisionReader(log, ledger)
        found = [d for commit in log.read() for d in reader.read(commit)]
        return {d.seq: json.loads(reader.answer(d.seq, d.system)) | {"_": json.loads(d.body)} for d in found}


def in_order(receiver: Receiver, truth: dict[int, dict[str, Any]]) -> bool:
    """Whether the first arrivals of each user came in the order of the log."""
    first: dict[str, list[int]] = defaultdict(list)
    for seq in dict.fromkeys(receiver.seqs):
        first[truth[seq]["_"]["user"]].append(seq)
    return all(seqs == sorted(seqs) for seqs in first.values())


@pytest.mark.parametrize("batch", [1, 7])
def test_every_decision_arrives_once_as_it_was_answered(
    batch: int, log: Log, receiver: Receiver, open_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    truth = decided(log, tmp_path)
    desk = open_desk(receiver.url, batch=batch)
    desk.rounds()
    assert sorted(receiver.seqs) == sorted(truth)
    assert all(d == {k: v for k, v in truth[d["seq"]].items() if k != "_"} for d in receiver.confirmed)
    assert in_order(receiver, truth)
    assert max(map(len, receiver.tried)) <= batch
    assert (desk.sender.behind, desk.sender.sent.confirmed) == (0, len(truth))


def test_only_what_was_asked_for_arrives(log: Log, receiver: Receiver, open_desk: Callable[..., Desk]) -> None:
    open_desk(receiver.url, actions=["block"], streams=["purchase"], systems=["shop"]).rounds()
    assert [d["id"] for d in receiver.confirmed if d["id"] == "pbad"] == ["pbad"]
    assert {d["decision"] for d in receiver.confirmed} == {"block"}


def test_without_a_key_all_arrive_in_the_order_of_the_log(receiver: Receiver, open_desk: Callable[..., Desk]) -> None:
    open_desk(receiver.url, key="", batch=5).rounds()
    assert receiver.seqs == sorted(receiver.seqs)
    assert len(receiver.seqs) == 60


def test_a_receiver_that_fails_now_and_then_gets_everything_in_order(
    log: Log, receiver: Receiver, open_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    """Refusals, errors, dropped connections and answers that get lost, in turn."""
    turns = iter(range(10_000))
    receiver.answer = lambda decisions: [200, 500, 503, None, 200, 400, 201][next(turns) % 7]
    truth = decided(log, tmp_path)
    desk = open_desk(receiver.url, batch=3, attempts=100)
    desk.rounds(2_000)
    assert set(receiver.seqs) == set(truth)
    assert in_order(receiver, truth)
    assert desk.sender.sent.failed > 0


def test_a_receiver_that_is_down_for_long_uses_up_no_attempts(
    receiver: Receiver, open_desk: Callable[..., Desk]
) -> None:
    """It is asked more and more seldom, and gets everything when it is back."""
    receiver.stop()
    desk = open_desk(receiver.url, attempts=2)
    for _ in range(40):
        desk.sender.round()
        desk.now += 10_000_000
    assert desk.sender.sent.failed < 40
    assert {o.attempts for o in desk.ledger.living("bank", 100)} == {0}
    receiver.start()
    desk.rounds(700)
    assert len(receiver.seqs) == 60
    assert desk.ledger.dead() == []


def test_what_is_refused_again_and_again_is_put_aside_and_told(
    log: Log, receiver: Receiver, open_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    """One decision that its receiver cannot take holds up nothing else; once it can, it is tried again."""
    poison = "pbad"
    receiver.answer = lambda decisions: 422 if any(d["id"] == poison for d in decisions) else 200
    desk = open_desk(receiver.url, batch=4, attempts=3)
    desk.rounds(2_000)
    (dead,) = desk.ledger.dead()
    assert (dead.attempts, dead.error) == (3, "answered 422")
    assert len(receiver.seqs) == 59
    receiver.answer = confirm
    assert desk.ledger.revive("bank", dead.seq) == 1
    desk.rounds()
    assert receiver.confirmed[-1]["id"] == poison
    assert desk.ledger.counts("bank") == (0, 0)


def test_a_pause_that_is_asked_for_is_kept(receiver: Receiver, open_desk: Callable[..., Desk]) -> None:
    receiver.answer = lambda decisions: 429
    desk = open_desk(receiver.url)
    assert desk.sender.round() == 4
    tried = len(receiver.tried)
    assert desk.sender.round() == 0, "it is left alone for a second"
    assert len(receiver.tried) == tried


def test_a_lost_ledger_is_only_a_lost_place(receiver: Receiver, open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """Everything can be sent again from any position: it is all in the log."""
    open_desk(receiver.url).rounds()
    for file in tmp_path.glob(f"{FILE}*"):
        file.unlink()
    desk = open_desk(receiver.url)
    desk.rounds()
    assert len(receiver.seqs) == 120
    assert sorted(receiver.seqs[60:]) == sorted(receiver.seqs[:60])


def configure(folder: Path, receiver: Receiver) -> Settings:
    """Write the file of endpoints."""
    text = f"""
    endpoints:
    - {{id: bank, url: "{receiver.url}", secret_variable: BANK_SECRET, key: user, timeout_s: 5}}
    """
    (folder / "outbox.yaml").write_text(textwrap.dedent(text))
    return Settings(workspace=str(folder))


def test_a_sender_that_is_killed_loses_nothing(plan: Any, receiver: Receiver, tmp_path: Path) -> None:
    """Ended with kill -9 in the middle of a message, again and again: at least once, and in order."""
    settings = configure(tmp_path, receiver)
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        desk = Shop(plan)
        desk.decider = Decider([plan], log, clock=desk.clock)
        desk.decide(*many_purchases(60, step_s=1.0))
        truth = decided(log, tmp_path)
        command = python("adjudge", "outbox", "run", "--workspace", str(tmp_path), "--from", "0", "--once")
        environ = os.environ | {"BANK_SECRET": SECRET.decode()}
        for kill_after in (1, 20, 45):
            child: list[subprocess.Popen[bytes]] = []

            def answer(decisions: list[dict[str, Any]], most: int = kill_after, child: Any = child) -> int:
                if len(receiver.confirmed) >= most:
                    child[0].send_signal(signal.SIGKILL)  # it will never hear that this one was taken
                return 200

            receiver.answer = answer
            with receiver.lock:
                child.append(subprocess.Popen(command, env=environ))
            assert child[0].wait(60) == -signal.SIGKILL
        receiver.answer = confirm
        done = subprocess.run(command, env=environ, timeout=60, check=False, capture_output=True, text=True)
        assert done.returncode == 0
        assert "outbox_ended: the outbox ended (nothing more is due) after" in done.stderr
        assert set(receiver.seqs) == set(truth)
        assert len(receiver.seqs) > len(truth), "what was under way when it was killed came again"
        assert in_order(receiver, truth)
        assert list(report(settings)) == ["bank: 0 entries behind, 0 owed, 0 given up"]


def test_one_process_sends_for_a_workspace(plan: Any, receiver: Receiver, tmp_path: Path) -> None:
    settings = configure(tmp_path, receiver)
    with closing(SqliteLog(tmp_path / LOG_FILE)):
        with pytest.raises(InputError, match="BANK_SECRET"), senders(settings, {}):
            pass
        another = pytest.raises(UnavailableError, match="another process sends")
        with senders(settings, {"BANK_SECRET": "x"}), another, senders(settings, {"BANK_SECRET": "x"}):
            pass
        assert revive(settings, None, None) == 0


def test_without_a_workspace_there_is_nothing_to_try_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was ever sent"):
        revive(Settings(workspace=str(tmp_path / "none")), None, None)
    assert not list(tmp_path.iterdir())
