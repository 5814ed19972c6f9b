"""Shadows decide what was decided, in the same state, without effect; what they decide stands in the log."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adjudge.log import Commit, Kind, LogUnavailableError, MemoryLog
from adjudge.log.codec import CodecError, Note
from adjudge.log.scan import scan
from adjudge.log.sqlite import SqliteLog
from adjudge.service.challengers import shadow
from adjudge.service.challengers.asked import Challenge, Ending, Sharing
from adjudge.service.challengers.shadow import DTYPE, Shadowed, Shadows
from adjudge.service.replay import replay
from adjudge.service.versions.revision import ListRevision, Revision
from tests.service.challengers.test_split import ADA, House
from tests.service.shop import many_purchases, shop


class Dark(House):
    """A shop with a shadow, which decides when it is told to."""

    def __init__(self, log: Any = None) -> None:
        super().__init__(log)
        self.seconds = 0.0
        self.shadows = Shadows(self.decider.watches, self.decider.write_down, lambda: self.seconds)
        self.decider.shadows = self.shadows

    def written(self) -> list[Shadowed]:
        """Return what stands in the log."""
        notes = [s.block for s in scan(self.decider.log) if isinstance(s.block, Note) and s.block.kind == Kind.SHADOW]
        return [Shadowed.read(note) for note in notes]


def really(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a champion with the challenger's rules decides in a state that other decisions have not changed."""
    house = House()
    house.challenge(share=1.0)
    return house.decide(*rows)


def test_a_shadow_decides_what_really_deciding_with_it_gives() -> None:
    """Where decisions set nothing that it reads: here all of them are of one batch whose users differ."""
    rows = [{**row, "user": f"u{i}", "card": f"c{i}"} for i, row in enumerate(many_purchases(60))]
    dark = Dark()
    dark.challenge(share=0)
    answers = dark.decide(*rows)
    assert all("challenger" not in one for one in answers)
    dark.shadows.flush()
    (made,) = dark.written()
    assert made.head.count == 60
    assert made.positions.tolist() == [one["seq"] for one in answers]
    wanted = really(rows)
    actions = dark.decider.workspace.cards[made.head.card].actions
    assert [actions[a] for a in made.records["action"].tolist()] == [one["decision"] for one in wanted]
    assert made.records["p"].tobytes() == np.array([one["probability"] for one in wanted]).tobytes()
    assert made.records["score"].tolist() == [one["score"] for one in wanted]


def test_a_shadow_changes_no_answer_and_no_state() -> None:
    rows = many_purchases(100)
    dark, plain = Dark(), House()
    dark.challenge(share=0)
    plain.challenge(share=0)
    for start in range(0, 100, 25):
        one, other = dark.decide(*rows[start : start + 25]), plain.decide(*rows[start : start + 25])
        dark.shadows.work()
        drop = ("latency_ms", "seq")  # a note takes a position, too
        assert [{k: v for k, v in a.items() if k not in drop} for a in one] == [
            {k: v for k, v in a.items() if k not in drop} for a in other
        ]
    dark.shadows.flush()
    assert replay([shop()], dark.decider.log).equal


def test_what_a_share_decides_is_seen_by_shadows_too() -> None:
    dark = Dark()
    dark.challenge("first", share=0.5)
    dark.challenge("second", share=0)
    answers = dark.decide(*many_purchases(60))
    dark.shadows.flush()
    (made,) = dark.written()
    assert made.head.name == "second"
    assert sorted(made.positions.tolist()) == [one["seq"] for one in answers]
    of = {int(p): int(a) for p, a in zip(made.positions, made.records["action"], strict=True)}
    actions = dark.decider.workspace.cards[made.head.card].actions
    for answer in answers:  # both have the same rules
        if answer.get("challenger"):
            assert actions[of[answer["seq"]]] == answer["decision"]


def test_notes_go_with_the_next_commit_and_alone_when_none_comes() -> None:
    dark = Dark()
    dark.challenge(share=0)
    dark.decide(*many_purchases(10))
    dark.shadows.work()
    assert dark.written() == []
    dark.seconds += shadow.EVERY_S
    dark.shadows.work()  # due, and waits for a commit
    assert dark.written() == []
    dark.decide(*many_purchases(10, seed=2))
    assert len(dark.written()) == 1
    dark.shadows.work()
    dark.seconds += shadow.EVERY_S
    dark.shadows.work()
    dark.seconds += shadow.IDLE_S
    dark.shadows.work()
    assert [made.head.count for made in dark.written()] == [10, 10]
    assert dark.shadows.ripe() == []


