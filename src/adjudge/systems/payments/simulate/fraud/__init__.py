"""Fraud patterns by name: each is a function of (rng, scene, rows wanted) that bends plausible payments.

A pattern changes what the thief cannot or does not care to imitate and nothing else; how much of each there
is stands in `SHARES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from adjudge.errors import InputError, did_you_mean
from adjudge.systems.payments.simulate.batch import Batch
from adjudge.systems.payments.simulate.draws import DAY_US
from adjudge.systems.payments.simulate.fraud.lone import (
    account_takeover,
    card_testing,
    impossible_travel,
    quiet,
    stolen_card_spree,
)
from adjudge.systems.payments.simulate.fraud.rings import (
    bust_out,
    colluding_merchant,
    compromised_merchant,
    device_farm,
    hot_spot,
)
from adjudge.systems.payments.simulate.fraud.scene import Scene
from adjudge.typing import IntArray

SHARES: dict[str, float] = {
    "stolen_card_spree": 0.17,
    "card_testing": 0.18,
    "account_takeover": 0.10,
    "impossible_travel": 0.05,
    "compromised_merchant": 0.09,
    "colluding_merchant": 0.08,
    "device_farm": 0.09,
    "bust_out": 0.06,
    "hot_spot": 0.06,
    "quiet": 0.12,
}
"""Share of each pattern among all fraudulent payments; ``quiet`` looks fully legitimate."""


PATTERNS = tuple(SHARES)
"""Names of the patterns; a payment carries the position in this tuple."""


MAKERS: dict[str, Callable[[np.random.Generator, Scene, int], Batch]] = {
    "stolen_card_spree": stolen_card_spree,
    "card_testing": card_testing,
    "account_takeover": account_takeover,
    "impossible_travel": impossible_travel,
    "compromised_merchant": compromised_merchant,
    "colluding_merchant": colluding_merchant,
    "device_farm": device_farm,
    "bust_out": bust_out,
    "hot_spot": hot_spot,
    "quiet": quiet,
}
"""The function of each pattern."""


def budgets(frauds: int, shares: Mapping[str, float] = SHARES) -> dict[str, int]:
    """Return how many payments of each pattern make up a number of frauds.

    Parameters
    ----------
    frauds
        Fraudulent payments in all.
    shares
        Weight of each pattern; those not named get none.

    Raises
    ------
    InputError
        If a pattern does not exist, or the weights are negative or all zero.

    Examples
    --------
    >>> budgets(100)["card_testing"], sum(budgets(101).values())
    (18, 101)
    """
    for name in shares:
        if name not in SHARES:
            message = f"no fraud pattern {name!r}{did_you_mean(name, SHARES)}"
            raise InputError(message, field="patterns", code="unknown_pattern")
    weights = np.array([shares.get(name, 0.0) for name in SHARES])
    if weights.min() < 0 or weights.sum() <= 0:
        message = "the shares of fraud patterns must be positive"
        raise InputError(message, field="patterns", code="out_of_bounds")
    ends = np.round(np.cumsum(weights) * frauds / weights.sum()).astype(int)
    return dict(zip(SHARES, np.diff(ends, prepend=0).tolist(), strict=True))


def fraud(
    rng: np.random.Generator, scene: Scene, wanted: Mapping[str, int], begins: Mapping[str, float] | None = None
) -> Batch:
    """Return the fraudulent payments of all patterns.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world and its honest payments; patterns leave word in it of what else they changed.
    wanted
        How many payments of each pattern; those that get none are left out.
    begins
        Day from which on there is a pattern: cases that begin earlier are left out.
    """
    parts, cases = [], 0
    for name, count in wanted.items():
        if count == 0:
            continue
        before = dict(scene.stopped)
        batch = MAKERS[name](rng, scene, count)
        batch.pattern = np.full(count, PATTERNS.index(name))
        batch.case = batch.case + cases
        cases = int(batch.case.max()) + 1
        batch.at = _within(scene, batch)
        parts.append(batch if name not in (begins or {}) else _from(scene, batch, before, (begins or {})[name]))
    return Batch.join(parts)


def _from(scene: Scene, batch: Batch, before: Mapping[int, int], day: float) -> Batch:
    """Return the cases that begin on a day or later; customers who would have vanished in others stay.

    Whoever vanished before the pattern was made, in a case of another one, stays away: `before` says so.
    """
    first = np.full(int(batch.case.max()) + 1, scene.society.end_us)
    np.minimum.at(first, batch.case, batch.at)
    later = first[batch.case] >= scene.society.start_us + round(day * DAY_US)
    kept = batch.take(np.flatnonzero(later))
    for who in {*batch.who[~later].tolist()} - {*kept.who.tolist()}:
        if who in before:
            scene.stopped[who] = before[who]
        else:
            scene.stopped.pop(who, None)
    return kept


def _within(scene: Scene, batch: Batch) -> IntArray:
    """Mirror moments at the end of the world and at the opening of the account: nothing piles up there."""
    society = scene.society
    last = society.end_us - 1
    first = np.maximum(society.customers.opened_us[batch.who], society.start_us)
    earlier = last - np.abs(last - batch.at)
    moments: IntArray = np.minimum(first + np.abs(earlier - first), last)
    return moments
