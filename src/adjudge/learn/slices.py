"""Who is alerted on, and rightly: the same figures for each part of the events, and whether the parts differ.

A gap between parts is a question and not a verdict: parts differ in what they buy, and frauds in whom they hit. What is
asked here is whether a gap is more than luck, and how large it may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from adjudge.errors import ShapeError
from adjudge.learn.bootstrap import Interval, draws
from adjudge.learn.table import Table
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

FIGURES = ("alert_rate", "false_positive_rate", "recall", "precision")
"""What is told of each slice."""

OTHER = "other"
"""Where values with too few events go."""


class Slice(msgspec.Struct, frozen=True):
    """One part of the events.

    Parameters
    ----------
    name
        The value, or the range of values.
    events, frauds, alerts
        How many.
    figures
        By name in `FIGURES`; without a value where too few events stand behind one.
    """

    name: str
    events: int
    frauds: int
    alerts: int
    figures: dict[str, Interval]


class Gap(msgspec.Struct, frozen=True):
    """The largest difference of one figure between two slices.

    Parameters
    ----------
    figure
        Which one.
    low, high
        Names of the slices.
    size
        The difference, with the interval of these two.
    p
        Chance of slices that differ as much where none really does; corrected for every gap that was looked at.
    """

    figure: str
    low: str
    high: str
    size: Interval
    p: float


class Slicing(msgspec.Struct, frozen=True):
    """The events cut up by one field.

    Parameters
    ----------
    field
        Which one.
    slices
        Its parts, numbers rising, texts by number of events.
    gaps
        One for each figure that two slices have.
    """

    field: str
    slices: tuple[Slice, ...]
    gaps: tuple[Gap, ...]


def slicings(
    table: Table,
    alert: BoolArray,
    columns: Mapping[str, AnyArray],
    *,
    least: int = 20,
    bins: int = 5,
    rounds: int = 200,
    seed: int = 0,
) -> tuple[Slicing, ...]:
    """Return the figures by slice for several fields.

    Parameters
    ----------
    table
        Events with their labels as finally known.
    alert
        Which of them were not passed at once, shape (n,).
    columns
        Fields by name, shape (n,): numbers are put into bins, anything else is taken by value.
    least
        Events that a figure must stand on, and that a value needs to have a slice of its own.
    bins
        Ranges of about equal size that numbers are put into.
    rounds, seed
        Resamples of whole entities behind the intervals and the test, two at least; same seed, same figures.

    Notes
    -----
    The test is Cochran's Q over the slices' figures with variances from the resamples, never below the binomial one; it
    takes slices as independent, which those that share customers are only nearly. The chances are corrected by Holm's
    method over all fields and figures, so that whoever looks at twenty gaps is not surprised by one in twenty.

    References
    ----------
    Cochran (1954), The Combination of Estimates from Different Experiments. Holm (1979), A Simple Sequentially
    Rejective Multiple Test Procedure.
    """
    weights = list(draws(len(table), entity=table.entity, rounds=max(rounds, 2), seed=seed))
    found = []
    for field, column in columns.items():
        if column.shape != (len(table),):
            message = f"slices: {field} has shape {column.shape}, the table has {len(table)} events"
            raise ShapeError(message)
        names, code = _parts(column, least, bins)
        found.append(_slicing(field, names, code, table.label, alert, least, weights))
    return _corrected(found)


def _slicing(
    field: str,
    names: Sequence[str],
    code: IntArray,
    y: FloatArray,
    alert: BoolArray,
    least: int,
    weights: Sequence[FloatArray],
) -> Slicing:
    hits, behind = _counts(code, len(names), y, alert, np.ones(len(y)))
    with np.errstate(invalid="ignore"):
        value = np.where(behind >= least, hits / behind, np.nan)
    samples = np.stack([_rates(*_counts(code, len(names), y, alert, weight)) for weight in weights])
    samples[:, np.isnan(value)] = np.nan
    slices = tuple(
        Slice(
            name,
            int(behind[0, i]),
            int(behind[2, i]),
            int(hits[0, i]),
            {figure: _interval(value[f, i], samples[:, f, i]) for f, figure in enumerate(FIGURES)},
        )
        for i, name in enumerate(names)
    )
    gaps = [
        _gap(figure, names, value[f], samples[:, f], hits[f], behind[f])
        for f, figure in enumerate(FIGURES)
        if np.isfinite(value[f]).sum() >= 2
    ]
    return Slicing(field, slices, tuple(gaps))


def _counts(
    code: IntArray, parts: int, y: FloatArray, alert: BoolArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return for each figure and part the weight of what is counted, and of what stands behind it, shape (4, parts)."""

    def total(w: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(code, weights=w, minlength=parts).astype(np.float64)
        return sums

    alerted, fraud = weight * alert, weight * y
    events, alerts, frauds, caught = total(weight), total(alerted), total(fraud), total(alerted * y)
    hits = np.stack([alerts, alerts - caught, caught, caught])
    return hits, np.stack([events, events - frauds, frauds, alerts])


def _rates(hits: FloatArray, behind: FloatArray) -> FloatArray:
    rates: FloatArray = np.divide(hits, behind, out=np.full_like(hits, np.nan), where=behind > 0)
    return rates


def _interval(value: float, samples: FloatArray) -> Interval:
    if np.isnan(value):
        return Interval(None)
    low, high = np.nanquantile(samples, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def _gap(
    figure: str, names: Sequence[str], value: FloatArray, samples: FloatArray, hits: FloatArray, behind: FloatArray
) -> Gap:
    from scipy.stats import chi2

    low, high = int(np.nanargmin(value)), int(np.nanargmax(value))
    known = np.isfinite(value)
    smoothed = (hits[known] + 0.5) / (behind[known] + 1.0)
    binomial = smoothed * (1.0 - smoothed) / (behind[known] + 1.0)
    weight = 1.0 / np.maximum(np.nanvar(samples[:, known], axis=0, ddof=1), binomial)
    centre = float((weight * value[known]).sum() / weight.sum())
    q = float((weight * (value[known] - centre) ** 2).sum())
    size = _interval(float(value[high] - value[low]), samples[:, high] - samples[:, low])
    return Gap(figure, names[low], names[high], size, float(chi2.sf(q, int(known.sum()) - 1)))


def _corrected(found: Sequence[Slicing]) -> tuple[Slicing, ...]:
    """Return the slicings with Holm's correction over all their gaps."""
    ordered = sorted((gap.p, s, g) for s, one in enumerate(found) for g, gap in enumerate(one.gaps))
    largest, chance = 0.0, {}
    for place, (p, s, g) in enumerate(ordered):
        largest = max(largest, min(1.0, p * (len(ordered) - place)))
        chance[s, g] = largest
    return tuple(
        msgspec.structs.replace(
            one, gaps=tuple(msgspec.structs.replace(gap, p=chance[s, g]) for g, gap in enumerate(one.gaps))
        )
        for s, one in enumerate(found)
    )


def _parts(column: AnyArray, least: int, bins: int) -> tuple[list[str], IntArray]:
    """Return the names of the parts and the part of each event."""
    if np.issubdtype(column.dtype, np.number) and not np.issubdtype(column.dtype, np.bool_):
        return _bins(column.astype(np.float64), bins)
    texts = np.array(["missing" if value is None else str(value) for value in column.tolist()])
    values, code, count = np.unique(texts, return_inverse=True, return_counts=True)
    order = [i for i in np.argsort(-count, kind="stable").tolist() if count[i] >= least]
    names = [str(values[i]) for i in order]
    place = np.full(len(values), len(names))
    place[order] = np.arange(len(names))
    if len(order) < len(values):
        names.append(OTHER)
    return names, place[code]


def _bins(column: FloatArray, bins: int) -> tuple[list[str], IntArray]:
    missing = np.isnan(column)
    known = column[~missing]
    if not len(known):
        return ["missing"], np.zeros(len(column), dtype=np.int64)
    values = np.unique(known)
    if len(values) <= bins:
        names = _told(values, 6)
        code = np.searchsorted(values, column)
    else:
        # a value that is there and not one between two, which infinite ones do not have
        inner = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
        edges = [values[0], *inner[inner > values[0]], values[-1]]
        names = [f"{low} to {high}" for low, high in pairwise(_told(edges, 4))]
        code = np.searchsorted(np.array(edges[1:-1]), column, side="right")
    if missing.any():
        code = np.where(missing, len(names), code)
        names.append("missing")
    return names, code.astype(np.int64)


def _told(values: Sequence[float] | FloatArray, digits: int) -> list[str]:
    """Return numbers as short as they may be without two different ones looking the same.

    Examples
    --------
    >>> _told([0.5, 1e15, 1e15 + 1], 4)
    ['0.5', '1000000000000000', '1000000000000001']
    """
    different = len(set(map(float, values)))
    for more in range(digits, 18):
        names = [f"{value:.{more}g}" for value in values]
        if len(set(names)) == different:
            break
    return names
