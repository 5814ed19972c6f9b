"""The focal loss: what is right already counts for less, so that few hard rows are not drowned by many easy ones.

With s = 1 for a positive and -1 for a negative row, and p the logistic of s times the margin (the probability given
to what came), the loss is ``-(1 - p) ** gamma * ln(p)``. With gamma 0 it is the log loss.
"""

from __future__ import annotations

import numpy as np

from adjudge.typing import FloatArray

LEAST = 1e-12
"""Curvature is never smaller: leaves divide by its sum."""


def loss(margin: FloatArray, y: FloatArray, gamma: float) -> FloatArray:
    """Return the focal loss of each row.

    Parameters
    ----------
    margin
        Log-odds, shape (n,).
    y
        Outcomes, 0 or 1.
    gamma
        How much less a row counts that is right already; not negative.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar (2017), Focal loss for dense object detection.
    """
    toward = np.where(y > 0, margin, -margin)
    return -np.exp(-gamma * np.logaddexp(0.0, toward)) * -np.logaddexp(0.0, -toward)


def derivatives(margin: FloatArray, y: FloatArray, gamma: float) -> tuple[FloatArray, FloatArray]:
    """Return the first and second derivative of the loss by the margin, row by row.

    Parameters
    ----------
    margin, y, gamma
        As for `loss`.

    Notes
    -----
    With q = 1 - p: first ``s q**gamma (gamma p ln p - q)``, second
    ``p q**gamma (q (gamma ln p + 2 gamma + 1) - gamma**2 p ln p)``. The second is negative for rows that are badly
    wrong.

    Examples
    --------
    With gamma 0 these are the log loss's p - y and p (1 - p):

    >>> first, second = derivatives(np.zeros(2), np.array([1.0, 0.0]), 0.0)
    >>> first.tolist(), second.tolist()
    ([-0.5, 0.5], [0.25, 0.25])
    """
    sign = np.where(y > 0, 1.0, -1.0)
    toward = sign * margin
    log_p, log_q = -np.logaddexp(0.0, -toward), -np.logaddexp(0.0, toward)
    p, q = np.exp(log_p), np.exp(log_q)
    scale = np.exp(gamma * log_q)
    first = sign * scale * (gamma * p * log_p - q)
    second = p * scale * (q * (gamma * log_p + 2.0 * gamma + 1.0) - gamma**2 * p * log_p)
    return first, second


def objective(
    margin: FloatArray, y: FloatArray, gamma: float, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return what a booster asks of a loss: weighted gradients, and curvatures that are never negative.

    Where the loss bends downwards a Newton step would climb; the size of the bend is taken instead, as saddle-free
    Newton methods do, so that a badly wrong row moves its leaf as far as it would move it under a loss that bends
    the other way.

    Parameters
    ----------
    margin, y, gamma
        As for `loss`.
    weight
        What each row weighs; None where all weigh 1.

    References
    ----------
    Dauphin and others (2014), Identifying and attacking the saddle point problem.
    """
    first, second = derivatives(margin, y, gamma)
    bend = np.maximum(np.abs(second), LEAST)
    return (first, bend) if weight is None else (first * weight, bend * weight)


def start(y: FloatArray, weight: FloatArray | None) -> float:
    """Return the log-odds of the share of positives by weight: where boosting begins."""
    share = float(np.average(y, weights=weight))
    return float(np.log(share / (1.0 - share)))
