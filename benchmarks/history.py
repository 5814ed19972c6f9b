"""Exact sliding windows: events a second beside Polars, DuckDB and pandas, the same columns, one thread each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adjudge.errors import UnavailableError

ROOT = Path(__file__).parent.parent


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure 26 window columns of a payment system over events of many keys, a hundred for each.

    Parameters
    ----------
    quick
        500,000 events and five rounds in place of 2,000,000 and six.
    progress
        Where to say what is being done.
    """
    count, rounds = (500_000, 5) if quick else (2_000_000, 6)
    progress(f"{count:,} events, {rounds} rounds of ours, Polars in two ways, DuckDB, pandas; one thread each")
    asked = [sys.executable, "-m", "benchmarks._windows", str(count), str(rounds)]
    with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        said = []
        for line in process.stderr:
            said.append(line)
            progress(line.rstrip())
        printed = process.stdout.read()
    if process.returncode:
        msg = f"the windows could not be measured: {said[-1].strip() if said else 'no reason given'}"
        raise UnavailableError(msg)
    return figures(json.loads(printed), count)


def figures(measured: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the printed keys; Polars counts with the faster of its two ways."""
    seconds = measured["seconds_per_event"]
    mine = seconds["ours"]
    polars = min(seconds["polars_expressions"], seconds["polars_groups"])
    return {
        "events": count,
        "keys": measured["keys"],
        "columns": 26,
        "ours_events_per_s": round(1.0 / mine),
        "ratio_polars": round(polars / mine, 2),
        "ratio_polars_group_by": round(seconds["polars_groups"] / mine, 2),
        "ratio_duckdb": round(seconds["duckdb"] / mine, 2),
        "ratio_pandas": round(seconds["pandas"] / mine, 2),
        "max_rel_diff": max(measured["differences"].values()),
        "max_rel_diff_of": measured["differences"],
        "ns_per_key_update": round(mine * 1e9),
        "threads": {"ours": 1, "polars": measured["polars_threads"], "duckdb": 1, "pandas": 1},
        "clock": "processor time, the best of the rounds; outputs go to memory that was used before, ours and theirs",
        "warm": "kernels compiled, and every contender run once on 500 events, before the clock starts",
    }
