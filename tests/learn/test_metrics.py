"""Metrics against independent oracles: the textbook library, and loops that follow the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from adjudge.errors import ShapeError
from adjudge.learn import metrics
from adjudge.learn.ranking import Ranking
from adjudge.typing import FloatArray

EVENTS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.integers(1, 3)),
    min_size=2,
    max_size=60,
).filter(lambda rows: 0 < sum(row[0] for row in rows) < len(rows))


def columns(rows: list[tuple[bool, float, int]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Outcome, score and weight as arrays."""
    table = np.array([[float(a), b, float(c)] for a, b, c in rows]).T
    return table[0], table[1], table[2]


@given(EVENTS)
def test_areas_agree_with_scikit_learn_ties_and_weights_included(rows: list[tuple[bool, float, int]]) -> None:
    y, score, weight = columns(rows)
    assert metrics.auc(y, score, weight) == pytest.approx(sk.roc_auc_score(y, score, sample_weight=weight))
    assert metrics.average_precision(y, score, weight) == pytest.approx(
        sk.average_precision_score(y, score, sample_weight=weight)
    )


@given(EVENTS, st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]))
def test_recall_at_false_positive_rate_is_the_best_admissible_threshold(
    rows: list[tuple[bool, float, int]], ceiling: float
) -> None:
    y, score, _ = columns(rows)
    best = 0.0
    for threshold in [*score, np.inf]:
        flagged = score >= threshold
        if flagged[y == 0].mean() <= ceiling:
            best = max(best, flagged[y == 1].mean())
    assert metrics.recall_at_fpr(y, score, ceiling) == pytest.approx(best)


@given(EVENTS, st.integers(1, 70))
@settings(max_examples=50)
def test_precision_at_k_is_the_mean_over_orders_of_the_ties(rows: list[tuple[bool, float, int]], k: int) -> None:
    """Averaged over many shuffles of tied events the plain definition gives the expected share."""
    y, score, _ = columns(rows)
    k = min(k, len(y))
    order = np.argsort(-score, kind="stable")
    edge = score[order][k - 1]
    above, tied = score > edge, score == edge
    expected = (y[above].sum() + (k - above.sum()) * y[tied].mean()) / k
    assert metrics.precision_at_k(y, score, k) == pytest.approx(expected)


def test_precision_per_day_counts_each_day_alike() -> None:
    day = np.array([1, 1, 1, 2])
    assert metrics.precision_at_k_per_day([1, 0, 0, 1], [0.9, 0.5, 0.1, 0.2], day, 2) == 0.75


def card_precision_by_loops(y: FloatArray, score: FloatArray, day: FloatArray, card: FloatArray, k: int) -> float:
    """Follow the definition with dictionaries."""
    gone: set[float] = set()
    result = []
    for d in sorted(set(day.tolist())):
        cards: dict[float, tuple[float, float]] = {}
        for i in np.flatnonzero(day == d):
            if card[i] not in gone:
                before = cards.get(card[i], (-1.0, 0.0))
                cards[card[i]] = (max(before[0], score[i]), max(before[1], y[i]))
        top = sorted(cards.items(), key=lambda item: -item[1][0])[:k]
        found = {name for name, (_, hit) in top if hit}
        gone |= found
        result.append(len(found) / k)
    return float(np.mean(result))


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=60)
def test_card_precision_follows_the_definition(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    n = 200
    y = (random.random(n) < 0.2).astype(np.float64)
    score = np.round(random.random(n) + 0.3 * y, 1)
    day, card = random.integers(0, 5, n).astype(np.float64), random.integers(0, 30, n).astype(np.float64)
    assert metrics.card_precision_at_k(y, score, day, card, k) == pytest.approx(
        card_precision_by_loops(y, score, day, card, k)
    )


def test_a_card_drawn_twice_takes_two_places() -> None:
    cards = metrics.CardDays.of([1, 1, 0], [0.9, 0.8, 0.7], [1, 1, 1], [5, 6, 7])
    assert cards.precision(2) == 1.0
    assert cards.precision(3) == pytest.approx(2 / 3)
    assert cards.precision(2, np.array([1.0, 0.0, 1.0])) == 0.5
    assert cards.precision(3, np.array([2.0, 1.0, 0.0])) == 1.0


@given(EVENTS)
def test_brier_and_calibration_error(rows: list[tuple[bool, float, int]]) -> None:
    y, p, _ = columns(rows)
    assert metrics.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p))
    gaps = 0.0
    for low in np.arange(10) / 10:
        inside = (p >= low) & ((p < low + 0.1 - 1e-12) | ((low > 0.85) & (p <= 1.0)))
        if inside.any():
            gaps += inside.sum() * abs(p[inside].mean() - y[inside].mean())
    assert metrics.expected_calibration_error(y, p) == pytest.approx(gaps / len(y))


def test_bins_of_equal_count_keep_equal_probabilities_together() -> None:
    bins = metrics.reliability([0] * 8 + [1, 1], [0.0] * 8 + [0.4, 0.6], bins=5, equal="count")
    assert bins.count.tolist() == [8.0, 2.0]
    assert bins.predicted.tolist() == [0.0, 0.5]
    assert bins.error() == pytest.approx(0.1)


def test_bins_of_equal_mass_expect_as_many_positives() -> None:
    bins = metrics.reliability([0] * 8 + [1, 1], [0.05] * 8 + [0.4, 0.4], bins=2, equal="mass")
    assert bins.count.tolist() == [10.0]  # equal probabilities stay together: theirs start below half
    bins = metrics.reliability([0] * 8 + [1, 1], [0.11] * 8 + [0.4, 0.4], bins=2, equal="mass")
    assert bins.count.tolist() == [8.0, 2.0]
    assert metrics.reliability([0, 0], [0.0, 0.0], equal="mass").observed.tolist() == [0.0]


def test_value_recall_without_any_loss_does_not_exist() -> None:
    assert np.isnan(metrics.value_recall([0, 0], [True, False], [1.0, 2.0]))


def test_one_class_has_no_area() -> None:
    assert np.isnan(metrics.auc([1, 1], [0.1, 0.2]))
    assert np.isnan(metrics.average_precision([0, 0], [0.1, 0.2]))
    assert np.isnan(metrics.recall_at_fpr([0, 0], [0.1, 0.2], 0.5))


@pytest.mark.parametrize(
    ("y", "score"), [([1, 0], [0.5]), ([], []), ([1.0, np.nan], [0.1, 0.2]), ([1, 0], [np.nan, 0.2])]
)
def test_columns_that_cannot_be_judged_are_refused(y: list[float], score: list[float]) -> None:
    with pytest.raises(ShapeError):
        Ranking.of(y, score)


def test_probabilities_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        metrics.reliability([1, 0], [0.5])
