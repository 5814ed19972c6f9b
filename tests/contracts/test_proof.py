"""The contract on proof, rule 29: verify compares, counts, and catches a kernel that is broken on purpose."""

from __future__ import annotations

from adjudge.define import Label, System, days, hours
from adjudge.engine import compile
from adjudge.learn.source import Source
from adjudge.service.verify import script_of, verify_python
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment
from adjudge.systems.payments.simulate import simulate

user, merchant = Payment.by("user"), Payment.by("merchant")

SYSTEM = System(
    name="small",
    decides=Payment,
    label=Label("fraud", delay=days(7)),
    features=[
        user.count(hours(1), hours(24)),
        user.mean("amount", days(7)),
        user.std("amount", days(7)),
        merchant.rate("fraud", days(30), delay=days(1)),
    ],
    amount="amount",
)


def test_rule_29_the_proof_counts_what_it_compared_and_can_fail() -> None:
    world = of_world(simulate(1000, seed=5, days=14, fraud_share=0.1))
    source = Source({"payment": world.frames["payment"]}, {"fraud": world.labels["fraud"]})
    plan = compile(SYSTEM)
    _, points, caught = verify_python(plan, script_of(plan, source), told=lambda what, done, of: None)
    assert caught, "the kernel that was broken on purpose must not go unnoticed"
    assert len(points) >= 5
    for point in points:
        assert point.events == point.scores_compared == 1000
        assert point.features_compared == 1000 * len(plan.names)
        assert (point.features_differing, point.scores_differing) == (0, 0), point.name
