"""Fifty rules back-tested over a million events on one core, beside Polars and DuckDB on the same columns.

What is timed is the whole answer of `adjudge rules test` but the reading of its columns and the resampling behind its
intervals: rules compiled, run over every event, combined into actions, and added up into money, weeks, overlaps and
examples. The peers only evaluate the fifty conditions and count their hits, with and without fraud. Values are missing
as in real columns, and every condition gives the same events everywhere. All take turns, and the best turn of each
counts, so that a busy machine slows all alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from adjudge.define import Event, Id, Label, Money, Policy, Rule, Rules, System, Time
from adjudge.engine.vm import Slot
from adjudge.learn.backtest import Asked, backtest
from adjudge.learn.caught import treatment
from adjudge.learn.firing import firing
from adjudge.learn.past import Columns, Past, known_of
from adjudge.typing import FloatArray

EVENTS = 1_000_000
COLUMNS = 30
RULES = 50
DAYS = 90
DAY_US = 86_400_000_000
TARGET_S = 0.25


class Payment(Event):
    """What is decided."""

    payment_id: Id
    at: Time
    amount: Money


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure and compare."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when Polars is imported, which is below
    events = 100_000 if quick else EVENTS
    progress(f"making up {events:,} events of {COLUMNS} columns, and {RULES} rules")
    past, fraud = _past(events)
    draft = _draft()
    frame, conditions = _polars(past, fraud, draft)
    connection, question = _duckdb(frame, draft)
    made = firing(draft, past.columns, hash_text=len)
    progress("taking turns")
    best, cpu = _turns(
        {
            "ours": lambda: backtest(past, draft, hash_text=len, asked=Asked(rounds=0)),
            "firing": lambda: made.run(past.columns.X),
            "polars": lambda: frame.select(conditions),
            "duckdb": lambda: connection.execute(question).fetchone(),
        },
        turns=3 if quick else 7,
    )
    progress("intervals, once")
    began = time.perf_counter()
    answer = backtest(past, draft, hash_text=len)
    whole = time.perf_counter() - began
    theirs = frame.select(conditions).row(0)
    hits = [rule.hits for rule in sorted(answer.rules, key=lambda rule: rule.rule)]
    return {
        "events": events,
        "rules": RULES,
        "target_s": TARGET_S,
        "seconds": round(best["ours"], 4),
        "seconds_evaluating": round(best["firing"], 4),
        "cpu_seconds": round(cpu["ours"], 4),
        "cpu_seconds_evaluating": round(cpu["firing"], 4),
        "million_rows_per_s": round(events / best["ours"] / 1e6, 2),
        "million_rows_per_s_evaluating": round(events / best["firing"] / 1e6, 2),
        "seconds_with_intervals": round(whole, 2),
        "polars_seconds": round(best["polars"], 4),
        "polars_cpu_seconds": round(cpu["polars"], 4),
        "duckdb_seconds": round(best["duckdb"], 4),
        "duckdb_cpu_seconds": round(cpu["duckdb"], 4),
        "ratio_polars": round(best["polars"] / best["ours"], 2),
        "ratio_duckdb": round(best["duckdb"] / best["ours"], 2),
        "ratio_polars_evaluating": round(best["polars"] / best["firing"], 2),
        "ratio_duckdb_evaluating": round(best["duckdb"] / best["firing"], 2),
        "share_of_events_with_a_hit": round(answer.together.hits / events, 4),
        "hits_agree": hits == list(theirs[:RULES]) == list(connection.execute(question).fetchone()[:RULES]),
        "reached": best["ours"] <= TARGET_S,
    }


def _past(events: int) -> tuple[Past, FloatArray]:
    """Draw events: counts, amounts and shares, a tenth of the values missing, and one fraud in two hundred."""
    random = np.random.default_rng(1)
    X = random.normal(size=(COLUMNS, events))
    X[10:20] = np.floor(np.exp(X[10:20]))
    X[20:] = np.exp(2 * X[20:])
    X[random.random(X.shape) < 0.1] = np.nan
    risk = np.nan_to_num(X[0] + X[10] / 3 + np.log1p(X[20])) + random.normal(size=events)
    fraud = (risk > np.quantile(risk, 0.995)).astype(np.float64)
    ts = np.sort(random.integers(0, DAYS * DAY_US, events))
    label = np.where(fraud == 1.0, 1.0, np.nan)
    system = System("payments", Payment, Label("fraud"), policy=Policy(actions=("approve", "review", "block")))
    p = 1 / (1 + np.exp(6 - risk))
    model = np.searchsorted([0.6, 0.9], p, side="left")
    names = [f"f{i}" for i in range(COLUMNS)]
    columns = Columns({n: Slot("number", i) for i, n in enumerate(names)}, X, dict.fromkeys(names, "number"))
    as_of = DAYS * DAY_US
    past = Past(
        columns,
        ts,
        known_of(label, ts, as_of=as_of, matures_us=7 * DAY_US, stopped=treatment(system.policy, model) == 2),
        np.nan_to_num(X[20], nan=1.0),
        random.integers(0, events // 20, events),
        np.arange(events),
        model,
        p,
        model,
        (),
        np.zeros((1, events), np.uint64),
        system,
        as_of,
        7 * DAY_US,
        {"review": 0.6, "block": 0.9},
        True,
    )
    return past, fraud


def _draft() -> Rules:
    """Return rules of two to four comparisons, as people write them: limits, ratios, and what is missing."""
    random = np.random.default_rng(2)
    rules = []
    for i in range(RULES):
        a, b, c, d = random.permutation(COLUMNS)[:4].tolist()
        when = [
            f"f{10 + a % 10} > {random.integers(3, 9)}",
            f"f{20 + b % 10} > {random.integers(5, 40)}",
            f"f{c % 10} > {random.random():.3f}",
        ]
        if i % 3 == 0:
            when[1] = f"f{20 + b % 10} > {random.integers(2, 6)} * f{20 + d % 10}"
        if i % 4 == 0:
            when.append(f"f{d % 10} > {random.random():.3f}")
        text = f"{when[0]} and ({when[1]} or {when[2]})" if i % 5 == 0 else " and ".join(when)
        rules.append(Rule(f"rule_{i:02}", text, ("review", "block")[i % 2], priority=i))
    return Rules(tuple(rules))


def _polars(past: Past, fraud: FloatArray, draft: Rules) -> tuple[Any, list[Any]]:
    """Return the same columns as Polars has them, missing as null, and what it is asked."""
    import polars as pl

    frame = pl.DataFrame({f"f{i}": row for i, row in enumerate(past.columns.X)}, nan_to_null=True)
    frame = frame.with_columns(_fraud=pl.Series(fraud == 1.0))
    made = [pl.sql_expr(rule.when.text) for rule in draft.rules]
    hits = [each.sum().alias(f"n{i}") for i, each in enumerate(made)]
    return frame, hits + [(each & pl.col("_fraud")).sum().alias(f"y{i}") for i, each in enumerate(made)]


def _duckdb(frame: Any, draft: Rules) -> tuple[Any, str]:
    """Return the same columns as DuckDB has them in memory, and what it is asked."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.register("given", frame.to_arrow())
    connection.execute("CREATE TABLE past AS SELECT * FROM given")
    texts = [rule.when.text for rule in draft.rules]
    asked = [f"count(*) FILTER ({t})" for t in texts] + [f"count(*) FILTER (({t}) AND _fraud)" for t in texts]
    return connection, f"SELECT {', '.join(asked)} FROM past"


def _turns(calls: dict[str, Callable[[], object]], *, turns: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the best time of each, by the clock and of the processor, all having had a turn before."""
    wall, cpu = dict.fromkeys(calls, float("inf")), dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(turns):
        for name, call in calls.items():
            began, spent = time.perf_counter(), time.process_time()
            call()
            wall[name] = min(wall[name], time.perf_counter() - began)
            cpu[name] = min(cpu[name], time.process_time() - spent)
    return wall, cpu
