"""Incidents are a fold over the log: the same in a running service, in a log at rest, and after a snapshot."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from adjudge.errors import InputError
from adjudge.log.sqlite import SqliteLog
from adjudge.monitor.alerts import Hysteresis, Signal
from adjudge.service.access.ledger import By
from adjudge.service.access.management import Management, ManagementFacts
from adjudge.service.alerts.desks import LiveDesk, NewSilence, at_rest
from adjudge.service.alerts.entries import MOST
from adjudge.service.alerts.looks import NewLook
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower, quiet
from adjudge.service.home import LOG_FILE
from adjudge.service.settings import Settings
from tests.service.shop import START, Shop, purchase, shop

BY = By("monitor", "the hourly look")

AMOUNT = Signal("world:amount", "the median of amount is up 18%", "world")
CENTS = Signal("pipeline:amount", "the median of amount is 100 times the usual one", "pipeline", True, "critical")


def seen(*signals: Signal, system: str | None = None, opens: int = 1, closes: int = 1) -> NewLook:
    return NewLook("watched 2026-03-01", "monitor", [*signals], system, Hysteresis(opens, closes))


def test_a_look_opens_and_closes_and_is_told_once() -> None:
    desk = LiveDesk(Shop(shop()).decider)
    opened = desk.take(seen(AMOUNT, CENTS), BY)
    assert [(one.kind, one.group, one.severity) for one in opened.notices] == [
        ("opened", "pipeline", "critical"),
        ("opened", "world", "warning"),
    ]
    assert desk.take(seen(AMOUNT, CENTS), BY).notices == []
    assert [one.key for one in desk.view().incidents] == ["pipeline:amount", "world:amount"]
    assert [one.kind for one in desk.take(seen(AMOUNT), BY).notices] == ["closed"]
    assert desk.take(seen(), BY).open == 0
    assert desk.view().incidents == []


def test_nothing_is_written_while_nothing_is_the_matter() -> None:
    decider = Shop(shop()).decider
    before = len(decider.log)
    assert LiveDesk(decider).take(seen(), BY).seq is None
    assert len(decider.log) == before


def test_systems_and_sources_do_not_close_what_others_have_opened() -> None:
    decider = Shop(shop("one"), shop("two")).decider
    desk = LiveDesk(decider)
    desk.take(seen(AMOUNT, system="one"), BY)
    desk.take(seen(system="two"), BY)
    desk.take(NewLook("a job", "schedule", [], "one"), BY)
    assert [(one.system, one.key) for one in desk.view().incidents] == [("one", "world:amount")]
    with pytest.raises(InputError, match="did you mean 'one'"):
        desk.take(seen(system="ones"), BY)
    with pytest.raises(InputError):
        desk.take(seen(), BY)


def test_what_is_silenced_is_told_when_the_silence_ends() -> None:
    made = Shop(shop())
    desk = LiveDesk(made.decider)
    desk.silence(NewSilence("world:*", START + timedelta(days=1), "the holidays"), BY)
    assert desk.take(seen(AMOUNT), BY).notices == []
    assert [(one.key, one.silent) for one in desk.view().incidents] == [("world:amount", True)]
    made.clock.advance(timedelta(days=1))
    assert [one.kind for one in desk.take(seen(AMOUNT), BY).notices] == ["opened"]
    assert desk.view().silences == []


def test_a_silence_ends_early_and_never_lasts_for_good() -> None:
    desk = LiveDesk(Shop(shop()).decider)
    desk.silence(NewSilence("world:*", START + timedelta(days=1), "the holidays"), BY)
    desk.silence(NewSilence("world:*", START, "they are over"), BY)
    assert desk.view().silences == []
    with pytest.raises(InputError, match="up to 90 days"):
        desk.silence(NewSilence("world:*", START + timedelta(days=91), "for good"), BY)
    with pytest.raises(InputError, match="say what is to be quiet"):
        desk.silence(NewSilence(" ", START, "all"), BY)
    with pytest.raises(InputError, match="offset"):
        desk.silence(NewSilence("world:*", START.replace(tzinfo=None), "all"), BY)


def test_a_look_holds_so_many_incidents_and_the_worst_of_them() -> None:
    desk = LiveDesk(Shop(shop()).decider)
    many = [Signal(f"world:f{i}", "x", "world") for i in range(MOST + 50)]
    assert desk.take(seen(*many, CENTS), BY).open == MOST
    assert desk.view().incidents[0].key == "pipeline:amount"


def test_what_is_said_is_bounded() -> None:
    desk = LiveDesk(Shop(shop()).decider)
    desk.take(seen(Signal("world:amount", "x" * 5_000, "world")), BY)
    (told,) = desk.view().incidents
    assert (len(told.words), told.words[-1]) == (500, "…")
    for key in ("", "k" * 301):
        with pytest.raises(InputError, match="a key of up to"):
            desk.take(seen(Signal(key, "x")), BY)


def test_a_log_at_rest_a_restart_and_a_snapshot_know_the_same(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        made = Shop(shop())
        made.decider = Decider([shop()], log, clock=made.clock)
        made.decide(purchase(1))
        LiveDesk(made.decider).take(seen(AMOUNT), BY)
        facts = made.decider.workspace.management.facts()
    with at_rest(Settings(workspace=str(tmp_path)), "ada") as desk:
        assert [one.key for one in desk.view().incidents] == ["world:amount"]
        assert [one.kind for one in desk.take(seen()).notices] == ["closed"]
        assert desk.view().incidents == []
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        follower = Follower([shop()], log, say=quiet)
        follower.catch_up()
        assert [*follower.workspace.management.alerts] == []
    again = Management(msgspec.json.decode(msgspec.json.encode(facts), type=ManagementFacts))
    assert [one.incidents for one in again.alerts] == [one.incidents for one in Management(facts).alerts] != []


def test_facts_of_an_older_snapshot_open() -> None:
    assert [*Management(msgspec.json.decode(b"{}", type=ManagementFacts)).alerts] == []
