"""Rings: what a graph net finds that the same numbers alone do not, beside what nobody can find.

Worlds, splits, decoys and columns stand in `_rings`, which says when each was fixed. In each world all models read the
same columns; the net reads besides who shares what with whom, and the booster is also given counts of that by hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adjudge.learn.bootstrap import intervals
from adjudge.learn.ranking import Ranking
from adjudge.models import Estimator, Logistic, Sage, Trees
from adjudge.models.graph import Sizes
from adjudge.models.graph.served import SageModel
from adjudge.typing import AnyArray, FloatArray
from benchmarks import _rings
from benchmarks._rings import DAY_US, ENTITIES, Rings, Rows

os.environ.setdefault("OMP_NUM_THREADS", "1")

PRECISION = 0.15
"""What at least a cut must be worth."""

REACHED, AHEAD = 0.74, 0.16
"""What the graph model should reach, and be ahead of logistic regression by."""

QUICK_EVENTS = 150_000

TRAINED, WATCHED, TESTED = 60_000, 15_000, 40_000
"""Honest payments that are read of each part, drawn by lot; frauds and rings are read whole, weights do the rest."""

QUEUE = 10_000
"""Events of the test whose neighbourhoods are counted and timed."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure every setting.

    Parameters
    ----------
    quick
        One small world; its figures say that the benchmark runs and no more.
    progress
        Where to say what is being done.
    """
    events = QUICK_EVENTS if quick else _rings.EVENTS
    settings = _rings.SETTINGS[-1:] if quick else _rings.SETTINGS
    figures: dict[str, Any] = {"events": events, "days": _rings.DAYS, "seed": _rings.SEED, "precision": PRECISION}
    for world in dict.fromkeys(setting.world for setting in settings):
        progress(f"world {world}: {events:,} payments")
        rings = _rings.build(_rings.WORLDS[world], events=events)
        for setting in settings:
            if setting.world == world:
                figures[f"{world}_{setting.columns}"] = measure(rings, setting.columns, progress)
    return figures


def measure(rings: Rings, columns: str, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train all models on some columns of a world and judge them on its last weeks.

    Parameters
    ----------
    rings
        The world.
    columns
        Which of `_rings.COLUMNS`.
    progress
        Where to say what is being done.
    """
    names = _rings.COLUMNS[columns]
    whole = _rings.parts(rings)
    kept = [(rows.y == 1) | rings.ring[rows.at] for rows in whole]
    (train, weight), (validation, _), (test, stands_for) = (
        _rings.thinned(rows, keep, others)
        for rows, keep, others in zip(whole, kept, (TRAINED, WATCHED, TESTED), strict=True)
    )
    x = _rings.numbers(rings, names, train)
    hand = _rings.numbers(rings, names + _rings.SHARING, train)
    scores: dict[str, FloatArray] = {}
    plain: list[tuple[str, Estimator, FloatArray, tuple[str, ...]]] = [
        ("logistic", Logistic(calibration=None), x, names),
        ("trees", Trees(calibration=None), x, names),
        ("trees_and_counts_by_hand", Trees(calibration=None), hand, names + _rings.SHARING),
    ]
    for name, model, X, read in plain:
        progress(f"{columns}: {name}")
        model.fit(X[train.at], train.y, validation=(X[validation.at], validation.y), names=read, weight=weight)
        scores[name] = model.decision_function(X[test.at])
    del hand
    net = graph_scores(rings, names, x, (train, validation, test), scores, lambda text: progress(f"{columns}: {text}"))
    figures = judged(rings, test, stands_for, scores)
    every = whole[2]
    limit = limit_of(every.y, rings.ring[every.at])
    gap = figures["recall"]["sage"]["value"] - figures["recall"]["logistic"]["value"]
    return {
        "test_payments": len(every.at),
        "reported": int(every.y.sum()),
        "of_rings": int((rings.ring[every.at] & (every.y == 1)).sum()),
        "limit": round(limit, 4),
        **figures,
        "sage_ahead_of_logistic": round(gap, 4),
        "logistic_below_limit": round(limit - figures["recall"]["logistic"]["value"], 4),
        "asked": {"reached": REACHED, "ahead": AHEAD},
        "net": net,
    }


