"""How often the sequential test of champion and challenger errs, looked at every day, and what it finds.

A world of customers whose decisions come in very different numbers, with amounts of a heavy tail and frauds that come
in bursts of one customer. In four cases there is nothing to find: traffic split in halves, or a tenth split off,
between two that are the same; and shadows that decide otherwise without being better, with as many gains as losses, or
with many small gains paid for by rare large losses, which is what a naive test falls for. From the seventh day on
somebody looks every day and promotes at the first look that allows it. Power is told for improvements as a share of
what the champion costs.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from adjudge.learn.sequential import Bound, Terms, paired, split
from adjudge.typing import BoolArray, FloatArray, IntArray

RUNS = 1_000
CUSTOMERS = 2_000
A_DAY = 1_000
DAYS = 42
FIRST_LOOK = 7
FRAUD = 0.006
"""Share of decisions that are fraud."""
MISSED = 0.5
"""Share of the frauds that the champion lets through."""
SPOILED = 0.01
"""Share of honest events that it stops."""
GAINS = {"shadow": (0.1, 0.2, 0.3, 0.4, 0.6), "half": (0.6, 0.9)}
"""Improvements that power is asked for, as shares of the champion's cost, in shadow and on half of the traffic."""
ONCE = 1.645
"""Errors above nothing at which a test that is looked at once finds something, in 5 % of all where nothing is."""
SIZE = 0.4
"""The one that is to be found in shadow."""
NULLS = ("same_halves", "same_tenth", "shadow_even", "shadow_rare_losses")


class World(NamedTuple):
    """Six weeks of decisions in the order of their time."""

    day: IntArray
    customer: IntArray
    amount: FloatArray
    fraud: BoolArray
    cost: FloatArray


class Made(NamedTuple):
    """What all runs have in common."""

    terms: Terms
    cost: float
    rare: float


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure."""
    runs = 20 if quick else RUNS
    cap = float(np.quantile(world(np.random.default_rng(10**6)).amount, 0.999))
    sample = [world(np.random.default_rng(10**6 + i)) for i in range(1, 21)]
    cost = float(np.mean([np.clip(w.cost, 0, cap).mean() for w in sample]))
    made = Made(Terms(cap=cap, scale=cost), cost, _rarity(sample, cap))
    false: dict[str, float] = {}
    naive: dict[str, float] = {}
    power: dict[str, dict[str, float]] = {name: {} for name in GAINS}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in NULLS:
            progress(f"{runs:,} runs without an improvement: {name}")
            false[name] = _found(pool, made, name, 0.0, runs)
            naive[name] = _found(pool, made, name, 0.0, max(runs // 5, 10), naive=True)
        for name, gains in GAINS.items():
            for gain in gains:
                some = runs if (name, gain) == ("shadow", SIZE) else max(runs // 10, 10)
                progress(f"{some:,} runs with {100 * gain:.0f} % of the champion's cost saved: {name}")
                power[name][f"{gain:.1f}"] = _found(pool, made, name, gain, some)
    worst, found = max(false.values()), power["shadow"][f"{SIZE:.1f}"]
    return {
        "runs": runs,
        "looks": DAYS - FIRST_LOOK + 1,
        "decisions": A_DAY * DAYS,
        "customers": CUSTOMERS,
        "cost_a_decision": round(cost, 4),
        "cap": round(cap, 2),
        "false_promotions": false,
        "naive_false_promotions": naive,
        "worst_false_promotions": worst,
        "target_false": 0.05,
        "power": power,
        "size": SIZE,
        "power_at_size": found,
        "target_power": 0.8,
        "met": worst <= 0.05 and found >= 0.8,
    }


Look = Callable[[int], Bound]
"""Returns what is known at the end of a day."""


def world(rng: np.random.Generator) -> World:
    """Return six weeks of decisions."""
    n = A_DAY * DAYS
    day = np.repeat(np.arange(1, DAYS + 1), A_DAY)
    weight = rng.gamma(0.7, size=CUSTOMERS)
    customer = rng.choice(CUSTOMERS, n, p=weight / weight.sum())
    level = rng.lognormal(0.0, 0.6, CUSTOMERS)
    amount = 40.0 * level[customer] * rng.lognormal(0.0, 1.0, n)
    fraud = np.zeros(n, np.bool_)
    for start in rng.choice(n, int(n * FRAUD / 3), replace=False).tolist():  # a burst of about three in the same week
        near = np.flatnonzero(customer[start : start + 7 * A_DAY] == customer[start])[: rng.geometric(1 / 3)]
        fraud[start + near] = True
    amount[fraud] *= 3.0
    missed = fraud & (rng.random(n) < MISSED)
    spoiled = ~fraud & (rng.random(n) < SPOILED)
    return World(day, customer, amount, fraud, np.where(missed, amount, 0.0) + np.where(spoiled, _insult(amount), 0.0))


def _insult(amount: FloatArray) -> FloatArray:
    return 5.0 + 0.05 * amount


def _even(w: World, rng: np.random.Generator) -> FloatArray:
    """Return gains of a shadow that is otherwise in 4 % of the decisions, as often for the better as for the worse."""
    sign = np.where(rng.random(len(w.day)) < 0.5, 1.0, -1.0)
    lost = np.where(w.fraud, w.amount, _insult(w.amount))
    return np.where(rng.random(len(w.day)) < 0.04, sign * lost, 0.0)


def _rarity(sample: list[World], cap: float) -> float:
    """Return the share of caught frauds that has to be let through for each honest event that is spared."""
    spared = float(np.mean([np.clip(_insult(w.amount[~w.fraud]), 0, cap).mean() for w in sample]))
    lost = float(np.mean([np.clip(w.amount[w.fraud], 0, cap).mean() for w in sample]))
    frauds = float(np.mean([w.fraud.mean() for w in sample]))
    return 0.01 * (1 - frauds) * spared / (frauds * lost)


def _skewed(w: World, rng: np.random.Generator, rare: float) -> FloatArray:
    """Return gains of a shadow that spares 1 % of the honest, and lets so many frauds through that nothing is won."""
    u = rng.random(len(w.day))
    spared = np.where(~w.fraud & (u < 0.01), _insult(w.amount), 0.0)
    return spared - np.where(w.fraud & (u < rare), w.amount, 0.0)


def _better(w: World, rng: np.random.Generator, gain: float) -> FloatArray:
    """Return gains of a shadow that avoids a share of the champion's errors, beside differences that win nothing."""
    avoided = np.where(rng.random(len(w.day)) < gain, w.cost, 0.0)
    noise = _even(w, rng) * (rng.random(len(w.day)) < 0.1)
    return avoided + noise


