"""A third oracle: the same windows as SQL, on random events, computed by DuckDB."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.history import ADVANCE, Aggregation, Histories, Layout, Measure
from adjudge.typing import FloatArray, IntArray
from tests.history.scenarios import DAY, HOUR

duckdb = pytest.importorskip("duckdb")

WINDOWS = (HOUR, DAY, 7 * DAY)

SQL_OF = {
    "count": "count(x)",
    "sum": "sum(x)",
    "mean": "avg(x)",
    "std": "stddev_samp(x)",
    "min": "min(x)",
    "max": "max(x)",
    "first": "first_value(x)",
    "last": "last_value(x)",
    "correlation": "corr(x, y)",
    "trend": f"regr_slope(x, ts / {DAY}.0)",
    "distinct": "count(distinct z)",
}


def through_sql(keys: IntArray, ts: IntArray, x: FloatArray, y: FloatArray, z: IntArray) -> dict[str, FloatArray]:
    """Return every aggregation over every window; the frame ends before the row itself, as times are unique."""
    arrays = {"key": keys, "ts": ts, "x": x, "y": y, "z": z}
    columns = []
    for op, sql in SQL_OF.items():
        for window in WINDOWS:
            frame = f"partition by key order by ts range between {window - 1} preceding and 1 preceding"
            columns.append(f"({sql} over ({frame}))::double as {op}_{window}")
    connection = duckdb.connect()
    connection.register("events", arrays)
    got = connection.execute(f"select {', '.join(columns)} from events order by ts").fetchnumpy()
    filled = {name: np.ma.filled(column.astype(np.float64), np.nan) for name, column in got.items()}
    # SQL says NULL where nothing is added up; here that is 0.
    return {name: np.nan_to_num(x, nan=0.0) if name.startswith("sum") else x for name, x in filled.items()}


def test_windows_equal_those_of_sql() -> None:
    random = np.random.default_rng(7)
    n = 20_000
    ts = 400 * DAY + np.sort(random.choice(40 * DAY, n, replace=False))
    keys = random.integers(1, 150, n)
    x, y = random.lognormal(3, 2, n), random.normal(size=n)
    z = random.integers(1, 30, n)
    measures = [Measure("x"), Measure("y"), Measure("z", "hash")]
    asked = {
        f"{op}_{window}": Aggregation(
            op, 2 if op == "distinct" else 0, 1 if op == "correlation" else None, window_us=window
        )
        for op in SQL_OF
        for window in WINDOWS
    }
    out = np.empty((len(asked), n))
    values = np.stack([x, y, z.view(np.float64)])
    histories = Histories(Layout(measures, list(asked.values())))
    histories.fold(np.full(n, ADVANCE, np.int8), keys.astype(np.uint64), ts, np.arange(n), values, out)
    expected = through_sql(keys, ts, x, y, z)
    for row, name in enumerate(asked):
        # Sums of squares lose digits where values hardly vary; theirs as much as ours.
        tolerance = 1e-6 if name.startswith(("trend", "correlation", "std")) else 1e-12
        np.testing.assert_allclose(out[row], expected[name], rtol=tolerance, atol=1e-9, err_msg=name)
