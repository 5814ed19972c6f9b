"""Whole decisions by a stack, in process: five models in two layers, 50 windows, 50 rules, reasons, on one core.

Boosted trees, a logistic regression and an isolation forest in the fast layer; a net with embeddings and a sequence net
over the last 8 events in the deep one. Every model has weight and every event needs every layer, which is the most that
a decision can cost: served, later layers are asked only where there is doubt. What each model takes is told by itself,
and beside it what the trees alone take in the same run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import System
from adjudge.engine import Plan, State, compile
from adjudge.engine.layers import layers_of
from adjudge.models import Isolation, Logistic, Net, SequenceNet, Trees
from adjudge.models.calibrate import Isotonic
from adjudge.models.categories import Categories
from adjudge.models.estimator import Estimator, margins
from adjudge.models.scorers import ModelScorer
from adjudge.models.sequence import find_steps
from adjudge.models.stacked import Member, Mix, StackScorer
from adjudge.typing import FloatArray
from benchmarks import _orders
from benchmarks.decide import BATCH, batches

STEPS = 8
"""Events of a user that the sequence net reads."""

TURNS = 7
"""How often a batch is timed; the fastest counts."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure batches of one and of 256 with the stack, and with its trees alone."""
    rows = 36_000 if quick else 600_000
    alone, together = (1_000, 5_120) if quick else (10_000, 51_200)
    table = _orders.history(rows)
    progress(f"training on the last of {rows:,} events")
    scorer = trained(rows, table, trees=_orders.TREES)
    forest = next(ModelScorer(m.model, m.calibrator) for m in scorer.members if m.name == "trees")
    events = _orders.fresh(alone + together + BATCH, rows)
    found: dict[str, dict[str, Any]] = {}
    for name, one in (("trees_alone", forest), ("stack", scorer)):
        plan = compile(orders(), scorer=one)
        state = plan.start()
        plan.insert(state, plan.encode_frame("order", table, np.arange(rows)))
        progress(f"{name.replace('_', ' ')}: {alone:,} events one by one, {together:,} in batches of {BATCH}")
        found[name] = _decided(plan, state, events, rows, alone)
    some = _matrix(plan, state, events[-BATCH:], rows)
    return {
        **found["stack"],
        "trees_alone": found["trees_alone"],
        "windows": _orders.WINDOWS,
        "steps": STEPS,
        "trees": _orders.TREES,
        "rules": len(plan.rules),
        "layers": _layers(scorer, plan, some),
        "members_us": _members(scorer, plan, some),
    }


def orders() -> System:
    """Return the orders of the other benchmarks with the last events of a user as steps; no rule spares a layer."""
    base = _orders.system()
    last = [*_orders.user.last_n("amount", STEPS), *_orders.user.since_last_n(STEPS)]
    return replace(base, features=[*base.features, *last], policy=replace(base.policy, soft_rules="advise"))


def trained(rows: int, table: pl.DataFrame, *, trees: int, epochs: int = 2) -> StackScorer:
    """Return a stack whose models were trained on the last events of the history, each with weight in every mix.

    How well they rank does not matter here, so the weights are equal instead of fitted.
    """
    plan = compile(orders())
    decisions, y = _orders.seen(rows, plan, table)
    words = {n: table[n].unique().sort().to_list() for n in ("method",) if n in plan.categorical}
    names = (*_orders.numbers(plan), *words)
    X = decisions.X[[plan.slots[n].row for n in names]].T
    steps = set(chain.from_iterable(find_steps(names)))
    plain = [n for n in names if n not in steps]
    categories = Categories.fit(X, y, names, words, secret=plan.stream(plan.decides).encoder.secret)
    half = len(X) // 2
    fitted: dict[str, Estimator] = {}
    for estimator, read in (
        (Trees(n_trees=trees, depth=_orders.DEPTH, patience=0, min_rows=10, threads=1), plain),
        (Logistic(), plain),
        (Isolation(), plain),
        (Net(epochs=epochs), plain),
        (SequenceNet(epochs=epochs), names),
    ):
        columns = [names.index(n) for n in read]
        later = (X[half:, columns], y[half:])
        one = estimator.fit(X[:half, columns], y[:half], validation=later, names=read, categories=categories)
        fitted[type(estimator).__name__.lower()] = one
    return _equal(fitted, X[half:], y[half:], names, categories)


