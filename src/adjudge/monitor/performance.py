"""How well decisions do before anybody knows: an estimate from calibrated scores now, the truth when labels have come.

If a probability means what it says, the labels that have not come yet are draws from it, and so every figure that
labels would give has a distribution today. The estimate is as good as the calibration, which is watched beside it with
the labels that have come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.errors import ShapeError
from adjudge.learn.bootstrap import Interval, intervals
from adjudge.learn.evaluate import wilson
from adjudge.learn.metrics import average_precision
from adjudge.monitor.days import DAY_US, date_of
from adjudge.typing import BoolArray, FloatArray, IntArray

FIGURES = ("precision", "recall", "average_precision")
"""What is estimated."""

MATURE = 0.98
"""Share of a period's events whose label has to be known for its figures to be called true."""

ROWS = 50_000
"""Events of a period that labels are drawn for; more are thinned evenly."""


@dataclass(frozen=True)
class Decided:
    """What was decided about some events, and what is known of them.

    Parameters
    ----------
    ts
        Times, microseconds UTC, shape (n,).
    p
        Calibrated probability that each is bad; NaN where there was no model.
    alert
        Whether it was not passed at once.
    label
        1 bad, 0 good, NaN not known yet.
    amount
        What it is worth.
    stopped
        Whether it was declined; what is alerted on and not stopped was looked at.

    Raises
    ------
    ShapeError
        If the columns differ in length.
    """

    ts: IntArray
    p: FloatArray
    alert: BoolArray
    label: FloatArray
    amount: FloatArray
    stopped: BoolArray

    def __post_init__(self) -> None:
        for name in ("p", "alert", "label", "amount", "stopped"):
            if getattr(self, name).shape != self.ts.shape:
                message = f"decided: {name} has shape {getattr(self, name).shape}, ts has {self.ts.shape}"
                raise ShapeError(message)

    def of(self, rows: BoolArray) -> Decided:
        """Return some of the events."""
        return Decided(*(getattr(self, name)[rows] for name in ("ts", "p", "alert", "label", "amount", "stopped")))

    def periods(self, every_days: int = 1) -> list[tuple[int, Decided]]:
        """Return the events of each period with its first moment, in order of time."""
        length = every_days * DAY_US
        period = self.ts // length
        return [(int(one) * length, self.of(period == one)) for one in np.unique(period)]


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """How well one period's decisions did.

    Parameters
    ----------
    date, start_us
        Its beginning.
    events, alerts, known
        How many; `known` have a label.
    expected
        Estimates by name in `FIGURES`, with the range in which nineteen of twenty draws of the labels lie.
    truth
        The same by the labels that have come, with 95 % intervals; empty before they are mature.
    bad_expected, bad_seen
        Bad events that probabilities lead one to expect among those whose label is known, and that there are.
    calibration_z
        Distance of the two in standard deviations; None before labels are mature.
    """

    date: str
    start_us: int
    events: int
    alerts: int
    known: int
    expected: dict[str, Interval]
    truth: dict[str, Interval]
    bad_expected: float
    bad_seen: int
    calibration_z: float | None


def performance(decided: Decided, *, every_days: int = 1, rounds: int = 100, seed: int = 0) -> tuple[Performance, ...]:
    """Return how well each period's decisions are expected to do, and how well they did where that is known.

    Parameters
    ----------
    decided
        The decisions; those without a probability take no part.
    every_days
        Days of a period.
    rounds
        Draws of the labels, and resamples for the true figures.
    seed
        Same seed, same intervals.
    """
    scored = decided.of(~np.isnan(decided.p))
    return tuple(_performance(start, part, rounds, seed) for start, part in scored.periods(every_days))


def _performance(start: int, part: Decided, rounds: int, seed: int) -> Performance:
    known = ~np.isnan(part.label)
    mature = bool(known.mean() >= MATURE)
    expected_bad, variance = float(part.p[known].sum()), float((part.p * (1 - part.p))[known].sum())
    seen = int(np.nansum(part.label))
    return Performance(
        date=date_of(start),
        start_us=start,
        events=len(part.ts),
        alerts=int(part.alert.sum()),
        known=int(known.sum()),
        expected=estimate(part.p, part.alert, rounds=rounds, seed=seed),
        truth=truth(part.of(known), rounds=rounds, seed=seed) if mature else {},
        bad_expected=expected_bad,
        bad_seen=seen,
        calibration_z=(seen - expected_bad) / max(variance, 1e-9) ** 0.5 if mature else None,
    )


def estimate(p: FloatArray, alert: BoolArray, *, rounds: int = 100, seed: int = 0) -> dict[str, Interval]:
    """Return precision, recall and average precision that calibrated probabilities lead one to expect.

    Parameters
    ----------
    p
        Calibrated probabilities, shape (n,).
    alert
        Which events were alerted on.
    rounds
        Draws of the labels.
    seed
        Same seed, same draws.

    Notes
    -----
    The range is that of labels drawn from the probabilities: luck, and no fault of the calibration.

    References
    ----------
    Guillory et al. (2021), Predicting with Confidence on Unseen Distributions: confidences estimate accuracy.

    Examples
    --------
    Two alerts that are bad with 0.9 and 0.5, and one event that was passed with 0.1:

    >>> found = estimate(np.array([0.9, 0.5, 0.1]), np.array([True, True, False]))
    >>> found["precision"].value, round(found["recall"].value, 3)
    (0.7, 0.933)
    """
    thin = max(1, len(p) // ROWS)
    order = np.argsort(-p[::thin], kind="stable")
    p, alert = p[::thin][order], alert[::thin][order]
    place = np.arange(1, len(p) + 1)
    samples = np.full((rounds, 3), np.nan)
    random = np.random.default_rng(seed)
    for i in range(rounds):
        samples[i] = _figures((random.random(len(p)) < p).astype(np.float64), alert, place)
    value = _figures(p, alert, place)
    found = {}
    for name, one, column in zip(FIGURES, value, samples.T, strict=True):
        column = column[np.isfinite(column)]
        if not np.isfinite(one):
            found[name] = Interval(None)
        elif not len(column):
            found[name] = Interval(float(one))
        else:
            low, high = np.quantile(column, [0.025, 0.975])
            found[name] = Interval(float(one), float(low), float(high))
    return found


def _figures(y: FloatArray, alert: BoolArray, place: IntArray) -> tuple[float, float, float]:
    """Return the figures of labels, or of probabilities in their place, in order of falling score."""
    bad, caught, alerts = float(y.sum()), float(y[alert].sum()), int(alert.sum())
    precision = caught / alerts if alerts else np.nan
    if bad == 0:
        return precision, np.nan, np.nan
    cumulated = np.cumsum(y)
    return precision, caught / bad, float((y * cumulated / place).sum() / bad)


def truth(part: Decided, *, rounds: int = 100, seed: int = 0) -> dict[str, Interval]:
    """Return the figures of events whose labels are known."""
    bad, caught, alerts = int(part.label.sum()), int(part.label[part.alert].sum()), int(part.alert.sum())
    found = {"precision": wilson(caught, alerts), "recall": wilson(caught, bad), "average_precision": Interval(None)}
    if bad:

        def figures(weight: FloatArray) -> Mapping[str, float]:
            there = float((weight * part.label).sum()) > 0
            return {"ap": average_precision(part.label, part.p, weight) if there else np.nan}

        found["average_precision"] = intervals(figures, len(part.ts), rounds=rounds, seed=seed)["ap"]
    return found