def graph_scores(
    rings: Rings,
    names: tuple[str, ...],
    x: FloatArray,
    parts: tuple[Rows, Rows, Rows],
    scores: dict[str, FloatArray],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Train the net, add its scores with everything up to the moment and with daily tables, and say what it cost."""
    train, validation, test = parts
    graph = _rings.graph_of(rings, names, x)

    def rows(at: AnyArray) -> FloatArray:
        keys, ts = rings.keys[:, at].T.copy().view(np.float64), rings.table.ts[at].astype(np.float64)
        return np.concatenate([x[at], keys, ts[:, None]], axis=1)

    net = Sage(entities=ENTITIES, graph=graph, calibration=None, epochs=5, patience=2, negatives=10)

    def told(done: int, planned: int) -> None:
        progress(f"sage, epoch {done} of at most {planned}")

    progress("sage")
    began = time.perf_counter()
    read = (*names, *ENTITIES, "at")
    later = (rows(validation.at), validation.y)
    net.fit(rows(train.at), train.y, validation=later, names=read, progress=told)
    fitted = time.perf_counter() - began
    model = net.model_
    assert isinstance(model, SageModel)
    slots, places = np.ascontiguousarray(rows(test.at).T), np.arange(len(read))
    progress("sage on the test, everything up to the moment")
    scores["sage"] = model.raw(slots, places, 0).margin
    progress("sage on the test, a table a day and the fallback for who is new")
    scores["sage_daily_tables"], cost = daily(model, slots, places)
    began = time.thread_time()
    sizes = model.sizes(np.ascontiguousarray(slots[:, :QUEUE]), places)
    spent = time.thread_time() - began
    seen = Sizes(model.fanout)
    seen.add(sizes[:, 0], sizes[:, 1])
    report = seen.report()
    return {
        "entities": graph.nodes,
        "edges": len(graph.edges),
        "training_seconds": round(fitted, 1),
        "us_are_of": "the processor",
        "us_per_event_computed": round(1e6 * spent / len(sizes), 1),
        "us_per_event_with_daily_tables": round(cost, 1),
        "neighbourhood": {f: getattr(report, f) for f in report.__struct_fields__},
    }


def daily(model: SageModel, slots: FloatArray, places: AnyArray) -> tuple[FloatArray, float]:
    """Return margins with the vectors of each midnight, and the microseconds an event took.

    Only the entities that the day will ask about are computed: the others' vectors would not be read.
    """
    day = (slots[-1] // DAY_US).astype(np.int64)
    margin, spent = np.empty(len(day)), 0.0
    kinds = slice(-1 - len(ENTITIES), -1)
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        mine = np.ascontiguousarray(slots[:, rows])
        table = model.rescheduled(int(today) * DAY_US, keys=mine.view(np.uint64)[kinds])
        began = time.thread_time()
        margin[rows] = table.raw(mine, places, 0).margin
        spent += time.thread_time() - began
    return margin, 1e6 * spent / len(day)


def limit_of(y: FloatArray, ring: AnyArray) -> float:
    """Return the recall of whoever knows every ring's payments and, as anybody, nothing about quiet fraud.

    Behind the rings it can only draw by lot, until the precision is used up.

    Examples
    --------
    10 of 20 frauds are a ring's; at 15 % precision there is room for 61 payments more, of which 0.6 are fraud:

    >>> y, ring = np.zeros(1000), np.zeros(1000, dtype=bool)
    >>> y[:20], ring[:10] = 1.0, True
    >>> round(limit_of(y, ring), 3)
    0.531
    """
    caught, seen = float(y[ring].sum()), float(ring.sum())
    share = (float(y.sum()) - caught) / (len(y) - seen)
    more = max(0.0, (caught - PRECISION * seen) / (PRECISION - share))
    return (caught + share * more) / float(y.sum())


def judged(rings: Rings, test: Rows, stands_for: FloatArray, scores: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Return recall at the precision and average precision of each ranking, intervals over resampled users."""
    rankings = {name: Ranking.of(test.y, score) for name, score in scores.items()}
    entity = rings.table.entity[test.at]

    def recalls(weight: FloatArray) -> dict[str, float]:
        found = {
            name: _rings.recall_at(ranking.curve(weight * stands_for), PRECISION) for name, ranking in rankings.items()
        }
        return found | {"ahead": found["sage"] - found["logistic"]}

    found = intervals(recalls, len(test.y), entity=entity, rounds=100)
    ring = rings.ring[test.at]

    def within(name: str) -> float:
        """Return how much of the rings the same cut catches."""
        curve = rankings[name].curve(stands_for)
        precise = curve.caught >= PRECISION * (curve.caught + curve.bothered)
        cut = curve.scores[precise].min() if precise.any() else np.inf
        return float((scores[name][ring] >= cut).mean())

    return {
        "recall": {
            name: {"value": round(i.value or 0.0, 4), "low": round(i.low or 0.0, 4), "high": round(i.high or 0.0, 4)}
            for name, i in found.items()
        },
        "recall_of_rings": {name: round(within(name), 4) for name in scores},
        "ap": {name: round(ranking.curve(stands_for).average_precision(), 4) for name, ranking in rankings.items()},
        "ap_of_rings": {
            name: round(Ranking.of(ring, score).curve(stands_for).average_precision(), 4)
            for name, score in scores.items()
        },
    }
