"""The table of a log: as of a moment before somebody told, an event that was stopped has no label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adjudge.define import Policy, Rules
from adjudge.engine import SECRET, Plan, compile
from adjudge.learn.train import past_of
from adjudge.log import Kind
from adjudge.service.columns import active_of
from adjudge.service.retrain import kept
from adjudge.service.retrain.recipe import cut
from adjudge.service.retrain.table import logged_table
from adjudge.service.workspace import Change
from tests.service.retrain import lived
from tests.service.retrain.lived import DAY_US, SMALL, Life, place_of, quick
from tests.service.shop import shop_system

BLOCKS = """
version: 1
rules:
- {id: large, when: amount > 200, action: block, reason: Large.}
"""


def blocking(secret: bytes = SECRET) -> Plan:
    """Return the shop with a rule that stops what is large, which is what frauds are."""
    system = replace(shop_system(rules=False), rules=Rules.load(BLOCKS), policy=Policy(), model=SMALL)
    return compile(system, secret=secret)


@pytest.mark.parametrize("kind", ["full", "incremental"])
def test_what_was_stopped_and_confirmed_late_is_not_taught_as_honest(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lived, "plan", blocking)
    life = Life()
    monkeypatch.setattr(life, "report", lambda: None)  # nobody reports before the end
    life.live(30)
    life.decider.change([Change(Kind.LABEL, "purchase", id_, "fraud", 1.0) for _, id_ in life.reports])
    place = place_of(life, tmp_path)
    _, entries = active_of(place.log, SECRET, None)
    logged = logged_table(place.log, blocking(), entries)
    blocked = logged.table.column("amount") > 200
    assert blocked.sum() > 50
    np.testing.assert_array_equal(logged.table.stopped, blocked)
    kept.write(tmp_path, logged.table, logged.as_of, (logged.stopped, logged.lacking), {})
    table, _ = kept.read(tmp_path)
    before = table.as_of(int(table.ts[-1]), matures_us=0)
    assert np.isnan(before.label[blocked]).all()
    assert (before.label[~blocked] == 0.0).all()
    parts = cut(quick(kind)(DAY_US), table, logged.as_of, 0).parts
    large = parts.train.column("amount") > 200
    if kind == "full":  # learns as of the moment before its window, when nobody had told
        assert not large.any()
    else:  # learns from what is known now
        assert large.any()
        assert (parts.train.label[large] == 1.0).all()
    assert not np.isnan(parts.test.label).any()
    assert len(logged.past) == len(logged.table)
    assert (parts.test.column("amount") > 200).any()


def test_what_was_stopped_and_never_told_of_is_looked_back_on_and_not_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lived, "plan", blocking)
    life = Life()
    monkeypatch.setattr(life, "report", lambda: None)
    life.live(5)
    place = place_of(life, tmp_path)
    _, entries = active_of(place.log, SECRET, None)
    logged = logged_table(place.log, blocking(), entries)
    stopped = logged.past.column("amount") > 200
    assert (int(stopped.sum()), len(logged.past)) == (logged.stopped, logged.stopped + len(logged.table))
    past = past_of(blocking(), logged.past, None)
    assert np.array_equal(np.isnan(past.known()[0]), stopped)
