"""A model that was trained elsewhere, as TensorFlow exports one, as a layer of a stack: from data to decisions."""

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
from adjudge.engine import SECRET
from adjudge.engine.layers import RAN
from adjudge.learn.pipeline import run, with_bundle
from adjudge.learn.source import Source
from adjudge.models import FromOnnx, Of, Onnx, Stack, StackScorer, Trees
from adjudge.service.verify import verify
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment
from adjudge.systems.payments.simulate import simulate
from tests.models.test_onnx import FEATURES, keras_like

user, device = Payment.by("user"), Payment.by("device")

READ = (
    "amount",
    "amount_log",
    "user_count_1h",
    "user_count_1d",
    "user_amount_sum_7d",
    "user_amount_mean_30d",
    "device_count_1d",
    "device_count_7d",
)
"""The columns of the model from elsewhere, in its order."""


def system_of(path: Path) -> System:
    elsewhere = Of(FromOnnx(path), name="elsewhere", layer="deep", features=READ)
    return System(
        name="mixed",
        decides=Payment,
        label=Label("fraud", delay=days(7)),
        features=[
            user.count(hours(1), days(1)),
            user.sum("amount", days(7)),
            user.mean("amount", days(30)),
            device.count(days(1), days(7)),
            feature("amount_log", "log1p(amount)"),
        ],
        policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=10)),
        model=Stack(Trees(n_trees=20, depth=3, threads=1), elsewhere, folds=1, needed=(0.0, 1.0), sure=0.0),
        amount="amount",
        card="card",
    )


@pytest.fixture(scope="module")
def source() -> Source:
    world = of_world(simulate(9_000, seed=3, days=90, fraud_share=0.06))
    return Source({"payment": world.frames["payment"]}, {"fraud": world.labels["fraud"]})


@pytest.fixture(scope="module")
def bundle(source: Source, tmp_path_factory: pytest.TempPathFactory) -> tuple[System, Path]:
    """Return the system and its bundle; the file that came from elsewhere is gone by then."""
    assert len(READ) == FEATURES
    folder = tmp_path_factory.mktemp("mixed")
    system = system_of(keras_like(folder / "model.onnx"))
    made = run(system, source)
    scorer = made.trained.scorer
    assert isinstance(scorer, StackScorer)
    assert (scorer.layers, scorer.family_names) == (("fast", "deep"), ("trees", "elsewhere"))
    # weights that were never trained may get none: here both layers count alike
    weights = {1: (1.0, 0.0), 2: (0.0, 1.0), 3: (0.5, 0.5)}
    mixes = {there: replace(scorer.mixes[there], weights=np.array(each)) for there, each in weights.items()}
    both = StackScorer(scorer.members, mixes, needed=scorer.needed, categories=scorer.categories, top=scorer.top)
    replace(made, trained=replace(made.trained, scorer=both)).write(folder / "bundle", datetime(2026, 1, 2, tzinfo=UTC))
    (folder / "model.onnx").unlink()
    return system, folder / "bundle"


def test_it_decides_beside_trees_and_its_contributions_add_up(source: Source, bundle: tuple[System, Path]) -> None:
    system, path = bundle
    plan = with_bundle(lambda lists: system, path, SECRET)
    assert isinstance(plan.scorer, StackScorer)
    elsewhere = plan.scorer.members[1].model
    assert isinstance(elsewhere, Onnx)
    assert elsewhere.names == READ
    frame, state = source.frames["payment"].sort("at", maintain_order=True).head(3_000), plan.start()
    decisions = plan.step(state, plan.encode_frame("payment", frame, np.arange(frame.height)))
    assert decisions is not None
    assert (decisions.layers[1] == RAN).all()
    values, bias = plan.scorer.contributions_with(decisions.X, plan.scorer_rows, 3)
    margin = plan.scorer.score(decisions.X, plan.scorer_rows).margin
    np.testing.assert_allclose(values.sum(axis=1) + bias, margin, rtol=0, atol=1e-9)
    place = dict(zip(plan.scorer.names, plan.scorer_rows.tolist(), strict=True))
    deep = elsewhere.raw(decisions.X, np.array([place[name] for name in READ]), 0).margin
    assert deep.std() > 1e-3


def test_what_decides_needs_the_runtime_and_no_training_library(bundle: tuple[System, Path]) -> None:
    program = (
        "import sys; from pathlib import Path; import numpy as np; from adjudge.learn import bundle\n"
        f"found = bundle.read(Path({str(bundle[1])!r}), bytes.fromhex({SECRET.hex()!r}))\n"
        "n = len(found.scorer.names); found.scorer.score(np.ones((n, 3)), np.arange(n))\n"
        "assert 'onnxruntime' in sys.modules\n"
        "assert not {'torch', 'tensorflow', 'onnx', 'lightgbm', 'xgboost', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_every_entry_point_agrees(source: Source, bundle: tuple[System, Path]) -> None:
    system, path = bundle
    found = Found("mixed", lambda lists: system, lambda _: source, None)
    result = verify(found, source, events=800, bundle=path, restarts=1, http=False, told=lambda what, done, of: None)
    assert result.passed
    assert result.scores_compared > 0
