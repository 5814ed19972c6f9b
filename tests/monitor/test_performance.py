"""How well decisions do: the estimate holds the truth where scores are calibrated, and calibration shows where not."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.define import Costs
from adjudge.errors import InputError, ShapeError
from adjudge.monitor.business import business
from adjudge.monitor.days import DAY_US
from adjudge.monitor.levels import Objective, levels, overspent
from adjudge.monitor.performance import FIGURES, Decided, estimate, performance


def decided(seed: int = 0, *, honesty: float = 1.0, days: int = 12, known_days: int = 12) -> Decided:
    """Return decisions whose bad events come with `honesty` times the probability that was said."""
    rng = np.random.default_rng(seed)
    n = 2_000 * days
    p = rng.beta(0.3, 12.0, n)
    ts = np.sort(rng.integers(0, days * DAY_US, n))
    bad = (rng.random(n) < np.minimum(p * honesty, 1.0)).astype(np.float64)
    label = np.where(ts < known_days * DAY_US, bad, np.nan)
    return Decided(ts, p, p > 0.1, label, np.full(n, 50.0), p > 0.3)


def test_the_truth_lies_where_it_was_expected() -> None:
    """Nineteen of twenty times; 72 figures are looked at, three of each day."""
    found = [one for seed in (1, 2) for one in performance(decided(seed), rounds=60)]
    inside = [
        one.expected[name].low <= one.truth[name].value <= one.expected[name].high  # type: ignore[operator]
        for one in found
        for name in FIGURES
    ]
    assert len(inside) == 72
    assert sum(inside) >= 63
    z = [one.calibration_z for one in found]
    assert max(abs(value) for value in z if value is not None) < 3.5


def test_scores_that_say_too_little_show_in_calibration() -> None:
    found = performance(decided(honesty=2.0), rounds=10)
    assert min(one.calibration_z or 0.0 for one in found) > 3
    assert sum(one.bad_seen for one in found) > 1.7 * sum(one.bad_expected for one in found)


def test_the_truth_waits_for_labels() -> None:
    found = performance(decided(known_days=5), rounds=10)
    assert [bool(one.truth) for one in found] == [True] * 5 + [False] * 7
    assert found[-1].calibration_z is None
    assert found[-1].expected["recall"].value is not None


def test_an_estimate_of_nothing_is_nothing() -> None:
    found = estimate(np.zeros(5), np.zeros(5, np.bool_))
    assert [found[name].value for name in FIGURES] == [None, None, None]
    with pytest.raises(ShapeError, match="label has shape"):
        Decided(*(np.zeros(n) for n in (3, 3, 3, 2, 3, 3)))  # type: ignore[arg-type]


def test_money_by_labels_and_by_probabilities_agrees_where_these_are_calibrated() -> None:
    with_labels, without = decided(), decided(known_days=0)
    known = business(with_labels, Costs(), every_days=12)[0]
    guessed = business(without, Costs(), every_days=12)[0]
    assert (known.known, guessed.known) == (1.0, 0.0)
    assert guessed.loss == pytest.approx(known.loss, rel=0.2)
    assert guessed.prevented == pytest.approx(known.prevented, rel=0.2)
    assert guessed.cost_per_case == pytest.approx(known.cost_per_case, rel=0.2)
    assert known.reviews == int((with_labels.alert & ~with_labels.stopped).sum())
    assert known.review_hours == pytest.approx(known.reviews / 12)
    assert known.review_cost == 4.0 * known.reviews


def test_a_budget_is_spent_by_slow_answers_and_by_those_that_are_not_whole() -> None:
    ts = np.repeat(np.arange(4), 1000) * DAY_US
    latency = np.full(4000, 2.0)
    latency[1000:1004] = 90.0
    latency[5] = np.nan
    whole = np.ones(4000, np.bool_)
    whole[2000:2002] = False
    found = levels(ts, latency, whole, Objective(0.999, 50.0), budget_days=2)
    assert [round(one.good, 4) for one in found] == [1.0, 0.996, 0.998, 1.0]
    assert [round(one.burn, 2) for one in found] == [0.0, 4.0, 2.0, 0.0]
    assert [round(one.left, 2) for one in found] == [1.0, -1.0, -2.0, 0.0]
    assert found[0].p50_ms == 2.0
    assert overspent(found[:3])
    assert not overspent([])
    with pytest.raises(InputError, match="leaves no budget"):
        Objective(1.0)
