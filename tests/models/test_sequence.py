"""The served sequence model: torch's numbers, short histories, one row at a time, and contributions that add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import nn

from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.models import recurrent
from adjudge.models.raw import Model
from adjudge.models.scorers import ModelScorer, model_from
from adjudge.models.sequence import CELLS, SequenceModel, find_steps, positions
from adjudge.models.sequence_torch import Net, Scaling
from adjudge.models.served import check_invariance, load, save
from adjudge.typing import FloatArray

STEPS, DEPTH, HIDDEN = 5, 2, 6
NAMES = (
    "amount",
    *(f"card_amount_last_5_{k}" for k in range(1, 6)),
    "age",
    *(f"card_since_last_s_5_{k}" for k in range(1, 6)),
    "ratio",
)
TIGHT = 2e-6
"""How far apart single and double precision are over nets of this size."""


def histories(n: int, seed: int = 0) -> FloatArray:
    """Draw rows (n, 13) with histories of 0 to 5 events, the first of them empty, and gaps beside the steps."""
    random = np.random.default_rng(seed)
    X = random.lognormal(2.0, 1.5, size=(n, len(NAMES)))
    length = random.integers(0, STEPS + 1, n)
    length[:2] = 0, STEPS
    for k in range(STEPS):
        X[length <= k, 1 + k] = np.nan
        X[length <= k, 7 + k] = np.nan
    X[random.random(n) < 0.2, 3] = np.nan  # a step that lacks one of its values
    X[random.random(n) < 0.3, 6] = np.nan
    X[2:4, 12] = np.inf, -1e300
    return X


def made(cell: Any, seed: int = 1) -> tuple[Net, Scaling, SequenceModel]:
    """Return a net with drawn weights, how it reads rows, and its served form."""
    X = histories(500)
    scaling = Scaling.of(X[4:], *positions(NAMES, find_steps(NAMES)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Net(cell, (STEPS, DEPTH, scaling.width), hidden=HIDDEN, head=9, dropout=0.5)
        nn.init.normal_(net.age)
        nn.init.normal_(net.margin.bias)
    return net, scaling, SequenceModel(NAMES, net.weights(scaling))


@pytest.fixture(scope="module", params=CELLS)
def model(request: pytest.FixtureRequest) -> SequenceModel:
    return made(request.param)[2]


def margins(model: Model, X: FloatArray) -> FloatArray:
    return model.raw(np.ascontiguousarray(X.T), np.arange(X.shape[1]), 0).margin


@pytest.mark.parametrize("cell", CELLS)
def test_margins_are_those_of_torch(cell: str) -> None:
    """Of the module in training: histories of every length, steps that lack a value, infinities."""
    net, scaling, model = made(cell)
    X = histories(800, seed=3)
    expected = net.margins(scaling.inputs(X))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(margins(model, X), expected, rtol=0, atol=TIGHT)


@pytest.mark.parametrize(("cell", "layer"), [("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_cells_are_those_of_torchs_own_layers(cell: Any, layer: Any) -> None:
    """On whole histories, where nothing is masked, the state is that of torch's layer with the same weights."""
    net, scaling, _ = made(cell)
    inputs = scaling.inputs(whole())
    theirs = layer(DEPTH, HIDDEN, batch_first=True)
    mine = net.lstm if cell == "lstm" else net.gru
    assert mine is not None
    theirs.load_state_dict({f"{name}_l0": value for name, value in mine.state_dict().items()})
    with torch.no_grad():
        torch.testing.assert_close(net.pooled(inputs), theirs(inputs.steps)[0][:, -1], rtol=0, atol=1e-6)


def test_attention_is_a_softmax_of_scaled_products() -> None:
    """Written out in numpy for one row: only the steps that are there take part, their ages add to the scores."""
    _, scaling, model = made("attention")
    X = histories(60)
    w = model.weights
    inputs = scaling.inputs(X)
    for row in range(4, 60):
        steps, there, beside = (part[row].numpy().astype(np.float64) for part in inputs)
        both = steps @ w.from_step + w.bias
        query = beside @ w.from_state + w.bias_state
        weight = np.exp(both[:, :HIDDEN] @ query / np.sqrt(HIDDEN) + w.age) * there
        pooled = weight @ np.maximum(both[:, HIDDEN:], 0.0) / max(weight.sum(), 1e-300)
        layer = np.maximum(beside @ w.from_beside + pooled @ w.from_pooled + w.bias_head, 0.0)
        expected = layer @ w.to_margin + w.bias_margin
        assert margins(model, X[row : row + 1])[0] == pytest.approx(expected, abs=TIGHT)


