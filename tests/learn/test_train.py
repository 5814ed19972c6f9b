"""Training on a system that has nothing to do with payments: what is fitted, drawn, set and judged."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest

from adjudge.define import Capacity, Costs, Policy
from adjudge.engine import Plan, compile
from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn import train as learn
from adjudge.learn.evaluate import DAY_US, Settings
from adjudge.learn.split import Split, split_by_share
from adjudge.learn.table import NEVER, Table
from adjudge.learn.train import Trained
from adjudge.models.trees import Trees
from tests.engine.machines import MACHINES

DAYS = 60
CAPACITY = Policy(
    actions=("run", "watch", "service"), review=("watch",), capacity=Capacity(alerts_per_day=5), costs=Costs()
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile(replace(MACHINES, policy=CAPACITY))


@pytest.fixture(scope="module")
def table(plan: Plan) -> Table:
    """Return machines of which hot, old ones of model beta fail more often; failures are known after a day."""
    random = np.random.default_rng(0)
    n, names = 6000, plan.names
    X = random.normal(size=(len(names), n))
    beta = random.random(n) < 0.3
    secret = plan.stream(plan.decides).encoder.secret
    for name in plan.categorical:
        texts = np.where(beta, "beta", "alpha").tolist()
        X[names.index(name)] = hash_texts(secret, TEXT_TAG, texts).view(np.float64)
    number = [i for i, name in enumerate(names) if name not in plan.categorical]
    risk = 2 * X[number[0]] + X[number[1]] + 1.5 * beta + random.normal(size=n)
    label = (risk > 4.2).astype(np.float64)
    ts = np.sort(random.integers(0, DAYS * DAY_US, n))
    return Table(
        names=names,
        X=X,
        ts=ts,
        label=label,
        known_at=np.where(label == 1, ts + DAY_US, NEVER),
        amount=random.uniform(10, 100, n),
        entity=random.integers(0, 300, n),
        extra={
            "rules": np.where(X[number[0]] > 1, 2, 0),
            "rules_beside_model": np.where(X[number[0]] > 3, 2, 0),
        },
    )


@pytest.fixture(scope="module")
def split() -> Split:
    return split_by_share(0, DAYS * DAY_US, gap_us=2 * DAY_US)


@pytest.fixture(scope="module")
def trained(plan: Plan, table: Table, split: Split) -> Trained:
    words = {name: ["alpha", "beta"] for name in plan.categorical}
    return learn.train(plan, table, split, vocabulary=words, estimator=Trees(n_trees=60, depth=3, threads=1))


def test_it_learns_what_is_there(trained: Trained, plan: Plan) -> None:
    assert (trained.metrics["validation_auc"] or 0.0) > 0.85
    assert trained.baseline is not None
    assert set(trained.scorer.names) == set(plan.names)
    assert set(trained.baseline.names) == set(plan.names)
    assert "labelled events" in trained.facts["Training part"]
    assert trained.facts["Left out for labels"].startswith("2 days")


def test_texts_without_vocabulary_are_left_out(plan: Plan, table: Table, split: Split) -> None:
    found = learn.train(plan, table, split, estimator=Trees(n_trees=5, depth=2, threads=1))
    assert set(found.scorer.names) == set(plan.names) - plan.categorical


def test_the_queue_is_filled_to_the_capacity_and_no_further(trained: Trained, plan: Plan) -> None:
    part = trained.parts.validation
    assert part is not None
    p = learn.probabilities(trained.scorer, part)
    days = float(part.ts.max() - part.ts.min() + 1) / DAY_US
    queue = learn.alerts(plan.policy, part, p, trained.thresholds).sum() / days
    assert 3 <= queue <= 5
    assert trained.thresholds["watch"] <= trained.thresholds["service"] <= 1.0


def test_the_queue_can_be_a_share_of_what_rules_raise(plan: Plan, table: Table, split: Split) -> None:
    found = learn.train(plan, table, split, estimator=Trees(n_trees=5, depth=2, threads=1), queue_share=0.25)
    part = found.parts.validation
    assert part is not None
    queue = learn.alerts(plan.policy, part, learn.probabilities(found.scorer, part), found.thresholds).sum()
    rules = (part.extra["rules"] > 0).sum()
    assert 0.15 * rules < queue <= 0.25 * rules


def test_judged_beside_rules_and_baseline(trained: Trained, plan: Plan) -> None:
    found = learn.judge(plan, trained, settings=Settings(rounds=10))
    assert [ranker.name for ranker in found.rankers] == ["rules", "logistic regression", "model"]
    model, rules = found.ranker("model").figures["auc"], found.ranker("rules").figures["auc"]
    assert model.value is not None
    assert rules.value is not None
    assert model.value > rules.value
    assert found.line("queue").rules == pytest.approx((trained.parts.test.extra["rules"] > 0).sum() / found.days)


def test_no_label_from_the_future_is_trained_on(plan: Plan, table: Table, split: Split) -> None:
    """Labels that come to be known after training began cannot change the model."""
    late = np.where(table.ts < split.trained_at, np.maximum(table.known_at, split.trained_at + 1), table.known_at)
    unknown = replace(table, known_at=late)
    with pytest.raises(ShapeError, match="training part has 0 positives"):
        learn.train(plan, unknown, split)


def test_importance_adds_up_and_finds_the_cause(trained: Trained, plan: Plan) -> None:
    found = learn.importance(trained.scorer, trained.parts.test)
    assert sum(share for _, share in found) == pytest.approx(1.0)
    number = [name for name in plan.names if name not in plan.categorical]
    assert found[0][0] == number[0]
    X, rows = learn.sample(trained.scorer, trained.parts.test, events=50)
    assert X.shape == (len(rows), 50)


def test_scores_do_not_depend_on_the_chunk(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learn.probabilities(trained.scorer, trained.parts.test)
    monkeypatch.setattr(learn, "CHUNK", 7)
    assert learn.probabilities(trained.scorer, trained.parts.test).tobytes() == whole.tobytes()


def test_drawing_keeps_positives_and_the_total_weight(table: Table) -> None:
    kept, weight = learn.thin(table, 1000, seed=3)
    assert len(kept) == 1000
    assert kept.label.sum() == table.label.sum()
    assert weight[kept.label == 0].sum() == pytest.approx((table.label == 0).sum())
    assert (np.diff(kept.ts) >= 0).all()
    everything, ones = learn.thin(table, 10_000, seed=3)
    assert everything is table
    assert set(ones.tolist()) == {1.0}


def of_policy(**settings: object) -> Policy:
    """Return a policy of three actions."""
    return Policy(actions=("run", "review", "service"), **settings)  # type: ignore[arg-type]


def verdicts() -> tuple[Table, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Ten events of one day, one of them bad, with probabilities that say so."""
    p = np.array([0.95, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0])
    y = (p > 0.9).astype(np.float64)
    ts = np.linspace(0, DAY_US - 1, 10).astype(np.int64)
    empty = np.zeros(10, dtype=np.int64)
    table = Table((), np.zeros((0, 10)), ts, y, ts, np.full(10, 100.0), empty, extra={"rules_beside_model": empty})
    return table, p


