"""Rings: what a graph net finds that the same numbers alone do not, beside what nobody can find.

Worlds, splits, decoys and columns stand in `_rings`, which says when each was fixed. In each world all models read the
same columns; the net reads besides who shares what with whom, and the booster is also given counts of that by hand. The
stack is trees, logistic regression and the net over the same rows, as `Stack` weighs them. The net is judged with
everything up to each event, and as of the last refresh on several schedules: who came after one has no past then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from adjudge.learn.bootstrap import intervals
from adjudge.learn.ranking import Ranking
from adjudge.models import Estimator, Logistic, Sage, Stack, StackScorer, Trees
from adjudge.models.graph import EventGraph, Sizes
from adjudge.models.graph.served import SageModel
from adjudge.models.stack import Of
from adjudge.typing import AnyArray, FloatArray
from benchmarks import _rings
from benchmarks._rings import DAY_US, ENTITIES, Rings, Rows

os.environ.setdefault("OMP_NUM_THREADS", "1")

PRECISION = 0.15
"""What at least a cut must be worth."""

REACHED, AHEAD = 0.74, 0.16
"""What the graph model and the stack each should reach, and be ahead of logistic regression by."""

SCHEDULES = {"hourly": 1, "daily": 24, "weekly": 24 * 7}
"""Hours between refreshes of the entities' vectors."""

QUICK_EVENTS = 150_000

TRAINED, WATCHED, TESTED = 60_000, 15_000, 40_000
"""Honest payments that are read of each part, drawn by lot; frauds and rings are read whole, weights do the rest."""

HOUR_US = 3_600_000_000

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
        ("trees", Trees(calibration=None, threads=1), x, names),
        ("trees_and_counts_by_hand", Trees(calibration=None, threads=1), hand, names + _rings.SHARING),
    ]
    for name, model, X, read in plain:
        progress(f"{columns}: {name}")
        model.fit(X[train.at], train.y, validation=(X[validation.at], validation.y), names=read, weight=weight)
        scores[name] = model.decision_function(X[test.at])
    del hand

    def told(text: str) -> None:
        progress(f"{columns}: {text}")

    graph = _rings.graph_of(rings, names, x)
    net = graph_scores(rings, graph, x, (train, validation, test), scores, told)
    stack = stack_scores(rings, graph, x, (train, validation, test), weight, scores, told)
    figures = judged(rings, test, stands_for, scores)
    every = whole[2]
    limit = limit_of(every.y, rings.ring[every.at])
    return {
        "test_payments": len(every.at),
        "reported": int(every.y.sum()),
        "reported_share": round(float(every.y.mean()), 5),
        "fraud_share": round(float(rings.truth.mean()), 5),
        "fraud_share_of_the_test": round(float(rings.truth[every.at].mean()), 5),
        "of_rings": int((rings.ring[every.at] & (every.y == 1)).sum()),
        "limit": round(limit, 4),
        **figures,
        "sage_ahead_of_logistic": figures["recall"]["ahead"]["value"],
        "stack_ahead_of_logistic": figures["recall"]["stack_ahead"]["value"],
        "logistic_below_limit": round(limit - figures["recall"]["logistic"]["value"], 4),
        "asked": {"reached": REACHED, "ahead": AHEAD},
        "net": net,
        "stack": stack,
    }


def sage(graph: EventGraph) -> Sage:
    """Return the net, which looks back on everything up to an event."""
    return Sage(entities=ENTITIES, graph=graph, refresh_hours=0, calibration=None, epochs=5, patience=2, negatives=10)


def rows_of(rings: Rings, x: FloatArray, at: AnyArray) -> FloatArray:
    """Return rows of the net: numbers, keys as float slots, time."""
    keys, ts = rings.keys[:, at].T.copy().view(np.float64), rings.table.ts[at].astype(np.float64)
    return np.concatenate([x[at], keys, ts[:, None]], axis=1)


