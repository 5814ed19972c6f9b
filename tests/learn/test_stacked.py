"""A system whose model is a stack, from data to decisions: tables, bundle and service see the same probabilities."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adjudge.define import Capacity, Costs, Label, Policy, Rules, System, days, feature, hours
from adjudge.discover import Found
from adjudge.engine import SECRET
from adjudge.engine.layers import NOT_NEEDED, RAN
from adjudge.learn.pipeline import Run, run, with_bundle
from adjudge.learn.source import Source
from adjudge.learn.train import SETTLED, probabilities
from adjudge.models.logistic import Logistic
from adjudge.models.stack import Stack
from adjudge.models.stacked import StackScorer
from adjudge.models.trees import Trees
from adjudge.service.verify import verify
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment
from adjudge.systems.payments.simulate import simulate

user, device = Payment.by("user"), Payment.by("device")

RULES = """
version: 1
rules:
- {id: too_fast, when: user_count_1h > 3, action: block, confidence: 0.9}
- {id: tiny, when: amount < 5, action: approve, final: true}
"""


@pytest.fixture(scope="module")
def source() -> Source:
    world = of_world(simulate(5_000, seed=3, days=60, fraud_share=0.06))
    return Source({"payment": world.frames["payment"]}, {"fraud": world.labels["fraud"]})


@pytest.fixture(scope="module")
def system() -> System:
    return System(
        name="stacked",
        decides=Payment,
        label=Label("fraud", delay=days(7)),
        features=[
            user.count(hours(1), hours(24)),
            user.mean("amount", days(30)),
            device.rate("fraud", days(30)),
            feature("amount_ratio", "amount / user_amount_mean_30d"),
        ],
        rules=Rules.load(RULES),
        policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=10)),
        model=Stack(
            Trees(n_trees=30, depth=3, threads=1),
            Logistic(bins=8),
            layers={"logistic": "deep"},
            folds=2,
            needed=0.1,
            sure=0.0,
        ),
        amount="amount",
        card="card",
    )


@pytest.fixture(scope="module")
def made(system: System, source: Source) -> Run:
    return run(system, source)


def test_a_bundled_stack_decides_with_what_its_table_says(
    made: Run, system: System, source: Source, tmp_path: Path
) -> None:
    made.write(tmp_path / "bundle", datetime(2026, 1, 2, tzinfo=UTC))
    plan = with_bundle(lambda lists: system, tmp_path / "bundle", SECRET)
    assert isinstance(plan.scorer, StackScorer)
    frame, state = source.frames["payment"].sort("at", maintain_order=True).head(2_000), plan.start()
    batch = plan.encode_frame("payment", frame, np.arange(frame.height))
    decisions = plan.step(state, batch)  # without labels, so what counts those is as of nobody knowing any
    assert decisions is not None
    scores = plan.scorer.score(decisions.X, plan.scorer_rows, plan.combine.settled(decisions.X))
    assert decisions.probability.tobytes() == scores.p.tobytes()
    assert set(decisions.layers[1].tolist()) == {RAN, NOT_NEEDED}


def test_rules_that_settle_stand_in_the_table_and_spare_the_later_layer(made: Run) -> None:
    scorer, test = made.trained.scorer, made.trained.parts.test
    settled = test.extra[SETTLED]
    assert 0 < settled.sum() < len(settled)
    part = test.features(scorer.names)
    assert isinstance(scorer, StackScorer)
    X, rows = np.ascontiguousarray(part.X), np.arange(len(scorer.names))
    one = scorer.score(X, rows, settled)
    assert np.isnan(one.families["logistic"][settled]).all()
    assert probabilities(scorer, test).tobytes() == one.p.tobytes()
    assert not np.array_equal(one.p, scorer.score(X, rows).p)


@pytest.mark.slow
def test_every_entry_point_agrees(made: Run, system: System, source: Source, tmp_path: Path) -> None:
    """The whole script, tables included, with the stack on."""
    made.write(tmp_path / "bundle", datetime(2026, 1, 2, tzinfo=UTC))
    found = Found("stacked", lambda lists: system, lambda path: source, None)
    result = verify(
        found,
        source,
        events=1_500,
        bundle=tmp_path / "bundle",
        restarts=1,
        http=False,
        told=lambda what, done, of: None,
    )
    assert result.passed
    assert result.scores_compared > 0
