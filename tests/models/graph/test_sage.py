"""GraphSAGE learns what only the graph tells, and is served as it was trained, row by row, known entity or new."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.learn.ranking import Ranking
from adjudge.models import Logistic, ModelScorer, Sage, check_equal_to_trained, check_invariance, load, save
from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.served import SageModel
from adjudge.models.graph.table import Embeddings, embeddings
from adjudge.typing import FloatArray

from .worlds import DAY_US, NAMES, World, sage, world

PLACES = np.arange(len(NAMES))


class Trained(NamedTuple):
    """A net, the model it is served as, and rows that came after its training."""

    net: Sage
    model: SageModel
    later: World

    @property
    def slots(self) -> FloatArray:
        return np.ascontiguousarray(self.later.X.T)


def whole_graph(rows: World) -> EventGraph:
    """Return the graph of all rows, labels known a week later."""
    keys = np.ascontiguousarray(rows.X[:, 2:4].T).view(np.uint64)
    ts = rows.X[:, 4].astype(np.int64)
    labels = (rows.y, ts + 7 * DAY_US)
    return EventGraph.build(("user", "device"), keys, ts, x=rows.X[:, :2], names=("amount", "hour"), labels=labels)


@pytest.fixture(scope="module")
def trained() -> Trained:
    everything = world()
    early, later = everything.before(24), everything.since(24)
    validation = (early.since(16).X, early.since(16).y)
    net = sage(graph=whole_graph(everything)).fit(*early.before(16), validation=validation, names=NAMES)
    assert isinstance(net.model_, SageModel)
    return Trained(net, net.model_, later)


def test_it_finds_what_numbers_alone_cannot(trained: Trained) -> None:
    early = world().before(24)
    plain = Logistic().fit(early.X[:, :2], early.y)
    graph = Ranking.of(trained.later.y, trained.net.decision_function(trained.later.X)).curve().average_precision()
    flat = Ranking.of(trained.later.y, plain.decision_function(trained.later.X[:, :2])).curve().average_precision()
    assert graph > flat + 0.3


def test_served_is_what_torch_computes(trained: Trained) -> None:
    """Torch adds single floats, the kernel doubles: margins agree to a ten-thousandth."""
    from adjudge.models.estimator import Task
    from adjudge.models.graph.net import margins

    net, model = trained.net, trained.model
    task = Task(trained.later.X, trained.later.y, None)
    targets = net._targets(model.graph, task, (model.layers.mean, model.layers.scale))
    early = world().before(16)
    by_torch = margins(net.net_, model.graph, model.fanout, targets) + net._shift(Task(early.X, early.y, None))
    assert check_equal_to_trained(ModelScorer(model), trained.slots, PLACES, by_torch, tolerance=1e-4) < 1e-4


def test_training_again_gives_the_same_model(trained: Trained) -> None:
    early = world().before(10)
    first, second = (sage(epochs=2).fit(*early, names=NAMES).served().version for _ in range(2))
    assert first == second
    assert sage(epochs=2, seed=1).fit(*early, names=NAMES).served().version != first


def test_training_leaves_torch_as_it_was() -> None:
    """Whoever trains beside it goes on drawing what was to come, on as many threads as before."""
    import torch

    early = world().before(6)
    before = torch.get_num_threads()
    torch.manual_seed(5)
    torch.set_num_threads(before + 1)
    wanted = torch.get_rng_state()
    try:
        sage(epochs=1).fit(*early, names=NAMES)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.get_rng_state(), wanted)


@pytest.mark.parametrize(
    "settings",
    [{"sizes": (8, 0, 8)}, {"epochs": 0}, {"batch": 0}, {"negatives": 0}, {"dropout": 1.0}, {"learning_rate": 0.0}],
)
def test_settings_that_train_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match="a graph net needs"):
        sage(**settings).fit(*world().before(6), names=NAMES)


@pytest.mark.parametrize("with_table", [False, True])
def test_no_row_depends_on_its_neighbours(trained: Trained, with_table: bool) -> None:
    model = trained.model.rescheduled(24 * DAY_US) if with_table else trained.model
    assert check_invariance(ModelScorer(model), trained.slots, PLACES) == 7 * len(trained.later.y)


@pytest.mark.parametrize("with_table", [False, True])
def test_contributions_add_up_to_the_margin(trained: Trained, with_table: bool) -> None:
    model = trained.model.rescheduled(24 * DAY_US) if with_table else trained.model
    raw, every = model.raw(trained.slots, PLACES, 2), model.contributions(trained.slots, PLACES)
    np.testing.assert_allclose(model.bias + every.sum(axis=1), raw.margin, rtol=0, atol=1e-9)
    assert (every[:, -1] == 0).all()
    best = every.argmax(axis=1)
    assert (raw.top[:, 0] == np.where(every.max(axis=1) > 0, best, -1)).all()


def test_a_table_gives_what_is_computed_at_its_moment(trained: Trained) -> None:
    """Events at the very moment of the table read from it what they would have computed."""
    moment = 30 * DAY_US
    X = trained.slots.copy()
    X[4] = moment
    fresh, table = trained.model, trained.model.rescheduled(moment)
    assert table.raw(X, PLACES, 0).margin.tobytes() == fresh.raw(X, PLACES, 0).margin.tobytes()
    assert table.sizes(X, PLACES).sum() < fresh.sizes(X, PLACES).sum()


def test_an_event_before_the_table_does_not_read_it(trained: Trained) -> None:
    table = trained.model.rescheduled(41 * DAY_US)
    computed = trained.model.raw(trained.slots, PLACES, 0).margin
    assert table.raw(trained.slots, PLACES, 0).margin.tobytes() == computed.tobytes()


def test_an_entity_new_since_the_table_is_computed_from_its_surroundings(trained: Trained) -> None:
    """A ring that began after the table: nobody in it has a vector, and the fallback finds it all the same."""
    moment = 24 * DAY_US
    table = trained.model.rescheduled(moment)
    keys = np.ascontiguousarray(trained.later.X[:, 2:4].T).view(np.uint64)
    new = ~np.isin(keys, table.table.hashes) & (keys != 0)
    rows = np.flatnonzero(new.any(axis=0))
    margin = table.raw(trained.slots, PLACES, 0).margin
    fraud = trained.later.y[rows] == 1
    assert fraud.sum() > 30
    assert np.median(margin[rows][fraud]) > np.quantile(margin[trained.later.y == 0], 0.95)
    assert (table.sizes(trained.slots, PLACES)[rows, 1] <= table.fanout.cap).all()


def test_an_entity_that_nobody_has_seen_has_the_vector_of_one_without_a_past(trained: Trained) -> None:
    X = np.repeat(trained.slots[:, :1], 2, axis=1)
    X[3] = np.array([4711, 4712], dtype=np.uint64).view(np.float64)
    first, second = trained.model.raw(X, PLACES, 0).margin
    assert first == second
    assert np.isfinite(first)


def test_vectors_of_some_are_those_of_all(trained: Trained) -> None:
    model, moment = trained.model, 30 * DAY_US
    every, sizes = embeddings(model.layers, model.graph, model.fanout, moment)
    keys = np.array([[model.graph.hashes[3]], [0]], dtype=np.uint64)
    some, _ = embeddings(model.layers, model.graph, model.fanout, moment, keys=keys)
    assert some.hashes.tolist() == [model.graph.hashes[3]]
    assert some.vectors[0].tobytes() == every.vectors[every.hashes.searchsorted(some.hashes[0], sorter=None)].tobytes()
    assert len(sizes) == len(every.hashes)
    assert np.allclose(np.linalg.norm(every.vectors, axis=1)[every.vectors.any(axis=1)], 1.0)


def test_it_survives_saving_and_a_table_of_other_layers_is_refused(trained: Trained, tmp_path: Path) -> None:
    scorer = ModelScorer(trained.model.rescheduled(30 * DAY_US))
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    assert again.version == scorer.version
    assert again.score(trained.slots, PLACES).margin.tobytes() == scorer.score(trained.slots, PLACES).margin.tobytes()
    table = trained.model.table
    other = Embeddings(table.as_of, table.start, table.hashes, table.vectors, "other")
    with pytest.raises(BundleError, match="made with other layers"):
        SageModel(trained.model.layers, trained.model.graph, "at", trained.model.fanout, other)
    assert table.version != other.version


def test_labels_that_come_after_training_change_nothing_before(trained: Trained) -> None:
    """Turning every label of a later week round changes no margin of the week before."""
    graph, edge = trained.model.graph, 32 * DAY_US
    turned = np.where(graph.known_at > edge, np.int8(1) - np.abs(graph.label), graph.label)
    arrays = graph.arrays() | {"label": turned.astype(np.float64)}
    model = SageModel(
        trained.model.layers,
        EventGraph.from_arrays(graph.meta(), arrays),
        "at",
        trained.model.fanout,
        trained.model.table,
    )
    ours, theirs = (m.raw(trained.slots, PLACES, 0).margin for m in (trained.model, model))
    before = trained.later.X[:, 4] <= edge
    assert ours[before].tobytes() == theirs[before].tobytes()
    assert (ours != theirs).any()


def test_rows_that_do_not_fit_are_refused() -> None:
    early = world().before(10)
    with pytest.raises(DefinitionError, match="have no 'card'"):
        sage(entities=("user", "card")).fit(*early, names=NAMES)
    with pytest.raises(DefinitionError, match="numbers first"):
        sage(entities=("device", "user")).fit(*early, names=NAMES)
    with pytest.raises(ShapeError, match="not one of these rows"):
        sage(graph=EventGraph.build(("user",), np.ones((1, 1), np.uint64), np.zeros(1, np.int64))).fit(
            *early, names=NAMES
        )
    with pytest.raises(ShapeError, match="in order of time"):
        sage().fit(early.X[::-1], early.y[::-1], names=NAMES)