def _shadow(w: World, gain: FloatArray, terms: Terms) -> Look:
    return lambda day: paired(gain[: day * A_DAY], w.customer[: day * A_DAY], terms)


def _shared(w: World, rng: np.random.Generator, share: float, gain: float, terms: Terms) -> Look:
    challenged = (rng.random(CUSTOMERS) < share)[w.customer]
    cost = np.where(challenged & (rng.random(len(w.day)) < gain), 0.0, w.cost)
    return lambda day: split(cost[: day * A_DAY], challenged[: day * A_DAY], w.customer[: day * A_DAY], terms)


def _look(made: Made, name: str, gain: float, rng: np.random.Generator) -> Look:
    """Return what is looked at in one run."""
    w = world(rng)
    if name in ("same_halves", "same_tenth", "half"):
        return _shared(w, rng, 0.1 if name == "same_tenth" else 0.5, gain, made.terms)
    if name == "shadow_even":
        return _shadow(w, _even(w, rng), made.terms)
    if name == "shadow_rare_losses":
        return _shadow(w, _skewed(w, rng, made.rare), made.terms)
    return _shadow(w, _better(w, rng, gain), made.terms)


def _promotes(made: Made, name: str, gain: float, naive: bool, seed: int) -> bool:
    """Return whether one run promotes at some look; naively, by a bound that is made for one look."""
    look = _look(made, name, gain, np.random.default_rng([7, len(name), round(100 * gain), seed]))
    bounds = [look(day) for day in range(FIRST_LOOK, DAYS + 1)]
    return any(b.gain > ONCE * b.error for b in bounds) if naive else any(b.better_by(0.0) for b in bounds)


def _found(pool: ProcessPoolExecutor, made: Made, name: str, gain: float, runs: int, *, naive: bool = False) -> float:
    """Return the share of runs that promote."""
    one = functools.partial(_promotes, made, name, gain, naive)
    return sum(pool.map(one, range(runs), chunksize=5)) / runs
