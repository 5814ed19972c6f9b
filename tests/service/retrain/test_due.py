"""What is due and why: schedule, labels, decay and drift are each answered, also with no."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adjudge.errors import DefinitionError
from adjudge.models import Trees
from adjudge.service.access.ledger import By
from adjudge.service.retrain.due import HOUR_US, Reason, Schedule, kind_due, reasons
from adjudge.service.retrain.run import retrain
from tests.service.retrain.lived import DAY_US, Life, place_of, quick, releases_of, run
from tests.service.retrain.test_run import activate


def asked(life: Life, home: Path, schedule: Schedule | None = None) -> dict[tuple[str, str], Reason]:
    releases = life.decider.workspace.management.releases
    found = reasons(place_of(life, home), releases, None, life.clock(), schedule)
    return {(one.kind, one.trigger): one for one in found}


def test_before_the_first_one_a_full_retrain_is_due(tmp_path: Path) -> None:
    found = asked(Life().live(3), tmp_path)
    assert found["full", "schedule"] == Reason("full", "schedule", True, "no full retrain was registered yet")
    assert not found["incremental", "schedule"].due
    assert kind_due([*found.values()]) == "full"
    assert "cannot be told" in found["full", "drift"].words


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Life, Path]:
    """Return a life whose first bundle decides."""
    home, life = tmp_path_factory.mktemp("settled"), Life().live(30)
    activate(life, home, run(life, home).bundle)
    return life, home


def test_an_hour_later_an_incremental_one_is_due_if_labels_have_come(settled: tuple[Life, Path]) -> None:
    life, home = settled
    none = Schedule(drift=False, decay=False)
    found = asked(life, home, none)
    assert found["incremental", "schedule"].words == "the last retrain was 0 minutes ago; one is due every 60 minutes"
    assert kind_due([*found.values()]) is None
    life.clock.advance(timedelta(hours=1))
    silent = asked(life, home, none)["incremental", "labels"]
    assert (silent.due, silent.words) == (False, "0 labels have come since the last retrain 60 minutes ago")
    life.live(1)
    assert asked(life, home, none)["incremental", "labels"].due
    releases = len(life.decider.workspace.management.releases)
    run(life, home, "incremental")
    assert len(life.decider.workspace.management.releases) == releases + 1
    assert not asked(life, home, none)["incremental", "schedule"].due


def test_two_months_later_a_full_one_is_due(settled: tuple[Life, Path]) -> None:
    life, home = settled
    schedule = Schedule(full_us=2 * HOUR_US, drift=False, decay=False)
    life.live(1)
    reason = asked(life, home, schedule)["full", "schedule"]
    assert reason.due
    assert reason.words.endswith("one is due every 2 hours")


def test_a_champion_that_does_worse_than_when_it_was_judged_is_due(tmp_path: Path) -> None:
    """Frauds of a kind that it has never seen make up half of all."""
    life = Life().live(30)
    activate(life, tmp_path, run(life, tmp_path).bundle)
    life.live(18)
    well = asked(life, tmp_path, Schedule(drift=False))["full", "decay"]
    assert not well.due, well.words
    life.live(18, pattern=True)
    worse = asked(life, tmp_path, Schedule(drift=False))["full", "decay"]
    assert worse.due, worse.words
    assert worse.words.startswith("its average precision is 0.")


def test_a_world_that_has_moved_is_due_and_a_quiet_one_is_not(tmp_path: Path) -> None:
    schedule = Schedule(decay=False, reference_us=30 * DAY_US, watched_us=5 * DAY_US)
    life = Life(per_day=150).live(31)
    quiet = asked(life, tmp_path, schedule)["full", "drift"]
    assert not quiet.due, quiet.words
    assert "the world has moved on 0 of the last" in quiet.words
    life.prices = 4.0
    life.live(4)
    moved = asked(life, tmp_path, schedule)["full", "drift"]
    assert moved.due, moved.words


def test_nothing_is_due_for_ever_that_cannot_be_done(settled: tuple[Life, Path]) -> None:
    """Trees go on with the log loss: a system that trains with another one is told so, and is not asked hourly."""
    life, home = settled
    life.live(1)
    focal = Trees("lightgbm", focal=2.0)
    none = Schedule(drift=False, decay=False, incremental_us=1)
    found = reasons(
        place_of(life, home), life.decider.workspace.management.releases, None, life.clock(), none, estimator=focal
    )
    (answer,) = (one for one in found if one.kind == "incremental")
    assert not answer.due
    assert "focal loss" in answer.words
    assert asked(life, home, none)["incremental", "labels"].due
    place = place_of(life, home)
    desk = releases_of(life.decider, place)
    with pytest.raises(DefinitionError, match="focal loss"):
        retrain(place, None, quick("incremental"), desk, By("ada", "test"), estimator=focal)
