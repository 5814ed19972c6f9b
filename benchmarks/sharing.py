"""What linked entities and rings add to the payments' booster, on the simulator's default world, and what they cost.

One fold answers everything, so that all variants read the very same events. The booster is fitted on the first three
quarters of the training part, stopped early on the last quarter, and judged on the validation part; the test part of
the split is not looked at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from adjudge.define import System, days, micros
from adjudge.engine import Batch, Plan, compile
from adjudge.engine.fold import fold_batch
from adjudge.learn.backfill import backfill
from adjudge.learn.bootstrap import intervals
from adjudge.learn.ranking import Ranking
from adjudge.learn.rings import Ties, ring_features
from adjudge.learn.source import Source
from adjudge.learn.split import split_by_share
from adjudge.learn.table import Table
from adjudge.learn.train import thin, vocabulary_of
from adjudge.models import Categories, Trees
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment, payments
from adjudge.typing import FloatArray

os.environ.setdefault("OMP_NUM_THREADS", "1")

EVENTS = {True: 60_000, False: 500_000}
"""Payments of a world, by whether it is quick."""

SEEDS = {True: (7,), False: (7, 8)}
"""Worlds, by whether it is quick."""

ROWS = 150_000
"""Most rows to fit on; frauds are all among them, and others weigh more."""

SHARED = ("device", "address", "ip")
"""Over what users are linked."""

TIES = ("user", "device", "card", "address", "ip")
"""What ties users into rings."""

ROUNDS = 200
"""Resamplings of customers for each interval."""

TIMED = 20_000
"""Payments that are folded to take the time, in batches of 1,000."""


def linked() -> list[Any]:
    """Return the linked features that are tried."""
    month = days(30)
    links = [Payment.by(name).linked("user") for name in SHARED]
    return [made for link in links for made in (link.count(month), link.known("fraud", month))]


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return average precision with and without them on every world, and the microseconds of an event's fold.

    Parameters
    ----------
    quick
        One small world; its figures say that the benchmark runs and no more.
    progress
        Where to say what is being done.
    """
    from adjudge.systems.payments.simulate import simulate

    figures: dict[str, Any] = {"events": EVENTS[quick], "rows": ROWS, "seeds": list(SEEDS[quick])}
    for seed in SEEDS[quick]:
        progress(f"world {seed}: {EVENTS[quick]:,} payments")
        source = of_world(simulate(EVENTS[quick], seed=seed))
        figures[f"world_{seed}"] = measure(source, progress)
    progress("the time of a fold")
    figures["us_per_event"] = costs(source)
    return figures


def with_linked() -> System:
    """Return the payments system with the linked features that are tried."""
    system = payments()
    return replace(system, features=[*system.features, linked()])


def measure(source: Source, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return what the booster reaches on the validation part with each set of features."""
    system = with_linked()
    plan = compile(replace(system, lists={**system.lists, **source.lists}))
    progress("fold")
    table = backfill(plan, source.frames, source.labels).table
    progress("rings of every day")
    names, rings = ring_features(ties_of(source, table))
    table = replace(table, names=(*table.names, *names), X=np.concatenate([table.X, rings]))
    gap = micros(system.label.delay) if system.label is not None else 0
    parts = split_by_share(int(table.ts.min()), int(table.ts.max()) + 1, gap_us=gap).parts(table)
    assert parts.validation is not None
    added = tuple(name for name in plan.names if "_linked_" in name)
    plain = tuple(name for name in plan.names if name not in added)
    sets = {
        "as_shipped": plain,
        "with_linked": plain + added,
        "with_rings": plain + names,
        "with_both": plain + added + names,
    }
    scores = {}
    for name, read in sets.items():
        progress(f"trees {name}, {len(read)} features")
        scores[name] = fitted(plan, source, parts.train, parts.validation, read)
    return judged(parts.validation, scores)


def ties_of(source: Source, table: Table) -> Ties:
    """Return who shares what, in the order of a table of the same events."""
    import polars as pl

    order = pl.DataFrame({"payment_id": table.ids})
    events = order.join(source.frames["payment"], on="payment_id", how="left", maintain_order="left")
    ties = Ties.of_frame(events, TIES)
    return replace(ties, label=table.label, known_at=table.known_at)


def fitted(plan: Plan, source: Source, train: Table, validation: Table, names: tuple[str, ...]) -> FloatArray:
    """Return the margins of validation rows, of trees that were fitted and stopped on earlier ones."""
    cut = int(np.quantile(train.ts, 0.75))
    first, later = (
        train.between(int(train.ts.min()), cut).features(names),
        train.features(names).select(train.ts >= cut),
    )
    drawn, weight = thin(first, ROWS, seed=0)
    texts = {name: words for name, words in vocabulary_of(plan, source.frames).items() if name in names}
    secret = plan.stream(plan.decides).encoder.secret
    categories = Categories.fit(drawn.matrix(), drawn.label, names, texts, secret=secret)
    read = tuple(name for name in names if name not in plan.categorical or name in categories.texts)
    trees = Trees("lightgbm", n_trees=300, depth=6, threads=1, calibration=None)
    trees.fit(
        drawn.features(read).matrix(),
        drawn.label,
        validation=(later.features(read).matrix(), later.label),
        names=read,
        categories=categories,
        weight=weight,
    )
    return trees.decision_function(validation.features(read).matrix())


def judged(validation: Table, scores: dict[str, FloatArray]) -> dict[str, Any]:
    """Return each set's average precision and what it is ahead of the shipped one, by resampled customers."""
    rankings = {name: Ranking.of(validation.label, score) for name, score in scores.items()}

    def figures(weight: FloatArray) -> dict[str, float]:
        ap = {name: ranking.curve(weight).average_precision() for name, ranking in rankings.items()}
        return ap | {f"{name}_ahead": value - ap["as_shipped"] for name, value in ap.items() if name != "as_shipped"}

    found = intervals(figures, len(validation), entity=validation.entity, rounds=ROUNDS)
    return {
        "validation_payments": len(validation),
        "frauds": int(validation.label.sum()),
        "ap": {
            name: {"value": round(i.value or 0.0, 4), "low": round(i.low or 0.0, 4), "high": round(i.high or 0.0, 4)}
            for name, i in found.items()
        },
    }


def costs(source: Source) -> dict[str, float]:
    """Return the processor time of folding a payment, as shipped and with linked features; the best of three."""
    found = {}
    for name, system in (("as_shipped", payments()), ("with_linked", with_linked())):
        plan = compile(replace(system, lists={**system.lists, **source.lists}))
        found[name] = min(_seconds(plan, source) for _ in range(4)) / TIMED * 1e6
    found["linked_alone"] = found["with_linked"] - found["as_shipped"]
    return {name: round(value, 2) for name, value in found.items()}


def _seconds(plan: Plan, source: Source) -> float:
    frame = source.frames["payment"].head(TIMED)
    whole = plan.encode_frame("payment", frame, np.arange(frame.height))
    parts = [
        Batch(
            whole.stream,
            (),
            whole.ts[i : i + 1000],
            whole.seq[i : i + 1000],
            np.ascontiguousarray(whole.matrix[:, i : i + 1000]),
            np.ascontiguousarray(whole.keys[:, i : i + 1000]),
        )
        for i in range(0, frame.height, 1000)
    ]
    state = plan.start()
    began = time.process_time()
    for part in parts:
        fold_batch(plan, state, part, append=True)
    return time.process_time() - began
