"""The stress test of graphs, on a hundredth of its size."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import graph


def test_a_huge_component_is_answered_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "EVENTS", 200_000)
    monkeypatch.setattr(graph, "ENTITIES", 30_000)
    monkeypatch.setattr(graph, "TARGETS", 1_000)
    said: list[str] = []
    figures = graph.run(quick=True, progress=said.append)
    assert (figures["nodes"], figures["edges"]) == (23_000, 120_000)
    assert figures["largest_component_share"] == 1.0
    assert figures["p99_nodes_without_bounds"] > 1000 >= figures["largest_nodes"]
    assert figures["alert"].startswith("the 95th percentile of neighbourhoods is")
    assert said


def test_every_entity_is_named_and_some_very_often() -> None:
    keys, ts, x, (label, known_at) = graph.drawn(20_000, 3_000)
    assert sum(len(np.unique(column)) for column in keys) == 3_000
    assert max(np.unique(column, return_counts=True)[1].max() for column in keys) > 1_000
    assert len(ts) == len(x) == len(label) == len(known_at) == 20_000
