"""How the truth comes out: late reports, frauds that nobody reports, disputes of honest payments."""

from __future__ import annotations

import numpy as np

from adjudge.systems.payments.simulate.batch import Batch
from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US
from adjudge.systems.payments.simulate.fraud import PATTERNS
from adjudge.typing import BoolArray, FloatArray, IntArray

REPORTING: dict[str, tuple[float, float]] = {
    "stolen_card_spree": (2.0, 0.02),
    "card_testing": (3.0, 0.03),
    "account_takeover": (2.0, 0.02),
    "impossible_travel": (2.5, 0.02),
    "compromised_merchant": (5.0, 0.02),
    "colluding_merchant": (6.0, 0.025),
    "device_farm": (7.0, 0.02),
    "bust_out": (14.0, 0.02),
    "hot_spot": (6.0, 0.025),
    "quiet": (9.0, 0.35),
}
"""Median delay in days, and share of victims who never report."""

CASE_SIGMA, VICTIM_SIGMA = 0.6, 0.55
"""Spread of the delay in logarithms: what all victims of a case share, and what is each one's own."""

OVERLOOKED = 0.005
"""Share of frauds that are missed on a statement, whoever the victim is."""

LONGEST_DAYS = 75.0
"""Schemes take no dispute after this."""

DISPUTED = 0.0003
"""Share of honest payments that are disputed as fraud."""

WITHDRAWN = 0.3
"""Share of those disputes that are withdrawn after a look at the papers."""


def reports(rng: np.random.Generator, batch: Batch) -> tuple[IntArray, BoolArray, IntArray]:
    """Return (payment, fraud, known at) of every report, false disputes and their withdrawals included.

    Parameters
    ----------
    rng
        Source of randomness.
    batch
        All payments.
    """
    frauds = np.flatnonzero(batch.pattern >= 0)
    delay, reported = _by_victim(rng, batch.take(frauds))
    overlooked = rng.random(len(frauds)) < OVERLOOKED
    told = frauds[reported & ~overlooked]
    known = batch.at[told] + ((delay[reported & ~overlooked]) * DAY_US).astype(np.int64)
    known += (rng.exponential(2.0, len(told)) * HOUR_US).astype(np.int64)
    false = _disputes(rng, batch)
    wait = _capped(12.0 * np.exp(rng.normal(0, 0.8, len(false))))
    asked = batch.at[false] + (wait * DAY_US).astype(np.int64)
    back = rng.random(len(false)) < WITHDRAWN
    cleared = asked[back] + ((3.0 + rng.exponential(6.0, int(back.sum()))) * DAY_US).astype(np.int64)
    row = np.concatenate([told, false, false[back]])
    fraud = np.concatenate([np.ones(len(told) + len(false), dtype=np.bool_), np.zeros(int(back.sum()), dtype=np.bool_)])
    known_at = np.concatenate([known, asked, cleared])
    order = np.lexsort((row, known_at))
    return row[order], fraud[order], known_at[order]


def _by_victim(rng: np.random.Generator, batch: Batch) -> tuple[FloatArray, BoolArray]:
    """Return the delay in days and whether it is reported, one answer for each victim of a case."""
    medians = np.array([REPORTING[name][0] for name in PATTERNS])
    never = np.array([REPORTING[name][1] for name in PATTERNS])
    victim = batch.case * (int(batch.who.max(initial=0)) + 1) + batch.who
    _, first, member = np.unique(victim, return_index=True, return_inverse=True)
    pattern, case = batch.pattern[first], batch.case[first]
    together = rng.normal(0, CASE_SIGMA, int(batch.case.max(initial=-1)) + 1)[case]
    delay = _capped(medians[pattern] * np.exp(together + rng.normal(0, VICTIM_SIGMA, len(first))))
    reported = rng.random(len(first)) >= never[pattern]
    return delay[member], reported[member]


def _capped(days: FloatArray) -> FloatArray:
    result: FloatArray = np.clip(days, 0.05, LONGEST_DAYS)
    return result


def _disputes(rng: np.random.Generator, batch: Batch) -> IntArray:
    honest = (batch.pattern < 0) & (batch.decline == 0)
    share = chance_of_dispute(batch.ip > 0, batch.minor, among=honest)
    return np.flatnonzero((rng.random(len(batch)) < share) & honest)


def chance_of_dispute(distant: BoolArray, minor: IntArray, *, among: BoolArray) -> FloatArray:
    """Return the chance that each payment is disputed, were it honest: dear and distant ones more often.

    Parameters
    ----------
    distant
        Which were made over a network.
    minor
        Amounts in minor units.
    among
        Of which payments `DISPUTED` is the share.

    Examples
    --------
    >>> both = np.array([True, True])
    >>> chance_of_dispute(np.array([True, False]), np.array([5_000, 5_000]), among=both).round(6).tolist()
    [0.000462, 0.000138]
    """
    weight = np.where(distant, 2.0, 0.6) * np.clip(minor / 5_000.0, 0.3, 3.0)
    share: FloatArray = DISPUTED * weight / max(float(weight[among].mean()) if among.any() else 0.0, 1e-12)
    return share
