"""The protocol of the benchmark on Sparkov's cards: parts in order of time, judged with intervals."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.errors import UnavailableError
from adjudge.learn.table import NEVER, Table
from benchmarks import sparkov

DAY_US = 86_400_000_000


def test_parts_are_fifths_by_time_with_a_week_left_out_before_each() -> None:
    n = 1000
    ts = np.arange(n) * DAY_US
    table = Table(("a",), np.zeros((1, n)), ts, np.zeros(n), np.full(n, NEVER), np.ones(n), np.arange(n))
    split = sparkov.split_of(table)
    assert split.validation is not None
    assert (split.train.start, split.train.end) == (0, 593 * DAY_US)
    assert (split.validation.start, split.validation.end) == (600 * DAY_US, 793 * DAY_US)
    assert (split.test.start, split.test.end) == (800 * DAY_US, 999 * DAY_US + 1)
    assert {name: part["rows"] for name, part in sparkov.sizes(split.parts(table)).items()} == {
        "train": 593,
        "validation": 193,
        "test": 200,
    }


def test_without_the_data_one_is_told_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADJUDGE_DATA", raising=False)
    with pytest.raises(UnavailableError, match="fraud/sparkov_generated"):
        sparkov.folder()
