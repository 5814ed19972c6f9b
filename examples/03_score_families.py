"""Case study: four score families, each a calibrated model of its own, weighted into one score.

Velocity 0.25, behaviour 0.35, merchant 0.20, geography 0.20; above 0.70 a person looks, above 0.95 it is
blocked. The features are those of the payments system, whose groups are the families. Each decision says
what every family thought.

Run it: ``python examples/03_score_families.py``
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from adjudge.define import Policy, Rules, flatten
from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.learn.split import split_by_share
from adjudge.models.families import Families
from adjudge.models.trees import Trees
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import COUNTERPART, HABIT, SPEED, geography, payments
from adjudge.systems.payments.simulate import simulate

WEIGHTS = {"velocity": 0.25, "behaviour": 0.35, "merchant": 0.20, "geography": 0.20}

GROUPS = {group.name: flatten([group]) for group in (SPEED, HABIT, COUNTERPART, geography(800))}

SYSTEM = payments(
    policy=Policy(actions=("approve", "review", "block"), thresholds={"review": 0.70, "block": 0.95}),
    rules=Rules(),
)


def families(numbers: list[str]) -> Families:
    """Return the estimator: for each family its features, as far as they are numbers, and its weight."""
    groups = {family: [f.name for f in GROUPS[family] if f.name in numbers] for family in WEIGHTS}
    one = Trees(n_trees=100, depth=4, rate=0.1, calibration="platt", threads=1)
    return Families(groups, weights=WEIGHTS, estimator=one)


def main() -> None:
    """Train the families on the past of a made-up world, decide its last part, and print what they say."""
    world = of_world(simulate(30_000, days=90, fraud_share=0.05))
    plan = compile(SYSTEM)
    payments_, accounts = world.frames["payment"], world.frames["account"]
    table = backfill(plan, {"payment": payments_, "account": accounts}, world.labels).table

    split = split_by_share(int(table.ts[0]), int(table.ts[-1]) + 1, gap_us=7 * 86_400_000_000)
    parts = split.parts(table)
    later = parts.validation if parts.validation is not None else parts.train
    model = families([name for name in plan.names if name not in plan.categorical]).fit(
        parts.train.matrix(), parts.train.label, names=table.names, validation=(later.matrix(), later.label)
    )

    plan = compile(SYSTEM, scorer=model.served())
    now = pl.lit(split.test.start).cast(pl.Datetime("us", "UTC"))
    past, coming = payments_.filter(pl.col("at") < now), payments_.filter(pl.col("at") >= now)
    known = {name: frame.filter(pl.col("known_at") < now) for name, frame in world.labels.items()}
    history = backfill(plan, {"payment": past, "account": accounts.filter(pl.col("at") < now)}, known)
    batch = plan.encode_frame("payment", coming, history.next_seq + np.arange(coming.height))
    decisions = plan.step(history.state, batch)
    if decisions is None or decisions.scores is None or world.truth is None:
        return

    truth = coming.join(world.truth, on="payment_id", how="left", maintain_order="left")["fraud"].to_numpy()
    print(f"{len(decisions)} payments decided, {truth.sum()} of them fraud; mean scores:")
    for family, p in decisions.scores.families.items():
        fraud, honest = p[truth].mean(), p[~truth].mean()
        print(f"  {family:10} x {WEIGHTS[family]:.2f}   fraud {fraud:.3f}   honest {honest:.3f}")
    for action, count in Counter(decisions.action).most_common():
        caught = sum(y for y, taken in zip(truth, decisions.action, strict=True) if taken == action)
        print(f"  {action:8} {count:6}   fraud among them {caught:4}")
    worst = decisions[int(decisions.probability.argmax())]
    print(f"the riskiest, {worst.decision} at {worst.probability:.3f}:")
    print("  " + ", ".join(f"{family} {p:.3f}" for family, p in worst.families.items()))


if __name__ == "__main__":
    main()