def stack_scores(
    rings: Rings,
    graph: EventGraph,
    x: FloatArray,
    parts: tuple[Rows, Rows, Rows],
    weight: FloatArray,
    scores: dict[str, FloatArray],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Train the stack of trees, logistic regression and net; add its scores as served, and with every layer asked."""
    train, validation, test = parts
    names = graph.names
    stack = Stack(
        Of(Trees(calibration=None, threads=1), features=names),
        Of(Logistic(calibration=None), features=names),
        Of(sage(graph), features=(*names, *ENTITIES, "at")),
    )
    progress("stack")
    began = time.perf_counter()
    stack.fit(
        rows_of(rings, x, train.at),
        train.y,
        validation=(rows_of(rings, x, validation.at), validation.y),
        names=(*names, *ENTITIES, "at"),
        weight=weight,
        progress=lambda done, planned: None,
    )
    fitted = time.perf_counter() - began
    scorer = stack.served()
    every = StackScorer(scorer.members, scorer.mixes, top=0)
    slots = np.ascontiguousarray(rows_of(rings, x, test.at).T)
    places = np.array([(*names, *ENTITIES, "at").index(name) for name in scorer.names])
    progress("stack on the test")
    scores["stack"] = scorer.score(slots, places).margin
    scores["stack_every_layer_asked"] = every.score(slots, places).margin
    return {
        "training_seconds": round(fitted, 1),
        "asked_from_p": round(scorer.needed[0], 6),
        "weights": {
            "+".join(layer for i, layer in enumerate(scorer.layers) if there >> i & 1): {
                member.name: round(float(w), 3) for member, w in zip(scorer.members, mix.weights, strict=True)
            }
            for there, mix in sorted(scorer.mixes.items())
        },
    }


def graph_scores(
    rings: Rings,
    graph: EventGraph,
    x: FloatArray,
    parts: tuple[Rows, Rows, Rows],
    scores: dict[str, FloatArray],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Train the net, add its scores with everything up to the moment and on schedules, and say what it cost."""
    train, validation, test = parts
    names = graph.names
    net = sage(graph)

    def told(done: int, planned: int) -> None:
        progress(f"sage, epoch {done} of at most {planned}")

    progress("sage")
    began = time.perf_counter()
    read = (*names, *ENTITIES, "at")
    later = (rows_of(rings, x, validation.at), validation.y)
    net.fit(rows_of(rings, x, train.at), train.y, validation=later, names=read, progress=told)
    fitted = time.perf_counter() - began
    model = net.model_
    assert isinstance(model, SageModel)
    slots, places = np.ascontiguousarray(rows_of(rings, x, test.at).T), np.arange(len(read))
    progress("sage on the test, everything up to the moment")
    scores["sage"] = model.raw(slots, places, 0).margin
    for name, hours in SCHEDULES.items():
        progress(f"sage on the test, refreshed {name}")
        scores[f"sage_{name}"] = replace(model, refresh_us=hours * HOUR_US).raw(slots, places, 0).margin
    progress("sage on the test, a table a day")
    cost = daily(model, slots, places, scores["sage_daily"])
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


def daily(model: SageModel, slots: FloatArray, places: AnyArray, expected: FloatArray) -> float:
    """Return the microseconds of an event with the vectors of each midnight, which must say what was computed.

    Only the entities that the day will ask about are computed: the others' vectors would not be read.
    """
    model = replace(model, refresh_us=DAY_US)
    day = (slots[-1] // DAY_US).astype(np.int64)
    spent = 0.0
    kinds = slice(-1 - len(ENTITIES), -1)
    for today in np.unique(day):
        rows = np.flatnonzero(day == today)
        mine = np.ascontiguousarray(slots[:, rows])
        table = model.rescheduled(int(today) * DAY_US, keys=mine.view(np.uint64)[kinds])
        began = time.thread_time()
        margin = table.raw(mine, places, 0).margin
        spent += time.thread_time() - began
        assert margin.tobytes() == expected[rows].tobytes()
    return 1e6 * spent / len(day)


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
        ahead = {"ahead": "sage", "stack_ahead": "stack", "daily_ahead": "sage_daily"}
        return found | {name: found[of] - found["logistic"] for name, of in ahead.items()}

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
