"""Venn-Abers: two isotonic regressions a row, looked up in two steps; valid, in order, and readable afterwards."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from adjudge.errors import BundleError
from adjudge.models.scorers import ModelScorer
from adjudge.models.served import load, save
from adjudge.models.trees import Trees
from adjudge.models.venn import VennAbers
from adjudge.typing import FloatArray

from .rows import Rows

PAIRS = st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=1, max_size=40)


def arrays(pairs: list[tuple[int, bool]]) -> tuple[FloatArray, FloatArray]:
    return np.array([float(m) for m, _ in pairs]), np.array([float(y) for _, y in pairs])


def simulated(n: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw margins of a model that is twice too sure of itself, with outcomes from the truth."""
    random = np.random.default_rng(seed)
    margin = random.normal(loc=-2.0, scale=3.0, size=n)
    return margin, (random.random(n) < 1 / (1 + np.exp(-0.5 * margin))).astype(np.float64)


@given(pairs=PAIRS, asked=st.integers(-45, 45))
def test_the_steps_are_two_isotonic_regressions_with_the_row_added(pairs: list[tuple[int, bool]], asked: int) -> None:
    """By the definition: fit once with the row as a negative, once as a positive. Halves ask between the margins."""
    margin, y = arrays(pairs)
    x = asked / 2
    low, high = VennAbers.fit(margin, y).interval(np.array([x]))
    for outcome, found in ((0.0, low), (1.0, high)):
        fitted = IsotonicRegression().fit(np.append(margin, x), np.append(y, outcome))
        assert found[0] == pytest.approx(float(fitted.predict([x])[0]), abs=1e-12)


@given(pairs=PAIRS, asked=st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=50))
def test_the_probability_lies_in_its_interval_and_all_three_rise(
    pairs: list[tuple[int, bool]], asked: list[float]
) -> None:
    calibrator = VennAbers.fit(*arrays(pairs))
    margin = np.sort(np.array(asked))
    low, high = calibrator.interval(margin)
    p = calibrator.apply(margin)
    assert np.all((low >= 0) & (low <= p) & (p <= high) & (high <= 1))
    for column in (low, high, p):
        assert np.all(np.diff(column) >= 0)


@pytest.mark.parametrize("calibration_rows", [300, 3000])
def test_what_happens_lies_between_the_two(calibration_rows: int) -> None:
    """Validity: over many calibrations the frequency of frauds lies between the mean p0 and the mean p1."""
    lows, highs, came, width = [], [], [], []
    for seed in range(40):
        calibrator = VennAbers.fit(*simulated(calibration_rows, seed))
        margin, y = simulated(1000, 10_000 + seed)
        low, high = calibrator.interval(margin)
        lows.append(low.mean())
        highs.append(high.mean())
        came.append(y.mean())
        width.append((high - low).mean())
    noise = 3 * np.std(came) / np.sqrt(len(came))
    assert np.mean(lows) - noise <= np.mean(came) <= np.mean(highs) + noise
    assert np.mean(width) < (0.1 if calibration_rows == 300 else 0.03)


def test_steps_that_do_not_move_are_not_kept() -> None:
    calibrator = VennAbers.fit(*simulated(20_000, 1))
    assert len(calibrator.low_at) < 1000
    assert len(calibrator.high_at) < 1000
    assert np.all(np.diff(calibrator.low_value) > 0)


def test_the_interval_is_read_from_the_scorer_and_survives_a_round_trip(
    train: Rows, later: Rows, tmp_path: Path
) -> None:
    trees = Trees("lightgbm", n_trees=20, depth=3, threads=1, calibration="venn_abers")
    scorer = trees.fit(train.X, train.y, validation=(later.X, later.y)).served()
    scores = scorer.score(later.slots, later.places)
    interval = scorer.interval(scores.margin)
    assert interval is not None
    assert np.all((interval[0] <= scores.p) & (scores.p <= interval[1]))
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    assert isinstance(again, ModelScorer)
    assert np.array_equal(again.score(later.slots, later.places).p, scores.p)
    read = again.interval(scores.margin)
    assert read is not None
    assert np.array_equal(read, interval)
    assert ModelScorer(scorer.model).interval(scores.margin) is None


@pytest.mark.parametrize(
    "change",
    [
        {"low_at": np.array([1.0, 0.0])},
        {"low_value": np.array([0.5, 0.2, 1.0])},
        {"high_value": np.array([0.5, 1.0, 1.5])},
        {"high_at": np.array([0.0, np.nan])},
        {"slope": 2.0},
    ],
)
def test_what_is_no_calibrator_is_refused(change: dict[str, Any]) -> None:
    at, value = np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0])
    with pytest.raises(BundleError, match="Venn-Abers"):
        dataclasses.replace(VennAbers(at, value, at, value), **change)
