"""Case study: risk bands. 0 to 30 approve, 31 to 70 verify, 71 to 85 step up, 86 to 100 block and review.

The risk score is the calibrated probability times 100, a whole number. Every blocked payment also
becomes a case that a person looks at. The model is the plain logistic regression that stands beside
every booster.

Run it: ``python examples/04_risk_bands.py``
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from adjudge.define import Policy, Rules
from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.learn.split import split_by_share
from adjudge.models.logistic import Logistic
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import payments
from adjudge.systems.payments.simulate import simulate

POLICY = Policy(
    actions=("approve", "verify", "step_up", "block"),
    bands={"approve": 30, "verify": 70, "step_up": 85, "block": 100},
    review=("block",),
)

INPUTS = [
    *("amount_log", "amount_zscore", "amount_ratio", "hour", "user_count_1h", "user_count_1d"),
    *("minutes_since_last", "user_device_is_new", "user_merchant_is_new", "device_user_distinct_30d"),
    *(
        "device_fraud_rate_30d",
        "merchant_fraud_rate_30d",
        "user_place_speed_kmh",
        "home_km",
        "account_age_days",
    ),
]

SYSTEM = payments(policy=POLICY, rules=Rules())


def main() -> None:
    """Train on the past of a made-up world, decide its last part, and print what came into each band."""
    world = of_world(simulate(30_000, days=90, fraud_share=0.05))
    streams = {name: world.frames[name] for name in ("payment", "account")}
    table = backfill(compile(SYSTEM), streams, world.labels).table.features(tuple(INPUTS))

    split = split_by_share(int(table.ts[0]), int(table.ts[-1]) + 1, gap_us=7 * 86_400_000_000)
    parts = split.parts(table)
    later = parts.validation if parts.validation is not None else parts.train
    model = Logistic().fit(
        parts.train.matrix(), parts.train.label, names=table.names, validation=(later.matrix(), later.label)
    )

    plan = compile(SYSTEM, scorer=model.served())
    now = pl.lit(split.test.start).cast(pl.Datetime("us", "UTC"))
    past = {name: frame.filter(pl.col("at") < now) for name, frame in streams.items()}
    known = {name: frame.filter(pl.col("known_at") < now) for name, frame in world.labels.items()}
    history = backfill(plan, past, known)
    coming = streams["payment"].filter(pl.col("at") >= now)
    batch = plan.encode_frame("payment", coming, history.next_seq + np.arange(coming.height))
    decisions = plan.step(history.state, batch)
    if decisions is None or world.truth is None:
        return

    truth = coming.join(world.truth, on="payment_id", how="left", maintain_order="left")["fraud"].to_list()
    taken, fraud = (
        Counter(decisions.action),
        Counter(a for a, y in zip(decisions.action, truth, strict=True) if y),
    )
    low = 0
    for action, high in POLICY.bands.items():
        case = "and a case for review" if action in POLICY.review else ""
        print(f"{low:3} to {high:3}  {action:8} {taken[action]:6} payments, {fraud[action]:4} fraud  {case}")
        low = high + 1
    worst = int(decisions.probability.argmax())
    print(f"the riskiest, score {decisions.score[worst]}, {decisions.action[worst]}:")
    print(*decisions.render(worst), sep="\n")


if __name__ == "__main__":
    main()
