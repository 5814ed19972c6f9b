"""Ids are forgotten once nothing can come of them: memory is bounded, and no event is ever counted twice for it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from adjudge.engine import Plan
from adjudge.errors import UnavailableError
from adjudge.service import index
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.index import Ids, Known, Span
from adjudge.service.workspace import Workspace
from tests.service.shop import START, Shop, as_json, purchase, shop
from tests.service.test_decider import Moody, label

KEPT = timedelta(days=407)
"""As long as the shop's entities remember, and a week of lateness."""

LONG = KEPT * 2
"""By then an event is forgotten at the latest."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Compile the shop once."""
    return shop()


@pytest.fixture
def desk(plan: Plan) -> Shop:
    """Return a decider that will still be there years later."""
    return Shop(plan, at=START + 10 * KEPT)


def quiet(text: str) -> None:
    """Take a message that is not expected."""
    pytest.fail(text)


def test_an_id_is_known_as_long_as_its_row_can_matter(desk: Shop) -> None:
    (first,) = desk.decide(purchase("old"))
    desk.decide(purchase("next", START + KEPT))
    (again,) = desk.decide(purchase("old"))
    assert again == first
    assert desk.decider.change([label("pold")]) == ["set"]


def test_a_forgotten_event_is_too_late_and_counts_once(desk: Shop) -> None:
    desk.decide(purchase("old"))
    desk.decide(purchase("new", START + LONG))
    length, state = len(desk.decider.log), desk.decider.workspace.digest()
    assert desk.decide(purchase("old")) == ["too_late"]
    assert (len(desk.decider.log), desk.decider.workspace.digest()) == (length, state)
    assert desk.decider.change([label("pold")]) == ["waiting"]
    assert desk.decider.workspace.known_events == 1


def test_a_profile_is_never_too_late_so_its_id_is_kept(desk: Shop) -> None:
    account = {"change_id": "a1", "at": START.isoformat(), "user": "u1", "verified": True}
    desk.decide(account, stream="account")
    desk.decide(purchase("new", START + LONG))
    length = len(desk.decider.log)
    desk.decide(account, stream="account")
    assert len(desk.decider.log) == length


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_batch_does_not_matter(plan: Plan, size: int, ahead: bool) -> None:
    """An id may be forgotten in the middle of a batch, of this very batch, or of one admitted ahead of its turn."""
    rows = [
        purchase("a"),
        purchase("a"),
        purchase("b", START + KEPT / 3),
        purchase("b", START + LONG),
        purchase("b", START + KEPT / 3),
        purchase("c", START + LONG),
        purchase("a"),
        purchase("d", START + LONG * 2),
        purchase("b", START + LONG * 2),
        purchase("b", START + LONG * 2),
        purchase("c", START + LONG),
    ]
    desk = Shop(plan, at=START + 10 * KEPT)
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    if ahead:
        batches = [desk.decider.workspace.door("purchase").many(as_json(part)).events for part in parts]
        verdicts = [v for made in desk.decider.decide_all("purchase", batches) for v in made]
        outcomes = [v.error.code if v.error else json.loads(v.record or b"")["id"] for v in verdicts]
    else:
        found = [v for part in parts for v in desk.decide(*part)]
        outcomes = [v if isinstance(v, str) else v["id"] for v in found]
    late = "too_late"
    assert outcomes == ["pa", "pa", "pb", "conflict", "pb", "pc", late, "pd", "pb", "pb", late]
    assert desk.decider.workspace.known_events == 2


def test_whoever_follows_forgets_alike(desk: Shop, plan: Plan, tmp_path: Path) -> None:
    """From the log's beginning and from a snapshot made before or after the forgetting."""
    desk.decide(purchase("old"), purchase("older", START - timedelta(days=1)))
    desk.decider.change([label("pold")])
    Follower([plan], desk.decider.log, say=quiet).snapshot(tmp_path / "empty")
    early = Follower([plan], desk.decider.log, say=quiet)
    early.catch_up()
    early.snapshot(tmp_path / "early")
    desk.decide(purchase("new", START + LONG))
    desk.decider.change([label("pold"), label("pnew")])
    early.catch_up()
    early.snapshot(tmp_path / "late")
    for name in ("none", "empty", "early", "late"):
        follower = Follower([plan], desk.decider.log, tmp_path / name, say=quiet)
        follower.catch_up()
        same(follower.workspace, desk.decider.workspace)
        other = Shop(plan, at=desk.clock.at)
        other.decider = Decider([plan], desk.decider.log, clock=desk.clock, follower=follower)
        assert other.decide(purchase("old")) == ["too_late"]


def same(mine: Workspace, theirs: Workspace) -> None:
    """Check that two workspaces know the same ids and wait for the same events."""
    assert mine.digest() == theirs.digest()
    assert mine.waiting_changes == theirs.waiting_changes
    for stream in theirs.ids:
        left, right = mine.ids[stream].arrays(), theirs.ids[stream].arrays()
        assert {k: v.tolist() for k, v in left.items()} == {k: v.tolist() for k, v in right.items()}