def test_what_it_does_not_keep_up_with_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 15)
    dark = Dark()
    dark.challenge(share=0)
    for seed in (1, 2, 3):
        dark.decide(*many_purchases(10, seed=seed))
    dark.shadows.flush()
    (made,) = dark.written()
    assert (made.head.count, made.head.missed) == (20, 10)
    assert dark.shadows.missed["shop", "strict"] == 10


def test_a_shadow_that_fails_takes_nobody_along(monkeypatch: pytest.MonkeyPatch) -> None:
    dark = Dark()
    dark.challenge(share=0)

    def broken(*args: Any) -> None:
        message = "broken"
        raise RuntimeError(message)

    monkeypatch.setattr(shadow, "_records", broken)
    answers = dark.decide(*many_purchases(10))
    dark.shadows.flush()
    assert len(answers) == 10
    (made,) = dark.written()
    assert (made.head.count, made.head.missed) == (0, 10)


def test_what_cannot_be_written_is_written_later() -> None:
    class Moody(MemoryLog):
        ill = False

        def append(self, commit: Commit) -> None:
            if self.ill:
                message = "no space left"
                raise LogUnavailableError(message)
            super().append(commit)

    log = Moody()
    dark = Dark(log)
    dark.challenge(share=0)
    dark.decide(*many_purchases(10))
    log.ill = True
    dark.shadows.flush()
    assert dark.written() == []
    log.ill = False
    dark.decider.writer._retry_at = 0.0
    dark.decide(*many_purchases(10, seed=2))
    dark.shadows.flush()
    assert sum(made.head.count for made in dark.written()) == 20


def test_another_version_is_another_note() -> None:
    dark = Dark()
    dark.challenge(share=0)
    dark.decide(*many_purchases(10))
    dark.live.revise(Revision("reported", lists={"blocked": ListRevision(add=["c3"])}), "bob")
    dark.decide(*many_purchases(10, seed=2))
    dark.desk.share(None, "strict", Sharing("w", 0.5), ADA)
    dark.decide(*many_purchases(10, seed=3))
    dark.desk.promote(None, "strict", Ending("w", anyway=True), ADA)
    dark.decide(*many_purchases(10, seed=4))
    dark.shadows.flush()
    made = [one for one in dark.written() if one.head.name == "strict"]
    assert [one.head.count for one in made] == [10, 10]
    assert made[0].head.card != made[1].head.card


def test_a_thread_decides_what_is_offered_and_writes_it_down_when_it_ends(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log.db")) as log:
        dark = Dark(log)
        dark.shadows.start()
        dark.challenge(share=0)
        dark.decide(*many_purchases(50))
        dark.shadows.stop()
        assert sum(made.head.count for made in dark.written()) == 50
        assert replay([shop()], log).equal


def test_a_note_that_contradicts_itself_is_refused() -> None:
    house = House()
    house.challenge(share=0)
    seat = house.decider.workspace.seats[0]
    note = shadow.note_of(seat, np.array([5, 7]), np.zeros(2, DTYPE))
    assert Shadowed.read(note).positions.tolist() == [5, 7]
    for damaged in (Note(note.kind, note.content, data=note.data[:-1]), Note(note.kind, b"{}")):
        with pytest.raises(CodecError):
            Shadowed.read(damaged)


def test_several_shadows_each_have_their_own() -> None:
    dark = Dark()
    dark.challenge("strict", share=0)
    lax = {"version": 1, "rules": []}
    dark.desk.seat(Challenge("w", "lax", revision={"rules": lax}), ADA)
    dark.decide(*many_purchases(40))
    dark.shadows.flush()
    made = {one.head.name: one for one in dark.written()}
    assert {name: one.head.count for name, one in made.items()} == {"strict": 40, "lax": 40}
    assert (made["strict"].records["action"] != made["lax"].records["action"]).any()
