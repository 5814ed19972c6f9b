"""A system whose stack has a graph layer, from data to decisions: keys and time come from the table and from events."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adjudge.define import Capacity, Costs, Label, Policy, System, days, feature, hours
from adjudge.discover import Found
from adjudge.engine import SECRET, compile
from adjudge.engine.layers import RAN
from adjudge.errors import DefinitionError
from adjudge.learn.pipeline import Run, run, with_bundle
from adjudge.learn.source import Source
from adjudge.learn.train import probabilities
from adjudge.learn.unseen import SEEN
from adjudge.models import Of, Sage, Stack, StackScorer, Trees
from adjudge.models.graph import Fanout
from adjudge.models.graph.events import UNLABELLED
from adjudge.models.graph.refresh import graphs_of
from adjudge.service.card import Card
from adjudge.service.verify import verify
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment
from adjudge.systems.payments.simulate import declining, simulate

user, device = Payment.by("user"), Payment.by("device")

SAGE = Sage(
    entities=("user", "device", "address"),
    refresh_hours=6,
    fanout=Fanout(8, 4),
    sizes=(8, 6, 8),
    dropout=0.0,
    epochs=8,
    batch=128,
    learning_rate=0.02,
    top=3,
)

STACK = Stack(
    Of(Trees(n_trees=20, depth=3, threads=1), features=("amount", "user_count_1h", "method")),
    Of(SAGE, features=("amount_log", "method")),
    folds=2,
    needed=(0.0, 1.0),
)


@pytest.fixture(scope="module")
def source() -> Source:
    world = of_world(simulate(9_000, seed=3, days=90, fraud_share=0.06, patterns={"device_farm": 1, "quiet": 2}))
    return Source({"payment": world.frames["payment"]}, {"fraud": world.labels["fraud"]})


def system_of(model: object) -> System:
    return System(
        name="graphed",
        decides=Payment,
        label=Label("fraud", delay=days(7)),
        features=[user.count(hours(1), hours(24)), feature("amount_log", "log1p(amount)")],
        policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=10)),
        model=model,
        amount="amount",
        card="card",
    )


@pytest.fixture(scope="module")
def made(source: Source) -> Run:
    """Return what was trained; both layers count alike, for so small a world gives either any weight."""
    made = run(system_of(STACK), source)
    trees = made.trained.scorer
    assert isinstance(trees, StackScorer)
    weights = {1: (1.0, 0.0), 2: (0.0, 1.0), 3: (0.5, 0.5)}
    mixes = {there: replace(trees.mixes[there], weights=np.array(each)) for there, each in weights.items()}
    scorer = StackScorer(trees.members, mixes, needed=trees.needed, categories=trees.categories, top=trees.top)
    return replace(made, trained=replace(made.trained, scorer=scorer))


@pytest.fixture(scope="module")
def bundle(made: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphed") / "bundle"
    made.write(path, datetime(2026, 1, 2, tzinfo=UTC))
    return path


def test_the_table_has_keys_and_time_behind_what_every_model_reads(made: Run, source: Source) -> None:
    plan, table = made.plan, made.table
    assert plan.asked == ("user", "device", "address", "at")
    assert table.names == (*plan.names, *plan.asked)
    assert not set(plan.asked) & set(plan.names)
    assert np.array_equal(table.column("at"), table.ts.astype(np.float64))
    device_hash = table.column("device").view(np.uint64)
    missing = source.frames["payment"].sort("at", maintain_order=True)["device"].is_null().to_numpy()
    assert missing.any()
    assert np.array_equal(device_hash == 0, missing)


def test_members_read_what_they_should(made: Run) -> None:
    """Trees never see a key or a time; the net sees its numbers, its keys, and the time."""
    scorer = made.trained.scorer
    assert isinstance(scorer, StackScorer)
    assert scorer.layers == ("fast", "graph")
    trees, sage = (member.model.names for member in scorer.members)
    assert trees == ("amount", "user_count_1h", "method")
    assert sage == ("amount_log", "method", "user", "device", "address", "at")


def test_the_graph_holds_every_event_with_labels_from_when_they_were_known(made: Run) -> None:
    (model,) = graphs_of(made.trained.scorer)
    table, graph = made.table, model.graph
    assert len(graph.ts) == len(table)
    assert (graph.ids != 0).all()
    reported = table.label == 1
    assert np.array_equal(graph.label == 1, reported)
    assert np.array_equal(graph.known_at[reported], table.known_at[reported])
    assert (graph.known_at[~reported] >= graph.ts[~reported] + 7 * 86_400_000_000).all()
    assert model.table.as_of == int(table.ts[-1]) + 1
    assert len(model.table.hashes) == graph.nodes


def test_what_was_declined_is_looked_back_on_and_nobodys_silence_clears_it() -> None:
    """A service's graph has what it stopped as well, without a label unless somebody told: so has that of training."""
    patterns = {"device_farm": 1.0, "quiet": 2.0}
    world = of_world(declining(simulate(9_000, seed=3, days=90, fraud_share=0.06, patterns=patterns), 0.2, seed=1))
    source = Source({"payment": world.frames["payment"]}, {"fraud": world.labels["fraud"]}, approvals=world.approvals)
    quick = Of(Sage(**{**SAGE.get_params(), "epochs": 1}), features=("amount_log", "method"))
    made = run(system_of(Stack(STACK.members[0], quick, folds=1)), source)
    (model,) = graphs_of(made.trained.scorer)
    declined = made.table.extra[SEEN] == 0
    assert declined.sum() > 20
    assert np.array_equal(model.graph.ts, made.table.ts)
    assert np.array_equal(model.graph.label == UNLABELLED, declined)
    assert not np.isin(made.table.ids[declined], made.trained.parts.train.ids).any()


