"""How unusual a share is: a day's share of yes against what is usual then, in units of what days differ by anyway.

All that is compared from day to day is asked as yes-or-no questions (is the field missing, is it this value, is it
below this number), so that one piece of arithmetic serves them all. What days differ by is learned from the reference,
each of its days held against the others: customers come in clusters, and no formula knows how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adjudge.typing import BoolArray, FloatArray

PRIOR = 60.0
"""Rows of the whole reference that are added to each cell, so that a cell of few rows is not trusted too much."""

LEAST = 0.5
"""Hits that a question without any in the reference is taken to have had."""


@dataclass(frozen=True)
class Shares:
    """Questions by day and cell.

    Parameters
    ----------
    hits
        Rows with yes, shape (questions, days, cells).
    totals
        Rows that were asked, of the same shape, or with one entry for all questions.
    """

    hits: FloatArray
    totals: FloatArray


@dataclass(frozen=True)
class Surprise:
    """What was seen, what was usual, and how far apart they are.

    Parameters
    ----------
    seen, usual
        Shares, shape (questions, days); NaN where nothing was asked.
    rows
        How many rows were asked.
    z
        Distance in units of what reference days differ by.
    p
        Chance of as much on a usual day, for this question alone.
    """

    seen: FloatArray
    usual: FloatArray
    rows: FloatArray
    z: FloatArray
    p: FloatArray


def surprise(shares: Shares, reference: BoolArray, *, least_scale: FloatArray | float = 1.0) -> Surprise:
    """Return how unusual every share of every day is.

    Parameters
    ----------
    shares
        The questions.
    reference
        Which days are the reference, shape (days,); each of them is held against the others.
    least_scale
        What days differ by at least, in standard deviations of independent rows; one for all questions, or one each.

    Examples
    --------
    Forty days of 100 rows of which about half are yes, then one of which all are:

    >>> hits = np.full((1, 41, 1), 50.0) + np.tile([3.0, -3.0], 21)[None, :41, None]
    >>> hits[0, 40] = 100
    >>> found = surprise(Shares(hits, np.full((1, 41, 1), 100.0)), np.arange(41) < 40)
    >>> float(found.seen[0, 40]), round(float(found.usual[0, 40]), 2)
    (1.0, 0.5)
    >>> bool(found.p[0, 40] < 1e-6 < found.p[0, :40].min())
    True
    """
    hits, totals = shares.hits, np.broadcast_to(shares.totals, shares.hits.shape)
    known, asked = hits[:, reference].sum(axis=1, keepdims=True), totals[:, reference].sum(axis=1, keepdims=True)
    own = reference[None, :, None]
    known, asked = known - np.where(own, hits, 0.0), asked - np.where(own, totals, 0.0)
    whole = (known.sum(axis=2) + LEAST) / (asked.sum(axis=2) + 2 * LEAST)
    cell = (known + PRIOR * whole[..., None]) / (asked + PRIOR)
    rows = totals.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = (totals * cell).sum(axis=2) / rows
        seen = hits.sum(axis=2) / rows
    return against(seen, usual, rows, reference, least_scale=least_scale)


def against(
    seen: FloatArray,
    usual: FloatArray,
    rows: FloatArray,
    reference: BoolArray,
    *,
    least_scale: FloatArray | float = 1.0,
) -> Surprise:
    """Return how unusual shares are for which somebody says what is usual.

    Parameters
    ----------
    seen, usual, rows
        Shares, and how many rows were asked, shape (questions, days).
    reference, least_scale
        See `surprise`.

    Notes
    -----
    The distance is the signed root of the binomial deviance, which stays honest where a share is near 0 or 1, over its
    root mean square in the reference. Tails are Student's, with as many degrees of freedom as reference days less one.
    """
    from scipy.stats import t

    root = signed_root(seen, usual, rows)
    count = np.maximum((np.isfinite(root) & reference).sum(axis=1), 1)
    scale = np.sqrt(np.nansum(np.where(reference, root, np.nan) ** 2, axis=1) / count)
    z = np.nan_to_num(root / np.maximum(scale, least_scale)[:, None])
    p = 2 * t.sf(np.abs(z), np.maximum(count - 1, 1)[:, None])
    return Surprise(seen, usual, rows, z, p)


def signed_root(seen: FloatArray, usual: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the signed root of the binomial deviance of shares.

    Parameters
    ----------
    seen, usual
        Shares.
    rows
        How many rows were seen.

    Examples
    --------
    Near the middle it is the number of standard deviations, here 0.1 over 0.05:

    >>> round(float(signed_root(np.array(0.6), np.array(0.5), np.array(100.0))), 2)
    2.01
    """
    from scipy.special import xlogy

    deviance = 2 * rows * (xlogy(seen, seen / usual) + xlogy(1 - seen, (1 - seen) / (1 - usual)))
    root: FloatArray = np.sign(seen - usual) * np.sqrt(np.maximum(deviance, 0.0))
    return root
