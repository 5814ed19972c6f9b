"""The served net: its numbers are those of the matrix products, each row alone, and its pushes add up."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.errors import BundleError, ShapeError
from adjudge.models.dense import Dense, Layers
from adjudge.models.inputs import LIMIT, Inputs
from adjudge.models.scorers import ModelScorer
from adjudge.models.served import check_invariance, load, save
from adjudge.typing import AnyArray, FloatArray

from .rows import Rows, draw

NAMES = tuple(f"f{i}" for i in range(8))


def drawn_layers(sizes: list[int], seed: int) -> Layers:
    random = np.random.default_rng(seed)
    pairs = itertools.pairwise(sizes)
    return Layers.of([(random.normal(size=(a, b)) * np.sqrt(2 / a), random.normal(size=b) * 0.3) for a, b in pairs])


def drawn_net(rows: Rows, hidden: tuple[int, ...] = (16, 12, 5), seed: int = 0) -> Dense:
    """Return a net with a table on every feature, one of them a category, and random numbers everywhere."""
    random = np.random.default_rng(seed)
    inputs = Inputs.fit(rows.X, NAMES, texts={"f3": 9}, bins=4, width=3)
    inputs = dataclasses.replace(inputs, table=random.normal(size=len(inputs.table)).astype(np.float32))
    seen = inputs.encode(rows.slots, rows.places)
    return Dense(inputs, drawn_layers([seen.shape[1], *hidden, 1], seed), seen.mean(axis=0))


def by_products(layers: Layers, inputs: AnyArray) -> FloatArray:
    """Compute the outputs with matrix products in double precision."""
    numbers, w, b = inputs.astype(np.float64), 0, 0
    for m, n in zip(layers.sizes[:-1], layers.sizes[1:], strict=True):
        numbers = numbers if w == 0 else np.maximum(numbers, 0.0)
        numbers = numbers @ layers.weights[w : w + m * n].reshape(m, n) + layers.biases[b : b + n]
        w, b = w + m * n, b + n
    return np.asarray(numbers)


@pytest.mark.parametrize("sizes", [[1, 1], [3, 2], [9, 7, 1], [60, 256, 128, 64, 1], [5, 33, 2, 6]])
def test_layers_compute_what_matrix_products_do(sizes: list[int]) -> None:
    layers = drawn_layers(sizes, seed=3)
    inputs = np.random.default_rng(4).normal(size=(50, sizes[0])).astype(np.float32)
    inputs[inputs < -1] = 0.0
    np.testing.assert_allclose(layers.outputs(inputs), by_products(layers, inputs), rtol=1e-4, atol=1e-5)


def test_a_net_is_the_same_in_any_batch_and_when_loaded(later: Rows, tmp_path: Path) -> None:
    scorer = ModelScorer(drawn_net(later), top=3)
    assert check_invariance(scorer, later.slots, later.places) > 0
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    before, after = scorer.score(later.slots, later.places), again.score(later.slots, later.places)
    for field in ("margin", "p", "top", "top_value"):
        assert np.array_equal(getattr(before, field), getattr(after, field))
    assert again.version == scorer.version


@settings(max_examples=40, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 20), min_size=0, max_size=4),
    seed=st.integers(0, 2**20),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_contributions_add_up_to_the_margin(hidden: list[int], seed: int, scale: float) -> None:
    rows = draw(60, seed=seed)
    rows.X[0], rows.X[1], rows.X[2] = np.nan, np.inf, -np.inf
    net = drawn_net(rows, tuple(hidden), seed)
    rows.X[:] *= scale
    every = net.contributions(rows.slots, rows.places)
    raw = net.raw(rows.slots, rows.places, 3)
    assert np.isfinite(every).all()
    np.testing.assert_allclose(every.sum(axis=1) + net.bias, raw.margin, rtol=1e-12, atol=1e-9)
    first = np.where(every.max(axis=1) > 0, every.argmax(axis=1), -1)
    assert np.array_equal(raw.top[:, 0], first)
    assert np.array_equal(raw.top_value[:, 0], np.maximum(every.max(axis=1), 0.0))


def test_a_net_without_hidden_layers_pushes_by_weight_times_distance(later: Rows) -> None:
    inputs = Inputs.fit(later.X, NAMES, texts={})
    weight = np.random.default_rng(0).normal(size=(len(inputs.owner), 1))
    usual = inputs.encode(later.slots, later.places).mean(axis=0)
    net = Dense(inputs, Layers.of([(weight, np.zeros(1))]), usual)
    away = (inputs.encode(later.slots, later.places) - usual) * weight[:, 0]
    expected = np.stack([away[:, inputs.owner == f].sum(axis=1) for f in range(8)], axis=1)
    np.testing.assert_allclose(net.contributions(later.slots, later.places), expected, atol=1e-5)


def test_what_a_net_never_reads_pushes_nothing(later: Rows) -> None:
    net = drawn_net(later)
    blind = net.layers.weights.copy()
    width = net.layers.sizes[1]
    for i in np.flatnonzero(net.inputs.owner == 5):
        blind[i * width : (i + 1) * width] = 0.0
    blind_net = dataclasses.replace(net, layers=dataclasses.replace(net.layers, weights=blind))
    every = blind_net.contributions(later.slots, later.places)
    largest = np.abs(every).argmax(axis=1)
    assert np.all(every[largest != 5, 5] == 0.0)
    assert np.any(every[:, 4] != 0.0)


def test_the_usual_row_has_the_bias_and_pushes_nothing() -> None:
    inputs = Inputs.fit(np.array([[0.0], [2.0], [4.0]]), ("a",), texts={})
    net = Dense(inputs, drawn_layers([1, 4, 1], seed=1), np.zeros(1, np.float32))
    middle = np.array([[2.0]])
    assert net.raw(middle, np.arange(1), 0).margin[0] == net.bias
    assert net.contributions(middle, np.arange(1)).tolist() == [[0.0]]


def test_a_matrix_of_another_shape_is_refused(later: Rows) -> None:
    with pytest.raises(ShapeError, match="reads 8 features"):
        drawn_net(later).raw(later.slots, np.arange(3), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": np.array([1])},
        {"sizes": np.array([2, 0])},
        {"sizes": np.array([2, 2])},
        {"sizes": np.array([2, 1 << 40])},
        {"weights": np.array([1.0, np.nan], np.float32)},
        {"biases": np.array([np.inf], np.float32)},
        {"biases": np.zeros(2, np.float32)},
    ],
)
def test_contradictory_layers_are_refused(change: dict[str, Any]) -> None:
    good = Layers(np.array([2, 1]), np.zeros(2, np.float32), np.zeros(1, np.float32))
    with pytest.raises(BundleError, match="contradict"):
        dataclasses.replace(good, **change)


@pytest.mark.parametrize("usual", [np.zeros(3, np.float32), np.full(1, np.nan, np.float32)])
def test_contradictory_parts_are_refused(usual: AnyArray) -> None:
    inputs = Inputs.fit(np.arange(4.0)[:, None], ("a",), texts={})
    with pytest.raises(BundleError, match="contradict"):
        Dense(inputs, drawn_layers([1, 1], seed=0), usual)


def test_a_net_with_two_outputs_is_no_score() -> None:
    inputs = Inputs.fit(np.arange(4.0)[:, None], ("a",), texts={})
    with pytest.raises(BundleError, match="contradict"):
        Dense(inputs, drawn_layers([1, 2], seed=0), np.zeros(1, np.float32))


def test_infinities_are_far_away_and_no_further() -> None:
    inputs = Inputs.fit(np.array([[0.0], [1.0], [np.inf]]), ("a",), texts={})
    seen = inputs.encode(np.array([[np.inf, -np.inf, 1e300, -1e300]]), np.arange(1))
    assert seen[:, 0].tolist() == [LIMIT, -LIMIT, LIMIT, -LIMIT]