def test_what_cannot_be_logged_has_forgotten_nothing(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjudge.service.writer.PAUSE_S", 0.0)
    log = Moody()
    desk = Shop(plan, at=START + 10 * KEPT)
    desk.decider = Decider([plan], log, clock=desk.clock)
    (first,) = desk.decide(purchase("old"))
    before = Follower([plan], log, say=quiet)
    before.catch_up()
    log.full = True
    with pytest.raises(UnavailableError):
        desk.decide(purchase("new", START + LONG))
    log.full = False
    same(desk.decider.workspace, before.workspace)
    assert desk.decider.workspace.passed.times == before.workspace.passed.times
    assert desk.decide(purchase("old")) == [first]


def test_ids_and_marks_stay_as_many_as_the_span_holds(
    desk: Shop, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it goes on; also from a snapshot on."""
    monkeypatch.setattr(index, "STRETCH_BITS", 4)
    desk.clock.at = START + 100 * KEPT
    workspace = desk.decider.workspace
    for i in range(200):
        at = START + i * KEPT / 10
        desk.decide(purchase(i, at))
        desk.decider.change([label(f"p{i}")])
    (s,) = workspace.systems.values()
    assert 10 < workspace.known_events <= 20
    marked = s.marks.arrays()["keys"]
    assert 10 <= len(marked) < 32
    assert all(s.marks.of(int(position)) == {"fraud": True} for position in marked)
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    follower.snapshot(tmp_path)
    restored = Follower([plan], desk.decider.log, tmp_path, say=quiet).workspace
    assert restored.passed.times == workspace.passed.times
    assert restored.systems["shop"].marks.arrays()["keys"].tolist() == marked.tolist()


def test_ids_of_many_generations_are_found_and_taken_out() -> None:
    span = Span(100)
    ids = Ids(bytes(16), span)
    names = [f"i{n}" for n in range(1000)]
    ts = np.random.default_rng(0).integers(0, 600, len(names))
    ids.add(names, 0, ts=ts)
    assert ids.find(names).tolist() == list(range(1000))
    ids.remove(names[:500], ts=ts[:500])
    assert ids.find(names).tolist() == [-1] * 500 + list(range(500, 1000))
    ids.add(names[:500], 0, ts=ts[:500])
    gone = ids.forget(500)
    there = np.array([span.until(t) > 500 for t in ts.tolist()])
    assert (ids.find(names) >= 0).tolist() == there.tolist()
    copy = Ids.from_arrays(bytes(16), span, ids.arrays(), ids.twins)
    assert copy.find(names).tolist() == ids.find(names).tolist()
    ids.bring_back(gone)
    assert ids.find(names).tolist() == list(range(1000))
    assert [ids.until(name) for name in names] == [span.until(t) for t in ts.tolist()]


@pytest.mark.parametrize("size", [1, 7, 40])
def test_ids_that_share_a_hash_are_told_apart(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for an id finds its own position, or that of the first with its hash, which is another id's."""
    monkeypatch.setattr(
        index, "hash_texts", lambda secret, tag, ids: np.array([int(i[1:]) % 5 for i in ids], np.uint64)
    )
    span, rng = Span(100), np.random.default_rng(2)
    ids, model = Ids(bytes(16), span), dict[str, int]()
    names, ts = [f"i{n}" for n in range(120)], np.sort(rng.integers(0, 300, 120))
    for start in range(0, 120, size):
        part = slice(start, start + size)
        ids.add(names[part], start, ts=ts[part])
        model |= {name: start + i for i, name in enumerate(names[part])}
        if start % 3 == 0:  # taken back and entered again, as when a commit fails
            before = ids.find(names).tolist()
            ids.add(["i500", "i501"], 900, ts=ts[part][[0, 0]])
            assert ids.find(["i500", "i501"]).tolist() == [900, 901]
            ids.remove(["i500", "i501"], ts=ts[part][[0, 0]])
            assert ids.find(names).tolist() == before
        assert ids.find(list(model)).tolist() == list(model.values())
    assert len(ids) == 120
    for newest in (250, 300, 400, 500):
        gone = ids.forget(newest)
        there = [n for n, t in zip(names, ts.tolist(), strict=True) if span.until(t) > newest]
        assert ids.find(there).tolist() == [model[n] for n in there]
        assert [ids.until(n) for n in there] == [span.until(t) for t in ts.tolist() if span.until(t) > newest]
        assert len(ids) == len(there)
        copy = Ids.from_arrays(bytes(16), span, ids.arrays(), ids.twins)
        assert copy.find(names).tolist() == ids.find(names).tolist()
        ids.bring_back(gone)


def test_marks_of_many_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "STRETCH_BITS", 3)
    known = Known(["fraud", "declined"])
    positions = np.random.default_rng(1).permutation(100)
    known.set("fraud", positions, positions % 3 == 0)
    known.set("declined", positions[:50], np.where(positions[:50] % 2, 1.0, np.nan))
    copy = Known.from_arrays(known.names, known.arrays())
    for one in (known, copy):
        assert one.get("fraud", positions).tolist() == (positions % 3 == 0).astype(float).tolist()
        assert all(one.of(p).get("declined", False) == bool(p % 2) for p in positions[:50].tolist())
    known.drop(1)
    assert np.isnan(known.get("fraud", range(8, 16))).all()
    assert not np.isnan(known.get("fraud", [7, 16])).any()