def test_thresholds_from_costs_without_a_capacity() -> None:
    table, p = verdicts()
    found = learn.thresholds_for(of_policy(costs=Costs(review=4, review_catches=0.9)), table, p)
    assert 0.6 < found["review"] < 0.95
    assert found["service"] == found["review"]
    two = Policy(actions=("run", "service"), review=())
    assert set(learn.thresholds_for(two, table, p)) == {"service"}


def test_final_rules_take_their_share_of_the_capacity() -> None:
    table, p = verdicts()
    policy = of_policy(capacity=Capacity(alerts_per_day=3))
    assert (p > learn.thresholds_for(policy, table, p)["review"]).sum() == 3
    busy = replace(table, extra={"rules_beside_model": np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])})
    cut = learn.thresholds_for(policy, busy, p)
    assert (p > cut["review"]).sum() == 1
    assert learn.alerts(policy, busy, p, cut).sum() == 3


def test_policies_that_decide_themselves_need_no_thresholds() -> None:
    table, p = verdicts()
    bands = of_policy(bands={"run": 30, "review": 70, "service": 100})
    assert learn.thresholds_for(bands, table, p) == {}
    assert learn.alerts(bands, table, p, {}).tolist() == (p > 0.304).tolist()
    fixed = of_policy(thresholds={"review": 0.25})
    assert learn.thresholds_for(fixed, table, p) == {}
    assert learn.alerts(fixed, table, p, {}).sum() == 4
    by_cost = of_policy(by_cost=True, costs=Costs(review=4, insult=5, review_catches=0.9))
    assert learn.thresholds_for(by_cost, table, p) == {}
    # looking costs 4 + p * 10, passing p * 100: above 4/90 somebody looks
    assert learn.alerts(by_cost, table, p, {}).tolist() == (p > 4 / 90).tolist()
    with pytest.raises(DefinitionError, match="neither bands nor thresholds"):
        learn.alerts(of_policy(), table, p, {})