def whole() -> FloatArray:
    """Return rows whose histories are full and have no gaps."""
    X = histories(400)
    return X[~np.isnan(X[:, [*range(1, 6), *range(7, 12)]]).any(axis=1)]


def test_sigmoids_and_tangents_are_those_of_the_library() -> None:
    """Plain arithmetic instead of calls, for all that a gate may be given; far out both are at their ends."""
    x = np.concatenate([np.linspace(-60.0, 60.0, 20_001), [0.0, 1e-12, -1e-300, 1e300, -np.inf, np.inf]])
    near = np.abs(x) <= 40.0
    np.testing.assert_allclose([recurrent.grown(one) for one in x[near]], np.expm1(x[near]), rtol=5e-9)
    sigmoid, tangent = x.copy(), x.copy()
    recurrent.sigmoids(sigmoid)
    recurrent.tangents(tangent)
    np.testing.assert_allclose(sigmoid, expit(x), rtol=0, atol=2e-13)
    np.testing.assert_allclose(tangent, np.tanh(x), rtol=2e-13, atol=0)


@pytest.mark.parametrize("n", [4, 60])
def test_margins_with_contributions_are_those_without(model: SequenceModel, n: int) -> None:
    X = np.ascontiguousarray(histories(n, seed=5).T)
    margin, every = model.explained(X, np.arange(len(NAMES)))
    assert margin.tobytes() == model.raw(X, np.arange(len(NAMES)), 0).margin.tobytes()
    assert every.tobytes() == model.contributions(X, np.arange(len(NAMES))).tobytes()


def test_a_short_history_is_read_for_as_long_as_it_is(model: SequenceModel) -> None:
    """What lies before the first event does not count: the same as a model with fewer steps."""
    X = whole()
    X[:, [4, 5, 10, 11]] = np.nan
    kept = [k for k, name in enumerate(NAMES) if name not in {NAMES[i] for i in (4, 5, 10, 11)}]
    places = np.searchsorted(kept, model.weights.steps[2:])
    beside = np.searchsorted(kept, model.weights.beside)
    w = model.weights
    fewer = w._replace(steps=places, beside=beside, centre=w.centre[kept], spread=w.spread[kept], age=w.age[2:])
    short = SequenceModel(tuple(NAMES[k] for k in kept), fewer)
    assert np.array_equal(margins(short, X[:, kept]), margins(model, X))
    X[:, 1:4] = X[:, 7:10] = np.nan
    again = X.copy()
    again[:, 1:4] = 1.0
    assert np.isfinite(margins(model, X)).all()
    assert not np.array_equal(margins(model, X), margins(model, again)), "a step with one of its values is one"


def test_contributions_add_up_to_the_margin(model: SequenceModel) -> None:
    X = histories(300, seed=5)
    slots, rows = np.ascontiguousarray(X.T), np.arange(len(NAMES))
    every = model.contributions(slots, rows)
    raw = model.raw(slots, rows, 3)
    np.testing.assert_allclose(every.sum(axis=1) + model.bias, raw.margin, rtol=0, atol=1e-12)
    assert np.array_equal(raw.margin, margins(model, X)), "asking why does not change what is answered"
    assert np.array_equal(raw.top[:, 0], np.where(every.max(axis=1) > 0, every.argmax(axis=1), -1))
    assert np.array_equal(raw.top_value[:, 0], np.maximum(every.max(axis=1), 0.0))
    steps = [i for i, name in enumerate(NAMES) if "last" in name]
    assert (every[:, steps][np.isnan(X[:, steps])] == 0.0).all(), "what is not there pushes nothing"
    assert np.abs(every[:, steps]).max() > 0.01


def test_a_push_is_how_far_the_margin_moves_when_a_value_is_read(model: SequenceModel) -> None:
    """The newest step's push is the margin with it less the margin of the same history without it."""
    X = whole()
    less = X.copy()
    less[:, [1, 7]] = np.nan
    every = model.contributions(np.ascontiguousarray(X.T), np.arange(len(NAMES)))
    np.testing.assert_allclose(every[:, [1, 7]].sum(axis=1), margins(model, X) - margins(model, less), atol=1e-12)


