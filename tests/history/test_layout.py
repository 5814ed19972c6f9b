"""Layouts refuse what makes no sense and name the place; their digest follows everything that can change a value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adjudge.errors import DefinitionError, ShapeError
from adjudge.history import Aggregation, Histories, Layout, Measure
from adjudge.history.codes import ROWS
from adjudge.history.plan import compile_layout

NUMBER, HASH = Measure("amount"), Measure("merchant", "hash")


@pytest.mark.parametrize(
    ("aggregation", "message"),
    [
        (Aggregation("cuont"), "aggregation 0 .cuont.: no such operation; did you mean 'count'"),
        (Aggregation("sum"), "takes number, label, not no measure"),
        (Aggregation("sum", 1), "takes number, label, not hash"),
        (Aggregation("sum", 2), "there is no measure 2, only 2"),
        (Aggregation("correlation", 0), "needs a second number"),
        (Aggregation("correlation", 0, 1), "needs a second number"),
        (Aggregation("sum", 0, window_us=0), "window_us must lie between"),
        (Aggregation("sum", 0, delay_us=-1), "delay_us must lie between"),
        (Aggregation("is_new", including=True), "cannot include the event itself"),
        (Aggregation("sum", 0, delay_us=5, including=True), "cannot include the event itself"),
        (Aggregation("decayed_sum", 0), "needs a half-life"),
        (Aggregation("last_n", 0), "parameter must lie between"),
    ],
)
def test_a_wrong_aggregation_is_named(aggregation: Aggregation, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Layout([NUMBER, HASH], [aggregation])


def test_a_wrong_measure_or_number_is_named() -> None:
    with pytest.raises(DefinitionError, match="'x' has no kind 'numbr'; did you mean 'number'"):
        Layout([Measure("x", "numbr")], [])
    with pytest.raises(DefinitionError, match="scale above 0"):
        Layout([Measure("x", scale=0.0)], [])
    with pytest.raises(DefinitionError, match="capacity"):
        Layout([], [], capacity=1)
    with pytest.raises(DefinitionError, match="eps"):
        Layout([], [], eps=2.0)


def test_the_digest_follows_everything_that_can_change_a_value() -> None:
    layout = Layout([NUMBER], [Aggregation("sum", 0)])
    others = [
        replace(layout, capacity=100),
        replace(layout, eps=0.1),
        replace(layout, memory_us=5),
        replace(layout, lateness_us=5),
        replace(layout, measures=[Measure("amount", scale=100.0)]),
        replace(layout, aggregations=[Aggregation("sum", 0, window_us=5)]),
    ]
    assert len({layout.digest, *(other.digest for other in others)}) == 7
    assert layout.digest == Layout([NUMBER], [Aggregation("sum", 0)]).digest


def test_a_window_that_changes_what_merges_changes_the_digest() -> None:
    """How wide a merged row may be depends on the shortest window, so that window is part of the layout's name."""
    one = Layout([NUMBER], [Aggregation("sum", 0, window_us=100)])
    two = Layout([NUMBER], [Aggregation("sum", 0, window_us=100), Aggregation("count", window_us=10)])
    assert one.shortest_us != two.shortest_us
    assert one.digest != two.digest


def test_aggregations_that_share_a_loop_are_one_group() -> None:
    asked = [Aggregation(op, 0, window_us=w) for op in ("count", "sum", "mean", "std") for w in (5, 9)]
    plan = compile_layout(Layout([NUMBER], asked))
    assert len(plan.groups) == 1
    assert plan.groups[0, 0] != ROWS


def test_outputs_of_last_n_stay_together() -> None:
    layout = Layout([NUMBER], [Aggregation("last_n", 0, parameter=2)])
    with pytest.raises(ShapeError, match="neighbours"):
        Histories(layout, writes=[3, 5])
