"""The proof with restarts: it passes whatever a restart finds, and what is lost or changed on the way makes it fail."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjudge.discover import find
from adjudge.engine import Plan, compile
from adjudge.errors import ParityError
from adjudge.history import Histories
from adjudge.log.codec import Events as EventBlock
from adjudge.service.fold import Folder
from adjudge.service.index import Ids
from adjudge.service.verify import EntryPoint, Events, Outcome, Player, Script, broken, script_of
from adjudge.service.verify_log import Desk, moments, with_restarts
from adjudge.service.workspace import Running

EVENTS = 600

Story = tuple[Plan, Script, Outcome]


@pytest.fixture(scope="module")
def story() -> Story:
    """Return a plan, what happened, and what it comes to one event at a time."""
    found = find("payments")
    assert found.simulate is not None
    source = found.simulate(EVENTS)
    plan = compile(found.build(source.lists))
    script = script_of(plan, source)
    return plan, script, Player(plan, script, 1).play(plan.start())


def restarted(story: Story, restarts: int) -> EntryPoint:
    """Play a story through a log with restarts."""
    return with_restarts(*story, restarts=restarts, told=lambda done: None)


def test_restarts_between_any_events_change_no_bit(story: Story) -> None:
    found = restarted(story, 7)
    assert (found.name, found.events) == ("python, a log in a file, 7 restarts", EVENTS)
    assert (found.features_compared, found.scores_compared) == (EVENTS * len(story[0].names), EVENTS)
    assert (found.features_differing, found.scores_differing) == (0, 0)


def test_a_restart_finds_a_new_snapshot_then_an_older_one_then_none(story: Story, tmp_path: Path) -> None:
    plan, script, _ = story
    events = next(s.events for s in script if isinstance(s, Events) and s.stream == plan.decides)
    with closing(Desk(plan, tmp_path)) as desk:
        at = []
        for event in events[:3]:
            desk.decide(plan.decides, [event])
            at.append((desk.restart(), len(desk.log)))
    (new, then), (old, later), (none, _) = at
    assert 0 < new == then == old < later
    assert none == 0


def test_a_broken_kernel_is_caught(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Running.start

    def start_broken(plan: Plan) -> Running:
        running = start(plan)
        running.state = broken(plan)
        return running

    monkeypatch.setattr(Running, "start", start_broken)
    assert restarted(story, 1).features_differing > 0


def test_a_recovery_that_forgets_one_event_is_caught(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of all that are folded after the restart, whose user comes again later."""
    plan, script, _ = story
    events: list[Any] = [e for s in script if isinstance(s, Events) and s.stream == plan.decides for e in s.events]
    (moment,) = moments(EVENTS, restarts=1, seed=0)
    later = {event.user for event in events[moment:]}
    (*_, target) = (event.payment_id for event in events[:moment] if event.user in later)
    fold = Folder.events

    def forgetful(self: Folder, first: int, block: EventBlock) -> None:
        fold(self, first, block)
        ids = block.ids.texts()
        if target in ids:
            (s,), i = self.workspace.systems.values(), ids.index(target)
            fields = block.matrix()[:, i : i + 1]
            s.plan.retract(s.state, s.plan.encode_fields(block.stream, fields, np.array([first + i])))

    monkeypatch.setattr(Folder, "events", forgetful)
    assert restarted(story, 1).features_differing > 0


def test_a_snapshot_that_lost_a_history_is_caught(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Histories, "from_arrays", classmethod(lambda cls, layout, arrays: cls(layout)))
    assert restarted(story, 1).features_differing > 0


def test_an_id_that_is_forgotten_is_caught(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(secret: bytes, *_: Any) -> Ids:
        return Ids(secret)

    monkeypatch.setattr(Ids, "from_arrays", empty)
    with pytest.raises(ParityError, match="was not known again after a restart"):
        restarted(story, 1)
