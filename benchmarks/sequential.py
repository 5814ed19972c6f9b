"""How often the sequential test of champion and challenger errs, looked at every day, and what it finds.

A world of customers whose decisions come in very different numbers, with amounts of a heavy tail and frauds that come
in bursts of one customer. In six cases there is nothing to find: traffic split in halves, or a tenth split off, between
two that are the same; shadows that decide otherwise without being better, with as many gains as losses, or with many
small gains paid for by rare large losses; and, in shadow and in halves, a challenger that wins a little with every
decision and loses as much as counts from one customer in many, which is the hardest. From the seventh day on somebody
looks every day and promotes at the first look that allows it. Beside it stands what an error without any allowance
says, by a bound for a single look. Power is told for improvements as a share of what the champion costs.
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
WON = 0.3
"""What a challenger that loses much from few wins with every other decision, as a share of the champion's cost."""
NULLS = ("same_halves", "same_tenth", "shadow_even", "shadow_rare_losses", "shadow_rare_losers", "half_rare_losers")


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
    sample = [world(np.random.default_rng(10**6 + i)) for i in range(1, 21)]
    cap = float(np.quantile([np.bincount(w.customer, w.cost, CUSTOMERS) for w in sample], 0.99))
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
        "worst_naive": max(naive.values()),
        "target_false": 0.05,
        "power": power,
        "size": SIZE,
        "power_at_size": found,
        "split_size": GAINS["half"][-1],
        "power_at_split_size": power["half"][f"{GAINS['half'][-1]:.1f}"],
        "target_power": 0.8,
        "met": worst <= 0.05 and found >= 0.8,
    }


class Look(NamedTuple):
    """What is known at the end of a day, as functions of it: by the test, and the errors' worth of gain without it."""

    bound: Callable[[int], Bound]
    naive: Callable[[int], float]


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


def _losers(w: World, rng: np.random.Generator, made: Made) -> FloatArray:
    """Return gains of a little with every decision, but a cap lost once by so few customers that nothing is won."""
    gain = np.full(len(w.day), WON * made.cost)
    won = float(gain.sum())
    lost = np.flatnonzero(rng.random(CUSTOMERS) < won / (won + made.terms.cap * CUSTOMERS))
    last = np.zeros(CUSTOMERS, np.int64)
    order = rng.permutation(len(w.day))
    last[w.customer[order]] = order  # any decision of each
    gain[np.isin(w.customer, lost)] = 0.0
    gain[last[lost]] = -made.terms.cap
    return gain


def _shadow(w: World, gain: FloatArray, terms: Terms) -> Look:
    return Look(
        lambda day: paired(gain[: day * A_DAY], w.customer[: day * A_DAY], terms),
        lambda day: _errors(*_mean(gain[: day * A_DAY], w.customer[: day * A_DAY])),
    )


def _shared(w: World, challenged: BoolArray, cost: FloatArray, terms: Terms) -> Look:
    def naive(day: int) -> float:
        sides = [
            _mean(cost[: day * A_DAY][side], w.customer[: day * A_DAY][side])
            for side in (~challenged[: day * A_DAY], challenged[: day * A_DAY])
        ]
        return _errors(sides[0][0] - sides[1][0], float(np.hypot(sides[0][1], sides[1][1])))

    return Look(
        lambda day: split(cost[: day * A_DAY], challenged[: day * A_DAY], w.customer[: day * A_DAY], terms), naive
    )


def _mean(money: FloatArray, customer: IntArray) -> tuple[float, float]:
    """Return the mean of a decision and its standard error, a customer being one chance."""
    sums, counts = np.bincount(customer, money, CUSTOMERS), np.bincount(customer, minlength=CUSTOMERS)
    mean = float(money.mean())
    return mean, float(np.sqrt(((sums - mean * counts) ** 2).sum()) / len(money))


def _errors(gain: float, error: float) -> float:
    return gain / error if error > 0 else 0.0


def _look(made: Made, name: str, gain: float, rng: np.random.Generator) -> Look:
    """Return what is looked at in one run."""
    w = world(rng)
    if name in ("same_halves", "same_tenth", "half", "half_rare_losers"):
        challenged = (rng.random(CUSTOMERS) < (0.1 if name == "same_tenth" else 0.5))[w.customer]
        if name == "half_rare_losers":
            cost = np.where(challenged, WON * made.cost - _losers(w, rng, made), WON * made.cost)
        else:
            cost = np.where(challenged & (rng.random(len(w.day)) < gain), 0.0, w.cost)
        return _shared(w, challenged, cost, made.terms)
    gains = {
        "shadow": lambda: _better(w, rng, gain),
        "shadow_even": lambda: _even(w, rng),
        "shadow_rare_losses": lambda: _skewed(w, rng, made.rare),
        "shadow_rare_losers": lambda: _losers(w, rng, made),
    }
    return _shadow(w, gains[name](), made.terms)


def _promotes(made: Made, name: str, gain: float, naive: bool, seed: int) -> bool:
    """Return whether one run promotes at some look; naively, by a bound that is made for one look."""
    look = _look(made, name, gain, np.random.default_rng([11, len(name), round(100 * gain), seed]))
    days = range(FIRST_LOOK, DAYS + 1)
    return any(look.naive(day) > ONCE for day in days) if naive else any(look.bound(day).better_by(0.0) for day in days)


def _found(pool: ProcessPoolExecutor, made: Made, name: str, gain: float, runs: int, *, naive: bool = False) -> float:
    """Return the share of runs that promote."""
    one = functools.partial(_promotes, made, name, gain, naive)
    return sum(pool.map(one, range(runs), chunksize=5)) / runs
