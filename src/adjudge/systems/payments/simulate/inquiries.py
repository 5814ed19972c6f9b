"""What was asked about payments and what came of it: step-ups, verifications, reviews, disputes.

None of it changes what happened. A step-up that failed is one of the payments that the issuer declined, a dispute is
one of the reports, and what nothing tells from honest payments (`quiet`) is asked about like honest payments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.batch import ACCEPTED, ISSUER, WRONG_CODE, Batch
from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US
from adjudge.systems.payments.simulate.fraud import PATTERNS
from adjudge.typing import BoolArray, FloatArray, IntArray

VALUES = {
    "verification": ("passed", "failed", "timed_out"),
    "step_up": ("passed", "failed", "timed_out"),
    "review": ("fraud", "legitimate", "unclear"),
    "dispute": ("opened", "won", "lost"),
}
"""Outcomes and their values, as the system defines them."""

STEPPED_UP, REFUSED_AFTER = 0.02, 0.6
"""Share of accepted payments at a distance that went through a step-up; of those refused, that failed one."""

VERIFIED = 0.005
"""Share of payments at a distance after which the customer is asked to prove who they are."""

REVIEWED, SUSPECTED = 0.0005, 0.08
"""Share of honest payments, and of those that look like fraud, that a person looks at."""


@dataclass(frozen=True)
class Told:
    """Values of one outcome: of which payments, which value by its place, and when it was known."""

    outcome: str
    row: IntArray
    value: IntArray
    known_at: IntArray


def inquiries_frame(
    rng: np.random.Generator,
    batch: Batch,
    reports: tuple[IntArray, BoolArray, IntArray],
    payment_id: pl.Series,
) -> pl.DataFrame:
    """Return every value of an outcome in the order in which it became known.

    Parameters
    ----------
    rng
        Source of randomness.
    batch
        All payments in order of time.
    reports
        As `labels.reports` returned them.
    payment_id
        Ids of the payments.
    """
    told = [*_step_ups(rng, batch), _verifications(rng, batch), _reviews(rng, batch), *_disputes(rng, batch, *reports)]
    parts = [
        pl.DataFrame(
            {
                "payment_id": payment_id.gather(one.row),
                "outcome": pl.repeat(one.outcome, len(one.row), dtype=pl.String, eager=True),
                "value": pl.Series(VALUES[one.outcome], dtype=pl.String).gather(one.value),
                "known_at": pl.Series(one.known_at, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC"),
            }
        )
        for one in told
    ]
    return pl.concat(parts).sort("known_at", maintain_order=True)


def _step_ups(rng: np.random.Generator, batch: Batch) -> list[Told]:
    """Those that were passed; and those that were not, which the issuer declined therefore."""
    distant = batch.ip > 0
    passed = np.flatnonzero(distant & (batch.decline == ACCEPTED) & _chosen(rng, batch, STEPPED_UP))
    refused = np.isin(batch.decline, (WRONG_CODE, ISSUER))
    failed = np.flatnonzero(distant & refused & _chosen(rng, batch, REFUSED_AFTER))
    value = _drawn(rng, np.tile([0.0, 0.7, 0.3], (len(failed), 1)))
    wait = np.where(value == 2, 300.0, np.clip(rng.lognormal(3.3, 0.5, len(failed)), 12.0, 290.0))
    at_once = np.clip(rng.lognormal(3.0, 0.5, len(passed)), 11.0, 290.0)
    return [
        Told("step_up", passed, np.zeros(len(passed), np.int64), _later(batch, passed, at_once, 1e6)),
        Told("step_up", failed, value, _later(batch, failed, wait, 1e6)),
    ]


def _verifications(rng: np.random.Generator, batch: Batch) -> Told:
    row = np.flatnonzero((batch.ip > 0) & _chosen(rng, batch, VERIFIED))
    chances = np.where(_looks_like_fraud(batch)[row, None], [0.2, 0.5, 0.3], [0.9, 0.02, 0.08])
    return Told("verification", row, _drawn(rng, chances), _later(batch, row, rng.exponential(6.0, len(row)), HOUR_US))


def _reviews(rng: np.random.Generator, batch: Batch) -> Told:
    seen = _looks_like_fraud(batch)
    row = np.flatnonzero(rng.random(len(batch)) < np.where(seen, SUSPECTED, REVIEWED))
    chances = np.where(seen[row, None], [0.8, 0.05, 0.15], [0.03, 0.85, 0.12])
    hours = 0.5 + rng.exponential(10.0, len(row))
    return Told("review", row, _drawn(rng, chances), _later(batch, row, hours, HOUR_US))


def _disputes(
    rng: np.random.Generator, batch: Batch, row: IntArray, fraud: BoolArray, known_at: IntArray
) -> list[Told]:
    """Every report of an accepted payment opens one; a withdrawn report is won, the others are settled weeks later."""
    asked = fraud & (batch.decline[row] == ACCEPTED)
    opened, at = row[asked], known_at[asked]
    withdrawn = np.isin(opened, row[~fraud])
    settled = opened[~withdrawn]
    chances = np.where((batch.pattern[settled] >= 0)[:, None], [0.0, 0.25, 0.75], [0.0, 0.6, 0.4])
    weeks = (10.0 + rng.exponential(12.0, len(settled))) * DAY_US
    return [
        Told("dispute", opened, np.zeros(len(opened), np.int64), at),
        Told("dispute", row[~fraud], np.ones(int((~fraud).sum()), np.int64), known_at[~fraud]),
        Told("dispute", settled, _drawn(rng, chances), at[~withdrawn] + weeks.astype(np.int64)),
    ]


def _looks_like_fraud(batch: Batch) -> BoolArray:
    seen: BoolArray = (batch.pattern >= 0) & (batch.pattern != PATTERNS.index("quiet"))
    return seen


def _chosen(rng: np.random.Generator, batch: Batch, share: float) -> BoolArray:
    chosen: BoolArray = rng.random(len(batch)) < share
    return chosen


def _drawn(rng: np.random.Generator, chances: FloatArray) -> IntArray:
    """Return one of the values for each row of chances, which add up to 1."""
    found: IntArray = (rng.random(len(chances))[:, None] >= np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
    return found


def _later(batch: Batch, row: IntArray, wait: FloatArray, unit_us: float) -> IntArray:
    later: IntArray = batch.at[row] + (wait * unit_us).astype(np.int64)
    return later
