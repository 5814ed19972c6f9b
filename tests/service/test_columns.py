"""The past that a log holds, as columns: the very bits that were decided with, what was done, and what is known."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from adjudge.define import Rule, Rules
from adjudge.engine import SECRET
from adjudge.engine.hashing import TEXT_TAG, hash_text
from adjudge.errors import DefinitionError, InputError
from adjudge.learn.backtest import Asked, backtest
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, YOUNG_FRAUD, Past
from adjudge.log import Kind, MemoryLog
from adjudge.log.sqlite import SqliteLog
from adjudge.service.archive.files import Archive
from adjudge.service.archive.joined import Joined
from adjudge.service.changed import Change
from adjudge.service.columns import logged_past
from adjudge.service.export import export
from adjudge.service.export.columns import exported_past
from adjudge.service.home import LOG_FILE
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import Revision
from tests.service.archive.old import archive, fill, place_in
from tests.service.shop import RULES, START, Shop, many_purchases, shop
from tests.service.test_decider import label

NAMES = (
    "amount",
    "user_count_1h",
    "above_usual",
    "method",
    "user",
    "user_place_speed_kmh",
    "user_account_verified",
    "place",
)
HASH = partial(hash_text, SECRET, TEXT_TAG)


class Made(NamedTuple):
    """A log, and what it was answered while it grew."""

    shop: Shop
    answers: dict[str, dict[str, Any]]
    past: Past


@pytest.fixture(scope="module")
def made() -> Made:
    """Return the past of 120 purchases, half of them decided with one rule more, with labels and a retraction."""
    desk = Shop(shop(), at=START + timedelta(hours=1))
    rows = many_purchases(120)
    answers = desk.decide(*rows[:60])
    extra = RULES + "- {id: extra, when: amount > 30, action: review}\n"
    LiveDesk(desk.decider, background=False).revise(Revision("more", rules=Rules.load(extra).document()), "ada")
    for i in range(60, 120, 10):
        answers += desk.decide(*rows[i : i + 10])
    desk.decide({"login_id": "l1", "at": rows[0]["at"], "user": "u1"}, stream="login")
    desk.decider.change([label(rows[0]["purchase_id"]), label(rows[1]["purchase_id"], False)])
    desk.decider.change([label(rows[2]["purchase_id"]), label(rows[2]["purchase_id"], False)])
    desk.decider.change([Change(Kind.RETRACTION, "purchase", rows[5]["purchase_id"])])
    desk.clock.advance(timedelta(days=3))
    desk.decider.change([label(rows[3]["purchase_id"])])
    past = logged_past(desk.decider.log, NAMES, secret=SECRET)
    return Made(desk, {row["id"]: row for row in answers}, past)


def test_columns_hold_the_bits_that_were_decided_with(made: Made) -> None:
    """Features as the answers and the log have them; what was taken back is left out."""
    past, answers = made.past, made.answers
    gone = many_purchases(120)[5]["purchase_id"]
    assert sorted(past.ids.tolist()) == sorted(set(answers) - {gone})
    assert (np.diff(past.ts) >= 0).all()
    sent = {row["purchase_id"]: row for row in many_purchases(120)}
    for i, id_ in enumerate(past.ids.tolist()):
        assert past.columns.X[past.columns.slots["amount"].row, i] == float(sent[id_]["amount"])
        user = past.columns.X.view(np.uint64)[past.columns.slots["user"].row, i]
        assert int(user) == HASH(sent[id_]["user"])
        assert past.system.policy.actions[past.action[i]] == answers[id_]["decision"]
        assert past.p[i] == answers[id_]["probability"]
        fired = [rule for r, rule in enumerate(past.rules) if int(past.fired[0, i]) >> r & 1]
        assert sorted(fired) == sorted(answers[id_]["rules"])
    assert past.rules[-1] == "extra"
    assert past.modelled


def test_what_is_known_is_what_the_last_label_said(made: Made) -> None:
    """Silent ones are honest after a day, unless they were stopped."""
    rows = [row["purchase_id"] for row in many_purchases(120)]
    known = dict(zip(made.past.ids.tolist(), made.past.known.tolist(), strict=True))
    assert [known[rows[i]] for i in range(4)] == [FRAUD, HONEST, HONEST, FRAUD]
    stopped = {id_ for id_, answer in made.answers.items() if answer["decision"] == "block"}
    silent = set(rows[6:]) & set(known)
    assert {known[id_] for id_ in silent - stopped} == {HONEST}
    assert {known[id_] for id_ in silent & stopped} <= {UNLABELLED}


def test_the_rules_in_force_fire_on_these_columns_as_they_fired(made: Made) -> None:
    """One evaluator: a draft that says what the rules say has exactly their hits."""
    draft = Rules(tuple(rule for rule in made.past.system.rules.rules if rule.id == "busy"))
    found = backtest(made.past, draft, hash_text=HASH, asked=Asked(rounds=0))
    (busy,) = found.rules
    hits = sum("busy" in made.answers[id_]["rules"] for id_ in made.past.ids.tolist())
    assert (busy.hits, busy.overlaps[0].rule, busy.overlaps[0].share) == (hits, "busy", 1.0)


def test_what_the_log_does_not_keep_is_named(made: Made) -> None:
    past = logged_past(made.shop.decider.log, ["user_sum"], secret=SECRET)
    draft = Rules((Rule("far", "user_place_sped_kmh > 3", "review"),))
    found = backtest(past, draft, hash_text=HASH, asked=Asked(rounds=0))
    assert found.untested[0].why == "there is no 'user_place_sped_kmh'; did you mean 'user_place_speed_kmh'?"


def test_a_log_that_says_nothing_is_refused(made: Made) -> None:
    with pytest.raises(InputError, match="nothing was ever decided"):
        logged_past(MemoryLog(), NAMES, secret=SECRET)
    with pytest.raises(InputError, match="there is no system 'shp' in this workspace; did you mean 'shop'"):
        logged_past(made.shop.decider.log, NAMES, secret=SECRET, system="shp")
    with pytest.raises(DefinitionError, match="another secret"):
        logged_past(made.shop.decider.log, NAMES, secret=bytes(16))
    with pytest.raises(InputError, match="has decided nothing"):
        logged_past(Shop(shop()).decider.log, NAMES, secret=SECRET)


def test_an_export_tells_the_same_past(made: Made, tmp_path: Path) -> None:
    """Bit by bit what the log tells, but for texts inside of features, which an export leaves out."""
    export(made.shop.decider.log, tmp_path / "lake")
    there, past = exported_past(tmp_path / "lake", NAMES, secret=SECRET), made.past
    assert there.ids.tolist() == past.ids.tolist()
    for name in ("ts", "known", "amount", "action", "model", "entity"):
        assert getattr(there, name).tolist() == getattr(past, name).tolist(), name
    assert np.array_equal(there.p, past.p, equal_nan=True)
    assert set(NAMES) <= set(there.columns.slots) == set(past.columns.slots)
    for name, slot in there.columns.slots.items():
        kept = past.columns.X[past.columns.slots[name].row].view(np.int64)
        assert there.columns.X[slot.row].view(np.int64).tolist() == kept.tolist(), name
    for rule in there.rules:
        bits = [past_.fired[0] >> np.uint64(past_.rules.index(rule)) & np.uint64(1) for past_ in (there, past)]
        assert bits[0].tolist() == bits[1].tolist()
    with pytest.raises(InputError, match="there is no export of decisions"):
        exported_past(tmp_path, NAMES, secret=SECRET)


def test_what_was_archived_is_read_with_the_archive_and_the_rest_without(tmp_path: Path) -> None:
    """How the rest is read stands in the snapshot that the archive left; without it that is said."""
    plan = shop()
    fill(plan, lambda: SqliteLog(tmp_path / LOG_FILE), tmp_path)
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        whole = logged_past(log, NAMES, secret=SECRET)
    archive(plan, lambda: SqliteLog(tmp_path / LOG_FILE), tmp_path)
    place = place_in(tmp_path)
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        rest = logged_past(log, NAMES, secret=SECRET, snapshots=place.snapshots)
        joined = logged_past(Joined(Archive(place.archive), log), NAMES, secret=SECRET)
        with pytest.raises(InputError, match=r"nothing was ever decided|archived: give the archive"):
            logged_past(log, NAMES, secret=SECRET)
    assert joined.ids.tolist() == whole.ids.tolist()
    assert np.array_equal(joined.columns.X, whole.columns.X, equal_nan=True)
    assert joined.as_of > whole.as_of  # archiving is an entry of its own, a day later
    frauds = [np.isin(past.known, (FRAUD, YOUNG_FRAUD)).tolist() for past in (joined, whole)]
    assert frauds[0] == frauds[1]
    assert set(rest.ids.tolist()) < set(whole.ids.tolist())
    assert "plast" in rest.ids.tolist()
