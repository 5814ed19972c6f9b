"""Distances between mixes: PSI, Jensen-Shannon, Kolmogorov-Smirnov, of a day against what is usual at its hours."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from adjudge.monitor.questions import Family
from adjudge.typing import FloatArray

FLOOR = 1e-4
"""Share that a part of a mix is taken to have at least; without it one new value makes PSI infinite."""


class Distances(msgspec.Struct, frozen=True):
    """How far a field's mix is from the usual one.

    Parameters
    ----------
    field
        Which one.
    psi
        Population stability index.
    js
        Jensen-Shannon distance, base two, from 0 to 1.
    ks
        Largest difference of the cumulated shares of a number; None of a category.
    usual_psi
        The largest PSI of nine in ten reference days, each against the others: what is nothing.
    """

    field: str
    psi: float
    js: float
    ks: float | None
    usual_psi: float


def psi(usual: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the population stability index of mixes along the first axis.

    Examples
    --------
    >>> round(float(psi(np.array([0.5, 0.5]), np.array([0.6, 0.4]))), 4)
    0.0405
    """
    one, other = np.maximum(usual, FLOOR), np.maximum(seen, FLOOR)
    result: FloatArray = ((other - one) * np.log(other / one)).sum(axis=0)
    return result


def jensen_shannon(usual: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the Jensen-Shannon distance of mixes along the first axis.

    Examples
    --------
    >>> float(jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    from scipy.special import rel_entr

    mean = (usual + seen) / 2
    both = rel_entr(usual, mean).sum(axis=0) + rel_entr(seen, mean).sum(axis=0)
    result: FloatArray = np.sqrt(np.maximum(both, 0.0) / (2 * np.log(2)))
    return result


def kolmogorov_smirnov(usual: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the largest difference of shares that are cumulated along the first axis."""
    result: FloatArray = np.abs(usual - seen).max(axis=0)
    return result


def distances(families: Sequence[Family], watched: int) -> dict[str, list[Distances]]:
    """Return the distances of every number and category on each watched day.

    Parameters
    ----------
    families
        What was asked.
    watched
        Number of the first watched day.
    """
    result = {}
    for family in families:
        mixes = _mixes(family)
        if mixes is None:
            continue
        usual, seen, below = mixes
        index, shannon = psi(usual, seen), jensen_shannon(usual, seen)
        far = kolmogorov_smirnov(*below) if below is not None else None
        nothing = float(np.nan_to_num(np.quantile(np.nan_to_num(index[:watched]), 0.9)))
        result[family.field] = [
            Distances(
                family.field,
                float(np.nan_to_num(index[day])),
                float(np.nan_to_num(shannon[day])),
                None if far is None else float(np.nan_to_num(far[day])),
                nothing,
            )
            for day in range(watched, len(index))
        ]
    return result


def _mixes(family: Family) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray] | None] | None:
    """Return usual and seen shares of the parts of a field, and cumulated ones of a number; None for other families."""
    kinds = [question.kind for question in family.questions]
    if family.within or not {"below", "value"} & {*kinds}:
        return None
    if "value" in kinds:
        rows = [i for i, kind in enumerate(kinds) if kind in ("value", "other", "new", "missing")]
        return family.found.usual[rows], family.found.seen[rows], None
    rows = [i for i, kind in enumerate(kinds) if kind == "below"]
    below = (family.found.usual[rows], family.found.seen[rows])
    ends = [np.concatenate([np.zeros((1, one.shape[1])), one, np.ones((1, one.shape[1]))]) for one in below]
    parts = [np.maximum(np.diff(one, axis=0), 0.0) for one in ends]
    return parts[0], parts[1], below
