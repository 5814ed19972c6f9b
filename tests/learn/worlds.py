"""A small world of payments and a system on it, for tests of what goes around a model."""

from __future__ import annotations

from functools import cache

from adjudge.define import Capacity, Costs, Label, Policy, Rules, System, days, feature, hours
from adjudge.engine import Plan, compile
from adjudge.learn.backfill import backfill
from adjudge.learn.source import Source
from adjudge.learn.table import Table
from adjudge.models.trees import Trees
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment
from adjudge.systems.payments.simulate import World, simulate

user, device, merchant = Payment.by("user"), Payment.by("device"), Payment.by("merchant")

SMALL = System(
    name="small",
    decides=Payment,
    label=Label("fraud", delay=days(7)),
    features=[
        user.count(hours(1), hours(24)),
        user.mean("amount", days(30)),
        user.since_last(),
        Payment.by("user", "device").is_new(),
        device.rate("fraud", days(30)),
        merchant.count(days(30), of="fraud"),
        feature("amount_ratio", "amount / user_amount_mean_30d"),
        feature("merchant_bad", "merchant_fraud_count_30d > 2"),
    ],
    rules=Rules.load("""
    version: 1
    rules:
    - {id: too_fast, when: user_count_1h > 5, action: review, confidence: 0.9}
    """),
    policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=10), soft_rules="advise"),
    model=Trees(n_trees=30, depth=4, threads=1),
    amount="amount",
    card="card",
    leave_out=["rate"],
)
"""Few features, of which some read the label."""


@cache
def world() -> World:
    """Return the world, the same for every test."""
    return simulate(8_000, seed=3, days=60, fraud_share=0.05)


@cache
def source() -> Source:
    """Return its payments and what became known about them; streams that the system does not read are left out."""
    full = of_world(world())
    return Source({"payment": full.frames["payment"]}, {"fraud": full.labels["fraud"]}, {}, full.truth)


@cache
def plan() -> Plan:
    """Return the compiled system."""
    return compile(SMALL)


@cache
def table() -> Table:
    """Return what each payment saw."""
    made = source()
    return backfill(plan(), made.frames, made.labels).table