def test_what_cannot_be_trained_is_refused(plan: Plan, table: Table, split: Split) -> None:
    with pytest.raises(DefinitionError, match="validation part"):
        learn.train(plan, table, Split(train=split.train, test=split.test, gap_us=split.gap_us))
    with pytest.raises(DefinitionError, match="needs a label"):
        learn.train(compile(replace(MACHINES, label=None)), table, split)


def test_the_vocabulary_is_what_the_tables_hold(plan: Plan) -> None:
    frames = {"machine": pl.DataFrame({"model": ["beta", None, "alpha", "beta"]})}
    found = learn.vocabulary_of(plan, frames)
    assert set(found) == set(plan.categorical)
    assert all(words == ["alpha", "beta"] for words in found.values())


@pytest.mark.parametrize("ceiling", [0.002, 0.02, 0.1])
def test_a_ceiling_on_false_positives_holds_with_what_rules_alert_on(table: Table, ceiling: float) -> None:
    policy = replace(CAPACITY, capacity=Capacity(alerts_per_day=1000), false_positives=ceiling)
    p = np.clip(0.7 * table.label + 0.6 * np.random.default_rng(1).random(len(table)), 0, 1)
    without_rules = replace(table, extra={**table.extra, learn.BESIDE: np.where(table.label == 1, 2, 0)})
    found = learn.thresholds_for(policy, without_rules, p)
    alerts = learn.alerts(replace(policy, thresholds=found), without_rules, p, {})
    share = float(alerts[table.label == 0].mean())
    assert 0.8 * ceiling - 1 / 1000 < share <= ceiling
    loose = learn.thresholds_for(replace(policy, false_positives=None), without_rules, p)
    assert loose["watch"] < found["watch"]


def test_a_ceiling_that_rules_alone_pass_leaves_nothing_to_the_model(table: Table) -> None:
    policy = replace(CAPACITY, false_positives=1e-6)
    found = learn.thresholds_for(policy, table, np.linspace(0, 0.9, len(table)))
    assert found == {"watch": 1.0, "service": 1.0}


@pytest.mark.parametrize("actions", [("run", "service"), ("run", "review", "service")])
def test_where_no_alert_is_worth_its_cost_the_threshold_is_a_number_that_nothing_is_above(
    actions: tuple[str, ...],
) -> None:
    """A bundle holds it, and an evaluation counts no alert."""
    table, p = verdicts()
    policy = Policy(actions=actions, compare="loss", costs=Costs(fraud_share=0))
    found = learn.thresholds_for(policy, table, p)
    assert set(found) == set(actions[1:])
    assert msgspec.json.decode(msgspec.json.encode(found), type=dict[str, float]) == found
    assert not learn.alerts(policy, table, p, found).any()


def test_where_rules_alert_on_everything_nothing_of_the_capacity_is_left() -> None:
    table, p = verdicts()
    busy = replace(table, extra={"rules_beside_model": np.ones(10, dtype=np.int64)})
    assert learn.thresholds_for(of_policy(capacity=Capacity(3)), busy, p)["review"] == 1.0
