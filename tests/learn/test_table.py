"""The training table: shapes, selections, and labels as known at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adjudge.errors import ShapeError
from adjudge.learn.table import NEVER, Table


def table(n: int = 4) -> Table:
    """Events at 0, 10, 20, ...; the odd ones are positive and reported 25 later."""
    ts = np.arange(n) * 10
    label = (np.arange(n) % 2).astype(np.float64)
    return Table(
        names=("a", "b"),
        X=np.arange(2.0 * n).reshape(2, n),
        ts=ts,
        label=label,
        known_at=np.where(label == 1.0, ts + 25, NEVER),
        amount=np.ones(n),
        entity=np.arange(n),
        ids=np.array([f"e{i}" for i in range(n)]),
        extra={"pattern": np.arange(n) % 3},
    )


def test_labels_arrive_at_their_own_time() -> None:
    #  event   0    10+   20    30+
    #  known        35          55      as of 36, complete after 15 without a report
    events = table()
    np.testing.assert_array_equal(events.known(36), [np.nan, 1.0, np.nan, np.nan])
    np.testing.assert_array_equal(events.known(36, matures_us=15), [0.0, 1.0, 0.0, np.nan])


def test_a_report_after_the_delay_counts_as_negative_until_it_comes() -> None:
    events = table()
    assert events.known(34, matures_us=15)[1] == 0.0
    assert events.known(35, matures_us=15)[1] == 1.0


def test_selections_carry_every_column() -> None:
    part = table().between(10, 30)
    assert part.ts.tolist() == [10, 20]
    assert part.X.tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert part.ids.tolist() == ["e1", "e2"]
    assert part.extra["pattern"].tolist() == [1, 2]
    assert part.matrix().tolist() == [[1.0, 5.0], [2.0, 6.0]]


def test_a_span_of_time_copies_nothing() -> None:
    events = table()
    assert np.shares_memory(events.between(10, 30).X, events.X)
    assert events.features(events.names) is events
    assert events.labelled() is events


def test_labelled_leaves_out_what_is_not_known() -> None:
    assert table().as_of(36, matures_us=15).labelled().ts.tolist() == [0, 10, 20]


def test_features_are_chosen_by_name_in_the_order_asked_for() -> None:
    assert table().features(("b", "a")).X[0].tolist() == [4.0, 5.0, 6.0, 7.0]
    with pytest.raises(KeyError, match="no feature 'c'"):
        table().features(("a", "c"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"amount": np.ones(3)}, "amount has shape"),
        ({"names": ("a",)}, "X has shape"),
        ({"extra": {"pattern": np.zeros(1)}}, "pattern has shape"),
        ({"ids": np.array(["e1"])}, "ids has shape"),
        ({"ts": np.array([0, 10, 5, 20])}, "in order of time"),
    ],
)
def test_columns_of_another_length_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        replace(table(), **change)


def test_silence_says_nothing_of_what_was_stopped() -> None:
    """Until somebody tells: before and after, and however the events are chosen."""
    stopped = replace(table(), stopped=np.ones(len(table()), np.bool_))
    plain = table()
    for moment in (0, 20, 36, 100):
        told = np.where(plain.known_at <= moment, plain.label, np.nan)
        np.testing.assert_array_equal(stopped.known(moment, matures_us=5), told)
        np.testing.assert_array_equal(stopped.select(slice(1, 3)).known(moment, matures_us=5), told[1:3])
    with pytest.raises(ShapeError, match="stopped has shape"):
        replace(plain, stopped=np.ones(1, np.bool_))
