"""The points that plots of an evaluation are drawn from: few enough to store, dense where it matters."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from adjudge.learn.metrics import reliability
from adjudge.learn.ranking import Curve, Ranking
from adjudge.typing import FloatArray, IntArray

POINTS = 200
"""Most points kept of a curve."""


ORACLE = "oracle"
"""The ranking of somebody who knows how simulated data comes about: what nobody can beat but by luck."""


class PointList(msgspec.Struct, frozen=True):
    """A line in a plot.

    Parameters
    ----------
    x, y
        Coordinates, of one length.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]


class Curves(msgspec.Struct, frozen=True):
    """What the report draws.

    Parameters
    ----------
    precision_recall
        Recall against precision, by ranking.
    value_captured
        Alerts per day against the share of the fraud amount caught, by ranking.
    calibration
        Mean probability against the share that came true, for groups that expect about as many positives
        each.
    calibration_counts
        Events of each of those groups.
    score_edges
        Edges of the bins of the model's score, 0 to 100.
    honest, fraud
        Events of each bin.
    """

    precision_recall: dict[str, PointList]
    value_captured: dict[str, PointList]
    calibration: PointList
    calibration_counts: tuple[int, ...]
    score_edges: tuple[float, ...]
    honest: tuple[int, ...]
    fraud: tuple[int, ...]


def curves_of(y: FloatArray, amount: FloatArray, scores: Mapping[str, FloatArray], days: float) -> Curves:
    """Return the curves of several rankings of the same events; the one called ``model`` is a probability.

    Parameters
    ----------
    y, amount
        Outcome (1 fraud) and worth of each event, shape (n,).
    scores
        Rankings by name.
    days
        Length of the span of the events.
    """
    rankings = {name: Ranking.of(y, score) for name, score in scores.items()}
    p = scores["model"]
    bins = reliability(y, p, bins=12, equal="mass")
    edges = np.linspace(0, 100, 41)
    honest, fraud = (np.histogram(100 * np.clip(p[y == kind], 0, 1), edges)[0] for kind in (0, 1))
    return Curves(
        precision_recall={name: precision_recall(ranking.curve()) for name, ranking in rankings.items()},
        value_captured={name: value_captured(ranking, amount, days) for name, ranking in rankings.items()},
        calibration=_points(bins.predicted, bins.observed),
        calibration_counts=_whole(bins.count),
        score_edges=tuple(edges.tolist()),
        honest=_whole(honest),
        fraud=_whole(fraud),
    )


def precision_recall(curve: Curve) -> PointList:
    """Return recall and precision at cuts spread evenly over the positives.

    Parameters
    ----------
    curve
        What each cut catches.

    Examples
    --------
    >>> precision_recall(Ranking.of([1, 0, 1], [0.9, 0.8, 0.7]).curve())
    PointList(x=(0.5, 0.5, 1.0), y=(1.0, 0.5, 0.666667))
    """
    recall = curve.caught / curve.caught[-1]
    precision = curve.caught / np.maximum(curve.caught + curve.bothered, 1.0)
    kept = _spread(recall)
    return _points(recall[kept], precision[kept])


def value_captured(ranking: Ranking, amount: FloatArray, days: float) -> PointList:
    """Return the share of the fraud amount caught for queues from one a day to everything; nothing if it is 0.

    Parameters
    ----------
    ranking
        The events in order.
    amount
        Worth of each event in the original order.
    days
        Length of their span.
    """
    counts, money = ranking.curve(), ranking.curve(amount)
    if money.caught[-1] <= 0:
        return PointList((), ())
    total = float(counts.caught[-1] + counts.bothered[-1]) / days
    queues = np.geomspace(min(1.0, total), total, 120)
    shares = np.array([money.share_within(counts, queue * days) for queue in queues])
    return _points(queues, shares)


def _spread(rising: FloatArray) -> IntArray:
    """Return positions of at most `POINTS` values, evenly over the range of a rising column."""
    if rising.shape[0] <= POINTS:
        return np.arange(rising.shape[0])
    wanted = np.linspace(rising[0], rising[-1], POINTS)
    found: IntArray = np.unique(np.searchsorted(rising, wanted, side="left"))
    return np.unique(np.concatenate([[0], found, [rising.shape[0] - 1]]))


def _points(x: FloatArray, y: FloatArray) -> PointList:
    return PointList(tuple(np.round(x, 6).tolist()), tuple(np.round(y, 6).tolist()))


def _whole(counts: FloatArray | IntArray) -> tuple[int, ...]:
    return tuple(int(count) for count in counts)