def test_rows_do_not_depend_on_their_neighbours(model: SequenceModel) -> None:
    X = np.ascontiguousarray(histories(1000, seed=7).T)
    assert check_invariance(ModelScorer(model, top=4), X, np.arange(len(NAMES))) == 7000


def test_features_are_found_where_they_are(model: SequenceModel) -> None:
    X = histories(50)
    random = np.random.default_rng(0)
    rows = random.permutation(40)[: len(NAMES)]
    slots = np.full((40, 50), np.nan)
    slots[rows] = X.T
    assert np.array_equal(model.raw(slots, rows, 0).margin, margins(model, X))
    with pytest.raises(ShapeError, match="reads 13 features"):
        model.raw(slots, rows[:-1], 0)


def test_saved_and_loaded_models_agree_in_bits(model: SequenceModel, tmp_path: Path) -> None:
    scorer = ModelScorer(model)
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    X = np.ascontiguousarray(histories(100).T)
    assert again.version == scorer.version
    for name in ("margin", "top", "top_value"):
        one, other = (getattr(s.score(X, np.arange(len(NAMES))), name) for s in (scorer, again))
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": np.zeros((STEPS, DEPTH), np.int64)},
        {"beside": np.array([0, 6, 99])},
        {"flags": np.array([-1, 7, -1])},
        {"spread": np.zeros(len(NAMES))},
        {"centre": np.full(len(NAMES), np.nan)},
        {"from_step": np.zeros((DEPTH, 1))},
        {"from_state": np.zeros((1, 1))},
        {"from_pooled": np.zeros((HIDDEN + 1, 9))},
        {"bias": np.zeros(1)},
        {"to_margin": np.full(9, np.inf)},
        {"age": np.zeros(STEPS + 1)},
        {"bias_margin": np.nan},
        {"cell": 7},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_contradict_each_other_are_refused(model: SequenceModel, change: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="not the arrays of a sequence model"):
        SequenceModel(NAMES, model.weights._replace(**change))


def test_saved_arrays_of_another_kind_are_refused(model: SequenceModel) -> None:
    assert isinstance(model_from(model.meta(), model.arrays()), SequenceModel)
    with pytest.raises(BundleError, match="no cell 'tape'"):
        model_from(model.meta() | {"cell": "tape"}, model.arrays())
    with pytest.raises(BundleError, match="no array 'bias'"):
        model_from(model.meta(), {name: array for name, array in model.arrays().items() if name != "bias"})


def test_steps_are_found_by_their_names() -> None:
    found = find_steps(NAMES)
    assert found[0] == ("card_amount_last_5_5", "card_since_last_s_5_5")
    assert found[-1] == ("card_amount_last_5_1", "card_since_last_s_5_1")
    assert find_steps(NAMES, ["card_since_last_s_5"])[-1] == ("card_since_last_s_5_1",)
    inside, beside = positions(NAMES, found)
    assert inside.tolist() == [[5, 11], [4, 10], [3, 9], [2, 8], [1, 7]]
    assert beside.tolist() == [0, 6, 12]


@pytest.mark.parametrize(
    ("names", "stems", "said"),
    [
        (["amount"], None, "there are none"),
        (NAMES, ["card_amount_last"], "did you mean"),
        (NAMES[:-2], ["card_since_last_s_5"], "no features are numbered"),
        ([*NAMES, "x_2_1", "x_2_2"], None, r"of one length: .*x_2 \(2\)"),
    ],
)
def test_steps_that_cannot_be_are_refused(names: list[str], stems: list[str] | None, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        find_steps(names, stems)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((), "at least one step"),
        ((("amount",), ("age", "ratio")), "as many features"),
        ((("amuont",),), "did you mean 'amount'"),
        ((("amount",), ("amount",)), "one step, and once"),
    ],
)
def test_steps_that_name_no_features_are_refused(steps: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        positions(NAMES, steps)


def test_room_is_enough_for_every_cell(model: SequenceModel) -> None:
    """The kernels do not look at bounds: what they work in has the sizes that the weights say."""
    w, room = model.weights, recurrent.room(model.weights)
    assert room.gates.shape == room.carried.shape == w.bias.shape
    assert room.state.shape == room.trial.shape == (2 * HIDDEN + 2,)
    assert room.head.shape == room.layer.shape == w.bias_head.shape
    assert room.value.shape == room.known.shape == room.pushes.shape == w.centre.shape