def _equal(
    fitted: dict[str, Estimator], X: FloatArray, y: FloatArray, names: tuple[str, ...], categories: Categories
) -> StackScorer:
    """Return the stack in whose mixes all models that are there weigh the same."""
    members = [Member(name, e.layer, e.model_, e.calibrator_ or Isotonic.fit(y, y)) for name, e in fitted.items()]
    numbers = categories.encode_table(X, names)
    said = np.stack([margins(e.model_, numbers[:, [names.index(n) for n in e.names_]]) for e in fitted.values()])
    mixes = {}
    for there in (1, 2, 3):
        weights = np.array([float(there >> (m.layer == "deep") & 1) for m in members])
        weights /= weights.sum()
        mixes[there] = Mix(weights, 0.0, Isotonic.fit(weights @ said, y))
    return StackScorer(members, mixes, categories=categories)


def _decided(plan: Plan, state: State, events: list[Any], rows: int, alone: int) -> dict[str, Any]:
    """Return how long decisions take, alone and in batches; every one is made into an object with its reasons."""
    rest = events[alone:-BATCH]
    batches(plan, state, events[-BATCH:], rows, 1)  # compiles what is not compiled yet
    batches(plan, state, events[-BATCH:], rows, BATCH)
    single, made = batches(plan, state, events[:alone], rows, 1)
    batched, _ = batches(plan, state, rest, rows + alone, BATCH)
    return {
        "p50_us": round(float(np.percentile(single, 50)) * 1e6, 1),
        "p99_us": round(float(np.percentile(single, 99)) * 1e6, 1),
        "batched_per_s": round(len(rest) / batched.sum()),
        "batched_p50_us": round(float(np.percentile(batched, 50)) / BATCH * 1e6, 1),
        "reasons": all(d.reasons for d in made[-100:]),
    }


def _matrix(plan: Plan, state: State, events: list[Any], seq: int) -> FloatArray:
    """Return the features of a batch of events."""
    decisions = plan.step(state, plan.encode("order", events, np.arange(seq, seq + len(events))), append=False)
    assert decisions is not None
    return decisions.X


def _layers(scorer: StackScorer, plan: Plan, some: FloatArray) -> dict[str, dict[str, Any]]:
    """Return what each layer takes, and what the benchmark ``layers`` has found it to add on real cards."""
    gains = _gains()
    return {
        layer.name: {
            "us": _fastest(lambda X, one=layer: one.part.score(X, one.rows), some),  # type: ignore[misc]
            "us_single": _fastest(lambda X, one=layer: one.part.score(X, one.rows), some[:, :1]),  # type: ignore[misc]
            "ap_gain": gains.get(layer.name),
        }
        for layer in layers_of(scorer, plan.scorer_rows)
    }


def _gains() -> dict[str, float]:
    from benchmarks.__main__ import RESULTS

    path = RESULTS / "layers.json"
    if not path.exists():
        return {}
    variants = json.loads(path.read_text(encoding="utf-8"))["variants"]
    return {layer: gain["ap"][0] for layer, gain in variants["plain"]["gains"].items()}


def _members(scorer: StackScorer, plan: Plan, some: FloatArray) -> dict[str, dict[str, float]]:
    """Return microseconds a row of each model: its margin alone, and with every contribution."""
    place = dict(zip(scorer.names, plan.scorer_rows.tolist(), strict=True))
    numbers = np.array(some)
    if scorer.categories is not None:
        table = scorer.categories.table(scorer.names)
        numbers[plan.scorer_rows] = scorer.categories.encode_with(some, plan.scorer_rows, table)
    found = {}
    for member in scorer.members:
        model, rows = member.model, np.array([place[name] for name in member.model.names])
        found[member.name] = {
            "margin": _fastest(lambda X, m=model, r=rows: m.raw(X, r, 0), numbers),  # type: ignore[misc]
            "explained": _fastest(lambda X, m=model, r=rows: m.explained(X, r), numbers),  # type: ignore[misc]
        }
    return found


def _fastest(call: Callable[[FloatArray], object], X: FloatArray) -> float:
    """Return the microseconds of the processor that the fastest of some calls takes for a row."""
    X = np.ascontiguousarray(X)
    calls = max(1, 512 // X.shape[1])
    best = float("inf")
    for _ in range(TURNS):
        began = time.process_time()
        for _ in range(calls):
            call(X)
        best = min(best, (time.process_time() - began) / calls)
    return round(float(best * 1e6 / X.shape[1]), 2)
