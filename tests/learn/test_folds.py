"""Rolling folds: nothing of a fold is known to it too early, and its means are those of its folds."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from adjudge.errors import DefinitionError
from adjudge.learn.evaluate import DAY_US, Settings
from adjudge.learn.folds import Folds, judged_in_folds
from adjudge.learn.split import rolling, without_known
from adjudge.learn.table import NEVER
from tests.learn import worlds

QUIET = Settings(rounds=0)


def folds(*, drop_known: bool = False) -> Folds:
    return judged_in_folds(worlds.plan(), worlds.table(), 2, drop_known=drop_known, settings=QUIET)


def test_tests_follow_each_other_and_means_are_those_of_the_folds() -> None:
    found = folds()
    first, second = found.folds
    assert first.end_us <= second.start_us
    assert second.train_events > first.train_events
    scores = [fold.rankers[-1].figures["auc"].value for fold in found.folds]
    mean = found.means["model"]["auc"]
    assert mean.value == pytest.approx(np.mean([s for s in scores if s is not None]))
    assert mean.low == min(s for s in scores if s is not None)
    assert set(found.means) == {"rules", "logistic regression", "model", "operating"}
    assert msgspec.json.decode(msgspec.json.encode(found), type=Folds) == found


def test_what_is_known_later_changes_no_fold_before() -> None:
    """Labels that come to light after the first test began change nothing of what the first fold is trained on."""
    table = worlds.table()
    begins = rolling(int(table.ts[0]), int(table.ts[-1]) + 1, gap_us=7 * DAY_US, folds=2)[0].test.start
    late = table.known_at > begins
    assert 0 < late.sum() < len(late)
    never = replace(table, known_at=np.where(late, NEVER - 1, table.known_at))
    again = judged_in_folds(worlds.plan(), never, 2, settings=QUIET)
    assert again.folds[0] == folds().folds[0]


def test_customers_known_as_defrauded_leave_from_that_moment_on() -> None:
    table = worlds.table()
    half = table.between(int(table.ts[len(table) // 2]), int(table.ts[-1]) + 1)
    kept = without_known(half, table)
    told: dict[int, int] = {}
    for who, known, y in zip(table.entity.tolist(), table.known_at.tolist(), table.label.tolist(), strict=True):
        if y == 1:
            told[who] = min(known, told.get(who, NEVER))
    expected = [ts for ts, who in zip(half.ts.tolist(), half.entity.tolist(), strict=True) if told.get(who, NEVER) > ts]
    assert kept.ts.tolist() == expected
    assert 0 < len(kept) < len(half)
    dropped = folds(drop_known=True)
    assert dropped.without_known
    assert dropped.folds[0].test_events < folds().folds[0].test_events
    assert dropped.folds[0].train_events == folds().folds[0].train_events


def test_too_little_time_is_refused() -> None:
    with pytest.raises(DefinitionError, match="too little"):
        rolling(0, 100, gap_us=49, folds=4)
    with pytest.raises(DefinitionError, match="at least 1"):
        rolling(0, 100, gap_us=1, folds=0)
