"""Splits: no overlap, the gap is kept, and no part sees a label from its future."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import DefinitionError
from adjudge.learn.split import Span, Split, prequential, split_by_share
from adjudge.learn.table import NEVER, Table


def events(known_at: list[int]) -> Table:
    """Positives at 0, 1, 2, ... that become known at given times."""
    n = len(known_at)
    known = np.array(known_at, dtype=np.int64)
    return Table(("a",), np.zeros((1, n)), np.arange(n), np.ones(n), known, np.ones(n), np.zeros(n, dtype=np.int64))


def test_each_part_knows_what_was_known_then() -> None:
    #  train 0..2 | gap | validation 4..6 | gap | test 8..10      trained at 4, thresholds at 8
    split = Split(train=Span(0, 2), validation=Span(4, 6), test=Span(8, 10), gap_us=2)
    table = events([4, 5, NEVER, NEVER, 8, 9, NEVER, NEVER, 100, NEVER])
    parts = split.parts(table)
    assert parts.train.label.tolist() == [1.0, 0.0]
    assert parts.validation is not None
    assert parts.validation.label.tolist() == [1.0, 0.0]
    assert parts.test.label.tolist() == [1.0, 0.0]
    judged_early = split.parts(table, judged_at=50)
    assert judged_early.test.label.tolist() == [0.0, 0.0]


def test_too_young_to_be_called_negative_is_left_out_of_training() -> None:
    split = Split(train=Span(0, 3), test=Span(4, 6), gap_us=0)
    parts = split.parts(events([NEVER] * 6), matures_us=3)
    assert parts.train.ts.tolist() == [0, 1]
    assert parts.validation is None


@pytest.mark.parametrize(
    ("train", "validation", "test", "says"),
    [
        (Span(0, 5), None, Span(4, 8), "test starts before train ends"),
        (Span(0, 5), Span(7, 9), Span(8, 12), "test starts before validation ends"),
        (Span(0, 5), Span(4, 9), Span(12, 14), "validation starts before train ends"),
        (Span(0, 5), Span(6, 9), Span(12, 14), "gap for labels is 2 us"),
    ],
)
def test_overlaps_are_refused(train: Span, validation: Span | None, test: Span, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        Split(train=train, validation=validation, test=test, gap_us=2)


def test_empty_spans_and_shares_are_refused() -> None:
    with pytest.raises(DefinitionError, match="not after its start"):
        Span(3, 3)
    with pytest.raises(DefinitionError, match="leave nothing of"):
        split_by_share(0, 10, gap_us=5)
    with pytest.raises(DefinitionError, match="one of the three parts"):
        split_by_share(0, 100, gap_us=5, train=0.9, validation=0.1)


@given(st.integers(60, 10**6), st.integers(0, 20), st.floats(0.3, 0.6), st.floats(0.1, 0.3))
def test_shares_always_make_a_legal_split(end: int, gap: int, train: float, validation: float) -> None:
    split = split_by_share(0, end, gap_us=gap, train=train, validation=validation)
    assert split.train.start == 0
    assert split.test.end == end
    assert split.gap_us == gap


def test_prequential_folds_never_judge_an_event_twice() -> None:
    folds = prequential(Span(0, 7), gap_us=7, test_us=7, folds=4, step_us=7)
    judged = [t for fold in folds for t in range(fold.test.start, fold.test.end)]
    assert len(judged) == len(set(judged)) == 28
    assert all(fold.test.start - fold.train.end == 7 for fold in folds)
    with pytest.raises(DefinitionError, match="overlap"):
        prequential(Span(0, 7), gap_us=7, test_us=7, folds=4, step_us=6)
    with pytest.raises(DefinitionError, match="at least 1 fold"):
        prequential(Span(0, 7), gap_us=7, test_us=7, folds=0, step_us=7)