def test_what_a_bundle_decides_is_what_its_table_says(made: Run, source: Source, bundle: Path) -> None:
    plan = with_bundle(lambda lists: system_of(STACK), bundle, SECRET)
    assert isinstance(plan.scorer, StackScorer)
    frame, state = source.frames["payment"].sort("at", maintain_order=True), plan.start()
    decisions = plan.step(state, plan.encode_frame("payment", frame, np.arange(frame.height)))
    assert decisions is not None
    assert decisions.probability.tobytes() == probabilities(made.trained.scorer, made.table).tobytes()
    assert (decisions.layers[1] == RAN).any()
    values, bias = plan.scorer.contributions_with(decisions.X, plan.scorer_rows, 3)
    every = StackScorer(plan.scorer.members, plan.scorer.mixes, categories=plan.scorer.categories)
    margin = every.score(decisions.X, plan.scorer_rows).margin
    np.testing.assert_allclose(values.sum(axis=1) + bias, margin, rtol=0, atol=1e-9)


def test_keys_are_recorded_and_never_told_as_numbers(bundle: Path) -> None:
    plan = with_bundle(lambda lists: system_of(STACK), bundle, SECRET)
    card = Card.of(plan)
    assert {"user", "device", "address", "at"} <= set(card.names) & set(card.hidden)
    told = card.named(np.zeros(len(card.names)))
    assert not {"user", "device", "address", "at"} & told.keys()


def test_a_net_alone_is_a_model(source: Source) -> None:
    made = run(system_of(replace_sage(epochs=1)), source)
    assert made.trained.scorer.names[-4:] == ("user", "device", "address", "at")
    assert made.trained.baseline is not None
    assert not {"user", "at"} & set(made.trained.baseline.names)


def replace_sage(**settings: object) -> Sage:
    return Sage(**(SAGE.get_params() | settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"entities": ("user", "devise")}, "model: entities: 'payment' has no field 'devise'; did you mean 'device'"),
        ({"entities": ("user", "method")}, "model: entities: 'method' is a category, and only keys"),
        ({"entities": ("user", "user")}, "model: entities: name each key once"),
        ({"time": "when"}, "model: time: the time of 'payment' is 'at', not 'when'"),
        ({"refresh_hours": -1}, "model: refresh_hours"),
    ],
)
def test_wrong_settings_are_named_when_the_system_is_compiled(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        compile(system_of(Stack(Trees(), replace_sage(**settings))))


def test_what_decides_needs_no_torch(bundle: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from adjudge.learn import bundle\n"
        f"found = bundle.read(Path({str(bundle)!r}), bytes.fromhex({SECRET.hex()!r}))\n"
        "assert found.scorer.layers == ('fast', 'graph'), found.scorer.layers\n"
        "assert not {'torch', 'lightgbm', 'xgboost', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_every_entry_point_agrees(source: Source, bundle: Path) -> None:
    found = Found("graphed", lambda lists: system_of(STACK), lambda path: source, None)
    result = verify(
        found, source, events=1_500, bundle=bundle, restarts=1, http=False, told=lambda what, done, of: None
    )
    assert result.passed
    assert result.scores_compared > 0
